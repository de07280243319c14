"""What a backtest leaves behind: trades, open positions, curves and scores as frozen data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Dialect
from kasauti.backtest.metrics import Metrics
from kasauti.genome.model import Genome, Side
from kasauti.market.bars import Floats, Times

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trade:
    """One closed trade. Times are exchange-local, a date for daily bars; money is rupees.

    `reason` is one of `kasauti.backtest.kernel.REASONS`; `profit` is net of `charges`.
    """

    symbol: str
    side: Side
    quantity: int
    entry_time: date | datetime
    entry_price: float
    exit_time: date | datetime
    exit_price: float
    reason: str
    charges: float
    profit: float

    def to_json(self) -> dict[str, Any]:
        """Return the trade as the command line prints it."""
        return {
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": self.quantity,
            "entry_time": self.entry_time.isoformat(),
            "entry_price": self.entry_price,
            "exit_time": self.exit_time.isoformat(),
            "exit_price": self.exit_price,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position that the last bar found open, marked at its last close; `profit` is unrealised."""

    symbol: str
    side: Side
    quantity: int
    entry_time: date | datetime
    entry_price: float
    mark: float
    profit: float

    def to_json(self) -> dict[str, Any]:
        """Return the position as the command line prints it."""
        return {
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": self.quantity,
            "entry_time": self.entry_time.isoformat(),
            "entry_price": self.entry_price,
            "mark": self.mark,
            "profit": self.profit,
        }


@dataclass(frozen=True, eq=False)
class Result:
    """One backtest in full.

    Attributes
    ----------
    genome : Genome
    dialect : Dialect
    symbols : tuple of str
    times : ndarray of shape (W,), datetime64
        The bars that were traded.
    trades : tuple of Trade
        Closed trades, by symbol, then by time.
    open : tuple of OpenPosition
    equity : ndarray of shape (S, W), float64
        Close-marked equity of every symbol's own account, rupees.
    metrics : Metrics
        Of the panel, by its summed equity.
    by_symbol : mapping of str to Metrics
    counters : mapping of str to int
        Entries that came to nothing and fills without a volume, by what happened.
    notes : tuple of str
        What a reader has to know beside the figures, in plain words.
    """

    genome: Genome
    dialect: Dialect
    symbols: tuple[str, ...]
    times: Times
    trades: tuple[Trade, ...]
    open: tuple[OpenPosition, ...]
    equity: Floats
    metrics: Metrics
    by_symbol: Mapping[str, Metrics]
    counters: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def panel_equity(self) -> Floats:
        """Equity of all accounts together, shape (W,)."""
        total: Floats = self.equity.sum(axis=0)
        return total

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``kasauti backtest --json`` prints."""
        return {
            "genome": self.genome.hash,
            "trades": [trade.to_json() for trade in self.trades],
            "metrics": self.metrics.to_json(),
            "open": [position.to_json() for position in self.open],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Score:
    """The figures that a search needs, of the panel unless said otherwise; no curve is kept.

    Attributes
    ----------
    sharpe, total_return, max_drawdown, trades, charges
        As in `Metrics`.
    t : float
        t-statistic of the panel's mean return a bar.
    symbol_sharpe, symbol_trades : tuple
        In the order of the bars' symbols.
    regime_mean, regime_t, regime_trades : tuple of four
        In the order of `REGIMES`: mean return of the bars that *follow* a bar with that label,
        its t-statistic, and the closed trades whose entry was decided under it.
    """

    sharpe: float
    total_return: float
    max_drawdown: float
    trades: int
    charges: float
    t: float
    symbol_sharpe: tuple[float, ...]
    symbol_trades: tuple[int, ...]
    regime_mean: tuple[float, ...]
    regime_t: tuple[float, ...]
    regime_trades: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of N genomes as columns, in their order; `Score` says what each one is.

    Attributes
    ----------
    sharpe, total_return, max_drawdown, charges, t : ndarray of shape (N,), float64
    trades : ndarray of shape (N,), int64
    symbol_sharpe, symbol_trades : ndarray of shape (N, S)
    regime_mean, regime_t, regime_trades : ndarray of shape (N, 4)
    """

    sharpe: Floats
    total_return: Floats
    max_drawdown: Floats
    trades: Integers
    charges: Floats
    t: Floats
    symbol_sharpe: Floats
    symbol_trades: Integers
    regime_mean: Floats
    regime_t: Floats
    regime_trades: Integers

    def __len__(self) -> int:
        """Return the number of genomes."""
        return len(self.sharpe)

    def __getitem__(self, i: int) -> Score:
        """Return the score of genome `i`."""
        row: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)[i].tolist()
            row[field.name] = tuple(value) if isinstance(value, list) else value
        return Score(**row)

    def __iter__(self) -> Iterator[Score]:
        """Return the scores one by one."""
        return (self[i] for i in range(len(self)))

    @classmethod
    def join(cls, parts: "Sequence[Scores]") -> "Scores":
        """Return the scores of all `parts`, in order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
