"""Curves and axes that several plots need: thinning, drawdowns, runs, date and log axes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kasauti.operations.figure import COLOURS
from kasauti.operations.words import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

POINTS_AN_INCH = 143  # twice the pixels of a drawing's width; more is bytes that nobody sees
MOST_POINTS = 1200  # of a drawing as wide as a page


def drawdown(values: Floats) -> Floats:
    """Fall from the highest value so far, as a fraction at or below 0; NaN stays NaN."""
    tops = np.fmax.accumulate(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(values / tops - 1.0, dtype=np.float64)


def deepest(values: Floats) -> float:
    """Deepest fall as a fraction at or below 0; NaN where nothing is known."""
    falls = drawdown(values)
    return float(np.nanmin(falls)) if np.isfinite(falls).any() else float("nan")


def first_known(values: Floats) -> float:
    """First value that is not NaN, else NaN."""
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else float("nan")


def last_known(values: Floats) -> float:
    """Last value that is not NaN, else NaN."""
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else float("nan")


def thinned(times: Times, values: Floats, most: int = MOST_POINTS) -> tuple[Times, Floats]:
    """Return at most `most` points that keep every bin's lowest and highest, and the ends.

    A plain stride would lose the very spike or fall that the reader looks for.
    """
    if len(values) <= most:
        return times, values
    keep = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), most // 2 - 1):
        known = part[np.isfinite(values[part])]
        if len(known) == 0:
            keep.add(int(part[0]))  # a hole stays a hole
            continue
        keep.add(int(known[np.argmin(values[known])]))
        keep.add(int(known[np.argmax(values[known])]))
    chosen = np.array(sorted(keep))
    return times[chosen], values[chosen]


def runs(codes: NDArray[np.int8]) -> list[tuple[int, int, int]]:
    """Return (start, stop, code) of each stretch of equal codes."""
    if len(codes) == 0:
        return []
    edges = np.flatnonzero(np.diff(codes)) + 1
    starts = [0, *(int(edge) for edge in edges)]
    stops = [*(int(edge) for edge in edges), len(codes)]
    return [(start, stop, int(codes[start])) for start, stop in zip(starts, stops, strict=True)]


def span(times: Times, start: int, stop: int) -> tuple[float, float]:
    """Return left edge and width, in a plot's days, of the bars from `start` to before `stop`."""
    from matplotlib import dates

    untyped: Any = dates
    left, right = untyped.date2num(times[[start, min(stop, len(times) - 1)]])
    return float(left), float(right - left)


def date_axis(axes: "Axes", times: Times) -> None:
    """Show dates with as many words as the span of `times` needs; sessions get no hours."""
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=4, maxticks=9)
    is_daily = times.dtype == np.dtype("datetime64[D]") and len(times) > 0
    if is_daily and times[-1] - times[0] < np.timedelta64(8, "D"):
        locator = untyped.DayLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))
    axes.spines["bottom"].set_visible(True)
    axes.margins(x=0.01)


def log_axis(axes: "Axes") -> None:
    """Show a log scale with plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: grouped(value, 0 if value >= 1.0 else 2))
    axes.yaxis.set_minor_locator(NullLocator())  # unseen ticks took a third of a drawing's time


def shade(axes: "Axes", start: Any, stop: Any, label: str) -> None:
    """Shade the time from `start` to `stop` and name it."""
    from matplotlib import dates

    untyped: Any = dates
    axes.axvspan(start, stop, color=COLOURS["purple"], alpha=0.12, linewidth=0)
    axes.annotate(
        label,
        (untyped.date2num(start), 0.04),
        xycoords=axes.get_xaxis_transform(),
        xytext=(5, 0),
        textcoords="offset points",
        color=COLOURS["purple"],
        weight="bold",
        fontsize=8.5,
    )
