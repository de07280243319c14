"""The usual chain, DEAP to numpy to vectorbt, on the population that the engine is measured on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from deap import gp
from numpy.typing import NDArray

from kasauti.backtest.engine import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.backtest.second_opinion import Column, columns_of
from kasauti.backtest.vectorbt_call import (
    Engine,
    columns_for,
    figures,
    prices_of,
    running,
    simulate,
)
from kasauti.backtest.vectorbt_dialect import expressible
from kasauti.bench.deap_numpy import DeapNumpy
from kasauti.bench.stopwatch import fastest
from kasauti.genome.codes import Population
from kasauti.market.bars import Booleans, Floats
from kasauti.regimes.model import REGIMES

BATCHES = (4, 8, 32, 64, 128, 256, 512)
"""Columns a vectorbt call: fewer pay its fixed 10 ms too often, more leave the cache."""

Figures = Callable[[Any, int], Floats]


@dataclass(frozen=True, eq=False)
class Strategy:
    """A genome as a user of DEAP and vectorbt holds it; `allowed` (T,) is where its regimes are."""

    entry: gp.PrimitiveTree
    exit: gp.PrimitiveTree
    allowed: Booleans | None
    sizes: Floats


class Conventional:
    """A population as DEAP trees, with the quantities that the engine gave its entries.

    Making it is not timed: a user of DEAP holds trees, and vectorbt cannot size by risk, so it is
    given our quantities for nothing.

    Parameters
    ----------
    tester : Backtester
        Over one symbol without missing values, in the `vectorbt` dialect.
    population : Population
    """

    def __init__(self, tester: Backtester, population: Population) -> None:
        self.tester = tester
        self._expressions = DeapNumpy(tester.bars)
        self._prices = prices_of(tester.bars, 0, tester.features.atr(), tester.account)
        self.columns: list[Column] = []
        self.strategies: list[Strategy] = []
        self.excluded = 0
        for number, whole in enumerate(population):
            genome = expressible(whole)[0]
            passes = tester.passes(genome)
            self.excluded += any(outcome.unpaid_covers for outcome in passes.outcomes)
            column = next(iter(columns_of(tester, number, genome, passes)))
            self.columns.append(column)
            allowed = None
            if len(genome.regimes) < len(REGIMES):
                codes = [code for code, one in enumerate(REGIMES) if one in genome.regimes]
                allowed = np.isin(tester.labels.codes, codes)
            tree = self._expressions.tree
            self.strategies.append(
                Strategy(tree(genome.entry), tree(genome.exit), allowed, column.sizes)
            )
        self.genes: NDArray[np.void] = np.array([column.genes for column in self.columns])

    def __len__(self) -> int:
        """Return the number of genomes."""
        return len(self.strategies)

    def evaluate(self) -> None:
        """Compile and evaluate every tree by DEAP and numpy; the values are dropped."""
        for one in self.strategies:
            self._expressions.signals(one.entry)
            self._expressions.signals(one.exit)

    def portfolios(self, engine: Engine, batch: int, count: int | None = None) -> Iterator[Any]:
        """Yield vectorbt's portfolios of the first `count` genomes, `batch` columns each."""
        for first in range(0, len(self) if count is None else count, batch):
            yield self._portfolio(engine, slice(first, first + batch))

    def run(
        self, engine: Engine, batch: int, count: int | None = None, asked: Figures = figures
    ) -> Floats:
        """Return total return, Sharpe ratio and drawdown of the first `count` genomes, (K, 3)."""
        bars_a_year = SESSIONS_A_YEAR * self.tester.bars.bars_a_session
        with running(engine):
            found = [asked(one, bars_a_year) for one in self.portfolios(engine, batch, count)]
        return np.concatenate(found)

    def best_batch(self, engine: Engine) -> int:
        """Return the number of columns a call with which `engine` is fastest here."""
        sizes = [size for size in BATCHES if size <= len(self)] or [len(self)]
        trials = {str(size): partial(self.run, engine, size, sizes[-1]) for size in sizes}
        seconds = fastest(trials, rounds=2)
        return int(min(seconds, key=lambda size: seconds[size]))

    def _portfolio(self, engine: Engine, which: slice) -> Any:
        entries, exits = self._signals(self.strategies[which])
        sizes = np.column_stack([one.sizes for one in self.strategies[which]])
        account = self.tester.account
        asked = columns_for(self._prices, account, self.genes[which], entries, exits, sizes)
        return simulate(self._prices, account, asked, engine)

    def _signals(self, strategies: Sequence[Strategy]) -> tuple[Booleans, Booleans]:
        """Return entries and exits on the bars that they fill on, each (T, K)."""
        shape = (self.tester.bars.shape[1], len(strategies))
        entries, exits = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for place, one in enumerate(strategies):
            leave = self._expressions.signals(one.exit)
            enter = self._expressions.signals(one.entry) & ~leave
            if one.allowed is not None:
                enter &= one.allowed
            entries[1:, place], exits[1:, place] = enter[:-1], leave[:-1]
        return entries, exits


def numpy_figures(portfolio: Any, bars_a_year: int) -> Floats:
    """Return what `figures` does from the portfolio's value by numpy, shape (K, 3).

    vectorbt computes the value; the figures are then a few passes of numpy over it, which is
    quicker than vectorbt's own methods.
    """
    value = portfolio.value().to_numpy()
    capital = np.broadcast_to(np.asarray(portfolio.init_cash, dtype=np.float64), value.shape[1:])
    returns = value[1:] / value[:-1] - 1.0
    first = value[:1] / capital - 1.0
    returns = np.concatenate([first, returns])
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * np.sqrt(bars_a_year)
    highest = np.maximum(np.maximum.accumulate(value, axis=0), capital)
    drawdown = (value / highest - 1.0).min(axis=0)
    return np.column_stack([value[-1] / capital - 1.0, sharpe, drawdown])
