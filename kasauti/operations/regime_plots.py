"""Drawing of what the labels said beside what hindsight says; the ribbon alone is in market_plots.

It takes plain arrays, so that no picture needs a type which strategies must not see.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kasauti.market.bars import Booleans
from kasauti.operations.curves import Floats, Times, date_axis, log_axis, runs, span, thinned
from kasauti.operations.figure import COLOURS, Plot, new_figure, style_context
from kasauti.operations.market_plots import REGIME_COLOURS
from kasauti.operations.words import percent
from kasauti.regimes.model import REGIMES, Regime

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def ribbons(
    times: Times, closes: Floats, codes: NDArray[np.int8], is_bear: Booleans, title: str = ""
) -> Plot:
    """Draw the closes over two ribbons: the regime known on each day, and the bears of hindsight.

    Parameters
    ----------
    codes : ndarray of shape (T,), int8
        Position in `REGIMES`, `UNKNOWN` during warm-up.
    is_bear : ndarray of shape (T,), bool
    """
    from matplotlib.patches import Patch

    figure, (top, known, later) = new_figure(height=4.0, rows=(6.0, 0.8, 0.8))
    colours = {code: COLOURS[REGIME_COLOURS[regime.value]] for code, regime in enumerate(REGIMES)}
    bear = colours[REGIMES.index(Regime.BEAR)]
    with style_context():
        top.set_title(title)
        top.plot(*thinned(times, np.where(closes > 0, closes, np.nan)), color=COLOURS["ink"])
        log_axis(top)
        for code, colour in colours.items():
            _paint(known, times, codes, code, colour)
        for axes, alpha in ((top, 0.15), (later, 1.0)):
            _paint(axes, times, is_bear.astype(np.int8), 1, bear, alpha)
        for axes, name in ((known, "known"), (later, "later")):
            axes.set_yticks([0.5], [name])
            axes.set_ylim(0, 1)
            axes.tick_params(length=0)
            axes.grid(visible=False)
        handles = [
            Patch(color=colour, label=REGIMES[code].value) for code, colour in colours.items()
        ]
        top.legend(handles=handles, loc="upper left", ncols=4)
        date_axis(later, times)
    share = float(is_bear.mean()) if len(is_bear) else 0.0
    return Plot(
        figure,
        "Closes with the regime known on each day and, below, the falls of 20 % or more as known "
        f"later: {percent(share, 0)} of bars.",
    )


def _paint(
    axes: "Axes",
    times: Times,
    codes: NDArray[np.int8],
    code: int,
    colour: str,
    alpha: float = 1.0,
) -> None:
    """Fill the height of `axes` wherever `codes` is `code`."""
    spans = [span(times, start, stop) for start, stop, it in runs(codes) if it == code]
    place = axes.get_xaxis_transform()
    axes.broken_barh(spans, (0, 1), color=colour, alpha=alpha, linewidth=0, transform=place)
