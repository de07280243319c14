"""What no event tells, as tables of readings; and the service's own sign of life."""

import os
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from kasauti.alerts import missed, pulse, watch
from kasauti.alerts.missed import AFTER_THE_CLOSE, GRACE
from kasauti.alerts.pulse import Pinger, Pulse
from kasauti.alerts.triggers import Trigger
from kasauti.alerts.watch import Watch
from kasauti.backups.history import LastProof
from kasauti.errors import DataError, UsageError
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.home import Home
from kasauti.market.calendar import INDIA, nse_calendar
from tests.alerts.stand_in import Answer, StandIn

NOW = datetime(2026, 11, 20, 19, 30, tzinfo=INDIA)  # a Friday
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BEAT = Heartbeat(1, 1, NOW, Mode.TICKS, "trades on ticks")


# -- the desk, the disk, backups, approvals ------------------------------------------------------


@pytest.mark.parametrize(
    ("beat", "since", "raised"),
    [
        pytest.param(None, NOW - DAY, False, id="no desk ever ran"),
        pytest.param(BEAT, NOW - DAY, False, id="just now"),
        pytest.param(replace(BEAT, at=NOW - watch.DESK_SILENT), NOW - DAY, True, id="silent"),
        pytest.param(
            replace(BEAT, at=NOW - DAY, mode=Mode.STOPPED), NOW - DAY, False, id="was told to stop"
        ),
        pytest.param(replace(BEAT, at=NOW - DAY), NOW, False, id="the machine was off"),
        pytest.param(
            replace(BEAT, at=NOW - DAY), NOW - watch.DESK_SILENT, True, id="and it does not come"
        ),
    ],
)
def test_a_silent_desk(beat: Heartbeat | None, since: datetime, raised: bool) -> None:
    found = watch.desk_silent(beat, since, NOW)
    assert [one.alert.trigger for one in found] == [Trigger.DESK_SILENT] * raised
    later = watch.desk_silent(beat, since, NOW + HOUR) if raised else []
    assert {one.key for one in later} <= {one.key for one in found}, "one silence is one alert"


@pytest.mark.parametrize(
    ("total", "free", "raised"),
    [(100, 50, False), (100, 4.9, True), (1000, 49, True), (30, 1.9, True), (30, 2.1, False)],
)
def test_a_disk_that_is_nearly_full(total: float, free: float, raised: bool) -> None:
    found = watch.disk_low(int(total * 1e9), int(free * 1e9), NOW)
    assert [one.alert.trigger for one in found] == [Trigger.DISK_LOW] * raised


@pytest.mark.parametrize(
    ("proved", "has_ledger", "raised"),
    [
        (None, True, True),
        (None, False, False),
        (NOW - 47 * HOUR, True, False),
        (NOW - 48.1 * HOUR, True, True),
    ],
    ids=["never", "nothing to lose", "yesterday", "too old"],
)
def test_a_backup_that_was_not_proved(
    proved: datetime | None, has_ledger: bool, raised: bool
) -> None:
    found = watch.backup_unproved(LastProof(proved), has_ledger, NOW)
    assert [one.alert.trigger for one in found] == [Trigger.BACKUP_NOT_PROVED] * raised


@pytest.mark.parametrize(
    ("last", "raised"),
    [(0, False), (1, True), (7, True), (8, False), (-30, False)],
    ids=["its last day", "yesterday", "a week ago", "long ago", "next month"],
)
def test_an_approval_that_has_ended(last: int, raised: bool) -> None:
    ends = {"f" * 64: NOW.date() - timedelta(days=last)}
    found = watch.approvals_ended(ends, NOW)
    assert [one.alert.trigger for one in found] == [Trigger.APPROVAL_EXPIRED] * raised


# -- schedules -----------------------------------------------------------------------------------

FRIDAY = date(2026, 11, 20)


def due(since: date, now: datetime) -> list[str]:
    found = missed.expected(AFTER_THE_CLOSE, nse_calendar(), since, now)
    return [f"{moment:%m-%d %H:%M}" for moment in found]


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        (FRIDAY, NOW, ["11-20 18:30"]),
        (FRIDAY, NOW - 2 * HOUR, []),
        (date(2026, 11, 19), NOW, ["11-19 18:30", "11-20 18:30"]),
        (date(2026, 11, 21), NOW + 2 * DAY, []),
        (FRIDAY, NOW + 4 * DAY, ["11-23 18:30"]),
        (date(2026, 1, 1), NOW, ["11-17 18:30", "11-18 18:30", "11-19 18:30", "11-20 18:30"]),
        (FRIDAY + 7 * DAY, NOW, []),
    ],
    ids=["today", "not yet", "two", "weekend", "holiday", "three days back", "not in use yet"],
)
def test_when_the_schedule_was_due(since: date, now: datetime, expected: list[str]) -> None:
    assert due(since, now) == expected


def test_a_schedule_is_missed_after_its_grace_unless_it_ran() -> None:
    moment = datetime(2026, 11, 20, 18, 30, tzinfo=INDIA)
    assert missed.missed(AFTER_THE_CLOSE, [moment], set(), moment + GRACE - HOUR / 60) == []
    (found,) = missed.missed(AFTER_THE_CLOSE, [moment], set(), moment + GRACE)
    assert found.alert.trigger == Trigger.MISSED_SCHEDULE
    assert "20 Nov at 18:30" in found.alert.happened
    assert missed.missed(AFTER_THE_CLOSE, [moment], {FRIDAY}, NOW) == []


def test_a_calendar_that_does_not_know_the_day_is_said() -> None:
    with pytest.raises(DataError):
        due(date(2027, 1, 4), datetime(2027, 1, 5, 20, 0, tzinfo=INDIA))


# -- a whole state folder ------------------------------------------------------------------------


def runs(home: Home, *days: str) -> None:
    """Write what Dagster keeps of runs, as far as it is read."""
    folder = home.dagster / "history"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "runs.db")) as driver, driver:
        driver.execute("CREATE TABLE run_tags (id INTEGER, run_id TEXT, key TEXT, value TEXT)")
        for day in days:
            driver.execute("INSERT INTO run_tags VALUES (1, 'r', ?, ?)", (missed.SESSION_TAG, day))


OWN = {"KASAUTI_BARS": "/somewhere"}


def triggers(home: Home, environ: Mapping[str, str] | None = None) -> list[str]:
    looking = Watch(home, NOW - 2 * DAY, environ or {})
    found = [one.alert.trigger for one in looking.look(NOW)]
    assert looking.problems == ()
    return [trigger for trigger in found if trigger != Trigger.DISK_LOW]


def test_an_empty_folder_raises_nothing(tmp_path: Path) -> None:
    assert triggers(Home(tmp_path), OWN) == []


def test_a_schedule_that_did_not_start_is_raised_for_own_bars_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    runs(home, "2026-11-18", "2026-11-19")
    assert triggers(home, OWN) == [Trigger.MISSED_SCHEDULE]
    assert triggers(home) == [], "the sample gets no new bars"


def test_a_schedule_that_ran_is_not(tmp_path: Path) -> None:
    runs(Home(tmp_path), "2026-11-19", "2026-11-20")
    assert triggers(Home(tmp_path), OWN) == []


def test_what_was_due_before_anybody_used_it_was_not_missed(tmp_path: Path) -> None:
    runs(Home(tmp_path))
    late = Watch(Home(tmp_path), NOW, OWN)
    assert not [o for o in late.look(NOW + HOUR) if o.alert.trigger == Trigger.MISSED_SCHEDULE]
    assert triggers(Home(tmp_path), OWN) == [Trigger.MISSED_SCHEDULE] * 2


def test_approvals_are_read_as_the_vault_keeps_them(tmp_path: Path) -> None:
    from kasauti.validation.records import RecordBook

    home = Home(tmp_path)
    home.vault.mkdir()
    book = RecordBook(home.vault / "vault.sqlite")
    for genome, scope, expires in [
        ("a", "paper", "2026-11-19"),
        ("b", "replay", "2026-11-19"),
        ("c", "paper", "2026-11-19"),
        ("c", "paper", "2026-12-19"),
    ]:
        approval = {"scope": scope, "expires": expires}
        book.append("approval", {"genome": genome, "approval": approval})
    assert triggers(home) == [Trigger.APPROVAL_EXPIRED]


def test_a_paper_ledger_without_a_backup_is_raised_after_a_day(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ledger.touch()
    assert triggers(home) == [Trigger.BACKUP_NOT_PROVED]
    assert not [
        one
        for one in Watch(home, NOW, {}).look(NOW + HOUR)
        if one.alert.trigger == Trigger.BACKUP_NOT_PROVED
    ]


def test_what_cannot_be_looked_at_is_said_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.heartbeat.write_text("no heartbeat")
    home.ledger.touch()
    looking = Watch(home, NOW - 2 * DAY, {})
    found = [one.alert.trigger for one in looking.look(NOW)]
    assert Trigger.BACKUP_NOT_PROVED in found
    assert len(looking.problems) == 1 and "no heartbeat" in looking.problems[0]


def test_a_desk_that_ran_and_is_silent_is_raised(tmp_path: Path) -> None:
    home = Home(tmp_path)
    heartbeat.write(home.heartbeat, replace(BEAT, at=NOW - HOUR))
    assert triggers(home) == [Trigger.DESK_SILENT]


# -- the service's own sign of life --------------------------------------------------------------

HOOK = "/ping/canary-uuid-1234"


def test_a_pulse_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat" / "alerts.json"
    assert pulse.read(path) is None
    written = Pulse(os.getpid(), NOW, 3, ("Disk low",), ("slack: x",), NOW)
    pulse.write(path, written)
    assert pulse.read(path) == written
    path.write_text("{}")
    with pytest.raises(DataError, match="delete it"):
        pulse.read(path)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_watcher_is_pinged_each_minute_and_told_what_is_red() -> None:
    with StandIn(Answer(200, "OK")).running() as server:
        pinger = Pinger.from_environment({"KASAUTI_HEARTBEAT_URL": server.url + HOOK})
        for seconds, red in ((0, ()), (30, ("x",)), (60, ("Disk low", "Kill switch")), (121, ())):
            pinger.beat(red, NOW + timedelta(seconds=seconds))
            pinger.wait()
    assert [request.path for request in server.requests] == [HOOK, f"{HOOK}/fail", HOOK]
    assert server.requests[1].body == "Disk low\nKill switch"
    assert pinger.pinged == NOW + timedelta(seconds=121) and pinger.problem == ""


@pytest.mark.parametrize("answer", [Answer(500, "no"), Answer(302, "", {"Location": "/else"})])
def test_a_watcher_that_does_not_take_it_is_a_problem_without_its_address(answer: Answer) -> None:
    with StandIn(answer).running() as server:
        pinger = Pinger.from_environment({"KASAUTI_HEARTBEAT_URL": server.url + HOOK})
        pinger.beat((), NOW)
        pinger.wait()
    assert pinger.pinged is None and str(answer.status) in pinger.problem
    assert "canary" not in pinger.problem and len(server.requests) == 1


def test_a_watcher_that_hangs_holds_nothing_up_and_is_not_pinged_twice() -> None:
    gate = threading.Event()

    class Slow(StandIn):
        def answer(self, request: object) -> Answer:
            gate.wait(10)
            return Answer(200, "OK")

    with Slow().running() as server:
        pinger = Pinger.from_environment({"KASAUTI_HEARTBEAT_URL": server.url + HOOK})
        pinger.beat((), NOW)
        pinger.beat((), NOW + HOUR)
        gate.set()
        pinger.wait()
    assert len(server.requests) == 1 and pinger.pinged == NOW


def test_without_an_address_nobody_is_pinged_and_an_unsafe_one_is_refused() -> None:
    pinger = Pinger.from_environment({})
    pinger.beat((), NOW)
    assert pinger.pinged is None
    with pytest.raises(UsageError, match="https") as caught:
        Pinger.from_environment({"KASAUTI_HEARTBEAT_URL": "http://hc.example.org/canary"})
    assert "canary" not in str(caught.value)
