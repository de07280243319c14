"""vectorbt simulates the same genomes once more, and every difference is counted; no verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account, Dialect
from kasauti.backtest.engine import Backtester, Passes
from kasauti.backtest.metrics import SESSIONS_A_YEAR, max_drawdown, returns_of, sharpe_ratio
from kasauti.backtest.tape import ATR, NO_DISTANCE, Rules, Tape, rules_of
from kasauti.backtest.vectorbt_dialect import expressible
from kasauti.genome.model import Genome
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.regimes.model import OnlineLabels

BATCH = 128
"""Genomes a vectorbt call: at 5,000 bars about 50 MB of matrices."""

PRICE_TOLERANCE = 1e-9
"""Relative; vectorbt itself compares amounts with this tolerance."""

SMALLEST = 1e-9
"""Figures below this are compared absolutely, relative to it."""


@dataclass(frozen=True)
class Comparison:
    """What the comparison found.

    Attributes
    ----------
    genomes, trades : int
        Compared genomes, each with at least one closed trade, and their trades, open ones too.
    differing : int
        Trades of which one side knows nothing, or whose bars, quantity, direction or prices differ.
    excluded : mapping of str to int
        Genomes that could not be compared, by reason.
    left_out : mapping of str to int
        Compared genomes that lost a part which vectorbt cannot express, by part.
    max_relative_difference : float
        Largest over equity curves, total returns, Sharpe ratios and drawdowns.
    """

    genomes: int
    trades: int
    differing: int
    excluded: Mapping[str, int]
    left_out: Mapping[str, int]
    max_relative_difference: float


@dataclass(frozen=True, eq=False)
class _Column:
    """One genome on one symbol, as our kernel traded it and as vectorbt is asked to."""

    genome: int
    rules: Rules
    enter: Booleans
    leave: Booleans
    sizes: Floats
    trades: NDArray[np.float64]
    equity: Floats


def compare(
    genomes: Sequence[Genome],
    bars: Bars,
    *,
    account: Account | None = None,
    labels: OnlineLabels | None = None,
) -> Comparison:
    """Run `genomes` through our `vectorbt` dialect and through vectorbt, and compare.

    Both get the same signals, opens as they are (nothing fills on an undefined one) and closes
    filled forward. vectorbt gets our quantities at the bars where we sized an entry and one share
    everywhere else, so that an entry of its own would show as a trade that we do not have.

    Parameters
    ----------
    genomes : sequence of Genome
    bars : Bars
    account : Account, optional
        Capital, half spread and the charges that the dialect's fee is made of.
    labels : OnlineLabels, optional

    Returns
    -------
    Comparison
    """
    tester = Backtester(bars, account=account, dialect=Dialect.VECTORBT, labels=labels)
    excluded: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    traded, trades, differing, furthest = 0, 0, 0, 0.0
    for first in range(0, len(genomes), BATCH):
        columns: list[list[_Column]] = [[] for _ in bars.symbols]
        for number, whole in enumerate(genomes[first : first + BATCH]):
            genome, dropped = expressible(whole)
            passes = tester.passes(genome)
            if any(outcome.unpaid_covers for outcome in passes.outcomes):
                excluded["short cover beyond the cash"] += 1
                continue
            if any(outcome.trades for outcome in passes.outcomes):
                traded += 1
                left_out.update(dropped)
            else:
                excluded["no trade"] += 1
            for row, column in enumerate(_columns(tester, number, genome, passes)):
                columns[row].append(column)
        for tape, of_symbol in zip(tester.tapes, columns, strict=True):
            if of_symbol:
                portfolio = _simulate(tester, tape, of_symbol)
                found = _differences(tester, portfolio, of_symbol)
                trades, differing = trades + found[0], differing + found[1]
                furthest = max(furthest, found[2])
    return Comparison(traded, trades, differing, dict(excluded), dict(left_out), furthest)


def _columns(tester: Backtester, number: int, genome: Genome, passes: Passes) -> Iterator[_Column]:
    enter, leave = tester.rules(genome)
    rules = rules_of(genome)
    for row, (trades, outcome) in enumerate(zip(passes.trades, passes.outcomes, strict=True)):
        names = ("entry_bar", "exit_bar", "quantity", "entry_price", "exit_price")
        table = np.column_stack([trades[name].astype(np.float64) for name in names])
        if outcome.quantity > 0.0:  # vectorbt shows an open trade at the last close
            last = tester.tapes[row].close[-1]
            open_ = (outcome.entry_bar, len(enter[row]) - 1, outcome.quantity)
            table = np.vstack([table, [*open_, outcome.entry_price, last]])
        yield _Column(
            number, rules, enter[row], leave[row], passes.sizes[row], table, passes.equity[row]
        )


def _fractions(tape: Tape, kind: int, value: float, side: float, half_spread: float) -> Floats:
    """Return a distance as a fraction of the fill price of every bar, NaN where there is none."""
    if kind != ATR:
        return np.full(len(tape.open), np.nan if kind == NO_DISTANCE else value)
    fractions = np.full(len(tape.open), np.nan)
    fractions[1:] = value * tape.atr[:-1] / (tape.open[1:] * (1.0 + side * half_spread))
    return fractions


def _delayed(signals: Booleans) -> Booleans:
    later = np.zeros_like(signals)
    later[1:] = signals[:-1]
    return later


def _simulate(tester: Backtester, tape: Tape, columns: list[_Column]) -> Any:
    """Return vectorbt's portfolio, one column a genome."""
    import vectorbt as vbt  # 10 s to import, only where it is asked for its opinion
    from vectorbt.portfolio import nb

    nb.simulate_from_signals_nb.enable_caching()  # else every process compiles it anew, 25 s
    half_spread = tester.account.slippage.half_spread
    stops, targets = [], []
    for column in columns:
        rules = column.rules
        stop = (rules.stop_kind, rules.stop)
        trail = (rules.trail_kind, rules.trail)
        nearest = stop if rules.trail_kind == NO_DISTANCE else trail
        stops.append(_fractions(tape, *nearest, rules.side, half_spread))
        target = (rules.target_kind, rules.target)
        targets.append(_fractions(tape, *target, rules.side, half_spread))

    def matrix(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.column_stack(rows)

    def same(values: NDArray[Any]) -> NDArray[Any]:
        return values[:, None]

    return vbt.Portfolio.from_signals(
        np.repeat(same(tape.close), len(columns), axis=1),
        entries=matrix([_delayed(column.enter) for column in columns]),
        exits=matrix([_delayed(column.leave) for column in columns]),
        direction=np.array([[0 if column.rules.side > 0.0 else 1 for column in columns]]),
        size=matrix([column.sizes for column in columns]),
        price=same(tape.open),
        open=same(tape.open),
        high=same(tape.high),
        low=same(tape.low),
        sl_stop=matrix(stops),
        sl_trail=np.array([[column.rules.trail_kind != NO_DISTANCE for column in columns]]),
        tp_stop=matrix(targets),
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        upon_long_conflict="exit",
        upon_short_conflict="exit",
        accumulate=False,
        size_granularity=1.0,
        min_size=1.0,
        fees=same(tester.fees),
        slippage=half_spread,
        init_cash=tester.account.capital,
        freq="1D",
        engine="numba",
    )


def _differences(
    tester: Backtester, portfolio: Any, columns: list[_Column]
) -> tuple[int, int, float]:
    """Return compared trades, differing trades and the largest relative difference of figures."""
    records = portfolio.trades.values
    bars_a_year = SESSIONS_A_YEAR * tester.bars.bars_a_session
    value = portfolio.value().to_numpy()
    figures = np.column_stack(
        [
            portfolio.total_return().to_numpy(),
            portfolio.sharpe_ratio(year_freq=f"{bars_a_year} days").to_numpy(),
            portfolio.max_drawdown().to_numpy(),
        ]
    )
    names = ("entry_idx", "exit_idx", "size", "entry_price", "exit_price", "direction")
    trades, differing, furthest = 0, 0, 0.0
    for number, column in enumerate(columns):
        of_column = records[records["col"] == number]
        theirs = np.column_stack([of_column[name].astype(np.float64) for name in names])
        ours = np.column_stack(
            [column.trades, np.full(len(column.trades), float(column.rules.side < 0.0))]
        )
        trades += max(len(ours), len(theirs))
        if len(ours) != len(theirs):
            differing += max(len(ours), len(theirs))
            continue
        equal = np.isclose(ours, theirs, rtol=PRICE_TOLERANCE, atol=0.0)
        differing += int(np.sum(~equal.all(axis=1)))
        if len(ours) > 0:
            equity, capital = column.equity, tester.account.capital
            own = np.array(
                [
                    equity[-1] / capital - 1.0,
                    sharpe_ratio(returns_of(equity), float(bars_a_year)),
                    max_drawdown(equity, capital),
                ]
            )
            furthest = max(
                furthest,
                _relative(own, figures[number]),
                _relative(equity, value[:, number]),
            )
    return trades, differing, furthest


def _relative(ours: Floats, theirs: Floats) -> float:
    scale = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), SMALLEST)
    return float(np.max(np.abs(ours - theirs) / scale))
