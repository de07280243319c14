import random
from collections.abc import Iterator

import numpy as np
import pytest

from kasauti.evolution import breeder
from kasauti.evolution.breeder import TRIES, Breeder, fitter, vocabulary_of
from kasauti.genome import Genome, Side
from kasauti.genome.breeding import Vocabulary, random_genome
from kasauti.market.bars import Bars
from tests.evolution.small import bars
from tests.evolution.test_selection import one


def make(seed: int = 1, tried: set[str] | None = None, immigrants: float = 0.1) -> Breeder:
    return Breeder(random.Random(seed), Vocabulary(), immigrants, 0.5, tried or set())


def test_children_are_new_and_know_their_parents() -> None:
    nursery = make()
    parents = nursery.breed((), 30, 0)
    assert {parent.operator for parent in parents} == {"random"}
    for parent in parents:
        parent.fitness.values = (0.0, 0.0, 0.0)
        parent.fitness.crowding_dist = 0.0
    children = nursery.breed(parents, 101, 1)
    assert len({one.hash for one in (*parents, *children)}) == 131
    assert nursery.tried == {one.hash for one in (*parents, *children)}
    names = {parent.hash for parent in parents}
    expected = {"random": {0}, "mutation": {1}, "crossover": {2}}
    for child in children:
        assert child.hash == child.genome.hash
        assert child.generation == 1
        assert len(child.parents) in expected[child.operator]
        assert set(child.parents) <= names
    assert {child.operator for child in children} == set(expected)


def test_the_dead_are_not_bred_again() -> None:
    first = make().breed((), 20, 0)
    dead = {one.hash for one in first[::2]}
    again = make(tried=set(dead)).breed((), 20, 0)
    assert len(again) == 20
    assert not dead & {one.hash for one in again}


def test_the_same_seed_breeds_the_same_whatever_others_draw() -> None:
    random.seed(3)
    first = make(9).breed((), 10, 0)
    random.seed(4)
    assert [one.hash for one in make(9).breed((), 10, 0)] == [one.hash for one in first]


def test_breeding_ends_when_nothing_new_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    only: list[Genome] = [random_genome(random.Random(i)) for i in range(3)]
    drawn: Iterator[Genome] = iter(only + [only[0]] * 500)
    monkeypatch.setattr(breeder, "random_genome", lambda rng, vocabulary: next(drawn))
    assert [one.genome for one in make().breed((), 10, 0)] == only
    used = 503 - len(list(drawn))
    assert used == 3 + 2 * TRIES, "the number of tries is bounded"


def test_the_tournament_prefers_who_dominates_then_the_lonelier() -> None:
    strong, weak = one("s", sharpe=2.0), one("w", sharpe=1.0)
    for individual, crowding in ((strong, 0.0), (weak, 9.0)):
        individual.fitness.crowding_dist = crowding
    rng = random.Random(0)
    wins = [fitter(rng, [strong, weak]).hash for _ in range(400)]
    assert 250 < wins.count("s") < 350, "three in four: only weak against weak elects the weak"
    lonely, crowded = one("l", sharpe=1.0, consistency=2.0), one("c", sharpe=2.0, consistency=1.0)
    lonely.fitness.crowding_dist, crowded.fitness.crowding_dist = 2.0, 1.0
    wins = [fitter(rng, [lonely, crowded]).hash for _ in range(400)]
    assert 250 < wins.count("l") < 350


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
