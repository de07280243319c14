"""The growth curves as a picture for docs/performance.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kasauti.operations.figure import COLOURS, STYLE

SIZE = (9.0, 3.6)
DPI = 110


def save_growth(report: Mapping[str, Any], file: Path) -> None:
    """Draw seconds over strategies and over bars, with the straight line of exact proportion."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        for axes, over in zip(figure.subplots(1, 2), ("strategies", "bars"), strict=True):
            points = [one for one in report["growth"] if one["over"] == over]
            sizes, seconds = ([one[name] for one in points] for name in (over, "seconds"))
            other = "bars" if over == "strategies" else "strategies"
            straight = [seconds[-1] * size / sizes[-1] for size in sizes]
            axes.plot(sizes, straight, color=COLOURS["grey"], lw=1.2, ls=(0, (4, 3)))
            axes.plot(sizes, seconds, color=COLOURS["blue"], lw=2.0, marker="o", ms=5)
            axes.set(xscale="log", yscale="log", xlabel=over, ylabel="seconds")
            named = [size for size in sizes if size // 10 ** (len(str(size)) - 1) in (1, 5)]
            axes.set_xticks(named, [f"{size:,}" for size in named])
            axes.yaxis.set_major_locator(LogLocator(10.0, numticks=6))
            axes.yaxis.set_major_formatter(lambda second, _: f"{second:g}")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_title(f"{points[0][other]:,} {other}")
            axes.annotate(
                f"{points[-1]['bars_per_s'] / 1e9:.2g} billion bars a second",
                (sizes[-1], seconds[-1]),
                xytext=(-10, -1),
                textcoords="offset points",
                ha="right",
                va="center",
                color=COLOURS["ink"],
                fontsize=9,
            )
        figure.savefig(file, dpi=DPI, format="png")
