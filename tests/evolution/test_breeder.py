import random

import numpy as np
import pytest

from kasauti.evolution import breeder
from kasauti.evolution.breeder import TRIES, Breeder, Children, vocabulary_of
from kasauti.evolution.cohort import Cohort, names
from kasauti.evolution.fitness import FIGURES
from kasauti.evolution.selection import Living
from kasauti.genome import Side
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars
from tests.evolution.small import bars


def make(seed: int = 1, tried: set[str] | None = None, immigrants: float = 0.1) -> Breeder:
    rng = np.random.Generator(np.random.PCG64(seed))
    return Breeder(rng, Vocabulary(), immigrants, 0.5, tried or set())


def grown(children: Children) -> Living:
    """Return the children as parents of the next generation, all alike in fitness."""
    count = len(children)
    none = np.zeros((count, len(FIGURES)))
    cohort = Cohort(
        children.population, names(children.hashes), np.zeros(count, np.int64), none, none[:, :3]
    )
    return Living(cohort, np.zeros(count, np.int64), np.zeros(count), np.zeros(0, np.int64))


def test_children_are_new_and_know_their_parents() -> None:
    nursery = make()
    parents = nursery.breed(Living.nobody(), 30)
    assert set(parents.operators) == {"random"}
    children = nursery.breed(grown(parents), 301)
    assert len(children) == len(children.population) == 301
    assert len({*parents.hashes, *children.hashes}) == 331
    assert nursery.tried >= {*parents.hashes, *children.hashes}
    expected = {"random": 0, "mutation": 1, "crossover": 2}
    for i, name in enumerate(children.hashes):
        assert name == children.population[i].hash
        assert len(children.parents[i]) == expected[children.operators[i]]
        assert set(children.parents[i]) <= set(parents.hashes)
    assert set(children.operators) == set(expected)


def test_the_dead_are_not_bred_again() -> None:
    first = make().breed(Living.nobody(), 20).hashes
    dead = set(first[::2])
    again = make(tried=set(dead)).breed(Living.nobody(), 20).hashes
    assert len(again) == 20
    assert not dead & set(again)
    assert set(first[1::2]) <= set(again)


def test_the_same_seed_breeds_the_same_whatever_others_draw() -> None:
    random.seed(3)
    first = make(9).breed(Living.nobody(), 10)
    random.seed(4)
    assert make(9).breed(Living.nobody(), 10).hashes == first.hashes
    assert make(8).breed(Living.nobody(), 10).hashes != first.hashes


def test_breeding_ends_when_nothing_new_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    only = random_population(np.random.default_rng(1), 3, Vocabulary())
    asked: list[int] = []

    def drawn(rng: np.random.Generator, count: int, vocabulary: Vocabulary) -> Population:
        asked.append(count)
        return only.take(np.arange(count) % 3)

    monkeypatch.setattr(breeder, "random_population", drawn)
    nursery = make()
    found = nursery.breed(Living.nobody(), 10)
    assert [genome.hash for genome in found.population] == [genome.hash for genome in only]
    assert asked == [10, *[7] * 2 * TRIES], "the number of tries is bounded"


def with_series(volume: float, **series: float) -> Bars:
    price = np.full((1, 3), 10.0)
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    values = {name: np.full(3, value) for name, value in series.items()}
    flat = np.full((1, 3), volume)
    return Bars("nse", ("AAA",), times, price, price, price, price, flat, series=values)


@pytest.mark.parametrize(
    ("panel", "series"),
    [
        pytest.param(with_series(5.0), {"volume"}, id="volume"),
        pytest.param(with_series(np.nan), set(), id="no volume"),
        pytest.param(with_series(0.0), set(), id="an index without volume"),
        pytest.param(
            with_series(0.0, vix=np.nan, index=9.0), {"index"}, id="a series without data"
        ),
        pytest.param(with_series(0.0, vix=9.0, index=9.0), {"index", "vix"}, id="both"),
    ],
)
def test_only_series_with_values_are_bred(panel: Bars, series: set[str]) -> None:
    found = vocabulary_of(panel, (Side.LONG,))
    assert set(found.series) - {"open", "high", "low", "close"} == series
    assert found.sides == (Side.LONG,)


def test_the_small_market_has_volume() -> None:
    assert "volume" in vocabulary_of(bars(10), (Side.LONG,)).series
