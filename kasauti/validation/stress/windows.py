"""Historical crashes: their table, what these bars have of them, and their replay; none is made."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from kasauti.backtest import Result
from kasauti.backtest.tape import filled_closes
from kasauti.market.bars import Bars, Floats
from kasauti.regimes.online import WARM_UP
from kasauti.validation.stress.model import Loss

ROUNDING = 0.0005
"""Falls that differ by less are the same: sources round closes differently, by 0.05 % at most."""


@dataclass(frozen=True)
class CrashWindow:
    """One historical crash: closes of `start` and `end` are its first and last.

    `fall` is the index's own, from the first to the last close, and `worst_day` its worst session,
    both as fractions; None where no source gives them.
    """

    market: str
    name: str
    start: date
    end: date
    fall: float | None = None
    worst_day: float | None = None


@cache
def _table() -> dict[str, Any]:
    text = files("kasauti.validation").joinpath("data", "crash_windows.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _windows() -> tuple[CrashWindow, ...]:
    def fraction(value: float | None) -> float | None:
        return None if value is None else value / 100.0

    return tuple(
        CrashWindow(
            entry["market"],
            entry["name"],
            entry["start"],
            entry["end"],
            fraction(entry.get("fall")),
            fraction(entry.get("worst_day")),
        )
        for entry in _table()["window"]
    )


def country_of(market: str) -> str:
    """Return whose crashes count: ``nse`` has its own, every other name is read as US."""
    return "nse" if market == "nse" else "us"


def crash_windows(market: str) -> tuple[CrashWindow, ...]:
    """Return the crashes of the market."""
    return tuple(window for window in _windows() if window.market == country_of(market))


def is_index(bars: Bars, symbol: str) -> bool:
    """Whether `symbol` is an index, which gaps less than a share."""
    return symbol == bars.index_symbol or symbol.upper() in _table()["indices"]


def position_on(bars: Bars, day: date) -> int:
    """Return the position of the first bar of the session `day` or after it."""
    return int(np.searchsorted(bars.sessions, np.datetime64(day)))


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
        What `result` was run on, from its first bar: the position that the genome really held when
        a crash began is carried into it, and its indicators are warm.
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


def differing(bars: Bars, windows: Sequence[CrashWindow]) -> tuple[str, ...]:
    """Say of which windows the index in these bars fell by something else than the table records.

    Only windows with a recorded fall, and only where the bars hold the index that it was measured
    on, from the first to the last day.
    """
    closes = _measured_closes(bars)
    if closes is None:
        return ()
    said = []
    for window in windows:
        measured = _fall_in(bars, closes, window)
        if window.fall is None or measured is None:
            continue
        if abs(measured - window.fall) > ROUNDING:
            said.append(f"{window.name} (recorded {window.fall:.2%}, in these bars {measured:.2%})")
    return tuple(said)


def cold(bars: Bars, windows: Sequence[CrashWindow]) -> tuple[str, ...]:
    """Return the names of windows that began before regimes and long averages were defined.

    What a genome lost there counts; that it lost nothing proves little.
    """
    names = []
    for window in windows:
        before = bars.sessions < np.datetime64(window.start)
        days = bars.sessions[before]
        known = [len(np.unique(days[np.isfinite(close[before])])) for close in bars.close]
        if max(known) < WARM_UP:
            names.append(window.name)
    return tuple(names)


def _measured_closes(bars: Bars) -> Floats | None:
    names = _table()["measured_on"][country_of(bars.market)]
    if bars.index_symbol is not None and bars.index_symbol.upper() in names:
        return bars.series["index"]
    return next((bars.close[i] for i, one in enumerate(bars.symbols) if one.upper() in names), None)


def _fall_in(bars: Bars, closes: Floats, window: CrashWindow) -> float | None:
    first, stop = _edges(bars, window)
    known = np.flatnonzero(np.isfinite(closes))
    if not len(known) or first < known[0] or bars.sessions[known[-1]] < np.datetime64(window.end):
        return None
    marks = filled_closes(closes)
    return float(marks[stop - 1] / marks[first] - 1.0)


def _edges(bars: Bars, window: CrashWindow) -> tuple[int, int]:
    """Return the position of the close of `start`, -1 if it is before the bars, and the end."""
    first = int(np.searchsorted(bars.sessions, np.datetime64(window.start), side="right")) - 1
    return first, int(np.searchsorted(bars.sessions, np.datetime64(window.end), side="right"))


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
    first, stop = _edges(bars, window)
    return loss_of(equity[first:stop])


def loss_of(equity: Floats) -> float:
    """Return the lowest of a curve over its first value, minus 1; -1 where that is not above 0."""
    if equity[0] <= 0.0:
        return -1.0
    return float(np.min(equity) / equity[0] - 1.0)
