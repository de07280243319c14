"""The t that decides: of the neighbourhood, beyond the index."""

from dataclasses import replace

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Floats
from kasauti.market.charges import NO_CHARGES
from kasauti.validation.plateau import (
    NEIGHBOURS,
    excess_t,
    index_returns,
    neighbourhood,
    plateau_t,
)
from kasauti.validation.statistics import alpha_over_index, t_statistic
from kasauti.validation.tuning import dials
from tests.validation.rules import REVERSAL
from tests.validation.synthetic import make_bars, plant_edge

FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)
GENES = {**REVERSAL, "entry": "roc(close, 1) < -0.5 and close > sma(close, 50)"}


def genome(**genes: object) -> Genome:
    return genome_from_genes({**GENES, **genes})


def numbers(of: Genome) -> dict[str, float]:
    return {dial.name: dial.current for dial in dials(of)}


def test_every_number_of_a_neighbour_is_at_most_one_step_away() -> None:
    own = genome()
    around = neighbourhood(own)
    assert len(around) == NEIGHBOURS
    for neighbour in around:
        for dial in dials(own):
            at = dial.values.index(dial.current)
            allowed = dial.values[max(0, at - 1) : at + 2]
            assert numbers(neighbour)[dial.name] in allowed


def test_every_number_is_turned_by_some_neighbour() -> None:
    own = numbers(genome())
    turned = [numbers(neighbour) for neighbour in neighbourhood(genome())]
    assert own and all(any(one[name] != value for one in turned) for name, value in own.items())


def test_the_neighbourhood_belongs_to_the_genome() -> None:
    assert neighbourhood(genome()) == neighbourhood(genome())
    assert neighbourhood(genome()) != neighbourhood(genome(max_bars=10))


def test_neighbours_whose_windows_would_cross_are_not_traded() -> None:
    narrow = genome(entry="macd(close, 12, 15, 9) > 0")
    for neighbour in neighbourhood(narrow):
        fast, slow = (numbers(neighbour)[f"entry.{k}"] for k in (1, 2))
        assert fast < slow


def test_a_genome_without_numbers_is_its_own_neighbourhood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every genome has a stop or a limit today; the rule must hold where none can be turned."""
    monkeypatch.setattr("kasauti.validation.plateau.dials", lambda _: ())
    assert neighbourhood(genome()) == (genome(),)


def test_plateau_is_the_mean_of_the_neighbours() -> None:
    tester = Backtester(plant_edge(1500), account=FREE)
    returns = np.mean([tester.returns(one) for one in neighbourhood(genome())], axis=0)
    expected = alpha_over_index(returns, index_returns(tester.bars)).t
    assert plateau_t(tester, genome()) == expected > 3.0


def test_what_only_holds_the_index_has_no_t_of_its_own() -> None:
    rng = np.random.default_rng(1)
    index = rng.normal(0.002, 0.01, 2_000)
    half = 0.5 * index
    noisy = half + rng.normal(0.0, 0.002, 2_000)
    assert t_statistic(noisy) > 6.0
    assert abs(excess_t(noisy, index)) < 2.0
    assert excess_t(noisy + 0.0002, index) > 3.0


@pytest.mark.parametrize(
    ("returns", "index", "t"),
    [
        pytest.param(np.zeros(50), np.arange(50.0), 0.0, id="never traded"),
        pytest.param(np.arange(50.0), np.zeros(50), t_statistic(np.arange(50.0)), id="no index"),
    ],
)
def test_where_nothing_moves(returns: Floats, index: Floats, t: float) -> None:
    assert excess_t(returns, index) == t


def test_index_returns_carry_over_missing_closes() -> None:
    bars = make_bars(sessions=6)
    levels = np.array([np.nan, 100.0, 110.0, np.nan, 121.0, 121.0])
    with_index = replace(bars, series={**bars.series, "index": levels})
    assert index_returns(with_index) == pytest.approx([0.0, 0.0, 0.1, 0.0, 0.1, 0.0])


def test_without_an_index_the_only_symbol_is_the_market() -> None:
    bars = make_bars(sessions=100)
    bare = replace(bars, series={})
    close = bars.close[0]
    assert index_returns(bare)[1:] == pytest.approx(close[1:] / close[:-1] - 1.0)
