"""The `Backtester`: bars prepared once, then any number of genomes run or scored over them."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account, Dialect
from kasauti.backtest.kernel import REASONS, TRADE, Outcome
from kasauti.backtest.metrics import SESSIONS_A_YEAR, Metrics, metrics_of, returns_of
from kasauti.backtest.moments import GROUPS, WORST, group_of, panel_moments
from kasauti.backtest.population import (
    Setting,
    Table,
    empty_table,
    masks_of,
    score_population,
    sharpe_of,
    trace,
)
from kasauti.backtest.result import OpenPosition, Result, Score, Scores, Trade
from kasauti.backtest.spread import spread
from kasauti.backtest.tape import Tape, costs_of, tapes_of
from kasauti.backtest.vectorbt_dialect import expressible, expressible_genes
from kasauti.errors import UsageError
from kasauti.features.bits import pack
from kasauti.features.evaluate import Features
from kasauti.features.signals import BUDGET, PackedRules, RowsInUse, Signals
from kasauti.genome.codes import Population
from kasauti.genome.model import Genome, Side
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.market.markets import Market, get_market
from kasauti.regimes.model import REGIMES, OnlineLabels

Window = tuple[int, int]
ROWS_A_GENOME = 6
"""Packed rows that a genome may need, two workers at a time: its two rules and a share of what is
alive meanwhile, 2.6 to 3.1 of random populations of 500 to 50,000."""

SMALLEST_PART = 32
UNKNOWN_WORKERS = 16

SCORE_FIELDS = tuple(Score.__slots__)


@dataclass(frozen=True, eq=False)
class Passes:
    """The traced passes of one genome, a row or an entry a symbol.

    Attributes
    ----------
    equity : ndarray of shape (S, W), float64
    trades : tuple of ndarray, dtype `TRADE`
        Closed trades.
    open : tuple of ndarray, dtype `TRADE`
        The position that the last bar found open, one record or none.
    outcomes : tuple of Outcome
    sizes : ndarray of shape (S, W), float64
        The `vectorbt` dialect's quantities where an entry was sized, 1 elsewhere.
    sharpe, max_drawdown : ndarray of shape (S,), float64
        Of each symbol, annualised.
    """

    equity: Floats
    trades: tuple[NDArray[np.void], ...]
    open: tuple[NDArray[np.void], ...]
    outcomes: tuple[Outcome, ...]
    sizes: Floats
    sharpe: Floats
    max_drawdown: Floats
    panel_sharpe: float
    panel_drawdown: float


class Backtester:
    """Runs genomes over one panel, every symbol with its own account.

    Indicators always see the whole history; `start` and `stop` confine the trading. Safe to share
    between threads, and picklable for processes.

    Parameters
    ----------
    bars : Bars
    account : Account
        Of each symbol.
    dialect : Dialect
    labels : OnlineLabels, optional
        Regime of every bar; by default `label_online` of the bars.
    market : Market, optional
        By default the market that the bars name.
    memory : int, default `BUDGET`
        Bytes in which expressions are kept from call to call, see `Signals`.
    """

    def __init__(
        self,
        bars: Bars,
        *,
        account: Account | None = None,
        dialect: Dialect = Dialect.KASAUTI,
        labels: OnlineLabels | None = None,
        market: Market | None = None,
        memory: int = BUDGET,
    ) -> None:
        if 0 in bars.shape:
            raise UsageError("there are no bars to backtest on: name at least one symbol with bars")
        if labels is not None and len(labels.codes) != bars.shape[1]:
            raise UsageError(
                f"there are labels of {len(labels.codes)} bars for {bars.shape[1]} bars: label "
                "exactly these bars, or give no labels"
            )
        self.bars = bars
        self.account = account or Account()
        self.dialect = dialect
        self.market = market or get_market(bars.market)
        self.features = Features(bars)
        self.memory = memory
        self.signals = Signals(bars, memory)
        self._labels = labels

    @cached_property
    def labels(self) -> OnlineLabels:
        """Regime of every bar, as it was known on that bar."""
        if self._labels is not None:
            return self._labels
        from kasauti.regimes.online import label_online  # its model is not needed to import this

        return label_online(self.bars)

    @cached_property
    def panel(self) -> Tape:
        """What the kernels read, all symbols together."""
        return tapes_of(self.bars, self.features.atr(), self.account, self.market, self.dialect)

    @cached_property
    def setting(self) -> Setting:
        """What all strategies have in common."""
        codes = np.ascontiguousarray(self.labels.codes, dtype=np.int8)
        length = len(codes)
        groups, run_end = np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
        group_of(codes, groups, run_end)
        return Setting(
            self.panel,
            costs_of(self.account),
            self.dialect is Dialect.KASAUTI,
            pack(masks_of(codes)),
            groups,
            run_end,
            np.zeros(length, dtype=np.int64),
            np.full(length, length),
            float(SESSIONS_A_YEAR * self.bars.bars_a_session),
        )

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides that may be traded on these bars."""
        may_short = self.dialect is Dialect.VECTORBT or self.market.daily_shorts
        return tuple(Side) if may_short or not self.bars.is_daily else (Side.LONG,)

    def rules(self, genome: Genome) -> tuple[Booleans, Booleans]:
        """Return where `genome` decides to enter and to leave, each of shape (S, T).

        An entry needs its rule, an exit rule that is false, a regime of the genome's and a
        defined close; an exit needs its rule and a defined close.
        """
        known = np.isfinite(self.bars.close)
        leave = self.features.evaluate(genome.exit) & known
        enter = self.features.evaluate(genome.entry) & known & ~leave
        if len(genome.regimes) < len(REGIMES):
            codes = [code for code, regime in enumerate(REGIMES) if regime in genome.regimes]
            enter &= np.isin(self.labels.codes, codes)
        return enter, leave

    def passes(self, genome: Genome, start: int = 0, stop: int | None = None) -> Passes:
        """Trace `genome` on every symbol between the positions `start` and `stop`.

        Raises
        ------
        UsageError
            For a short where it may not be held over the close of daily bars, and for an empty
            window.
        """
        population = self._tradable(Population.of([genome]))
        with self.signals.rules(population) as rules:
            return self._trace(rules, population.genes, 0, self._window((start, stop)))

    def _trace(self, rules: PackedRules, genes: NDArray[np.void], i: int, window: Window) -> Passes:
        """Trace the strategy `i` of a population whose rules are evaluated."""
        start, stop = window
        symbols, width = len(self.bars.symbols), stop - start
        equity, sizes = np.empty((symbols, width)), np.ones((symbols, width))
        trades, open_, outcomes = [], [], []
        sums, draws = np.zeros((symbols, GROUPS, 2)), np.zeros((symbols, 2))
        entry, leave = rules.which[i]
        for row in range(symbols):
            records = np.empty(width + 1, dtype=TRADE)
            outcome = trace(
                self.setting,
                row,
                rules.packed[entry, row],
                rules.packed[leave, row],
                genes[i : i + 1],
                start,
                stop,
                records,
                sizes[row],
                equity[row],
                sums[row],
                draws[row],
            )
            trades.append(records[: outcome.trades])
            open_.append(records[outcome.trades : outcome.trades + (outcome.quantity > 0.0)])
            outcomes.append(outcome)
        year = np.sqrt(self.setting.bars_a_year)
        sharpe = (
            np.array([sharpe_of(one[:, 0].sum(), one[:, 1].sum(), width) for one in sums]) * year
        )
        panel, draw = sums[0], draws[0]
        if symbols > 1:
            panel, draw = np.zeros((GROUPS, 2)), np.zeros(2)
            whole = self.account.capital * symbols
            panel_moments(equity.sum(axis=0), start, self.setting.groups, whole, panel, draw)
        return Passes(
            equity,
            tuple(trades),
            tuple(open_),
            tuple(outcomes),
            sizes,
            np.array(sharpe),
            draws[:, WORST],
            float(sharpe_of(panel[:, 0].sum(), panel[:, 1].sum(), width) * year),
            float(draw[WORST]),
        )

    def run(self, genome: Genome, start: int = 0, stop: int | None = None) -> Result:
        """Return trades, curves and figures of `genome` between the positions `start` and `stop`.

        Equity is the capital on the close of `start`, the first close that decides anything.

        Raises
        ------
        UsageError
            As for `passes`.
        """
        passes = self.passes(genome, start, stop)
        width = passes.equity.shape[1]
        by_symbol = {
            symbol: self._metrics(
                passes.equity[row],
                1,
                passes.trades[row]["profit"],
                passes.outcomes[row].held / width,
                passes.outcomes[row].charges,
                float(passes.sharpe[row]),
                float(passes.max_drawdown[row]),
            )
            for row, symbol in enumerate(self.bars.symbols)
        }
        metrics = self._metrics(
            passes.equity.sum(axis=0),
            len(self.bars.symbols),
            np.concatenate([trades["profit"] for trades in passes.trades]),
            float(np.mean([one.exposure for one in by_symbol.values()])),
            sum(one.charges for one in by_symbol.values()),
            passes.panel_sharpe,
            passes.panel_drawdown,
        )
        counters = _counters(passes)
        return Result(
            genome,
            self.dialect,
            self.bars.symbols,
            self.bars.times[start : start + width],
            self._trades(genome.side, passes),
            self._open(genome.side, passes, start + width),
            passes.equity,
            metrics,
            by_symbol,
            counters,
            self._notes(genome, counters),
        )

    def returns(self, genome: Genome, start: int = 0, stop: int | None = None) -> Floats:
        """Return the panel's returns a bar, shape (stop - start,), the first 0."""
        return returns_of(self.passes(genome, start, stop).equity.sum(axis=0))

    def returns_of_all(self, genomes: Sequence[Genome]) -> Floats:
        """Return what `returns` gives of each genome, shape (N, T), from one evaluation."""
        population = self._tradable(Population.of(genomes))
        window = self._window((0, None))
        try:
            with self.signals.rules(population) as rules:
                passes = (
                    self._trace(rules, population.genes, i, window) for i in range(len(genomes))
                )
                curves = [returns_of(one.equity.sum(axis=0)) for one in passes]
        except RowsInUse:
            half = len(genomes) // 2
            if half == 0:
                raise
            parts = genomes[:half], genomes[half:]
            return np.concatenate([self.returns_of_all(part) for part in parts])
        return np.array(curves).reshape(len(genomes), self.bars.shape[1])

    def score(self, genome: Genome, start: int = 0, stop: int | None = None) -> Score:
        """Return the figures of `genome` that a search needs."""
        window = self._window((start, stop))
        return self.scores_over(Population.of([genome]), [window])[0][0]

    def score_all(self, genomes: Sequence[Genome], executor: Executor | None = None) -> list[Score]:
        """Return the score of each genome, in order; the same whatever the executor."""
        return list(self.scores(Population.of(genomes), executor))

    def scores(self, population: Population, executor: Executor | None = None) -> Scores:
        """Return the scores of a population, in order; the same whatever the executor."""
        whole = (0, self.bars.shape[1])
        return self.scores_over(population, [whole], executor)[0]

    def scores_over(
        self,
        population: Population,
        windows: Sequence[Window],
        executor: Executor | None = None,
    ) -> list[Scores]:
        """Return the scores of a population in each of many windows, from one evaluation.

        Parameters
        ----------
        population : Population
        windows : sequence of (int, int)
            First position and end; each starts flat with the whole capital.
        executor : Executor, optional

        Raises
        ------
        UsageError
            As for `passes`, if any genome or window is so.
        """
        edges = np.array([self._window(window) for window in windows], dtype=np.int64)
        population = self._tradable(population)
        _ = self.setting  # computed before any worker asks for it
        parts = [population[i:j] for i, j in self._parts(len(population), executor)]
        tables = list(spread(executor, partial(_table_of, edges), self, parts))
        return [Scores.join([_scores(table, k) for table in tables]) for k in range(len(edges))]

    def table(self, population: Population, windows: NDArray[np.int64]) -> Table:
        """Return the raw figures of a population that may be traded, window by window.

        A population that needs more rows than there are is taken in halves.
        """
        table = empty_table(len(windows), len(population), len(self.bars.symbols))
        try:
            with self.signals.rules(population) as rules:
                genes = population.genes
                score_population(self.setting, rules.packed, rules.which, genes, windows, table)
        except RowsInUse:
            half = len(population) // 2
            if half == 0:
                raise
            halves = self.table(population[:half], windows), self.table(population[half:], windows)
            return Table(
                *(np.concatenate(columns, axis=1) for columns in zip(*halves, strict=True))
            )
        return table

    def _parts(self, count: int, executor: Executor | None) -> list[Window]:
        """Return runs of genomes for the workers: few and large ones share most expressions."""
        largest = max(1, self.signals.capacity // ROWS_A_GENOME)
        pieces = max(1, -(-count // largest))
        if executor is not None:
            # a pool's size has no public name; for a cluster's executor, enough for 16 workers
            workers = getattr(executor, "_max_workers", UNKNOWN_WORKERS)
            pieces = max(1, min(-(-pieces // workers) * workers, count // SMALLEST_PART))
        edges = np.linspace(0, count, pieces + 1).astype(int).tolist()
        return list(pairwise(edges))

    def _tradable(self, population: Population) -> Population:
        """Return the population as the dialect can trade it, after refusing what it may not."""
        shorts = np.flatnonzero(population.genes["side"] < 0.0)
        if len(shorts) and Side.SHORT not in self.sides:
            raise UsageError(
                f"the genome is short, and {self.market.name} does not let a short be held "
                'overnight: set side = "long", or use intraday bars'
            )
        if self.dialect is Dialect.KASAUTI:
            return population
        return replace(population, genes=expressible_genes(population.genes))

    def _window(self, window: tuple[int, int | None]) -> Window:
        length = self.bars.shape[1]
        start, stop = window[0], length if window[1] is None else min(window[1], length)
        if not 0 <= start < stop:
            raise UsageError(f"the window {start} to {stop} holds none of the {length} bars")
        return start, stop

    def _metrics(
        self,
        equity: Floats,
        accounts: int,
        profits: Floats,
        exposure: float,
        charges: float,
        sharpe: float,
        max_drawdown: float,
    ) -> Metrics:
        """Return the figures of a curve; what the fused pass knows too is the fused pass's."""
        metrics = metrics_of(
            equity,
            self.account.capital * accounts,
            self.bars.bars_a_session,
            profits,
            exposure,
            charges,
        )
        return replace(metrics, sharpe=sharpe, max_drawdown=max_drawdown)

    def _trades(self, side: Side, passes: Passes) -> tuple[Trade, ...]:
        return tuple(
            Trade(
                symbol,
                side,
                int(trade["quantity"]),
                self.bars.times[trade["entry_bar"]].item(),
                float(trade["entry_price"]),
                self.bars.times[trade["exit_bar"]].item(),
                float(trade["exit_price"]),
                REASONS[trade["reason"]],
                float(trade["charges"]),
                float(trade["profit"]),
            )
            for symbol, trades in zip(self.bars.symbols, passes.trades, strict=True)
            for trade in trades
        )

    def _open(self, side: Side, passes: Passes, stop: int) -> tuple[OpenPosition, ...]:
        positions = []
        for row, records in enumerate(passes.open):
            for record in records:
                known = self.bars.close[row, :stop]
                mark = float(known[np.isfinite(known)][-1])
                before = self.account.capital + float(passes.trades[row]["profit"].sum())
                positions.append(
                    OpenPosition(
                        self.bars.symbols[row],
                        side,
                        int(record["quantity"]),
                        self.bars.times[record["entry_bar"]].item(),
                        float(record["entry_price"]),
                        mark,
                        float(passes.equity[row, -1]) - before,
                    )
                )
        return tuple(positions)

    def _notes(self, genome: Genome, counters: dict[str, int]) -> tuple[str, ...]:
        notes = [f"{NOTES[name]}: {count}" for name, count in counters.items() if count]
        if self.dialect is Dialect.VECTORBT:
            dropped = expressible(genome)[1]
            notes += [f"vectorbt cannot express this part, left out: {part}" for part in dropped]
        return tuple(notes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of; the memory of sub-expressions stays behind."""
        bars = self.bars
        fields = (getattr(bars, name) for name in ("open", "high", "low", "close", "volume"))
        parts = (bars.market, bars.symbols, bars.times, *fields, dict(bars.series))
        return _restore, (
            (*parts, bars.index_symbol),
            self.account,
            self.dialect,
            self.labels,
            self.market,
            self.memory,
        )


NOTES = {
    "skipped_less_than_one_share": "entries that the account could not buy one share for",
    "skipped_undefined_distance": "entries without a defined ATR for their stop, target or trail",
    "fills_without_volume": "fills without a known volume, so without market impact",
    "unpaid_covers": "short covers beyond the cash, which vectorbt fills only in part",
}


def _table_of(windows: NDArray[np.int64], backtester: Backtester, population: Population) -> Table:
    return backtester.table(population, windows)


def _scores(table: Table, k: int) -> Scores:
    columns = {name: getattr(table, name)[k] for name in SCORE_FIELDS}
    return Scores(**columns)


def _counters(passes: Passes) -> dict[str, int]:
    outcomes = passes.outcomes
    return {
        "skipped_less_than_one_share": sum(one.below_one_share for one in outcomes),
        "skipped_undefined_distance": sum(one.undefined_distance for one in outcomes),
        "fills_without_volume": sum(one.without_volume for one in outcomes),
        "unpaid_covers": sum(one.unpaid_covers for one in outcomes),
    }


def _restore(
    bars: tuple[Any, ...],
    account: Account,
    dialect: Dialect,
    labels: OnlineLabels,
    market: Market,
    memory: int,
) -> Backtester:
    return Backtester(
        Bars(*bars), account=account, dialect=dialect, labels=labels, market=market, memory=memory
    )
