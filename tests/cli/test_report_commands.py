"""kasauti daily and kasauti weekly: what they write, print and say where there is nothing."""

from pathlib import Path

import pytest

from kasauti import report_commands
from kasauti.home import Home
from tests.cli.conftest import Run
from tests.operations.paper_days import EVENING, SECOND, two_days


@pytest.fixture(autouse=True)
def _evening(monkeypatch: pytest.MonkeyPatch, time_server: None) -> None:
    del time_server
    monkeypatch.setattr(report_commands, "_now", lambda: EVENING)


def test_daily_writes_the_page_and_says_what_needs_a_person(run: Run, home: Home) -> None:
    two_days(home)
    shown = run("daily")
    path = home.reports / f"daily-{SECOND}.html"
    assert shown.code == 0 and path.exists()
    assert shown.out.splitlines() == [
        "₹24.41 earned on Thu 16 Jul 2026 after charges; one thing needs you.",
        "· Backup: none was ever proved: run `kasauti backup` and see what it says.",
        str(path),
    ]


def test_daily_as_json_is_everything(run: Run, home: Home) -> None:
    two_days(home)
    told = run("daily", "--day", "2026-07-15", "--json").json
    assert Path(told["file"]).name == "daily-2026-07-15.html"
    assert (told["scope"], told["day"]) == ("paper", "2026-07-15")
    assert told["trading"]["today"]["net"] == pytest.approx(-62.64, abs=0.01)
    assert told["trading"]["not_placed"][0]["code"] == "NO_PERMIT"
    assert told["attention"] and told["health"] and told["trading"]["limits"]


def test_weekly_before_anything(run: Run, home: Home) -> None:
    told = run("weekly", "--json")
    assert told.code == 0
    assert told.json["headline"] == "Nothing was tried this week."
    assert Path(told.json["file"]) == home.reports / "weekly-2026-07-16.html"
    assert run("weekly").out.endswith("weekly-2026-07-16.html\n")


def test_a_day_that_is_none_is_refused(run: Run) -> None:
    ran = run("daily", "--day", "yesterday")
    assert ran.code == 2 and "yesterday" in ran.complaint
