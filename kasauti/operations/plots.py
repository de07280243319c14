"""The drawings of the report and of Dagster's metadata, from plain arrays; no file is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kasauti.operations.curves import (
    POINTS_AN_INCH,
    Floats,
    Times,
    date_axis,
    deepest,
    drawdown,
    first_known,
    last_known,
    thinned,
)
from kasauti.operations.figure import (
    COLOURS,
    WIDE,
    Plot,
    as_markdown,
    new_figure,
    say_nothing,
    style_context,
)
from kasauti.operations.market_plots import bars_overview, regime_heatmap, regime_ribbon
from kasauti.operations.words import day, grouped, percent, short_money

FILL: dict[str, Any] = {"alpha": 0.18, "linewidth": 0}

__all__ = [
    "Generation",
    "Plot",
    "as_markdown",
    "bars_overview",
    "equity_and_drawdown",
    "funnel",
    "pareto_front",
    "profit_curve",
    "regime_heatmap",
    "regime_ribbon",
    "search_progress",
]


@dataclass(frozen=True)
class Generation:
    """One step of the search.

    Attributes
    ----------
    evaluations : int
        Evaluations so far, this generation included.
    best, median : float
        Of the searched risk-adjusted return; NaN where nothing traded.
    """

    evaluations: int
    best: float
    median: float


def equity_and_drawdown(
    times: Times,
    equity: Floats,
    benchmark: Floats | None = None,
    title: str = "",
    names: tuple[str, str] = ("strategy", "holding the index"),
    currency: str = "₹",
    width: float = WIDE,
) -> Plot:
    """Draw equity above and the fall from its highest point below, both against a benchmark.

    Parameters
    ----------
    times : ndarray of shape (T,)
    equity, benchmark : ndarray of shape (T,)
        Money at each close, the benchmark scaled to the same start. NaN leaves a hole.
    """
    figure, (top, bottom) = new_figure(width, height=4.6 if width >= WIDE else 3.6, rows=(2.6, 1.0))
    most = int(POINTS_AN_INCH * width)
    lines = [(names[0], equity, "blue")]
    if benchmark is not None:
        lines.append((names[1], benchmark, "grey"))
    drawn = [(name, line, colour) for name, line, colour in lines if np.isfinite(line).any()]
    if not drawn:
        bottom.set_axis_off()
        say_nothing(top, "No equity curve to show.")
        return Plot(figure, f"{title or 'Equity'}: no equity curve to show.")
    with style_context():
        top.set_title(title)
        for order, (name, line, colour) in enumerate(drawn):
            falls = drawdown(line)
            at, values = thinned(times, line, most)
            top.plot(at, values, color=COLOURS[colour], label=name, zorder=3 - order)
            at, values = thinned(times, falls, most)
            bottom.plot(at, values, color=COLOURS[colour], linewidth=0.9, zorder=3 - order)
            if order == 0:
                bottom.fill_between(at, values, 0.0, color=COLOURS[colour], **FILL)
        top.yaxis.set_major_formatter(lambda value, _: short_money(value, currency))
        bottom.yaxis.set_major_formatter(lambda value, _: percent(value, 0))
        bottom.set_ylabel("fall from the top")
        top.legend(loc="upper left", ncols=2)
        date_axis(bottom, times)
    parts = [
        f"{name} from {short_money(first_known(line), currency)} to "
        f"{short_money(last_known(line), currency)}, deepest fall {percent(deepest(line))}"
        for name, line, _ in drawn
    ]
    span = f"{day(times[0])} to {day(times[-1])}"
    return Plot(figure, f"{title or 'Equity and drawdown'}, {span}: {'; '.join(parts)}.")


def pareto_front(
    points: Floats,
    labels: tuple[str, str, str] = ("risk-adjusted return", "consistency", "simplicity"),
    chosen: int | None = None,
    title: str = "",
) -> Plot:
    """Draw the strategies that no other beats in everything.

    Parameters
    ----------
    points : ndarray of shape (N, 2) or (N, 3)
        The first two objectives are the axes; the third, if any, is the size of the mark.
    chosen : int, optional
        The point that was looked at further.
    """
    figure, (axes,) = new_figure(height=3.6)
    points = np.asarray(points, dtype=np.float64)
    if points.size == 0:
        say_nothing(axes, "Nothing survived the search.")
        return Plot(figure, "Front of the search: nothing survived.")
    sizes = np.full(len(points), 46.0)
    if points.shape[1] > 2:
        third = points[:, 2]
        reach = float(np.ptp(third)) or 1.0
        sizes = 24.0 + 110.0 * (third - float(third.min())) / reach
    with style_context():
        axes.set_title(title)
        axes.grid(visible=True, axis="both")
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=sizes,
            color=COLOURS["blue"],
            alpha=0.55,
            linewidths=0,
            zorder=3,
        )
        axes.set_xlabel(f"{labels[0]}  →  better")
        axes.set_ylabel(f"{labels[1]}  →  better")
        if points.shape[1] > 2:
            note = f"larger mark = more {labels[2]}"
            axes.annotate(
                note,
                (1.0, 1.02),
                xycoords="axes fraction",
                ha="right",
                fontsize=8,
                color=COLOURS["muted"],
            )
        if chosen is not None:
            x, y = float(points[chosen, 0]), float(points[chosen, 1])
            axes.scatter(
                [x],
                [y],
                s=sizes[chosen] + 90,
                facecolors="none",
                edgecolors=COLOURS["orange"],
                linewidths=1.8,
                zorder=4,
            )
            axes.annotate(
                "judged",
                (x, y),
                xytext=(0, 12),
                textcoords="offset points",
                ha="center",
                color=COLOURS["orange"],
                weight="bold",
            )
        axes.margins(0.12)
    low, high = grouped(float(points[:, 0].min()), 2), grouped(float(points[:, 0].max()), 2)
    return Plot(
        figure,
        f"{len(points)} strategies on the front of the search; {labels[0]} from {low} to {high}.",
    )


def search_progress(generations: Sequence[Generation], title: str = "") -> Plot:
    """Draw the best and the middle strategy of each generation against the evaluations so far."""
    figure, (axes,) = new_figure(height=3.2)
    if not generations:
        say_nothing(axes, "No generation was evaluated.")
        return Plot(figure, "Search progress: no generation was evaluated.")
    at = [generation.evaluations for generation in generations]
    best = np.array([generation.best for generation in generations])
    median = np.array([generation.median for generation in generations])
    with style_context():
        axes.set_title(title)
        axes.plot(at, best, color=COLOURS["blue"], marker="o", markersize=3.5, label="best so far")
        axes.plot(
            at, median, color=COLOURS["grey"], marker="o", markersize=3, label="middle of the field"
        )
        axes.axhline(0.0, color=COLOURS["muted"], linewidth=0.8)
        axes.set_xlabel("strategies evaluated")
        axes.set_ylabel("risk-adjusted return")
        axes.xaxis.set_major_formatter(lambda value, _: grouped(value))
        axes.legend(loc="lower right", ncols=2)
        axes.margins(x=0.03, y=0.15)
    return Plot(
        figure,
        f"Search progress over {len(generations)} generations and {grouped(at[-1])} evaluations: "
        f"the best went from {grouped(first_known(best), 2)} to {grouped(last_known(best), 2)}.",
    )


def funnel(steps: Sequence[tuple[str, int]], title: str = "") -> Plot:
    """Draw how many strategies were left after each step, as bars on a log scale."""
    figure, (axes,) = new_figure(height=0.7 + 0.42 * max(len(steps), 1))
    if not steps:
        say_nothing(axes, "Nothing was tried.")
        return Plot(figure, "Nothing was tried.")
    counts = np.array([count for _, count in steps], dtype=np.float64)
    lengths = np.log10(1.0 + counts)
    reach = float(lengths.max()) or 1.0
    with style_context():
        axes.set_title(title)
        rows = np.arange(len(steps))
        axes.barh(rows, lengths, height=0.62, color=COLOURS["blue"], alpha=0.75)
        for row, (_, count) in enumerate(steps):
            at = float(lengths[row]) + reach * 0.015
            axes.text(at, row, grouped(count), va="center", weight="bold")
        axes.set_yticks(rows, [name for name, _ in steps])
        axes.tick_params(axis="y", labelcolor=COLOURS["ink"])
        axes.set_xlim(0, reach * 1.18)
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
    return Plot(figure, "; ".join(f"{name}: {grouped(count)}" for name, count in steps) + ".")


def profit_curve(
    times: Times,
    profit: Floats,
    title: str = "",
    currency: str = "₹",
    width: float = WIDE,
) -> Plot:
    """Draw profit and loss net of all charges, as steps, above and below zero.

    Parameters
    ----------
    times, profit : ndarray of shape (T,)
        Profit so far after each fill or close; NaN leaves a hole.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure(width, height=2.8 if width >= WIDE else 2.0)
    if not np.isfinite(profit).any():
        say_nothing(axes, "No profit or loss yet: nothing was traded.")
        return Plot(figure, "Profit and loss: nothing was traded.")
    with style_context():
        axes.set_title(title)
        at, values = thinned(times, profit)
        axes.axhline(0.0, color=COLOURS["muted"], linewidth=0.8)
        for colour, side in (("blue", values >= 0), ("orange", values < 0)):
            axes.fill_between(
                at,
                np.where(side, values, 0.0),
                0.0,
                step="post",
                color=COLOURS[colour],
                alpha=0.18,
                linewidth=0,
            )
        mark = "o" if len(values) <= 40 else ""
        axes.step(at, values, where="post", color=COLOURS["blue"], marker=mark, markersize=4)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))  # else "₹0 ₹0 −₹1"
        axes.yaxis.set_major_formatter(lambda value, _: short_money(value, currency))
        date_axis(axes, times)
    last = last_known(profit)
    word = "profit" if last >= 0 else "loss"
    return Plot(figure, f"Net {word} of {short_money(abs(last), currency)} by {day(times[-1])}.")
