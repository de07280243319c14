"""The drawings that only a tear sheet has, from plain arrays; the others stand in `plots`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.operations.curves import (
    POINTS_AN_INCH,
    Floats,
    Times,
    date_axis,
    last_known,
    log_axis,
    thinned,
)
from kasauti.operations.figure import COLOURS, WIDE, Plot, new_figure, say_nothing, style_context
from kasauti.operations.words import day, grouped, number, percent

MOST_MARKS = 60  # trades with their own arrows on a wide drawing; more of them hide the price


@dataclass(frozen=True, eq=False)
class Traded:
    """The trades of one symbol over its closes.

    Attributes
    ----------
    closes : ndarray of shape (T,)
    entries, exits : ndarray of shape (K,), int64
        Positions of the bars on which a trade was filled and closed.
    profits : ndarray of shape (K,)
        Net of charges.
    """

    symbol: str
    is_long: bool
    closes: Floats
    entries: NDArray[np.int64]
    exits: NDArray[np.int64]
    profits: Floats


def rolling_sharpe(times: Times, sharpe: Floats, whole: float, width: float = WIDE) -> Plot:
    """Draw the Sharpe ratio of the year before each bar, and that of all bars as a line.

    Parameters
    ----------
    sharpe : ndarray of shape (T,)
        Annualised; NaN before a whole year has passed and where nothing moved.
    """
    figure, axes = _one_row(width, 2.5, 0.1)
    if not np.isfinite(sharpe).any():
        say_nothing(axes, "Under a year of bars, or nothing was traded.")
        return Plot(figure, "Rolling Sharpe ratio: under a year of bars, or nothing was traded.")
    at, values = thinned(times, sharpe, int(POINTS_AN_INCH * width))
    with style_context():
        axes.axhline(0.0, color=COLOURS["muted"], linewidth=0.8)
        for colour, side in (("blue", values >= 0), ("orange", values < 0)):
            shown = np.where(side, values, 0.0)
            axes.fill_between(at, shown, 0.0, color=COLOURS[colour], alpha=0.16, linewidth=0)
        axes.plot(at, values, color=COLOURS["blue"], linewidth=1.2)
        axes.axhline(
            whole,
            color=COLOURS["amber"],
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            label=f"all years together: {number(whole)}",
        )
        axes.legend(loc="upper left")
        axes.margins(y=0.16)
        date_axis(axes, times)
    share = float(np.mean(sharpe[np.isfinite(sharpe)] > 0))
    return Plot(
        figure,
        f"Sharpe ratio of the year before each day: above zero on {percent(share, 0)} of days, "
        f"between {number(float(np.nanmin(sharpe)))} and {number(float(np.nanmax(sharpe)))}, "
        f"{number(last_known(sharpe))} at the end, {number(whole)} over all years.",
    )


def trades_on_price(times: Times, traded: Traded, width: float = WIDE) -> Plot:
    """Draw one symbol's closes, coloured while a position was held: a gain blue, a loss orange."""
    figure, axes = _one_row(width, 2.9, 0.34)
    closes = np.where(traded.closes > 0, traded.closes, np.nan)
    count, most = len(traded.profits), int(POINTS_AN_INCH * width)
    if not np.isfinite(closes).any():
        say_nothing(axes, f"{traded.symbol} has no prices.")
        return Plot(figure, f"{traded.symbol}: no prices.")
    with style_context():
        axes.set_title(traded.symbol)
        at, values = thinned(times, closes, most)
        axes.plot(at, values, color=COLOURS["grey"], linewidth=0.8, alpha=0.75)
        for colour, wins, label in (("blue", True, "gained"), ("orange", False, "lost")):
            chosen = (traded.profits > 0) == wins
            held = _while_held(closes, traded.entries[chosen], traded.exits[chosen])
            at, values = thinned(times, held, most)
            axes.plot(at, values, color=COLOURS[colour], linewidth=1.7, label=label)
        if count <= MOST_MARKS * width / WIDE:
            _mark(axes, times, closes, traded)
        log_axis(axes)
        axes.margins(y=0.12)
        axes.legend(loc="upper left", ncols=4)
        date_axis(axes, times)
    won = int(np.sum(traded.profits > 0))
    return Plot(
        figure,
        f"{traded.symbol} from {day(times[0])} to {day(times[-1])} with {grouped(count)} trades: "
        f"{grouped(won)} gained, {grouped(count - won)} lost.",
    )


def _one_row(width: float, height: float, head: float) -> tuple[Any, Any]:
    """Return a figure with margins that fit; finding them anew takes half the time of a drawing."""
    figure, (axes,) = new_figure(width, height)
    figure.set_layout_engine("none")
    left, bottom = 0.52 / width, 0.3 / height
    axes.set_position((left, bottom, 1.0 - left - 0.08 / width, 1.0 - bottom - head / height))
    return figure, axes


def _while_held(closes: Floats, entries: NDArray[np.int64], exits: NDArray[np.int64]) -> Floats:
    """Return the closes from the bar before each entry to its exit, NaN elsewhere.

    Fills are at opens: without the bar before, a trade of one bar would be a point, drawn by none.
    """
    steps = np.zeros(len(closes) + 1, dtype=np.int64)
    np.add.at(steps, np.maximum(entries - 1, 0), 1)
    np.add.at(steps, exits + 1, -1)
    held: Floats = np.where(np.cumsum(steps[:-1]) > 0, closes, np.nan)
    return held


def _mark(axes: Any, times: Times, closes: Floats, traded: Traded) -> None:
    marks = ("^", "v") if traded.is_long else ("v", "^")
    names = ("in", "out")
    for bars, mark, name in zip((traded.entries, traded.exits), marks, names, strict=True):
        axes.plot(
            times[bars],
            closes[bars],
            linestyle="none",
            marker=mark,
            markersize=4.6,
            color=COLOURS["ink"],
            markerfacecolor=COLOURS["ink"] if name == "in" else COLOURS["paper"],
            markeredgewidth=0.9,
            label=name,
        )
