"""Dagster's page in a real browser: starts both and opens the views that people look at.

What must be seen there stands in test_ui.py; scripts/screenshots.py makes pictures of these views.
"""

import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from kasauti.errors import UsageError
from kasauti.home import Home
from pipelines.instance import environment, open_instance
from pipelines.serve import services

PATIENCE = 120.0  # seconds; a loaded machine needs 30 for the page's first answer
# Chromium's calls home are refused by a closed network, many at a time, and fill the log.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The graph from top to bottom with two lines an asset: from left to right, or with all lines, names
# are too small to read before the whole graph fits.
PREFERENCES = """
localStorage.setItem("asset-graph-direction", '"vertical"');
localStorage.setItem("asset-node-facets", '["checks", "status"]');
localStorage.setItem("large-screen-nav-open", "false");
localStorage.setItem("dagster-nav-collapsed", "true");
"""
# Asked of the page, not tried with the mouse: that would scroll what is out of view into it.
# A group's empty box may lie over another's name: it paints nothing there, and hides nothing.
ON_TOP = """seen => {
    const box = seen.getBoundingClientRect();
    const paints = one => {
        const style = getComputedStyle(one);
        return style.backgroundImage != "none" || style.backgroundColor != "rgba(0, 0, 0, 0)";
    };
    return seen.contains(
        document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)
            .find(one => seen.contains(one) || paints(one))
    );
}"""
GRAPH_SIZE = (3700, 1900)  # smaller, the whole graph would be shown without its details
FLOW_SIZE = (1640, 1300)
PAGE_SIZE = (1280, 800)


def chromium() -> str:
    """Return where Debian's Chromium is.

    Raises
    ------
    UsageError
        If there is none.
    """
    found = shutil.which("chromium")
    if found is None:
        raise UsageError("no chromium on the PATH: install it with apt-get install chromium")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a headless Chromium."""
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def new_page(running: Browser, *, sharpness: float = 1.0) -> Iterator[Page]:
    """Open a page that knows nothing of those before it, with `sharpness` pixels a point."""
    context = running.new_context(timezone_id="Asia/Kolkata", device_scale_factor=sharpness)
    context.set_default_timeout(PATIENCE * 1000)
    context.add_init_script(PREFERENCES)
    try:
        yield context.new_page()
    finally:
        context.close()


@contextmanager
def webserver(home: Home) -> Iterator[str]:
    """Serve Dagster's page on the state of `home`, as `kasauti up` does; gives its address."""
    open_instance(home).dispose()
    port = _free_port()
    page = next(service for service in services(port) if service.name == "web page")
    variables = {**environment(home), "KASAUTI_HOME": str(home.root)}
    address = f"http://127.0.0.1:{port}"
    try:
        page.keep_running(time.monotonic(), variables)
        _wait_for(address)
        yield address
    finally:
        page.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: str) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(f"{address}/server_info"):
                return
        except URLError as error:
            if time.monotonic() > ends:
                raise UsageError(f"{address} gave no answer in {PATIENCE:.0f} s") from error
            time.sleep(0.2)


def open_graph(page: Page, address: str) -> None:
    """Open the lineage of all assets with every group expanded, the whole of it in view."""
    _resize(page, GRAPH_SIZE)
    page.goto(f"{address}/asset-groups")
    expect(page.locator("svg foreignObject.group").first).to_be_visible()
    page.get_by_role("button").filter(has=page.get_by_label("panel_show_right")).last.click()
    page.keyboard.press("Alt+KeyE")  # the page's own key for "Expand all groups"
    expect(page.locator("svg").get_by_text("Asset checks").first).to_be_visible()
    expect(page.locator("svg").get_by_text("Loading")).to_have_count(0)
    _wait_until_still(page.locator("svg foreignObject").first)


def open_flow(page: Page, address: str, groups: Sequence[str], *, without: str) -> None:
    """Open the lineage without one group, each asset as no more than its name and colour."""
    _resize(page, FLOW_SIZE)
    selection = quote(f'not group:"{without}"')
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    page.goto(f"{address}/asset-groups~{selection}/?expanded={expanded}")
    page.get_by_role("button").filter(has=page.get_by_label("panel_show_right")).last.click()
    expect(page.locator("svg").get_by_text("verdicts").first).to_be_visible()
    _wait_until_still(page.locator("svg foreignObject").first)
    page.wait_for_timeout(4_000)  # the colours come in batches after the names


def group_in_graph(page: Page, group: str) -> Locator:
    """Return the name of an expanded group."""
    return page.locator("svg foreignObject.group").get_by_text(group, exact=True)


def assets_in_graph(page: Page, name: str) -> Locator:
    """Return the nodes of all assets of that name; two groups may each have one."""
    shown = page.get_by_text(name, exact=True)
    return page.locator("svg foreignObject:not(.group)").filter(has=shown)


def open_plot(page: Page, address: str, key: str, entry: str) -> Locator:
    """Open the picture that the asset's newest materialisation has under `entry`."""
    _resize(page, PAGE_SIZE)
    page.goto(f"{address}/assets/{key}")
    name = page.get_by_role("cell", name=entry, exact=True)
    page.get_by_role("row").filter(has=name).get_by_text("Show Markdown").click()
    return page.get_by_role("dialog").get_by_role("img").and_(page.locator("img"))


def open_check(page: Page, address: str, key: str, check: str) -> None:
    """Open the newest result of an asset's check."""
    _resize(page, PAGE_SIZE)
    page.goto(f"{address}/assets/{key}?view=checks&checkDetail={check}")
    expect(page.get_by_text("Evaluation result")).to_be_visible()


def open_file(page: Page, path: Path, size: tuple[int, int]) -> None:
    """Open a file as a person does by a double click."""
    _resize(page, size)
    page.goto(path.as_uri())


def expect_uncovered(seen: Locator) -> None:
    """Expect that `seen` is in view and that nothing lies over the middle of it."""
    expect(seen).to_be_visible()
    seen.page.wait_for_function(ON_TOP, arg=seen.element_handle())


def _wait_until_still(seen: Locator) -> None:
    before, now = None, seen.bounding_box()
    while now != before:
        seen.page.wait_for_timeout(500)
        before, now = now, seen.bounding_box()


def _resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
