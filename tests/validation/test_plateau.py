"""The t that decides: of the neighbourhood, beyond the index."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Floats
from kasauti.market.charges import NO_CHARGES
from kasauti.validation.plateau import (
    NEIGHBOURS,
    OUTLIER,
    calm_weights,
    excess_t,
    index_returns,
    neighbourhood,
    plateau_t,
)
from kasauti.validation.statistics import alpha_over_index, t_statistic
from kasauti.validation.statistics.ewma import DECAY, ewma_deviation
from kasauti.validation.tuning import dials
from tests.validation.rules import REVERSAL
from tests.validation.synthetic import make_bars, plant_edge

FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)
LAW = settings(max_examples=50, deadline=None, derandomize=True)
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
    expected = excess_t(returns, index_returns(tester.bars))
    assert plateau_t(tester, genome()) == expected > 3.0


def test_what_only_holds_the_index_has_no_t_of_its_own() -> None:
    rng = np.random.default_rng(1)
    index = rng.normal(0.002, 0.01, 2_000)
    half = 0.5 * index
    noisy = half + rng.normal(0.0, 0.002, 2_000)
    assert t_statistic(noisy) > 6.0
    assert abs(excess_t(noisy, index)) < 2.0
    assert excess_t(noisy + 0.0002, index) > 3.0


def test_wild_years_do_not_drown_what_calm_ones_show() -> None:
    rng = np.random.default_rng(2)
    deviation = np.repeat([0.005, 0.04, 0.005], 700)
    index, own = deviation * rng.normal(size=(2, 2_100))
    returns = 0.0006 + 0.3 * own
    assert excess_t(returns, index) > 1.2 * alpha_over_index(returns, index).t > 3.0


def test_one_crash_survived_by_chance_is_no_edge() -> None:
    """Short on the one bar that fell 20 %: under equal weights that bar alone makes the t."""
    index = np.random.default_rng(3).normal(0.0, 0.01, 1_000)
    index[600] = -0.20
    held = np.random.default_rng(4).choice([-1.0, 1.0], 1_000)
    held[600] = -1.0
    returns = held * index
    assert excess_t(returns, index) < 0.7 * alpha_over_index(returns, index).t


@given(seed=hs.integers(0, 1000), scale=hs.floats(1e-3, 1e3))
@LAW
def test_weights_know_no_units_and_trust_no_bar_more_for_its_own_size(
    seed: int, scale: float
) -> None:
    index = np.random.default_rng(seed).standard_t(3, 400) * 0.01
    weights = calm_weights(index)
    assert calm_weights(scale * index) == pytest.approx(weights, rel=1e-9)
    assert (weights > 0.0).all()
    wilder = index.copy()
    wilder[200] = 0.5
    assert calm_weights(wilder)[200] / calm_weights(wilder)[199] < weights[200] / weights[199]


def test_a_bar_within_the_usual_counts_by_the_deviation_before_it() -> None:
    index = np.random.default_rng(5).normal(0.0, 0.01, 500)
    deviation = ewma_deviation(index)
    usual = np.abs(index) <= OUTLIER * deviation
    assert usual.sum() > 480
    weights = calm_weights(index) * np.sqrt(deviation)
    assert weights[usual] == pytest.approx(np.full(usual.sum(), weights[usual][0]))
    assert (weights[~usual] < weights[usual][0]).all()


def test_ewma_is_its_recursion() -> None:
    returns = np.random.default_rng(6).normal(0.001, 0.01, 300)
    shocks = returns - returns.mean()
    variance = float(np.mean(shocks**2))
    for shock, deviation in zip(shocks, ewma_deviation(returns), strict=True):
        assert deviation == pytest.approx(math.sqrt(variance))
        variance = DECAY * variance + (1.0 - DECAY) * shock**2


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
