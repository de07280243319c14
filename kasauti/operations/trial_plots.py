"""Drawings of the trial as a whole: all strategies by regime, and the lines that they come from."""

from collections.abc import Mapping, Sequence

import numpy as np

from kasauti.evolution.lineage import Kin
from kasauti.operations.figure import COLOURS, Plot, new_figure, say_nothing, style_context
from kasauti.operations.gate_rows import RegimeRow
from kasauti.operations.market_plots import regime_heatmap
from kasauti.operations.words import grouped, number
from kasauti.regimes.model import REGIMES

MOST_EDGES = 1_500  # grey lines behind the winning ones; a long search has a hundred thousand
_COLOURS = ("blue", "orange", "green", "purple", "amber")


def strategies_by_regime(strategies: Mapping[str, Sequence[RegimeRow]], title: str = "") -> Plot:
    """Draw the heat map of strategies and regimes from what the gate recorded of each.

    Where a strategy may not enter, or had under 30 trades, the cell says *unknown*.
    """
    regimes = [regime.value for regime in REGIMES]
    means = np.full((len(strategies), len(regimes)), np.nan)
    trades = np.zeros(means.shape, dtype=np.int64)
    for place, rows in enumerate(strategies.values()):
        for row in rows:
            if row.regime in regimes:
                column = regimes.index(row.regime)
                trades[place, column] = row.trades
                if row.mean is not None and row.state != "not traded":
                    means[place, column] = row.mean
    return regime_heatmap(list(strategies), regimes, means, trades, title=title)


def family_lines(families: Mapping[str, Sequence[Kin]], title: str = "") -> Plot:
    """Draw each strategy's ancestors by generation and Sharpe, its strongest line in colour.

    Parameters
    ----------
    families : mapping of str to sequence of Kin
        By the strategy's name: itself and its ancestors. One that was not bred is left out.
    """
    from matplotlib.collections import LineCollection

    figure, (axes,) = new_figure(height=3.8)
    bred = {name: kin for name, kin in families.items() if len(kin) > 1}
    if not bred:
        say_nothing(axes, "None of them was bred: there is no family to show.")
        return Plot(figure, "Family tree: none of the strategies was bred.")
    points = {one.genome: (one.generation, one.sharpe) for kin in bred.values() for one in kin}
    edges = {
        (parent, one.genome)
        for kin in bred.values()
        for one in kin
        for parent in one.parents
        if parent in points
    }
    drawn = sorted(edges, key=lambda edge: (-points[edge[1]][0], edge))[:MOST_EDGES]
    with style_context():
        axes.set_title(title)
        lines = [[points[parent], points[child]] for parent, child in drawn]
        axes.add_collection(
            LineCollection(lines, colors=COLOURS["grey"], linewidths=0.5, alpha=0.3)
        )
        shown = sorted({name for edge in drawn for name in edge})
        dots = np.array([points[name] for name in shown])
        axes.scatter(dots[:, 0], dots[:, 1], s=7, color=COLOURS["grey"], alpha=0.5, linewidths=0)
        for place, (name, kin) in enumerate(bred.items()):
            path = np.array(sorted(points[one.genome] for one in kin if one.on_line))
            colour = COLOURS[_COLOURS[place % len(_COLOURS)]]
            axes.plot(
                path[:, 0], path[:, 1], color=colour, marker="o", markersize=4, label=name, zorder=4
            )
        axes.set_xlabel("generation")
        axes.set_ylabel("Sharpe ratio when it was tried")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower right", ncols=3)
        axes.margins(0.06, 0.14)
    spoken = [
        f"{name} has {grouped(len(kin) - 1)} ancestors, its strongest line rose from a Sharpe of "
        f"{number(min(kin, key=lambda one: (not one.on_line, one.generation)).sharpe)} to "
        f"{number(kin[0].sharpe)}"
        for name, kin in bred.items()
    ]
    return Plot(figure, f"Family tree by generation: {'; '.join(spoken)}.")
