"""Whole populations: the same figures in one pass or many, by one thread or four, fused or traced.

Single genomes against the reference simulator are in `tests/backtest/test_reference_many.py`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import Backtester, Dialect
from kasauti.backtest.kernel import TRADE
from kasauti.backtest.metrics import max_drawdown, returns_of
from kasauti.backtest.moments import GROUPS, PEAK, WORST
from kasauti.backtest.population import Table, trace
from kasauti.backtest.result import Scores
from kasauti.features.signals import RowsInUse, Signals
from kasauti.genome import Genome, Side
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars, Floats
from kasauti.market.markets import NSE
from kasauti.regimes.model import OnlineLabels
from tests.backtest import real_bars
from tests.backtest.damage import damaged

TIGHT = 1
"""A budget of rows that holds about 600 random genomes."""

BOTH_SIDES = Vocabulary(sides=tuple(Side))


def bars_of(name: str) -> Bars:
    if name == "one index":
        return real_bars.indices().select(("NIFTY50",)).between(4000, 5100)
    if name == "intraday":
        return real_bars.intraday()
    return damaged(real_bars.stocks(), seed=3)


PANELS = ("one index", "damaged stocks", "intraday")


def new_backtester(name: str, dialect: Dialect = Dialect.KASAUTI) -> Backtester:
    bars = bars_of(name)
    labels = OnlineLabels((np.arange(bars.shape[1]) // 17 % 5 - 1).astype(np.int8))
    market = replace(NSE, daily_shorts=bars.is_daily)
    return Backtester(bars, dialect=dialect, labels=labels, market=market)


backtester = cache(new_backtester)


@cache
def population(count: int, seed: int = 1) -> Population:
    return random_population(np.random.default_rng(seed), count, BOTH_SIDES)


def windows_of(tester: Backtester) -> list[tuple[int, int]]:
    """The whole, walk-forward windows, overlapping ones, single bars, one beyond the end."""
    length = tester.bars.shape[1]
    step = length // 6
    forward = [(k * step, (k + 1) * step) for k in range(6)]
    return [
        *((0, length), *forward, (0, length // 2), (length // 3, length)),
        *((5, 6), (length - 1, length), (0, 1), (length // 2, 100 * length)),
    ]


def bits(scores: Scores) -> dict[str, bytes]:
    return {field.name: getattr(scores, field.name).tobytes() for field in fields(scores)}


def assert_identical(found: Sequence[Scores], wanted: Sequence[Scores]) -> None:
    assert len(found) == len(wanted)
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        ours, theirs = bits(one), bits(other)
        differing = [name for name in ours if ours[name] != theirs[name]]
        assert not differing, f"window {k}: {differing}"


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", PANELS)
def test_many_windows_at_once_are_one_after_the_other(name: str, dialect: Dialect) -> None:
    tester = backtester(name, dialect)
    many, windows = population(150), windows_of(tester)
    found = tester.scores_over(many, windows)
    assert_identical(found, [tester.scores_over(many, [window])[0] for window in windows])
    assert_identical(found[:1], [tester.scores(many)])
    trades = np.array([scores.trades for scores in found])
    assert (trades[0] > 0).mean() > 0.4
    # single bars close nothing; the last window is clipped at the end
    assert not trades[-4:-1].any()
    length = tester.bars.shape[1]
    assert_identical(found[-1:], tester.scores_over(many, [(length // 2, length)]))


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", PANELS)
def test_every_genome_and_window_is_what_a_run_says(name: str, dialect: Dialect) -> None:
    tester = backtester(name, dialect)
    many, windows = population(30, seed=2), windows_of(tester)
    for scores, window in zip(tester.scores_over(many, windows), windows, strict=True):
        for score, genome in zip(scores, many, strict=True):
            result = tester.run(genome, *window)
            metrics = result.metrics
            for figure in ("sharpe", "total_return", "max_drawdown", "trades", "charges"):
                assert getattr(score, figure) == getattr(metrics, figure), figure
            alone = tuple(result.by_symbol.values())
            assert score.symbol_sharpe == tuple(one.sharpe for one in alone)
            assert score.symbol_trades == tuple(one.trades for one in alone)
            assert score == tester.score(genome, *window)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_symbol_of_a_panel_trades_as_it_does_alone(dialect: Dialect) -> None:
    whole = backtester("damaged stocks", dialect)
    many, windows = population(100), windows_of(whole)
    together = whole.scores_over(many, windows)
    for row, symbol in enumerate(whole.bars.symbols):
        bars = whole.bars.select((symbol,))
        tester = Backtester(bars, dialect=dialect, labels=whole.labels, market=whole.market)
        for k, alone in enumerate(tester.scores_over(many, windows)):
            panel = together[k]
            np.testing.assert_array_equal(panel.symbol_trades[:, row], alone.trades)
            # alone, the returns are added up regime by regime
            np.testing.assert_allclose(
                panel.symbol_sharpe[:, row], alone.sharpe, rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("name", PANELS)
def test_worker_counts_change_no_bit(name: str, workers: int) -> None:
    tester = backtester(name)
    many, windows = population(400), windows_of(tester)[:5]
    alone = new_backtester(name).scores_over(many, windows)
    with ThreadPoolExecutor(workers) as executor:
        assert_identical(tester.scores_over(many, windows, executor), alone)
        assert_identical(new_backtester(name).scores_over(many, windows, executor), alone)


def all_bits(
    tester: Backtester, part: Population, windows: list[tuple[int, int]]
) -> list[dict[str, bytes]]:
    return [bits(scores) for scores in tester.scores_over(part, windows)]


def curve(tester: Backtester, genome: Genome) -> bytes:
    return tester.run(genome).equity.tobytes()


def test_four_threads_at_once_on_one_backtester_are_one_after_the_other() -> None:
    many = population(480)
    window = (100, 400)

    def jobs(tester: Backtester) -> list[Callable[[], Any]]:
        """Overlapping populations, windows and single runs, mixed."""
        work: list[Callable[[], Any]] = []
        for first in range(0, 400, 40):
            part = many[first : first + 80]
            work += [
                partial(all_bits, tester, part, [(0, 500), window, (0, 50)]),
                partial(curve, tester, part[0]),
                partial(tester.score, part[1], *window),
            ]
        return work

    wanted = [job() for job in jobs(new_backtester("damaged stocks"))]
    for budget in (None, TIGHT):
        tester = new_backtester("damaged stocks")
        if budget is not None:
            tester.signals = Signals(tester.bars, budget)
        with ThreadPoolExecutor(4) as executor:
            for _ in range(3):
                found = [executor.submit(job) for job in jobs(tester)]
                assert [future.result() for future in found] == wanted


def test_a_population_beyond_all_rows_is_split_to_the_same_figures() -> None:
    roomy, tight = new_backtester("damaged stocks"), new_backtester("damaged stocks")
    tight.signals = Signals(tight.bars, TIGHT)
    many = population(2500)
    with pytest.raises(RowsInUse), tight.signals.rules(many):
        pass
    edges = np.array([(0, 400), (100, 450)], dtype=np.int64)
    whole, split = roomy.table(many, edges), tight.table(many, edges)
    for name in Table._fields:
        assert getattr(whole, name).tobytes() == getattr(split, name).tobytes(), name
    assert (whole.trades > 0).mean() > 0.3
    assert_identical([tight.scores(many)], [roomy.scores(many)])


@pytest.mark.parametrize("memory", [None, TIGHT], ids=["roomy", "tight"])
def test_returns_of_all_are_those_of_each(memory: int | None) -> None:
    tester = new_backtester("damaged stocks")
    if memory is not None:
        tester.signals = Signals(tester.bars, memory)
    many = list(population(1500 if memory else 40))
    found = tester.returns_of_all(many)
    assert found.shape == (len(many), tester.bars.shape[1])
    for row, genome in zip(found[:40], many, strict=False):
        assert row.tobytes() == tester.returns(genome).tobytes()
    assert (np.ptp(found, axis=1) > 0.0).mean() > 0.3


def test_returns_of_nobody_are_none() -> None:
    assert new_backtester("damaged stocks").returns_of_all([]).shape == (0, 618)


@pytest.mark.parametrize("workers", [2, 16])
def test_workers_that_want_more_rows_than_there_are_wait_for_each_other(workers: int) -> None:
    tight = new_backtester("damaged stocks")
    tight.signals = Signals(tight.bars, TIGHT)
    many = population(2500)
    with ThreadPoolExecutor(workers) as executor:
        found = tight.scores(many, executor)
        runs = list(executor.map(tight.score, list(many[:100])))
    alone = backtester("damaged stocks").scores(many)
    assert_identical([found], [alone])
    assert runs == list(alone)[:100]


def sums_of(equity: Floats, groups: np.ndarray[Any, Any]) -> Floats:
    """Sum and sum of squares of the curve's returns by the group of the label before, in numpy."""
    returns = returns_of(equity)
    return np.array(
        [[(returns[groups == g] ** power).sum() for power in (1, 2)] for g in range(GROUPS)]
    )


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("window", [(0, 1100), (250, 251), (250, 252), (301, 777), (640, 1100)])
def test_sums_from_the_trades_are_those_of_the_curve(
    dialect: Dialect, window: tuple[int, int]
) -> None:
    tester = backtester("one index", dialect)
    tester = Backtester(
        damaged(tester.bars, seed=8), dialect=dialect, labels=tester.labels, market=tester.market
    )
    start, stop = window
    codes = tester.labels.codes
    groups = np.append(0, codes[:-1] + 1)[start:stop]
    capital = tester.account.capital
    held = 0
    many = population(150, seed=4)
    many = tester._tradable(many)
    with tester.signals.rules(many) as rules:
        for i in range(len(many)):
            equity, sums, draw = np.empty(stop - start), np.zeros((GROUPS, 2)), np.zeros(2)
            outcome = trace(
                tester.setting,
                0,
                rules.packed[rules.which[i, 0], 0],
                rules.packed[rules.which[i, 1], 0],
                many.genes[i : i + 1],
                start,
                stop,
                np.empty(stop - start + 1, dtype=TRADE),
                np.ones(stop - start),
                equity,
                sums,
                draw,
            )
            held += outcome.held
            wanted = sums_of(equity, groups)
            size = np.abs(returns_of(equity)).sum()
            np.testing.assert_allclose(sums[:, 0], wanted[:, 0], rtol=0, atol=1e-12 * size)
            np.testing.assert_allclose(sums[:, 1], wanted[:, 1], rtol=1e-12)
            assert draw[WORST] == max_drawdown(equity, capital)
            assert draw[PEAK] == max(capital, equity.max())
    assert held > 2000 or stop - start < 3


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", PANELS)
def test_curves_on_request_are_what_was_scored(name: str, dialect: Dialect) -> None:
    """Trades, their charges and the curve give the fused figures, to the rounding of sums."""
    tester = backtester(name, dialect)
    many = population(60, seed=5)
    scores = tester.scores(many)
    capital = tester.account.capital * len(tester.bars.symbols)
    for i, genome in enumerate(many):
        result = tester.run(genome)
        equity = result.equity.sum(axis=0)
        returns = returns_of(equity)
        assert scores.total_return[i] == equity[-1] / capital - 1.0
        assert scores.max_drawdown[i] == max_drawdown(equity, capital)
        assert scores.trades[i] == len(result.trades)
        paid = sum(trade.charges for trade in result.trades)
        if not result.open:
            assert scores.charges[i] == pytest.approx(paid, rel=1e-12)
            gained = sum(trade.profit for trade in result.trades)
            assert equity[-1] - capital == pytest.approx(gained, rel=1e-9, abs=1e-5)
        deviation = returns.std(ddof=1)
        t = returns.mean() / deviation * np.sqrt(len(returns)) if deviation > 0 else 0.0
        assert scores.t[i] == pytest.approx(t, rel=1e-9, abs=1e-12)
        year = 252 * tester.bars.bars_a_session
        sharpe = t * np.sqrt(year / len(returns))
        assert scores.sharpe[i] == pytest.approx(sharpe, rel=1e-9, abs=1e-12)
    assert (scores.trades > 0).mean() > 0.4


def test_the_order_of_genomes_and_company_change_nothing() -> None:
    tester = backtester("damaged stocks")
    many = population(200)
    wanted = tester.scores(many)
    order = np.random.default_rng(6).permutation(200)
    shuffled = tester.scores(many.take(order))
    for field in fields(Scores):
        np.testing.assert_array_equal(
            getattr(shuffled, field.name), getattr(wanted, field.name)[order]
        )
    parts = [tester.scores(many[first : first + 7]) for first in range(0, 200, 7)]
    assert_identical([Scores.join(parts)], [wanted])


def test_no_genome_at_all_has_no_scores() -> None:
    tester = backtester("damaged stocks")
    found = tester.scores_over(Population.of(()), [(0, 10), (5, 20)])
    assert [len(scores) for scores in found] == [0, 0]
