"""All checks together: not evaluated is red, and every check is explained."""

import os
from pathlib import Path

import pytest

from kasauti.execution.clock import SystemClock
from kasauti.health.look import red_checks, status_of
from kasauti.health.model import Health, Subject
from kasauti.home import PROJECT_ROOT, Home
from kasauti.market.calendar import INDIA
from tests.health.surroundings import NOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    tmp_path.joinpath("home").mkdir()
    return Home(tmp_path / "home")


@pytest.mark.parametrize(
    ("file", "red"),
    [
        ("desk.json", {"desk", "feed"}),
        ("heartbeat/alerts.json", {"alerts"}),
        (
            "heartbeat/supervisor.json",
            {"supervisor", "services", "desk", "alerts", "dagster daemons"},
        ),
        ("dagster/history/runs.db", {"dagster daemons"}),
        ("dagster/history/runs/index.db", {"assets"}),
        ("health.sqlite3", {"health history"}),
    ],
)
def test_a_look_that_fails_is_red_and_hides_no_other(home: Home, file: str, red: set[str]) -> None:
    path = home.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rubbish" * 100)
    status = status_of(home, NOW, {})
    assert {check.id for check in red_checks(status)} == red | {"controls"}
    for check in red_checks(status):
        if check.id != "controls":
            assert check.detail.startswith("not evaluated, DataError: ") and file in check.detail


def test_a_bug_in_a_look_is_red_with_its_text(home: Home) -> None:
    status = status_of(home, NOW, {"KASAUTI_NTP_SERVER": "\0"})
    (clock,) = [check for check in status.checks if check.id == "clock"]
    assert clock.health is Health.RED and "null character" in clock.detail


def test_every_check_has_a_stable_name_of_its_own_a_subject_and_a_time(home: Home) -> None:
    checks = status_of(home, NOW, {}).checks
    names = [check.id for check in checks]
    assert len(set(names)) == len(names)
    assert {check.subject for check in checks} == set(Subject)
    assert {check.at for check in checks} == {NOW}


def test_looking_at_nothing_makes_nothing(tmp_path: Path) -> None:
    status_of(Home(tmp_path / "none"), SystemClock(INDIA).now(), os.environ)
    assert list(tmp_path.iterdir()) == []


def test_the_document_explains_every_check(home: Home) -> None:
    from kasauti.health.catalogue import markdown, meaning_of

    for check in status_of(home, NOW, {}).checks:
        assert meaning_of(check.id).name
    page = (PROJECT_ROOT / "docs" / "health.md").read_text(encoding="utf-8")
    begin, end = "<!-- checks: begin -->\n", "<!-- checks: end -->"
    assert page.split(begin)[1].split(end)[0] == markdown(), (
        "python scripts/health_page.py writes it"
    )
