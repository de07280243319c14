"""One genome on the examiners' table: its trades and curves as arrays; no tester is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.engine import Passes
from kasauti.backtest.kernel import REASONS
from kasauti.backtest.metrics import SESSIONS_A_YEAR, returns_of
from kasauti.genome import Genome
from kasauti.genome.model import DistanceKind, Side
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.validation.gates.model import Case, Gate
from kasauti.validation.robustness import Robustness, robustness

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TradeTable:
    """Closed trades of all symbols as columns of shape (N,), by symbol, then by time.

    Attributes
    ----------
    row, entry_bar, exit_bar, reason : int64
        Symbol, positions on the time axis, place in `REASONS`.
    quantity, entry_price, exit_price, charges, profit : float64
        `profit` is net of `charges`; rupees.
    equity : float64
        Of the symbol's account when the trade began.
    planned : float64
        Distance from entry to stop as a fraction of the entry price.
    """

    row: Integers
    entry_bar: Integers
    exit_bar: Integers
    reason: Integers
    quantity: Floats
    entry_price: Floats
    exit_price: Floats
    charges: Floats
    profit: Floats
    equity: Floats
    planned: Floats

    def __len__(self) -> int:
        """Return the number of closed trades."""
        return len(self.row)

    @cached_property
    def returned(self) -> Floats:
        """Profit of each trade as a fraction of its account."""
        return self.profit / self.equity

    @cached_property
    def held(self) -> Integers:
        """Bars from entry to exit; 0 where both are on one bar."""
        return self.exit_bar - self.entry_bar

    def ended_by(self, reason: str) -> Booleans:
        """Return which trades ended for `reason`."""
        ended: Booleans = self.reason == REASONS.index(reason)
        return ended


@dataclass(frozen=True, eq=False)
class Exam:
    """One genome under examination; what several testers look at is worked out once.

    Attributes
    ----------
    case : Case
    found : mapping of str to Gate
        What the other gates found, by name; a tester does without those that are missing.
    """

    case: Case
    found: Mapping[str, Gate]

    @property
    def genome(self) -> Genome:
        """The genome."""
        return self.case.genome

    @property
    def bars(self) -> Bars:
        """The searched bars."""
        return self.case.bars

    @property
    def side(self) -> float:
        """1 for a long genome, -1 for a short one."""
        return 1.0 if self.genome.side is Side.LONG else -1.0

    @property
    def bars_a_year(self) -> float:
        """Bars of 252 sessions."""
        return float(SESSIONS_A_YEAR * self.bars.bars_a_session)

    @property
    def years(self) -> float:
        """Length of the bars in years of 252 sessions."""
        return self.bars.shape[1] / self.bars_a_year

    @cached_property
    def passes(self) -> Passes:
        """Trades and curves as the engine traced them."""
        return self.case.backtester.passes(self.genome)

    @cached_property
    def decided(self) -> tuple[Booleans, Booleans]:
        """Where the genome decides to enter and to leave, (S, T) each."""
        return self.case.backtester.rules(self.genome)

    @cached_property
    def trades(self) -> TradeTable:
        """All closed trades."""
        capital = self.case.backtester.account.capital
        records = self.passes.trades
        rows = np.repeat(np.arange(len(records)), [len(one) for one in records])
        joined = np.concatenate(records)
        before = np.concatenate([np.r_[capital, one["flat_cash"]][: len(one)] for one in records])
        stop = self.genome.stop
        planned = np.full(len(joined), float(stop.value))
        if stop.kind is DistanceKind.ATR:
            atr = self.case.backtester.features.atr()
            planned = planned * atr[rows, joined["entry_bar"] - 1] / joined["entry_price"]
        return TradeTable(
            row=rows,
            entry_bar=joined["entry_bar"],
            exit_bar=joined["exit_bar"],
            reason=joined["reason"],
            quantity=joined["quantity"],
            entry_price=joined["entry_price"],
            exit_price=joined["exit_price"],
            charges=joined["charges"],
            profit=joined["profit"],
            equity=before,
            planned=planned,
        )

    @cached_property
    def positions(self) -> int:
        """Positions ever opened, those still open included."""
        return len(self.trades) + sum(len(one) for one in self.passes.open)

    @cached_property
    def held_value(self) -> Floats:
        """Value held over each close as a fraction of the symbol's account, (S, T)."""
        held = np.zeros(self.bars.shape)
        for row in range(len(held)):
            for records in (self.passes.trades[row], self.passes.open[row]):
                for first, stop, quantity in zip(
                    records["entry_bar"].tolist(),
                    records["exit_bar"].tolist(),
                    records["quantity"].tolist(),
                    strict=True,
                ):
                    held[row, first:stop] = quantity
        marks = self._marks
        equity = self.passes.equity
        value = np.where(held > 0.0, held * marks, 0.0)
        return np.divide(value, equity, out=np.zeros_like(value), where=equity > 0.0)

    @cached_property
    def _marks(self) -> Floats:
        return self.case.backtester.panel.mark[:, : self.bars.shape[1]]

    @cached_property
    def holding(self) -> Floats:
        """Returns of buying every symbol on its first close and keeping it, (T,)."""
        marks = self._marks
        known = marks[np.isfinite(marks[:, 0])]
        if not len(known):
            return np.zeros(self.bars.shape[1])
        return returns_of(np.ascontiguousarray((known / known[:, :1]).sum(axis=0)))

    @cached_property
    def robustness(self) -> Robustness:
        """What is left of the genome when the world differs a little."""
        return robustness(self.case.backtester, self.genome, seed=self.case.seed)

    @cached_property
    def unmeasurable(self) -> str | None:
        """Why no figure of this genome would mean anything; None if they do."""
        returns = self.case.returns
        if not np.isfinite(returns).all():
            at = int(np.flatnonzero(~np.isfinite(returns))[0])
            return (
                f"its return on {self.bars.times[at]} is {returns[at]}, not a number: no figure "
                "that rests on it would mean anything"
            )
        marks = self._marks
        if not (marks != marks[:, :1]).any():
            return "the prices never move: nothing can be learned from them"
        if not self.positions:
            return "it never traded: there is nothing to examine"
        if not len(self.trades):
            return "it never closed a trade: it bought once and held"
        return None
