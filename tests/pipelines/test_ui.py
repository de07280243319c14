"""What a person sees in Dagster's page after the demo, looked at in headless Chromium."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect

from assets.execution import ORDERS
from kasauti.errors import UsageError
from kasauti.home import Home
from pipelines.definitions import build_defs, defs
from pipelines.demo import QUIET
from pipelines.instance import open_instance
from resources.project import Project
from tests.pipelines import browser as view
from tests.pipelines.browser import expect_uncovered

SPECS = list(defs.resolve_all_asset_specs())
GROUPS = sorted({str(spec.group_name) for spec in SPECS})
NAMES = Counter(spec.key.path[-1] for spec in SPECS)  # features and signals both have a "daily"
# What the demo does not make: health is looked at on a schedule, a backup is its owner's wish.
NOT_MADE = {spec.key.path[-1] for spec in SPECS if spec.group_name == "health"} | {"backup"}


@pytest.fixture(scope="module")
def edited_home(demo_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The demo's state after someone edited the ledger and Dagster looked at it again."""
    home = Home(tmp_path_factory.mktemp("edited") / "home")
    shutil.copytree(demo_home.root, home.root)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "KASAUTI_DAGSTER"):
            patch.setenv(name, "")
        edit_an_order(home)
        check_again(home)
        yield home


def edit_an_order(home: Home) -> None:
    """Change one event as somebody with the file in his hands could."""
    with closing(sqlite3.connect(home.replay / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("DROP TRIGGER events_no_update")
        changed = ledger.execute("UPDATE events SET at = '2001-01-01T09:15:00+05:30' WHERE seq = 3")
        assert changed.rowcount == 1


def check_again(home: Home) -> None:
    """Run the checks of the orders on what is stored now."""
    again = dg.define_asset_job("check_again", dg.AssetSelection.checks_for_assets(ORDERS))
    project = Project(home=str(home.root), bars="sample")
    both = dg.Definitions.merge(build_defs({"project": project}), dg.Definitions(jobs=[again]))
    with open_instance(home) as instance:
        both.resolve_job_def("check_again").execute_in_process(
            instance=instance, run_config=QUIET, raise_on_error=False
        )


@pytest.fixture(scope="module")
def address(edited_home: Home) -> Iterator[str]:
    with view.webserver(edited_home) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(address: str) -> Iterator[Browser]:
    # After the address: Playwright keeps an event loop in this thread, Dagster's runs want none.
    del address
    expect.set_options(timeout=view.PATIENCE * 1000)
    with view.browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with view.new_page(chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
def graph(chromium: Browser, address: str) -> Iterator[Page]:
    with view.new_page(chromium) as opened:
        view.open_graph(opened, address)
        yield opened


def test_the_graph_shows_every_group_and_every_asset(graph: Page) -> None:
    for group in GROUPS:
        expect_uncovered(view.group_in_graph(graph, group))
    for name, count in NAMES.items():
        nodes = view.assets_in_graph(graph, name)
        expect(nodes).to_have_count(count)
        state = "Never materialized" if name in NOT_MADE else "Materialized"
        for node in nodes.all():
            expect_uncovered(node.get_by_text(name, exact=True))
            expect_uncovered(node.get_by_text(state, exact=True))
    expect(graph.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        pytest.param("bars", "12 / 12 Passed", id="all passed"),
        pytest.param("verdicts", "2 / 3 Passed", id="a warning"),
        pytest.param("orders", "1 / 2 Passed", id="an error"),
    ],
)
def test_the_graph_counts_the_checks_that_passed(graph: Page, name: str, passed: str) -> None:
    expect_uncovered(view.assets_in_graph(graph, name).get_by_text(passed))


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        pytest.param("market/bars", "closes", id="closes"),
        pytest.param("evolution/front", "pareto front", id="front"),
        pytest.param("execution/profit", "profit", id="profit"),
    ],
)
def test_a_materialisation_shows_its_plot(page: Page, address: str, key: str, entry: str) -> None:
    plot = view.open_plot(page, address, key, entry)
    expect_uncovered(plot)
    expect(page.get_by_role("dialog")).to_have_count(1)  # the one with the plot
    assert plot.evaluate("image => image.complete && image.naturalWidth") > 400


@pytest.mark.parametrize(
    ("key", "check", "reason"),
    [
        pytest.param(
            "validation/verdicts", "something_is_approved", "Nothing was good enough", id="warning"
        ),
        pytest.param("execution/orders", "ledger_is_whole", "event 3 was changed", id="error"),
    ],
)
def test_a_failed_check_says_why(
    page: Page, address: str, key: str, check: str, reason: str
) -> None:
    view.open_check(page, address, key, check)
    listed, opened = page.get_by_text(check, exact=True), page.get_by_text("Failed", exact=True)
    expect_uncovered(listed.last)
    expect_uncovered(opened.last)
    expect_uncovered(page.get_by_text(reason).last)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_missing_browser_is_a_failure_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="apt-get install chromium"), view.browser():
        pass
