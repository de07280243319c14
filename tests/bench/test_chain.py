"""The rivals' chain, the floor and the comparison: what is timed must be the same work."""

from dataclasses import replace

import numpy as np
import pytest

from kasauti.backtest import Backtester
from kasauti.backtest.vectorbt_call import Engine, figures
from kasauti.bench.chain import Chain
from kasauti.bench.conventional import Conventional, numpy_figures
from kasauti.bench.equality import compare_with
from kasauti.bench.floor import RISK, STOP, WINDOW, by_hand
from kasauti.bench.growth import measure_workers, over_bars
from kasauti.bench.markets import daily_bars
from kasauti.bench.population import seeded_population
from kasauti.genome import genome_from_genes

ENGINES: tuple[Engine, ...] = ("numba", "rust")


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.of(daily_bars(), seeded_population(40, 2), 24)


@pytest.fixture(scope="module")
def rivals(chain: Chain) -> Conventional:
    return chain.conventional


@pytest.mark.parametrize("engine", ENGINES)
def test_every_trade_and_figure_of_the_fused_pass_is_vectorbts(
    chain: Chain, rivals: Conventional, engine: Engine
) -> None:
    found = compare_with(rivals, rivals.tester.scores(chain.sample), engine, 8)
    assert (found.genomes, found.differing_genomes) == (24, 0)
    assert found.trades > 500
    assert 0.0 < found.max_relative_difference < 1e-8


def test_a_trade_that_differs_is_counted(chain: Chain) -> None:
    rivals = Conventional(chain.conventional.tester, chain.sample)
    place = next(i for i, one in enumerate(rivals.columns) if len(one.trades) > 3)
    other = rivals.columns[place].trades.copy()
    other[1, 3] *= 1.0001
    rivals.columns[place] = replace(rivals.columns[place], trades=other)
    scores = rivals.tester.scores(chain.sample)
    assert compare_with(rivals, scores, "rust", 32).differing_genomes == 1


@pytest.mark.parametrize("name", ["total_return", "sharpe", "max_drawdown"])
def test_a_figure_that_differs_is_seen(chain: Chain, rivals: Conventional, name: str) -> None:
    scores = rivals.tester.scores(chain.sample)
    wrong = replace(scores, **{name: getattr(scores, name) * 1.01})
    found = compare_with(rivals, wrong, "rust", 32)
    assert found.max_relative_difference == pytest.approx(0.01, rel=0.02)


def test_figures_do_not_depend_on_the_columns_a_call(rivals: Conventional) -> None:
    one, many = rivals.run("rust", 5), rivals.run("numba", 24)
    assert one.shape == (24, 3)
    assert np.allclose(one, many, rtol=1e-12, equal_nan=True)


def test_numpy_gives_the_figures_of_vectorbts_methods(rivals: Conventional) -> None:
    theirs = rivals.run("rust", 24, asked=figures)
    traded = np.array([len(column.trades) > 0 for column in rivals.columns])
    assert np.allclose(rivals.run("rust", 24, asked=numpy_figures)[traded], theirs[traded])


def test_the_floor_is_the_same_strategy(tester: Backtester) -> None:
    genes = {
        "entry": f"close > sma(close, {WINDOW})",
        "exit": f"close < sma(close, {WINDOW})",
        "side": "long",
        "stop": {"fraction": STOP},
        "regimes": ["bull", "bear", "sideways", "volatile"],
        "risk": RISK,
    }
    score = tester.score(genome_from_genes(genes))
    assert score.trades > 200
    total, sharpe, drawdown = by_hand(tester)
    assert (total, sharpe) == pytest.approx((score.total_return, score.sharpe), rel=1e-9)
    assert abs(drawdown) == pytest.approx(abs(score.max_drawdown), rel=1e-9)


def test_workers_agree_and_growth_is_relative_to_the_point_before() -> None:
    bars, population, steps = daily_bars(), seeded_population(16, 4), []
    assert measure_workers(bars, population, 1).identical
    first, second = over_bars(bars, population, (1_000, 4_000), lambda: steps.append(1))
    assert (first.ratio_to_linear, first.bars, second.bars, len(steps)) == (None, 1_000, 4_000, 2)
    assert second.ratio_to_linear == pytest.approx(second.seconds / (4 * first.seconds))
    assert second.bars_per_s == pytest.approx(16 * 4_000 / second.seconds)
