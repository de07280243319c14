"""The `Backtester`: bars prepared once, then any number of genomes run or scored over them."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account, Dialect
from kasauti.backtest.kernel import REASONS, TRADE, Outcome, simulate
from kasauti.backtest.metrics import (
    SESSIONS_A_YEAR,
    max_drawdown,
    metrics_of,
    returns_of,
    sharpe_ratio,
    t_statistic,
)
from kasauti.backtest.result import OpenPosition, Result, Score, Trade
from kasauti.backtest.tape import Tape, costs_of, rules_of, tapes_of
from kasauti.backtest.vectorbt_dialect import (
    expressible,
    fees_of,
    filled_closes,
    simulate_vectorbt,
)
from kasauti.errors import UsageError
from kasauti.features.evaluate import Features
from kasauti.genome.model import Genome, Side
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.market.markets import Market, get_market
from kasauti.regimes.model import REGIMES, OnlineLabels

CHUNK = 64
"""Genomes a task of an executor: about 0.1 s of work, so that handing it out costs nothing."""


@dataclass(frozen=True, eq=False)
class Passes:
    """The raw passes of one genome, a row or an entry a symbol."""

    equity: Floats
    trades: tuple[NDArray[np.void], ...]
    outcomes: tuple[Outcome, ...]
    sizes: Floats


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
    """

    def __init__(
        self,
        bars: Bars,
        *,
        account: Account | None = None,
        dialect: Dialect = Dialect.KASAUTI,
        labels: OnlineLabels | None = None,
        market: Market | None = None,
    ) -> None:
        if 0 in bars.shape:
            raise UsageError("there are no bars to backtest on: name at least one symbol with bars")
        self.bars = bars
        self.account = account or Account()
        self.dialect = dialect
        self.market = market or get_market(bars.market)
        self.features = Features(bars)
        self._labels = labels

    @cached_property
    def labels(self) -> OnlineLabels:
        """Regime of every bar, as it was known on that bar."""
        if self._labels is not None:
            return self._labels
        from kasauti.regimes.online import label_online  # its model is not needed to import this

        return label_online(self.bars)

    @cached_property
    def tapes(self) -> tuple[Tape, ...]:
        """What the kernels read, one a symbol."""
        tapes = tapes_of(self.bars, self.features.atr(), self.account, self.market)
        if self.dialect is Dialect.KASAUTI:
            return tapes
        return tuple(tape._replace(close=filled_closes(tape.close)) for tape in tapes)

    @cached_property
    def fees(self) -> Floats:
        """The `vectorbt` dialect's one fee of each bar, shape (T,)."""
        return fees_of(self.tapes[0].rates)

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
        """Simulate `genome` on every symbol between the positions `start` and `stop`.

        Raises
        ------
        UsageError
            For a short where it may not be held over the close of daily bars, and for an empty
            window.
        """
        length = self.bars.shape[1]
        stop = length if stop is None else min(stop, length)
        if not 0 <= start < stop:
            raise UsageError(f"the window {start} to {stop} holds none of the {length} bars")
        if genome.side not in self.sides:
            raise UsageError(
                f"the genome is short, and {self.market.name} does not let a short be held "
                'overnight: set side = "long", or use intraday bars'
            )
        if self.dialect is Dialect.VECTORBT:
            genome = expressible(genome)[0]
        enter, leave = self.rules(genome)
        rules, costs = rules_of(genome), costs_of(self.account)
        shape = (len(self.tapes), stop - start)
        equity, sizes = np.empty(shape), np.ones(shape)
        trades, outcomes = [], []
        for row, tape in enumerate(self.tapes):
            records = np.empty(stop - start, dtype=TRADE)
            window = (rules, costs, start, stop, equity[row], records)
            if self.dialect is Dialect.KASAUTI:
                outcome = simulate(tape, enter[row], leave[row], *window)
            else:
                outcome = simulate_vectorbt(
                    tape, self.fees, enter[row], leave[row], *window, sizes[row]
                )
            trades.append(records[: outcome.trades])
            outcomes.append(outcome)
        return Passes(equity, tuple(trades), tuple(outcomes), sizes)

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
            symbol: metrics_of(
                passes.equity[row],
                self.account.capital,
                self.bars.bars_a_session,
                passes.trades[row]["profit"],
                passes.outcomes[row].held / width,
                passes.outcomes[row].charges,
            )
            for row, symbol in enumerate(self.bars.symbols)
        }
        metrics = metrics_of(
            passes.equity.sum(axis=0),
            self.account.capital * len(self.tapes),
            self.bars.bars_a_session,
            np.concatenate([trades["profit"] for trades in passes.trades]),
            float(np.mean([one.exposure for one in by_symbol.values()])),
            sum(one.charges for one in by_symbol.values()),
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

    def score(self, genome: Genome, start: int = 0, stop: int | None = None) -> Score:
        """Return the figures of `genome` that a search needs."""
        passes = self.passes(genome, start, stop)
        bars_a_year = float(SESSIONS_A_YEAR * self.bars.bars_a_session)
        panel = passes.equity.sum(axis=0)
        capital = self.account.capital * len(self.tapes)
        returns = returns_of(panel)
        codes = self.labels.codes
        before = codes[start : start + len(returns) - 1]
        decided = codes[np.concatenate([trades["entry_bar"] for trades in passes.trades]) - 1]
        by_regime = [returns[1:][before == code] for code in range(len(REGIMES))]
        counts = tuple(outcome.trades for outcome in passes.outcomes)
        return Score(
            sharpe=float(sharpe_ratio(returns, bars_a_year)),
            total_return=float(panel[-1]) / capital - 1.0,
            max_drawdown=float(max_drawdown(panel, capital)),
            trades=sum(counts),
            charges=float(sum(outcome.charges for outcome in passes.outcomes)),
            t=float(t_statistic(returns)),
            symbol_sharpe=tuple(
                float(sharpe_ratio(returns_of(equity), bars_a_year)) for equity in passes.equity
            ),
            symbol_trades=counts,
            regime_mean=tuple(float(one.mean()) if len(one) else 0.0 for one in by_regime),
            regime_t=tuple(float(t_statistic(one)) for one in by_regime),
            regime_trades=tuple(int(np.sum(decided == code)) for code in range(len(REGIMES))),
        )

    def score_all(self, genomes: Sequence[Genome], executor: Executor | None = None) -> list[Score]:
        """Return the score of each genome, in order; the same whatever the executor."""
        chunks = [genomes[i : i + CHUNK] for i in range(0, len(genomes), CHUNK)]
        self._prepare()
        scored = (
            map(self._score_chunk, chunks)
            if executor is None
            else executor.map(self._score_chunk, chunks)
        )
        return [score for chunk in scored for score in chunk]

    def _prepare(self) -> None:
        """Compute what all threads share before any of them asks for it."""
        _ = self.tapes, self.labels, self.fees

    def _score_chunk(self, genomes: Sequence[Genome]) -> list[Score]:
        return [self.score(genome) for genome in genomes]

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
        for row, outcome in enumerate(passes.outcomes):
            if outcome.quantity > 0.0:
                known = self.bars.close[row, :stop]
                mark = float(known[np.isfinite(known)][-1])
                before = self.account.capital + float(passes.trades[row]["profit"].sum())
                positions.append(
                    OpenPosition(
                        self.bars.symbols[row],
                        side,
                        int(outcome.quantity),
                        self.bars.times[outcome.entry_bar].item(),
                        float(outcome.entry_price),
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
        )


NOTES = {
    "skipped_less_than_one_share": "entries that the account could not buy one share for",
    "skipped_undefined_distance": "entries without a defined ATR for their stop, target or trail",
    "fills_without_volume": "fills without a known volume, so without market impact",
    "unpaid_covers": "short covers beyond the cash, which vectorbt fills only in part",
}


def _counters(passes: Passes) -> dict[str, int]:
    outcomes = passes.outcomes
    return {
        "skipped_less_than_one_share": sum(one.below_one_share for one in outcomes),
        "skipped_undefined_distance": sum(one.undefined_distance for one in outcomes),
        "fills_without_volume": sum(one.without_volume for one in outcomes),
        "unpaid_covers": sum(one.unpaid_covers for one in outcomes),
    }


def _restore(
    bars: tuple[Any, ...], account: Account, dialect: Dialect, labels: OnlineLabels, market: Market
) -> Backtester:
    return Backtester(Bars(*bars), account=account, dialect=dialect, labels=labels, market=market)
