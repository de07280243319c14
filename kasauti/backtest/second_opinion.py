"""vectorbt simulates the same genomes once more, and every difference is counted; no verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account, Dialect
from kasauti.backtest.engine import Backtester, Passes
from kasauti.backtest.metrics import SESSIONS_A_YEAR, max_drawdown, returns_of, sharpe_ratio
from kasauti.backtest.tape import filled_closes
from kasauti.backtest.vectorbt_call import (
    Engine,
    Prices,
    columns_for,
    figures,
    prices_of,
    running,
    simulate,
)
from kasauti.backtest.vectorbt_dialect import expressible
from kasauti.genome.codes import Population
from kasauti.genome.model import Genome
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.regimes.model import OnlineLabels

BATCH = 128
"""Genomes a vectorbt call: at 5,000 bars about 50 MB of matrices."""

PRICE_TOLERANCE = 1e-9
"""Relative; vectorbt itself compares amounts with this tolerance."""

COLUMNS = ("entry_bar", "exit_bar", "quantity", "entry_price", "exit_price")
EXIT_BAR, EXIT_PRICE = COLUMNS.index("exit_bar"), COLUMNS.index("exit_price")

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
    differing_genomes : int
        Genomes with at least one differing trade.
    """

    genomes: int
    trades: int
    differing: int
    excluded: Mapping[str, int]
    left_out: Mapping[str, int]
    max_relative_difference: float
    differing_genomes: int = 0


@dataclass(frozen=True, eq=False)
class Column:
    """One genome on one symbol, as our kernel traded it and as vectorbt is asked to.

    `genes` is a record of `GENES`. `trades` has one row a trade, an open one last: entry bar, exit
    bar, quantity, entry price and exit price.
    """

    genome: int
    genes: np.void
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
    engine: Engine = "numba",
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
    engine : {"numba", "rust"}
        Which of vectorbt's two engines is asked; nothing of it then runs on the other.

    Returns
    -------
    Comparison
    """
    tester = Backtester(bars, account=account, dialect=Dialect.VECTORBT, labels=labels)
    atr = tester.features.atr()
    prices = [prices_of(bars, row, atr, tester.account) for row in range(len(bars.symbols))]
    excluded: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    traded, trades, differing, furthest = 0, 0, 0, 0.0
    disputed: set[int] = set()
    for first in range(0, len(genomes), BATCH):
        columns: list[list[Column]] = [[] for _ in bars.symbols]
        for number, whole in enumerate(genomes[first : first + BATCH], first):
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
            for row, column in enumerate(columns_of(tester, number, genome, passes)):
                columns[row].append(column)
        for symbol, of_symbol in zip(prices, columns, strict=True):
            if of_symbol:
                with running(engine):
                    portfolio = _simulate(tester, symbol, of_symbol, engine)
                    found = differences(tester, portfolio, of_symbol)
                trades, differing = trades + found.trades, differing + sum(found.differing)
                furthest = max(furthest, found.furthest)
                disputed.update(
                    column.genome
                    for column, count in zip(of_symbol, found.differing, strict=True)
                    if count
                )
    return Comparison(
        traded, trades, differing, dict(excluded), dict(left_out), furthest, len(disputed)
    )


def columns_of(tester: Backtester, number: int, genome: Genome, passes: Passes) -> Iterator[Column]:
    """Yield what the `passes` of `genome` left, a column a symbol."""
    enter, leave = tester.rules(genome)
    genes = Population.of([genome]).genes[0]
    for row, (closed, still_open) in enumerate(zip(passes.trades, passes.open, strict=True)):
        table = np.vstack([_table(closed), _table(still_open)])
        if len(still_open) > 0:  # vectorbt shows an open trade at the last close
            last = filled_closes(tester.bars.close[row])[-1]
            table[-1, [EXIT_BAR, EXIT_PRICE]] = len(enter[row]) - 1, last
        yield Column(
            number, genes, enter[row], leave[row], passes.sizes[row], table, passes.equity[row]
        )


def _table(trades: NDArray[np.void]) -> Floats:
    return np.column_stack([trades[name].astype(np.float64) for name in COLUMNS])


def _delayed(signals: Booleans) -> Booleans:
    later = np.zeros_like(signals)
    later[1:] = signals[:-1]
    return later


def _simulate(tester: Backtester, prices: Prices, columns: Sequence[Column], engine: Engine) -> Any:
    """Return vectorbt's portfolio, one column a genome."""
    asked = columns_for(
        prices,
        tester.account,
        np.array([column.genes for column in columns]),
        entries=np.column_stack([_delayed(column.enter) for column in columns]),
        exits=np.column_stack([_delayed(column.leave) for column in columns]),
        sizes=np.column_stack([column.sizes for column in columns]),
    )
    return simulate(prices, tester.account, asked, engine)


class Differences(NamedTuple):
    """Compared trades, differing trades of each column, largest relative difference of figures."""

    trades: int
    differing: tuple[int, ...]
    furthest: float


def differences(tester: Backtester, portfolio: Any, columns: Sequence[Column]) -> Differences:
    """Compare vectorbt's `portfolio` with what our kernel traded, column by column."""
    records = portfolio.trades.values
    bars_a_year = SESSIONS_A_YEAR * tester.bars.bars_a_session
    value = portfolio.value().to_numpy()
    theirs = figures(portfolio, bars_a_year)
    bounds = np.searchsorted(records["col"], np.arange(len(columns) + 1))
    trades, differing, furthest = 0, [], 0.0
    for number, column in enumerate(columns):
        of_column = _trade_table(records[bounds[number] : bounds[number + 1]])
        ours = np.column_stack(
            [column.trades, np.full(len(column.trades), float(column.genes["side"] < 0.0))]
        )
        trades += max(len(ours), len(of_column))
        if len(ours) != len(of_column):
            differing.append(max(len(ours), len(of_column)))
            continue
        equal = np.isclose(ours, of_column, rtol=PRICE_TOLERANCE, atol=0.0)
        differing.append(int(np.sum(~equal.all(axis=1))))
        if len(ours) > 0:
            own = _own_figures(column.equity, tester.account.capital, bars_a_year)
            furthest = max(
                furthest,
                relative(own, theirs[number]),
                relative(column.equity, value[:, number]),
            )
    return Differences(trades, tuple(differing), furthest)


def _trade_table(records: NDArray[np.void]) -> Floats:
    names = ("entry_idx", "exit_idx", "size", "entry_price", "exit_price", "direction")
    return np.column_stack([records[name].astype(np.float64) for name in names])


def _own_figures(equity: Floats, capital: float, bars_a_year: int) -> Floats:
    return np.array(
        [
            equity[-1] / capital - 1.0,
            sharpe_ratio(returns_of(equity), float(bars_a_year)),
            max_drawdown(equity, capital),
        ]
    )


def relative(ours: Floats, theirs: Floats) -> float:
    """Return the largest difference relative to the larger value, absolute below `SMALLEST`."""
    scale = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), SMALLEST)
    return float(np.max(np.abs(ours - theirs) / scale))
