"""The tear sheet in a real browser, on a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from kasauti.operations.page import write_page
from kasauti.operations.tearsheet import render_tear_sheet
from tests.operations.sheets import example
from tests.pipelines import browser as view


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("sheet")
    text = render_tear_sheet(example("stress", "testers", "sealed"))
    return write_page(text, folder / "one.html").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with view.browser() as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "shown"), [(1200, ".on-page"), (390, ".on-phone")])
def test_it_opens_alone_and_fits(
    chromium: Browser, address: str, width: int, shown: str, scheme: str
) -> None:
    page = chromium.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Not approved: it failed the crash test and 1 more test."
    )
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    assert said == []
    assert asked == [address]
    assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out"
    hidden = ".on-phone" if shown == ".on-page" else ".on-page"
    assert page.locator(f"{shown} svg").first.is_visible()
    assert not page.locator(f"{hidden} svg").first.is_visible()
    box = page.locator(f"{shown} svg").first.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    page.close()
