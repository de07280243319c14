"""Drawings of the market: closes, regimes and how strategies fare in each; see also `plots`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kasauti.market.bars import Bars
from kasauti.operations.curves import (
    Floats,
    Times,
    date_axis,
    first_known,
    log_axis,
    runs,
    shade,
    span,
    thinned,
)
from kasauti.operations.figure import COLOURS, Plot, new_figure, style_context
from kasauti.operations.words import day, grouped, percent
from kasauti.regimes.model import REGIMES

FEWEST_TRADES = 30  # under this a regime is unknown, not passed (DESIGN.md section 7, gate 3)

REGIME_COLOURS = {"bull": "green", "bear": "orange", "sideways": "grey", "volatile": "purple"}
_SERIES_COLOURS = ("blue", "orange", "green", "purple", "amber", "grey")


def regime_heatmap(
    names: Sequence[str],
    regimes: Sequence[str],
    values: Floats,
    trades: NDArray[np.int64],
    fewest: int = FEWEST_TRADES,
    title: str = "",
) -> Plot:
    """Draw the mean return a bar of each strategy in each regime, with the number of trades.

    Parameters
    ----------
    values : ndarray of shape (len(names), len(regimes))
        Mean net return a bar, as a fraction; NaN where there were none.
    trades : ndarray of the same shape
        A cell with fewer than `fewest` trades is hatched and says *unknown*.
    """
    from matplotlib.patches import Rectangle

    figure, (axes,) = new_figure(height=0.5 + 0.6 * max(len(names), 1) + (0.4 if title else 0.0))
    known = np.isfinite(values) & (trades >= fewest)
    scale = float(np.max(np.abs(values[known]))) if known.any() else 1.0
    spoken = []
    with style_context():
        axes.set_title(title)
        for row, name in enumerate(names):
            for column, regime in enumerate(regimes):
                value, count = float(values[row, column]), int(trades[row, column])
                is_known = bool(known[row, column])
                colour = COLOURS["blue" if value >= 0 else "orange"] if is_known else "none"
                axes.add_patch(
                    Rectangle(
                        (column + 0.02, row + 0.04),
                        0.96,
                        0.92,
                        facecolor=colour,
                        alpha=0.10 + 0.40 * abs(value) / (scale or 1.0) if is_known else None,
                        edgecolor=COLOURS["grid"],
                        linewidth=0,
                        hatch=None if is_known else "////",
                    )
                )
                head = percent(value, 3, signed=True) if is_known else "unknown"
                unit = "trade" if count == 1 else "trades"
                ink = COLOURS["ink" if is_known else "muted"]
                middle = column + 0.5
                axes.text(middle, row + 0.47, head, ha="center", color=ink, weight="bold")
                small = {"ha": "center", "fontsize": 7.5, "color": ink}
                axes.text(middle, row + 0.78, f"{grouped(count)} {unit}", **small)
                spoken.append(f"{name} in {regime}: {head}, {grouped(count)} {unit}")
        axes.set_xlim(0, len(regimes))
        axes.set_ylim(max(len(names), 1), 0)
        axes.set_xticks(np.arange(len(regimes)) + 0.5, regimes)
        axes.set_yticks(np.arange(len(names)) + 0.5, names)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return Plot(figure, f"Mean return a bar by regime. {'; '.join(spoken) or 'No strategies'}.")


def bars_overview(
    bars: Bars,
    sealed_from: np.datetime64 | None = None,
    sealed_until: np.datetime64 | None = None,
    title: str = "",
) -> Plot:
    """Draw every symbol's close on a log scale from 100, the sealed range shaded.

    A symbol starts at 100 at its first close. Closes that are not positive are left out. The shade
    reaches to `sealed_until`, also where `bars` end at the seal and nothing in it can be drawn.
    """
    figure, (axes,) = new_figure(height=3.8)
    with style_context():
        axes.set_title(title)
        crowded = len(bars.symbols) > len(_SERIES_COLOURS)
        for row, symbol in enumerate(bars.symbols):
            closes = np.where(bars.close[row] > 0, bars.close[row], np.nan)
            if not np.isfinite(closes).any():
                continue
            at, values = thinned(bars.times, closes * (100.0 / first_known(closes)))
            colour = "blue" if crowded else _SERIES_COLOURS[row % len(_SERIES_COLOURS)]
            axes.plot(
                at,
                values,
                color=COLOURS[colour],
                linewidth=0.8 if crowded else 1.3,
                alpha=0.35 if crowded else 1.0,
                label=None if crowded else symbol,
            )
        log_axis(axes)
        axes.set_ylabel("close, start = 100")
        if sealed_from is not None and len(bars.times):
            stop = bars.times[-1] if sealed_until is None else sealed_until
            shade(axes, sealed_from, stop, "sealed")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", ncols=3)
        date_axis(axes, bars.times)
    dates = f"{day(bars.times[0])} to {day(bars.times[-1])}" if len(bars.times) else "no bars"
    sealed = f"; sealed from {day(sealed_from)}" if sealed_from is not None else ""
    return Plot(figure, f"Closes of {', '.join(bars.symbols[:12])}, {dates}{sealed}.")


def regime_ribbon(times: Times, closes: Floats, codes: NDArray[np.int8], title: str = "") -> Plot:
    """Draw the closes over a ribbon of the regime that was known on each day.

    Parameters
    ----------
    codes : ndarray of shape (T,), int8
        Position in `REGIMES`, `UNKNOWN` during warm-up.
    """
    from matplotlib.patches import Patch

    figure, (top, bottom) = new_figure(height=3.8, rows=(6.0, 1.0))
    with style_context():
        top.set_title(title)
        at, values = thinned(times, np.where(closes > 0, closes, np.nan))
        top.plot(at, values, color=COLOURS["ink"], linewidth=1.1)
        log_axis(top)
        for code, regime in enumerate(REGIMES):
            colour = COLOURS[REGIME_COLOURS[regime.value]]
            spans = [span(times, start, stop) for start, stop, it in runs(codes) if it == code]
            for axes, alpha in ((top, 0.10), (bottom, 1.0)):
                place = axes.get_xaxis_transform()
                axes.broken_barh(
                    spans, (0, 1), color=colour, alpha=alpha, linewidth=0, transform=place
                )
        bottom.set_yticks([])
        bottom.set_ylim(0, 1)
        bottom.grid(visible=False)
        shares = {
            regime.value: float(np.mean(codes == code)) if len(codes) else 0.0
            for code, regime in enumerate(REGIMES)
        }
        handles = [
            Patch(color=COLOURS[REGIME_COLOURS[name]], label=f"{name} {percent(share, 0)}")
            for name, share in shares.items()
        ]
        top.legend(handles=handles, loc="upper left", ncols=4)
        date_axis(bottom, times)
    spoken = ", ".join(f"{name} {percent(share, 0)} of bars" for name, share in shares.items())
    return Plot(figure, f"Closes with the regime known on each day: {spoken}.")
