"""kill and resume, with a desk at work and without one."""

from datetime import timedelta
from decimal import Decimal

import pytest

from kasauti.execution.events import (
    LatchChanged,
    StrategyLatched,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.latch import Latch
from kasauti.execution.model import Outcome, Scope
from kasauti.home import Home
from tests.cli.conftest import Run, written
from tests.execution.world import OPEN, World, at, entry, world


def test_kill_denies_the_very_next_entry(run: Run, desk: World, home: Home) -> None:
    told = run("kill", "--reason", "a bad feeling", "--who", "me", "--json")
    assert told.code == 0
    assert told.json["stopped"] is True
    replay, paper = told.json["ledgers"]
    assert (replay["ledger"], replay["changed"], replay["recorded"]) == ("replay", True, True)
    assert (paper["ledger"], paper["changed"], paper["recorded"]) == ("paper", True, False)
    assert any("set by me: a bad feeling" in message for _, message in desk.ledger.outbox())

    other = entry("OTHER")
    desk.desk.submit(other, at(9, 17))
    desk.desk.step(at(9, 17))
    assert desk.order(other).code == "KILLED"
    assert "TEST" in desk.desk.book.positions, "what is held stays held and protected"


def test_a_second_kill_changes_nothing(run: Run, desk: World) -> None:
    run("kill", "--reason", "once")
    events = desk.ledger.head()
    told = run("kill", "--reason", "twice", "--json")
    assert told.code == 0
    assert [one["changed"] for one in told.json["ledgers"]] == [False, False]
    assert desk.ledger.head() == events
    assert "stopped, as it was" in run("kill").out


def test_resume_lifts_both_halves(run: Run, desk: World) -> None:
    run("kill")
    told = run("resume", "--reason", "checked", "--who", "Asha", "--json")
    assert told.code == 0
    assert told.json["stopped"] is False
    assert any("lifted by Asha: checked" in message for _, message in desk.ledger.outbox())
    other = entry("OTHER")
    desk.desk.submit(other, at(9, 17))
    desk.desk.step(at(9, 17))
    assert desk.desk.outcome(other.key) is Outcome.ACCEPTED
    events = desk.ledger.head()
    again = run("resume", "--reason", "checked", "--who", "Asha", "--json")
    assert [one["changed"] for one in again.json["ledgers"]] == [False, False]
    assert desk.ledger.head() == events


@pytest.mark.parametrize(("who", "reason"), [("", "why"), ("  ", "why"), ("Asha", " ")])
def test_nobody_resumes_without_name_and_reason(
    run: Run, desk: World, who: str, reason: str
) -> None:
    run("kill")
    told = run("resume", "--reason", reason, "--who", who)
    assert told.code == 2
    assert "a person's name and a reason" in told.complaint
    assert desk.latch.is_set()


def _half(w: World, half: str) -> None:
    """Leave the switch as a crash between its two steps, or a hand on the file, leaves it."""
    if half == "file":
        w.latch.path.touch()
    else:
        w.ledger.append(LatchChanged(latched=True, by="x", reason="y"), at=OPEN)


@pytest.mark.parametrize("half", ["file", "record"])
def test_kill_completes_either_half(run: Run, desk: World, half: str) -> None:
    _half(desk, half)
    completed = run("kill", "--json").json["ledgers"][0]
    assert (completed["changed"], completed["recorded"]) == (True, True)
    assert desk.latch.path.exists() and desk.desk.book.latched


@pytest.mark.parametrize("half", ["file", "record"])
def test_resume_lifts_either_half(run: Run, desk: World, half: str) -> None:
    _half(desk, half)
    lifted = run("resume", "--reason", "checked", "--who", "Asha", "--json").json["ledgers"][0]
    assert (lifted["changed"], lifted["stopped"]) == (True, False)
    assert not desk.latch.is_set() and not desk.desk.book.latched


def test_a_ledger_made_later_starts_stopped(run: Run, home: Home) -> None:
    assert run("kill").code == 0
    with world(home.replay) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "KILLED"
    with world(home.root, scope=Scope.PAPER) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "KILLED"
    told = run("resume", "--reason", "checked", "--who", "Asha", "--json").json
    assert [(one["stopped"], one["recorded"]) for one in told["ledgers"]] == [(False, True)] * 2


def test_a_broken_ledger_is_stopped_all_the_same(run: Run, desk: World, home: Home) -> None:
    written(home.ledger, "not SQLite" * 100)
    told = run("kill", "--json")
    assert told.code == 1, "stopped, and one record is missing"
    replay, paper = told.json["ledgers"]
    assert told.json["stopped"] and replay["recorded"] and not paper["recorded"]
    assert "cannot be read as a ledger" in told.err
    assert Latch.beside(home.ledger).path.exists() and desk.latch.is_set()


def test_a_stop_that_fails_says_so(run: Run, home: Home) -> None:
    written(home.root, "a file where the folder should be")
    told = run("kill", "--json")
    assert told.code == 1
    assert told.json["stopped"] is False
    assert "cannot be written" in told.err


@pytest.mark.parametrize("flatten", [False, True])
def test_kill_says_what_nobody_takes_back_where_no_desk_runs(
    run: Run, home: Home, flatten: bool
) -> None:
    with world(home.root, scope=Scope.PAPER) as w:
        w.tick(OPEN, "100")
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        w.desk.submit(entry("OTHER", limit_price=Decimal("97.00")), OPEN)
        w.desk.step(OPEN + timedelta(seconds=2))
        wanted = ["kill", "--reason", "now", *(["--flatten"] if flatten else [])]
        assert run(*wanted).code == 0, "the desk is there and does it"
    told = run(*wanted)
    assert told.code == 1
    assert "paper: no desk runs" in told.out and "kasauti desk" in told.out
    assert "BUY 10 OTHER at 97.00 works at the broker" in told.out
    assert ("10 TEST held" in told.out) is flatten
    assert run(*wanted, "--json").json["ledgers"][1]["left"]


def test_kill_flatten_closes_what_is_held_as_its_stop_goes(
    run: Run, desk: World, home: Home
) -> None:
    run("kill", "--reason", "stop first")
    assert desk.ledger.book().flatten is False
    told = run("kill", "--reason", "and out", "--who", "me", "--flatten", "--json")
    assert told.json["flatten"] is True and told.json["ledgers"][0]["changed"] is True
    changed = [r.event for r in desk.ledger.events() if isinstance(r.event, LatchChanged)]
    assert [event.flatten for event in changed] == [False, True]
    desk.desk.step(at(9, 18))
    desk.tick(at(9, 19), "100.00")
    assert "TEST" not in desk.desk.book.positions
    assert not desk.desk.book.live_orders()
    assert run("kill", "--flatten", "--json").json["ledgers"][0]["changed"] is False


def test_resume_lets_breakers_and_latched_strategies_go(run: Run, desk: World) -> None:
    book = desk.desk.book
    assert book.limits is not None
    opened = TradingStateChanged(TradingState.HALTED, "desk", "fell 21 %", "K23")
    for event in (opened, StrategyLatched("f" * 64, "3 entries in TEST today (BUY)")):
        desk.ledger.append(event, at=OPEN, epoch=desk.lease.epoch)
    shown = run("status", "--json").json
    assert "replay trading" in shown["red"]
    (breaker,) = shown["ledgers"][0]["state"]["breakers"]
    assert (breaker["control"], breaker["state"]) == ("K23", "HALTED")
    assert "fell 21 %" in run("status").out
    told = run("resume", "--reason", "accepted", "--who", "Asha", "--json")
    assert told.json["ledgers"][0]["changed"] is True
    assert any("Resumed by Asha: accepted" in message for _, message in desk.ledger.outbox())
    after = run("status", "--json").json["ledgers"][0]["state"]
    assert (after["trading"], after["breakers"], after["latched_strategies"]) == ("ACTIVE", [], [])
    assert (
        run("resume", "--reason", "x", "--who", "Asha", "--json").json["ledgers"][0]["changed"]
        is False
    )


def test_a_person_reviews_the_trades(run: Run, desk: World) -> None:
    desk.tick(at(9, 30), "90.00")
    assert desk.desk.book.trades
    (row,) = [
        r for r in run("limits", "--json").json["ledgers"][0]["limits"] if r["limit"] == "review"
    ]
    assert row["used"] == "closes entries on 2026-07-16: `kasauti review`"
    told = run("review", "--who", "Asha", "--reason", "gap down, stop worked", "--json")
    (looked,) = told.json["ledgers"]
    assert (told.code, looked["trades"], looked["streak"]) == (0, 1, 1)
    assert desk.desk.book.reviewed_at is not None
    (row,) = [
        r for r in run("limits", "--json").json["ledgers"][0]["limits"] if r["limit"] == "review"
    ]
    assert row["used"] == "nothing to review"
    assert run("review", "--who", " ", "--reason", "x").code == 2


def test_status_says_who_holds_the_lease(run: Run, desk: World) -> None:
    lease = run("status", "--json").json["ledgers"][0]["state"]["lease"]
    assert (lease["held"], lease["host"], lease["epoch"]) == (True, "test", desk.lease.epoch)
    assert "held by test" in run("status").out
