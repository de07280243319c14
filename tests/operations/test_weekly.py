"""The weekly summary: what it counts as the week's, and what it says of approvals."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from kasauti.evolution.register import TrialRegister
from kasauti.evolution.trials import DataSet, Death, Origin, Trial
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from kasauti.operations.announce import announcement
from kasauti.operations.letter import to_html, to_text
from kasauti.operations.unread import Unread
from kasauti.operations.weekly import Best, Judged, Tried, WeeklySummary, weekly_summary
from kasauti.operations.weekly_page import headline, letter_of, write_weekly
from kasauti.validation.reference_strategy import reference_strategy
from kasauti.validation.seal import Vault
from tests.execution.replays import GENES
from tests.execution.trials import DAYS, after, passed
from tests.operations.test_report import Page

SATURDAY = datetime(2026, 7, 18, 9, tzinfo=INDIA)
MONDAY = SATURDAY - timedelta(days=5)
DATASET = DataSet("d", ("TEST",), "2020-01-01", "2025-12-31")


def tried(name: str, sharpe: float, **more: str) -> Trial:
    figures = {"sharpe": sharpe, "trades": 40.0, "max_drawdown": -0.1}
    given: dict[str, Any] = {"stage": "evolution", "search": "s", **more}
    return Trial(name * 64, GENES, "f" * 64, Origin.EVOLUTION, figures=figures, **given)


def searched(home: Home) -> None:
    register = TrialRegister(home.register)
    register.record(DATASET, [tried("1", 9.0)], at=SATURDAY - timedelta(days=7))
    deaths = [Death("a" * 64, "evolution", "too few trades: 3", "s")]
    register.record(
        DATASET, [tried(n, s) for n, s in zip("abc", (3, 1.5, 1), strict=True)], deaths, at=MONDAY
    )
    register.record(DATASET, [tried("b", 0.5, stage="statistics")], at=MONDAY)


def verdict(home: Home, genome: str, at: datetime, *, approved: bool = False) -> None:
    body = {"genome": genome, "approved": approved, "when": at.isoformat(), "digest": genome[:4]}
    Vault(home.vault).records.append("verdict", body)


def summary(home: Home) -> WeeklySummary:
    home.root.mkdir(parents=True, exist_ok=True)
    return weekly_summary(home, SATURDAY)


def test_only_the_week_counts_and_the_best_is_one_that_lives(tmp_path: Path) -> None:
    searched(home := Home(tmp_path))
    found = summary(home).tried
    assert isinstance(found, Tried) and isinstance(found.best, Best)
    assert (found.trials, found.distinct, found.searches) == (4, 3, 1)
    assert found.deaths == {"too few trades": 1}
    assert (found.best.genome, found.best.figures["sharpe"]) == ("b" * 64, 1.5)


def test_verdicts_come_with_their_causes_of_death(tmp_path: Path) -> None:
    searched(home := Home(tmp_path))
    TrialRegister(home.register).record(
        DATASET, deaths=[Death("b" * 64, "stress", "stress: it fell in 2008")], at=MONDAY
    )
    verdict(home, "c" * 64, MONDAY - timedelta(days=7))
    verdict(home, "b" * 64, MONDAY)
    verdict(home, reference_strategy().hash, MONDAY)
    verdict(home, "c" * 64, MONDAY, approved=True)
    found = summary(home)
    assert not isinstance(found.judged, Unread)
    told = [(one.genome[0], one.approved, one.cause) for one in found.judged if not one.reference]
    assert told == [("b", False, "stress: it fell in 2008"), ("c", True, "")]
    assert headline(found) == "3 strategies were tried, 2 went on trial, 1 held."
    assert "not approved (stress: it fell in 2008)" in " ".join(to_text(letter_of(found)).split())


def test_a_week_without_research_says_so(tmp_path: Path) -> None:
    found = summary(Home(tmp_path))
    assert headline(found) == "Nothing was tried this week."
    text = to_text(letter_of(found))
    assert "None: nothing may be traded on paper." in text and "Not begun" in text
    assert "markets without an edge" in text, "the certificate in force"
    assert not list(tmp_path.iterdir()), "looking makes no register and no vault"


def test_the_trial_is_told(tmp_path: Path) -> None:
    passed(tmp_path, 3).close()
    found = weekly_summary(Home(tmp_path), after(3))
    assert found.last == DAYS[2]
    assert "3 of 30 sessions passed, 27 to go." in to_text(letter_of(found))


def test_a_broken_register_costs_no_summary(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.register.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    found = summary(home)
    assert isinstance(found.tried, Unread) and not isinstance(found.standing, Unread)
    assert "This could not be read" in to_text(letter_of(found))
    assert headline(found) == "The week's research could not be read in full."


def test_it_is_written_and_announced_as_one_page(tmp_path: Path) -> None:
    searched(home := Home(tmp_path))
    found = summary(home)
    path = write_weekly(found, home)
    assert path == home.reports / "weekly-2026-07-18.html"
    page = path.read_text(encoding="utf-8")
    assert page == to_html(letter_of(found)) and not Page(page).open
    alert = announcement(letter_of(found), path)
    assert (alert.title, alert.attachment) == ("Research of the week to 18 Jul 2026", path.name)
    assert alert.happened.startswith("3 strategies")
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["first"] == "2026-07-12"
    assert (found.first, found.last) == (date(2026, 7, 12), date(2026, 7, 18))


def test_a_reference_is_no_candidate(tmp_path: Path) -> None:
    verdict(home := Home(tmp_path), reference_strategy().hash, MONDAY)
    found = summary(home)
    assert not isinstance(found.judged, Unread)
    (one,) = found.judged
    assert isinstance(one, Judged) and one.reference
    assert headline(found) == "Nothing was tried this week."
