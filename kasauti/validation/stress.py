"""Stress: a genome's own equity curve through the crashes that its bars cover, and a gap overnight.

It replays and reports; what a loss means for the verdict is one constant. Stochastic worlds and
prescribed paths are not built yet.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import numpy as np

from kasauti.backtest import Result
from kasauti.genome import Side
from kasauti.market.bars import Bars, Floats

WORST_LOSS = -0.20
STOCK_GAP, INDEX_GAP = 0.20, 0.10


@dataclass(frozen=True)
class CrashWindow:
    """One historical crash: closes of `start` and `end` are its first and last."""

    market: str
    name: str
    start: date
    end: date


@dataclass(frozen=True)
class Loss:
    """What one scenario cost: lowest close-marked equity over equity at its start, minus 1."""

    scenario: str
    symbol: str
    loss: float

    @property
    def kills(self) -> bool:
        """Whether it is over the 20 % that a strategy may lose."""
        return self.loss < WORST_LOSS


@dataclass(frozen=True)
class Stress:
    """All scenarios: the worst account in each crash, the gap, and what could not be tested."""

    losses: tuple[Loss, ...]
    gap: Loss
    untested: tuple[str, ...]

    @property
    def fatal(self) -> tuple[Loss, ...]:
        """Scenarios that kill, the gap included."""
        return tuple(loss for loss in (*self.losses, self.gap) if loss.kills)


@cache
def _table() -> tuple[tuple[CrashWindow, ...], frozenset[str]]:
    text = files("kasauti.validation").joinpath("data", "crash_windows.toml").read_text("utf-8")
    content = tomllib.loads(text)
    windows = tuple(
        CrashWindow(entry["market"], entry["name"], entry["start"], entry["end"])
        for entry in content["window"]
    )
    return windows, frozenset(content["indices"])


def crash_windows(market: str) -> tuple[CrashWindow, ...]:
    """Return the crashes of the market: ``nse`` has its own, every other name is read as US."""
    country = "nse" if market == "nse" else "us"
    return tuple(window for window in _table()[0] if window.market == country)


def is_index(bars: Bars, symbol: str) -> bool:
    """Whether `symbol` is an index, which gaps less than a share."""
    return symbol == bars.index_symbol or symbol.upper() in _table()[1]


def replay(
    bars: Bars,
    result: Result,
    windows: Sequence[CrashWindow],
    *,
    touching: date | None = None,
) -> tuple[tuple[Loss, ...], tuple[str, ...]]:
    """Return the worst account's loss in every covered window, and the names of the others.

    Parameters
    ----------
    bars : Bars
        What `result` was run on, from its first bar.
    result : Result
    windows : sequence of CrashWindow
    touching : date, optional
        Only windows that end at or after this day.

    Notes
    -----
    A window is covered where a symbol has all of it, and traded opens on most of its bars: where
    nothing can fill, nothing can be lost, and that would prove nothing.
    """
    losses, untested = [], []
    for window in windows:
        if touching is not None and window.end < touching:
            continue
        found = [
            Loss(window.name, symbol, _loss_in(bars, result.equity[row], window))
            for row, symbol in enumerate(bars.symbols)
            if _covers(bars, row, window)
        ]
        if found:
            losses.append(min(found, key=lambda loss: loss.loss))
        else:
            untested.append(window.name)
    return tuple(losses), tuple(untested)


def overnight_gap(bars: Bars, result: Result) -> Loss:
    """Return the loss from a gap against the largest share of its account that a symbol held.

    20 % for a share, 10 % for an index; a stop does not help, it fills beyond the gap.
    """
    worst = Loss("overnight gap", bars.symbols[0], 0.0)
    for row, symbol in enumerate(bars.symbols):
        gap = INDEX_GAP if is_index(bars, symbol) else STOCK_GAP
        loss = -gap * largest_share(bars, result, row)
        if loss < worst.loss:
            worst = Loss("overnight gap", symbol, loss)
    return worst


def largest_share(bars: Bars, result: Result, row: int) -> float:
    """Return the largest position value over equity at any close, of the account in `row`."""
    held = held_shares(bars, result, row)
    marks = _carried(bars.close[row])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(held > 0, held * marks / result.equity[row], 0.0)
    return float(np.max(np.nan_to_num(shares, nan=np.inf), initial=0.0))


def held_shares(bars: Bars, result: Result, row: int, *, delisting_too: bool = False) -> Floats:
    """Return the shares held over each close, shape (T,), never negative.

    With `delisting_too` a position that ends because its symbol does counts as held on that last
    bar: nobody knew on it that no other would follow.
    """
    held = np.zeros(bars.shape[1])
    symbol = bars.symbols[row]
    place = {value: position for position, value in enumerate(bars.times.tolist())}
    for trade in result.trades:
        if trade.symbol == symbol:
            stop = place[trade.exit_time] + (delisting_too and trade.reason == "delisted")
            held[place[trade.entry_time] : stop] = trade.quantity
    for position in result.open:
        if position.symbol == symbol:
            held[place[position.entry_time] :] = position.quantity
    return held


def stress(bars: Bars, result: Result) -> Stress:
    """Return every scenario for one backtest over all of `bars`."""
    losses, untested = replay(bars, result, crash_windows(bars.market))
    return Stress(losses, overnight_gap(bars, result), untested)


def position_on(bars: Bars, day: date) -> int:
    """Return the position of the first bar of the session `day` or after it."""
    return int(np.searchsorted(bars.sessions, np.datetime64(day)))


def describe(loss: Loss, side: Side) -> str:
    """Return a scenario in words for a trader."""
    if loss.scenario == "overnight gap":
        return (
            f"a gap overnight against the {side.value} position in {loss.symbol}: {loss.loss:.1%}"
        )
    return f"{loss.scenario} in {loss.symbol}: {loss.loss:.1%}"


def _covers(bars: Bars, row: int, window: CrashWindow) -> bool:
    """Whether the symbol has the whole window and could be traded on most of its bars."""
    known = bars.sessions[np.isfinite(bars.close[row])]
    first, last = np.datetime64(window.start), np.datetime64(window.end)
    if not len(known) or known[0] > first or known[-1] < last:
        return False
    inside = (bars.sessions >= first) & (bars.sessions <= last)
    opens = np.isfinite(bars.open[row, inside])
    return bool(opens.mean() > 0.5) if len(opens) else False


def _loss_in(bars: Bars, equity: Floats, window: CrashWindow) -> float:
    first = int(np.searchsorted(bars.sessions, np.datetime64(window.start), side="right")) - 1
    stop = int(np.searchsorted(bars.sessions, np.datetime64(window.end), side="right"))
    if equity[first] <= 0:
        return -1.0
    return float(np.min(equity[first:stop]) / equity[first] - 1.0)


def _carried(close: Floats) -> Floats:
    known = np.isfinite(close)
    last = np.maximum.accumulate(np.where(known, np.arange(len(close)), 0))
    return close[last]
