import base64
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kasauti.operations import curves, plots
from kasauti.operations.figure import COLOURS
from tests.operations.example import panel

T = 4500
HOSTILE = '</svg><script>alert(1)</script>" onload="x $x^$ & co'
BARS = panel(("NIFTY", "BANK", "AAPL"), T)
TIMES = BARS.times
NAN = np.full(T, np.nan)
CODES = np.repeat(np.array([-1, 0, 1, 2, 3], dtype=np.int8), T // 5)


def heat(name: str = "3fa2b1c4") -> plots.Plot:
    values = np.array([[0.012, -0.004, np.nan, 0.02]])
    return plots.regime_heatmap(
        [name], ["bull", "bear", "sideways", "volatile"], values, np.array([[120, 45, 0, 29]])
    )


PLOTS: dict[str, Callable[[], plots.Plot]] = {
    "equity": lambda: plots.equity_and_drawdown(
        TIMES,
        1e6 * BARS.close[0] / BARS.close[0, 0],
        1e6 * BARS.close[1] / BARS.close[1, 0],
        "Best",
    ),
    "equity without benchmark": lambda: plots.equity_and_drawdown(TIMES, BARS.close[0]),
    "equity of nothing": lambda: plots.equity_and_drawdown(TIMES, NAN),
    "equity of one day": lambda: plots.equity_and_drawdown(TIMES[:1], BARS.close[0, :1]),
    "heat": heat,
    "heat of nobody": lambda: plots.regime_heatmap(
        [], ["bull"], np.empty((0, 1)), np.empty((0, 1), dtype=np.int64)
    ),
    "front": lambda: plots.pareto_front(np.array([[0.5, 0.4, -9], [0.7, 0.1, -4]]), chosen=1),
    "front of two objectives": lambda: plots.pareto_front(np.array([[0.5, 0.4]])),
    "front of nobody": lambda: plots.pareto_front(np.empty((0, 3))),
    "search": lambda: plots.search_progress(
        [plots.Generation(1000 * (n + 1), 0.1 * n, -0.2) for n in range(5)]
    ),
    "search of one": lambda: plots.search_progress([plots.Generation(10, 0.1, float("nan"))]),
    "search of none": lambda: plots.search_progress([]),
    "closes": lambda: plots.bars_overview(BARS, TIMES[3600]),
    "closes, seal after the end": lambda: plots.bars_overview(BARS, TIMES[-1] + 1, TIMES[-1] + 900),
    "closes of many": lambda: plots.bars_overview(panel(tuple("ABCDEFGHIJKLMNOP"), 300)),
    "closes of no bars": lambda: plots.bars_overview(BARS.between(0, 0)),
    "regimes": lambda: plots.regime_ribbon(TIMES, BARS.close[0], CODES),
    "regimes of no bars": lambda: plots.regime_ribbon(TIMES[:0], BARS.close[0, :0], CODES[:0]),
    "funnel": lambda: plots.funnel([("bred", 20_000), ("judged", 3), ("approved", 0)]),
    "funnel of nothing": lambda: plots.funnel([]),
    "profit": lambda: plots.profit_curve(TIMES[:3], np.array([-41.2, np.nan, 152.35])),
    "profit of nothing": lambda: plots.profit_curve(TIMES[:0], NAN[:0]),
    "hostile": lambda: plots.funnel([(HOSTILE, 3)], HOSTILE),
}


@pytest.mark.parametrize("make", PLOTS.values(), ids=PLOTS.keys())
def test_every_plot_is_a_small_png_and_a_sound_svg(make: Callable[[], plots.Plot]) -> None:
    plot = make()
    png = plot.png()
    assert len(png) < 80_000  # Dagster stores it with every materialisation
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width == 840
    paper = np.frombuffer(bytes.fromhex(COLOURS["paper"][1:]), dtype=np.uint8)
    np.testing.assert_allclose(np.asarray(image)[0, 0], paper, rtol=0, atol=4)
    assert len(image.getcolors(1_000_000) or ()) > 3  # something is drawn
    svg = plot.svg("one")
    tree = ElementTree.fromstring(svg)
    assert tree.get("role") == "img"
    assert tree.get("aria-label") == plot.alt != ""
    assert "width" not in tree.attrib  # the page sizes it
    assert len(svg) < 250_000
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags <= {
        "svg",
        "g",
        "path",
        "text",
        "tspan",
        "use",
        "defs",
        "clipPath",
        "rect",
        "pattern",
    }


def test_svg_colours_are_variables_that_the_page_sets() -> None:
    svg = PLOTS["equity"]().svg("one")
    assert f"var(--plot-blue, {COLOURS['blue']})" in svg
    for colour in COLOURS.values():
        assert svg.count(colour) == svg.count(f", {colour})")


def test_ids_of_two_plots_on_a_page_do_not_meet() -> None:
    ids = [
        {e.get("id") for e in ElementTree.fromstring(PLOTS["equity"]().svg(name)).iter()} - {None}
        for name in ("one", "two")
    ]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    svg = PLOTS["equity"]().svg("one")
    used = {part.split('"')[0] for part in svg.split('xlink:href="#')[1:]}
    used |= {part.split(")")[0] for part in svg.split("url(#")[1:]}
    assert used and used <= ids[0]


def test_the_svg_says_the_same_figures_as_the_drawing() -> None:
    plot = heat()
    tree = ElementTree.fromstring(plot.svg("one"))
    shown = {(e.text or "").strip() for e in tree.iter() if e.tag.endswith("}text")}
    drawn = {text.get_text() for text in plot.figure.axes[0].texts}
    assert "+1.200 %" in drawn <= shown


def test_equal_data_give_equal_bytes() -> None:
    assert PLOTS["closes"]().png() == PLOTS["closes"]().png()
    assert PLOTS["closes"]().svg("one") == PLOTS["closes"]().svg("one")


def test_a_hostile_name_stays_text() -> None:
    svg = PLOTS["hostile"]().svg("one")
    assert "<script" not in svg
    shown = [e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    assert any("<script>alert(1)</script>" in text for text in shown)


def test_what_is_drawn_is_what_is_in_the_data() -> None:
    figure = PLOTS["equity"]().figure
    top, bottom = figure.axes
    own = np.asarray(top.lines[0].get_ydata(), dtype=float)
    assert own[0] == 1e6
    assert own.max() == pytest.approx((1e6 * BARS.close[0] / BARS.close[0, 0]).max())
    falls = np.asarray(bottom.lines[0].get_ydata(), dtype=float)
    assert falls.max() == 0.0
    assert falls.min() == pytest.approx(curves.deepest(BARS.close[0]))


def test_a_regime_with_fewer_than_thirty_trades_is_unknown_with_its_count() -> None:
    texts = [text.get_text() for text in heat().figure.axes[0].texts]
    heads, counts = texts[::2], texts[1::2]
    assert heads == ["+1.200 %", "−0.400 %", "unknown", "unknown"]
    assert counts == ["120 trades", "45 trades", "0 trades", "29 trades"]
    assert "volatile: unknown, 29 trades" in heat().alt


def test_the_seal_is_shaded_to_its_end_though_no_bar_is_drawn_in_it() -> None:
    axes = PLOTS["closes, seal after the end"]().figure.axes[0]
    (shade,) = axes.patches
    number = (TIMES[-1] + 900 - np.datetime64(0, "s")) / np.timedelta64(1, "D")  # of matplotlib
    assert shade.get_extents().transformed(axes.transData.inverted()).x1 == pytest.approx(number)


@pytest.mark.parametrize(
    ("values", "falls"),
    [
        ([100, 120, 90, 130], [0, 0, -0.25, 0]),
        ([np.nan, 100, np.nan, 50], [np.nan, 0, np.nan, -0.5]),
    ],
    ids=["falls and recovers", "holes"],
)
def test_drawdown(values: list[float], falls: list[float]) -> None:
    np.testing.assert_allclose(curves.drawdown(np.array(values, dtype=float)), falls)


def test_thinning_keeps_ends_spikes_and_holes() -> None:
    values = np.sin(np.arange(20_000) / 50.0)
    values[7_777], values[8_888] = 9.0, -9.0
    values[12_000:13_000] = np.nan
    times = np.arange(20_000).astype("datetime64[D]")
    at, thin = curves.thinned(times, values)
    assert len(thin) <= curves.MOST_POINTS
    assert at[0] == times[0] and at[-1] == times[-1]
    assert np.nanmax(thin) == 9.0 and np.nanmin(thin) == -9.0
    assert np.isnan(thin).any()
    assert bool(np.all(at[1:] > at[:-1]))


def test_runs_cover_every_bar_once() -> None:
    codes = np.array([-1, -1, 2, 2, 2, 0], dtype=np.int8)
    assert curves.runs(codes) == [(0, 2, -1), (2, 5, 2), (5, 6, 0)]
    assert curves.runs(codes[:0]) == []


def test_markdown_holds_the_png_and_its_alt_text_cannot_break_out() -> None:
    text = plots.as_markdown(b"\x89PNG", "a](http://evil) <img> b\nc")
    assert text.count("](") == 1 and "<" not in text and "\n" not in text
    encoded = text.rpartition("base64,")[2].removesuffix(")")
    assert base64.b64decode(encoded) == b"\x89PNG"


def test_drawing_changes_no_default_of_the_process() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    PLOTS["equity"]().png()
    assert dict(matplotlib.rcParams) == before


def test_importing_is_light_and_drawing_never_loads_pyplot() -> None:
    program = (
        "import sys, kasauti.operations.report, kasauti.operations.progress;"
        "import kasauti.alerts.channels.slack;"
        "assert not {'matplotlib', 'jinja2', 'rich', 'slack_sdk', 'dagster'} & set(sys.modules);"
        "kasauti.operations.plots.funnel([('bred', 3)]).png();"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_threads_draw_the_same() -> None:
    expected, seen = PLOTS["front"]().png(), []
    threads = [
        threading.Thread(target=lambda: seen.append(PLOTS["front"]().png())) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 3
