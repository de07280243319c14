"""How every plot looks, and a plot as PNG, SVG or Markdown; what is plotted stands in `plots`."""

import base64
import html
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every common colour blindness. The report replaces each
# colour by a CSS variable of the same name, so one drawing serves light and dark.
COLOURS: dict[str, str] = {
    "ink": "#22303c",
    "muted": "#66727f",
    "grid": "#e2e6ea",
    "paper": "#fdfdfc",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "amber": "#c98a00",
    "purple": "#a8578a",
    "grey": "#8d99a6",
}

STYLE: dict[Any, Any] = {
    "figure.facecolor": COLOURS["paper"],
    "savefig.facecolor": COLOURS["paper"],
    "axes.facecolor": "none",
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 9,
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.unicode_minus": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "text.color": COLOURS["ink"],
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 9,
    "font.family": ["DejaVu Sans"],  # ships with matplotlib and has the rupee sign
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": COLOURS["ink"],
    "path.simplify": True,
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "svg.hashsalt": "kasauti",  # equal drawing, equal bytes
    "figure.constrained_layout.use": True,
}

WIDE, NARROW = 8.4, 4.4  # inches: a page, and a phone held upright

_TOKENS = {value: f"var(--plot-{name}, {value})" for name, value in COLOURS.items()}
_ANY_TOKEN = re.compile("|".join(_TOKENS))
_ANY_ID = re.compile(r'((?:\sid="|url\(#|href="#))')
_UNWANTED = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")  # a hundredth of a point is finer than any screen
_TAG = re.compile(r"<[^>]*>")  # what stands between tags is text, and no figure of it may change
_ONE_AT_A_TIME = threading.RLock()
_PALETTE_SIZE = 96
_BREAK = re.compile(r"\s*\n\s*")
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_GROUP_ID = re.compile(r'<g id="[^"]*"')


@dataclass(frozen=True, eq=False)
class Plot:
    """A finished drawing with the sentence that replaces it for who cannot see it."""

    figure: "Figure"
    alt: str

    def png(self) -> bytes:
        """Return the drawing on its own light card, readable on light and on dark pages."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        with style_context():
            canvas: Any = FigureCanvasAgg(self.figure)
            canvas.draw()
        buffer = io.BytesIO()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        # A palette is a third of the bytes, and what is in Dagster's metadata is stored for ever.
        image.quantize(_PALETTE_SIZE).save(buffer, format="png", optimize=True)
        return buffer.getvalue()

    def svg(self, name: str) -> str:
        """Return an inline ``<svg>``; ids start with `name`, which is to be unique on the page.

        Colours are ``var(--plot-…)`` with the light colours as fallback; the background is clear.
        """
        buffer = io.StringIO()
        with style_context():
            self._lay_out()
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = _TAG.sub(lambda tag: _LONG_NUMBER.sub(r"\1", tag.group()), _UNWANTED.sub("", text))
        text = _GROUP_ID.sub("<g", text)
        text = _ANY_ID.sub(rf"\g<1>{name}-", text)
        text = _ANY_TOKEN.sub(lambda found: _TOKENS[found.group()], text)
        text = text.replace("font-family: 'DejaVu Sans'", "font-family: inherit")
        text = re.sub(r"font: ([\d. a-z]*?)([\d.]+px) 'DejaVu Sans'[^;\"]*", _inherit_font, text)
        label = html.escape(self.alt, quote=True)
        head = f'<svg role="img" aria-label="{label}" class="plot"'
        opening, rest = text.split(">", 1)
        opening = head + _SIZE.sub("", opening.removeprefix("<svg"))
        return f"{opening}>{_BREAK.sub(' ', rest)}"

    def _lay_out(self) -> None:
        """Find the places of axes and texts once; with an engine set, saving draws all twice."""
        import matplotlib

        engine = self.figure.get_layout_engine()
        if engine is not None:
            engine.execute(self.figure)
            # "none" would leave an engine that does nothing, for which all is drawn twice, too.
            with matplotlib.rc_context({"figure.constrained_layout.use": False}):
                self.figure.set_layout_engine(None)

    @property
    def markdown(self) -> str:
        """The PNG as a Markdown image, for Dagster's metadata."""
        return as_markdown(self.png(), self.alt)


def _inherit_font(found: re.Match[str]) -> str:
    weight = "bold" if "bold" in found.group(1) or "700" in found.group(1) else "normal"
    return f"font-size: {found.group(2)}; font-weight: {weight}"


def as_markdown(png: bytes, alt: str) -> str:
    """Return `png` as a Markdown image with its bytes inside; `alt` cannot break out of it."""
    text = re.sub(r"[\[\]\\<>\r\n]+", " ", alt).strip()
    return f"![{text}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def new_figure(width: float = WIDE, height: float = 3.6, rows: tuple[float, ...] = (1.0,)) -> Any:
    """Return a figure and its axes from top to bottom, sharing the time axis.

    Built without pyplot, so nothing global remembers the figure and threads do not meet.
    """
    from matplotlib.figure import Figure

    with style_context():
        figure = Figure(figsize=(width, height))
        grid: Any = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)
    return figure, [axes for (axes,) in grid]


@contextmanager
def style_context() -> Iterator[None]:
    """Make and draw artists in our style; one thread at a time, the defaults are the process's."""
    import matplotlib

    with _ONE_AT_A_TIME, matplotlib.rc_context(STYLE):
        yield


def say_nothing(axes: "Axes", text: str) -> None:
    """Write `text` in the middle of an empty drawing instead of an empty frame."""
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=COLOURS["muted"],
    )


def find_fonts() -> None:
    """Let matplotlib list this machine's fonts, which takes seconds at its first use."""
    import matplotlib.font_manager as _fonts

    _fonts.findfont("DejaVu Sans")
