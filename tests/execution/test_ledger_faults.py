"""Disks that are full or read-only, broken pages, clocks that go back, texts that nobody can keep.

Whatever happens, the append is refused by a message, and what stands still verifies.
"""

import json
import multiprocessing
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Engine

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import note
from kasauti.errors import KasautiError, LedgerError, UsageError
from kasauti.execution import anchor, schema
from kasauti.execution.audit import audit
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.chain import SEAL, digest, seal_of, sealed
from kasauti.execution.events import (
    Decision,
    EpochRaised,
    Event,
    GateDecided,
    IntentCommitted,
    LatchChanged,
    LimitsSealed,
    Reconciled,
    ReconciliationRequested,
    SessionClosed,
    TradingState,
    TradingStateChanged,
    for_book,
    from_json,
    to_json,
)
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import SET_BACK, Ledger
from kasauti.execution.model import Offset, Protection, Purpose, Scope
from kasauti.execution.place import Place
from kasauti.market.calendar import Calendar
from kasauti.market.markets import NSE, Market
from tests.execution.test_ledger import filled, make, tamper, tool
from tests.execution.world import CALENDAR, LIMITS, OPEN, TODAY, entry, world
from tests.execution.world import closing as leave

REFUSED, NOT_REFUSED = 3, 4
SECOND = timedelta(seconds=1)


def in_a_child(work: Callable[[Place], None], place: Place) -> str:
    """Run `work` in a process of its own and return the message that it was refused with."""
    told = place.path.with_name("told")

    def run() -> None:
        try:
            work(place)
        except KasautiError as error:
            told.write_text(str(error))
            os._exit(REFUSED)
        os._exit(NOT_REFUSED)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(60)
    assert child.exitcode == REFUSED
    return told.read_text()


def latch(number: int = 0) -> LatchChanged:
    return LatchChanged(False, "test", f"{number}")


def until_the_disk_is_full(place: Place) -> None:
    ledger = make(place)
    size = max(path.stat().st_size for path in place.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 64_000, size + 64_000))
    for number in range(1_000):
        ledger.append(LatchChanged(False, "test", "x" * 5_000), at=OPEN, alert=note(f"{number}"))


def as_nobody(place: Place) -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    ledger = Ledger.existing(place)
    ledger.append(latch(), at=OPEN)


def test_a_full_disk_refuses_and_what_stands_verifies(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    filled(place).close()
    told = in_a_child(until_the_disk_is_full, place)
    assert "refused the append" in told and "check disk" in told
    ledger = make(place)
    assert ledger.verify().ok and ledger.seq() > 6
    ledger.append(latch(), at=OPEN)
    assert ledger.verify().ok, "once there is room again it goes on"


class VenueElsewhere(PaperBroker):
    """A broker whose book is not on the disk that is full."""

    def __init__(
        self, engine: Engine, market: Market, *, calendar: Calendar, cash: Decimal
    ) -> None:
        path = Path(str(engine.url.database)).with_name("venue.sqlite")
        super().__init__(schema.connect(path), market, calendar=calendar, cash=cash)


def tries_to_leave(place: Place, *, flatten: bool, purpose: Purpose) -> None:
    """Fill the disk while an exit is due, and say what works at the broker afterwards."""
    with world(place.parent, broker_class=VenueElsewhere) as w:
        wanted = entry()
        w.desk.submit(wanted, OPEN)
        w.tick(OPEN, "100" if purpose is Purpose.STOP else "102")
        w.desk.step(OPEN + SECOND)
        assert w.working(purpose)
        if flatten:
            w.latch.set(w.ledger, by="Asha", reason="test", at=OPEN + SECOND, flatten=True)
        else:
            exit_of = leave(wanted, valid_until=OPEN + 60 * SECOND, limit_price=Decimal("90.00"))
            w.desk.submit(exit_of, OPEN + SECOND)
        size = place.path.with_name(f"{place.path.name}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 64_000, size + 64_000))
        with pytest.raises(LedgerError):
            for _ in range(1_000):
                w.ledger.append(LatchChanged(flatten, "test", "x" * 5_000), at=OPEN + SECOND)
        with pytest.raises(LedgerError):
            for _ in range(1_000):
                w.ledger.append(LatchChanged(flatten, "test", "x"), at=OPEN + SECOND)
        with pytest.raises(LedgerError, match="refused the append"):
            w.desk.step(OPEN + 2 * SECOND)
        working = [row.order for row in w.broker.orders() if row.state.is_working]
        raise LedgerError(" ".join(order.order_type.value for order in working) or "nothing")


@pytest.mark.parametrize("flatten", [False, True], ids=["a strategy's exit", "kill --flatten"])
def test_on_a_full_disk_no_stop_is_taken_back_for_an_exit_that_cannot_go_out(
    tmp_path: Path, flatten: bool
) -> None:
    work = partial(tries_to_leave, flatten=flatten, purpose=Purpose.STOP)
    assert in_a_child(work, Place(tmp_path / "ledger.sqlite")) == "STOPLOSS_LIMIT"


def test_on_a_full_disk_a_kill_still_takes_entries_back(tmp_path: Path) -> None:
    work = partial(tries_to_leave, flatten=True, purpose=Purpose.ENTRY)
    assert in_a_child(work, Place(tmp_path / "ledger.sqlite")) == "nothing"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_read_only_refuses(tmp_path: Path, what: str) -> None:
    open_to_all = tmp_path
    while open_to_all != Path("/tmp") and open_to_all != open_to_all.parent:
        open_to_all.chmod(open_to_all.stat().st_mode | 0o055)
        open_to_all = open_to_all.parent
    folder = tmp_path / "home"
    folder.mkdir()
    place = Place(folder / "ledger.sqlite")
    filled(place).close()
    (folder / "told").touch()
    for path in folder.iterdir():
        path.chmod(0o444 if path == place.path else 0o666)
    folder.chmod(0o777 if what == "file" else 0o555)
    told = in_a_child(as_nobody, place)
    assert "readonly" in told or "Permission" in told or "unable to open" in told, told
    folder.chmod(0o755)
    place.path.chmod(0o644)
    assert make(place).verify().ok


def test_a_corrupted_last_page_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    filled(place, events=400).close()
    with closing(sqlite3.connect(place.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(place.path.read_bytes())
    last = content.rindex(b"LatchChanged") // page
    content[last * page : (last + 1) * page] = b"\xa5" * page
    place.path.write_bytes(bytes(content))
    found = audit("replay", place)
    assert found is not None and not found.ok
    assert any("malformed" in problem for problem in found.found.problems), found.found
    with pytest.raises(LedgerError, match="malformed"):
        Ledger.existing(place).append(latch(), at=OPEN)


def test_a_clock_that_was_set_back_is_refused(place: Place) -> None:
    ledger = make(place)
    later = OPEN + timedelta(hours=1)
    epoch = ledger.raise_epoch(host="test", at=later)
    ledger.append(latch(), at=later)
    ledger.append(latch(), at=later - SET_BACK)
    ledger.append(Reconciled(()), at=later, epoch=epoch)
    with pytest.raises(LedgerError, match="clock was set back") as refused:
        ledger.append(latch(), at=later - SET_BACK - SECOND)
    assert later.isoformat() in str(refused.value)
    assert (later - SET_BACK - SECOND).isoformat() in str(refused.value)
    ledger.append(LatchChanged(True, "test", "stop"), at=OPEN - timedelta(days=400))
    assert ledger.book().latched and ledger.verify().ok
    with pytest.raises(LedgerError, match="clock was set back"):
        ledger.claim(entry(), at=OPEN - timedelta(days=399))


def test_what_another_process_says_of_the_time_is_heard(place: Place) -> None:
    """The time of the desk's last event is kept; one of another desk since then must show."""
    ledger, desk = make(place), make(place)
    ledger.append(latch(), at=OPEN)
    ledger.append(latch(), at=OPEN)
    epoch = desk.raise_epoch(host="test", at=OPEN)
    desk.append(Reconciled(()), at=OPEN + timedelta(hours=1), epoch=epoch)
    desk.append(latch(), at=OPEN + timedelta(hours=1))
    with pytest.raises(LedgerError, match="clock was set back"):
        ledger.append(latch(), at=OPEN)
    ledger.append(latch(), at=OPEN + timedelta(hours=1))


@pytest.mark.parametrize(
    "event",
    [LatchChanged(True, "x", "stop"), ReconciliationRequested("x"), IntentCommitted(entry())],
    ids=lambda event: type(event).__name__,
)
def test_a_clock_that_is_days_ahead_elsewhere_does_not_keep_the_desk_out(
    place: Place, event: Event
) -> None:
    ledger = make(place)
    epoch = ledger.raise_epoch(host="test", at=OPEN)
    ledger.append(event, at=OPEN + timedelta(days=3))
    ledger.append(Reconciled(()), at=OPEN + SECOND, epoch=epoch)
    with pytest.raises(LedgerError, match="clock was set back"):
        ledger.append(Reconciled(()), at=OPEN - timedelta(hours=1), epoch=epoch)


UNREADABLE = [
    pytest.param({"limit_price": float("nan")}, id="price a float NaN"),
    pytest.param({"limit_price": 101.5}, id="price a float"),
    pytest.param({"limit_price": None}, id="no price"),
    pytest.param({"limit_price": Decimal("sNaN")}, id="price a signalling NaN"),
    pytest.param({"quantity": 1.5}, id="quantity a float"),
    pytest.param({"quantity": Decimal("1.5")}, id="quantity a Decimal"),
    pytest.param({"quantity": 10**5_000}, id="quantity of 5,000 digits"),
    pytest.param({"symbol": None}, id="no symbol"),
    pytest.param({"side": "UP"}, id="side that is none"),
    pytest.param({"protection": "none"}, id="protection a text"),
]


@pytest.mark.parametrize(
    "wrong", UNREADABLE, ids=lambda wrong: "".join(map(str, wrong.items()))[:40]
)
def test_what_could_not_be_read_again_is_not_written(place: Place, wrong: dict[str, Any]) -> None:
    ledger = make(place)
    with pytest.raises(LedgerError, match="IntentCommitted was not written"):
        ledger.claim(entry(**wrong), at=OPEN)
    ledger.claim(entry(), at=OPEN)
    assert len(ledger.book().orders) == 1


def test_a_price_that_is_no_number_is_kept_denied_and_verifies(tmp_path: Path) -> None:
    nan = Decimal("NaN")
    with world(tmp_path) as w:
        wrong = [
            entry("TEST", limit_price=nan),
            entry("OTHER", score=nan, reference_price=nan),
            entry("THIRD", protection=Protection(Offset(nan))),
        ]
        for intent in wrong:
            w.desk.submit(intent, OPEN)
        w.tick(OPEN, "100", jumped=True)
        w.desk.step(OPEN + SECOND)
        assert w.order(wrong[0]).code == "INSTRUMENT"
        found = audit("replay", w.ledger.place)
        assert found is not None and found.ok, found


@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param("k" * 201, "at most 200", id="too long"),
        pytest.param("g|v|TEST|ENTRY|STOP|2026-07-15|1", "the desk's own", id="of a stop"),
        pytest.param("g|v|TEST|ENTRY|FLATTEN|2026-07-15", "the desk's own", id="of a flatten"),
    ],
)
def test_a_key_that_would_stand_in_the_way_of_a_stop_is_refused(
    place: Place, key: str, said: str
) -> None:
    with pytest.raises(LedgerError, match=said):
        make(place).claim(entry(key=key), at=OPEN)


def test_the_longest_key_leaves_room_for_its_stops(place: Place) -> None:
    ledger = make(place)
    key = "k" * 200
    epoch = ledger.raise_epoch(host="test", at=OPEN)
    ledger.claim(entry(key=key), at=OPEN)
    stop = entry(key=f"{key}|SQUARE_OFF|2026-07-15|10000|CLIPPED|CLIPPED")
    ledger.append(IntentCommitted(stop), at=OPEN, epoch=epoch, unique=f"intent:{stop.key}")
    assert len(ledger.book().orders) == 2


def test_a_session_may_be_played_after_the_fact_but_not_twice(place: Place) -> None:
    ledger = make(place)
    evening = OPEN + timedelta(hours=9)
    epoch = ledger.raise_epoch(host="test", at=evening)
    with pytest.raises(LedgerError, match="set back"):
        ledger.append(Reconciled(()), at=OPEN, epoch=epoch)
    close = OPEN + timedelta(hours=6)
    with ledger.session_time():
        ledger.append(Reconciled(()), at=OPEN, epoch=epoch)
        ledger.append(SessionClosed(TODAY, {}), at=close, epoch=epoch)
        with pytest.raises(LedgerError, match="set back"):
            ledger.append(Reconciled(()), at=OPEN, epoch=epoch)
    with pytest.raises(LedgerError, match="set back"):
        ledger.append(Reconciled(()), at=OPEN, epoch=epoch)
    ledger.append(Reconciled(()), at=evening, epoch=epoch)


BAD_TEXTS = [pytest.param("a\0b", id="NUL"), pytest.param("\ud800", id="half a surrogate pair")]


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_a_text_that_cannot_be_kept_is_refused(place: Place, text: str) -> None:
    ledger = make(place)
    with pytest.raises(LedgerError, match=r"refused|not written"):
        ledger.append(LatchChanged(False, "test", text), at=OPEN)
    with pytest.raises(LedgerError, match="refused"):
        ledger.append(latch(), at=OPEN, unique=text)
    ledger.append(LatchChanged(False, "test", "अच्छा 👍"), at=OPEN, alert=note(text))
    Latch.beside(place).set(ledger, by=text, reason=text, at=OPEN)
    assert ledger.verify().ok and ledger.book().latched
    assert text not in Alert.from_text(ledger.outbox()[0][1]).happened


def test_the_anchor_of_the_last_close_finds_a_tail_that_was_cut_off(place: Place) -> None:
    ledger = make(place)
    assert anchor.read(place.path) is None
    epoch = ledger.raise_epoch(host="test", at=OPEN)
    ledger.append(SessionClosed(TODAY, {}), at=OPEN, epoch=epoch)
    ledger.append(latch(), at=OPEN)
    assert anchor.read(place.path) is not None
    whole = audit("replay", place)
    assert whole is not None and whole.ok and whole.anchored == 3
    tamper(ledger, "DELETE FROM events WHERE seq > 2")
    assert ledger.verify().ok, "the chain alone cannot know"
    ledger.append(SessionClosed(TODAY, {}), at=OPEN + SECOND, epoch=epoch)
    found = audit("replay", place)
    assert found is not None
    assert found.found.problems[-1] == "event 3 is not the one that was anchored"


def test_a_ledger_that_is_gone_is_missed_by_its_anchor(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    assert audit("paper", place) is None
    anchor.keep(place.path, (1, "0" * 64))
    found = audit("paper", place)
    assert found is not None and "is gone" in found.found.problems[0]
    anchor.path_of(place.path).write_text("[]")
    with pytest.raises(LedgerError, match="is no anchor"):
        anchor.read(place.path)


def test_the_url_is_never_said(tmp_path: Path) -> None:
    secret = "postgresql+psycopg://user:hunter2@nowhere.invalid/name"
    place = Place(tmp_path / "ledger.sqlite", secret)
    with pytest.raises(LedgerError) as refused:
        make(place)
    for text in (str(refused.value), repr(place), str(place)):
        assert "hunter2" not in text and "nowhere" not in text
    with pytest.raises(UsageError) as wrong:
        make(Place(tmp_path / "ledger.sqlite", "mysql://user:hunter2@nowhere/name"))
    assert "hunter2" not in str(wrong.value)


def test_the_paper_account_lives_on_both_databases(place: Place) -> None:
    ledger = Ledger(place.path, scope=Scope.PAPER, market="nse", at=OPEN, url=place.url)
    broker = PaperBroker(ledger.engine, NSE, cash=LIMITS.capital, calendar=CALENDAR)
    placed = broker.place(entry().order(), OPEN)
    again = PaperBroker(ledger.engine, NSE, cash=LIMITS.capital, calendar=CALENDAR)
    assert [order.broker_id for order in again.orders()] == [placed.broker_id]
    assert again.funds() == broker.funds() < LIMITS.capital


def test_what_must_alert_stands_in_the_outbox_with_its_event(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.open_session(OPEN, replace(LIMITS, daily_loss=LIMITS.daily_loss / 2))
        w.desk.set_state(TradingState.HALTED, by="Asha", reason="test", now=OPEN)
        w.latch.set(w.ledger, by="Asha", reason="test", at=OPEN)
        w.broker.transfer(shares={"OTHER": 5})
        w.desk.reconcile(OPEN)
        told = {seq for seq, _ in w.ledger.outbox()}
        must = [
            record.seq
            for record in w.ledger.events()
            if isinstance(record.event, LatchChanged | TradingStateChanged)
            or (isinstance(record.event, Reconciled) and record.event.differences)
        ]
        sealed = [r.seq for r in w.ledger.events() if isinstance(r.event, LimitsSealed)]
        assert len(must) >= 3 and len(sealed) == 2
        assert {*must, sealed[1]} <= told and sealed[0] not in told


def test_nothing_is_there_before_it_is_made(postgres: URL, tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite", postgres)
    assert not place.exists()
    with pytest.raises(LedgerError, match="no events"):
        Ledger.existing(place)
    make(place).close()
    assert place.exists() and Ledger.existing(place).scope is Scope.REPLAY


def test_a_book_reads_who_spoke_and_nothing_else() -> None:
    words = tuple(
        Decision(f"K{number:02}", "CODE", True, False, {"control": 'a "quoted" text', "x": "],"})
        for number in range(1, 40)
    )
    events: list[Event] = [
        GateDecided('a "key"', True, "", words, "h"),
        GateDecided("k", False, "CODE", (), ""),
        EpochRaised("test"),
    ]
    for event in events:
        kind, payload = to_json(event)
        assert from_json(kind, payload) == event
        short = for_book(kind, payload)
        if isinstance(event, GateDecided):
            assert isinstance(short, GateDecided)
            assert short.decisions == ()
            assert short.controls.split() == [d.control for d in event.decisions]
            assert (short.key, short.allowed, short.code) == (event.key, event.allowed, event.code)
        else:
            assert short == event


# -- the database itself -------------------------------------------------------------------------


def problems_of(place: Place) -> str:
    found = audit("replay", place)
    assert found is not None
    return "\n".join(found.found.problems)


REPLACED = [
    "INSERT OR REPLACE INTO events SELECT seq, epoch, at, kind, unique_key, 'x', previous, hash "
    "FROM events WHERE seq = 3",
    "INSERT OR REPLACE INTO events SELECT 99, epoch, at, kind, unique_key, payload, previous, hash "
    "FROM events WHERE seq = 3",
    "INSERT OR REPLACE INTO outbox VALUES (2, 'all is well')",
]


@pytest.mark.parametrize("statement", REPLACED, ids=["row", "key", "message"])
def test_sqlite_replaces_nothing_behind_its_triggers(tmp_path: Path, statement: str) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    ledger = make(place)
    ledger.append(latch(), at=OPEN, alert=note("it burns"))
    ledger.claim(entry(), at=OPEN)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), tool(place) as connection:
        connection.execute(statement)
    assert ledger.verify().ok and "it burns" in ledger.outbox()[0][1]


def test_a_row_before_the_first_is_refused_or_found(place: Place) -> None:
    filled(place).close()
    planted = (
        "INSERT INTO events SELECT -1, epoch, at, kind, 'fill:x', payload, previous, 'h' "
        "FROM events WHERE seq = 3"
    )
    with pytest.raises((sqlite3.IntegrityError, psycopg.Error)), tool(place) as connection:
        connection.execute(planted)
    with tool(place) as connection:  # a ledger of before there was a check
        if place.url is None:
            connection.execute("PRAGMA ignore_check_constraints=ON")
        else:
            connection.execute("ALTER TABLE events DROP CONSTRAINT events_seq_check")
        connection.execute(planted)
    assert "event 1 is missing: next is -1" in problems_of(place)


def test_the_lowest_number_of_all_is_read_too(place: Place) -> None:
    ledger = filled(place)
    lowest = -(2**63 if place.url is None else 2**31)
    with tool(place) as connection:
        if place.url is None:
            connection.execute("PRAGMA ignore_check_constraints=ON")
        else:
            connection.execute("ALTER TABLE events DROP CONSTRAINT events_seq_check")
        connection.execute(
            f"INSERT INTO events SELECT {lowest}, epoch, at, kind, 'fill:x', payload, previous, "
            "'h' FROM events WHERE seq = 3"
        )
    assert f"event 1 is missing: next is {lowest}" in ledger.verify().problems


def test_a_key_that_occurs_twice_is_found_without_its_index(place: Place) -> None:
    ledger = make(place)
    ledger.claim(entry(), at=OPEN)
    with tool(place) as connection:
        if place.url is not None:
            connection.execute("ALTER TABLE events DROP CONSTRAINT events_unique_key_key")
        else:
            connection.execute(
                "CREATE TABLE copy (seq INTEGER PRIMARY KEY, epoch INTEGER, at, kind, unique_key, "
                "payload, previous, hash)"
            )
            for statement in (
                "INSERT INTO copy SELECT * FROM events",
                "DROP TABLE events",
                "ALTER TABLE copy RENAME TO events",
            ):
                connection.execute(statement)
        last = connection.execute("SELECT * FROM events WHERE seq = 2").fetchone()
        again = [3, *last[1:6], last[7]]
        written = ", ".join(f"'{value}'" for value in [*again, digest(again)])
        connection.execute(f"INSERT INTO events VALUES ({written})")
    assert ledger.verify().ok, "the chain holds"
    ledger.close()
    assert f"key intent:{entry().key} belongs to 2 events" in problems_of(place)


def test_a_message_without_an_event_is_found(place: Place) -> None:
    filled(place).close()
    with tool(place) as connection:
        if place.url is not None:
            connection.execute("ALTER TABLE outbox DROP CONSTRAINT outbox_seq_fkey")
        connection.execute("INSERT INTO outbox VALUES (77, 'x')")
    assert "row 77 of outbox belongs to no event" in problems_of(place)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        pytest.param(
            "UPDATE outbox SET message = 'all is well' WHERE seq = 3",
            "the message of event 3 was changed",
            id="edited",
        ),
        pytest.param(
            "DELETE FROM outbox WHERE seq = 3", "the message of event 3 is missing", id="dropped"
        ),
        pytest.param(
            "INSERT INTO outbox VALUES (4, 'all is well')",
            "the message of event 4 was added",
            id="planted",
        ),
    ],
)
def test_a_message_that_is_not_its_events_is_found(place: Place, statement: str, told: str) -> None:
    ledger = make(place)
    for number in range(2):
        ledger.append(latch(number), at=OPEN, alert=note(f"it burns {number}"))
    ledger.append(latch(2), at=OPEN)
    assert ledger.verify().ok and not problems_of(place)
    with tool(place) as connection:
        if place.url is None:
            for name in ("outbox_no_update", "outbox_no_delete"):
                connection.execute(f"DROP TRIGGER {name}")
        else:
            connection.execute("ALTER TABLE outbox DISABLE TRIGGER USER")
        connection.execute(statement)
    assert ledger.verify().problems == (told,)
    ledger.close()
    assert told in problems_of(place)


def test_messages_of_before_they_were_sealed_are_taken_as_they_are(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    ledger = make(place)
    ledger.append(latch(), at=OPEN)
    with tool(place) as connection:
        connection.execute("INSERT INTO outbox VALUES (2, 'from an older version')")
    assert ledger.verify().ok
    ledger.append(latch(), at=OPEN, alert=note("sealed"))
    assert ledger.verify().ok and not problems_of(place)


def test_the_seal_of_a_message_is_no_part_of_its_event() -> None:
    empty = sealed("{}", "m")
    assert seal_of(empty) == seal_of(sealed('{"a":1}', "m")) and json.loads(empty).keys() == {SEAL}
    for event in (latch(), GateDecided("k", False, "CODE", (), "h"), EpochRaised("test")):
        kind, payload = to_json(event)
        assert SEAL not in json.loads(payload)
        assert from_json(kind, sealed(payload, "m")) == event
        assert for_book(kind, sealed(payload, "m")) == for_book(kind, payload)
        assert seal_of(payload) is None


WEAKER = [
    "CREATE OR REPLACE TRIGGER kasauti_events_append_only BEFORE UPDATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION kasauti_append_only()",
    "CREATE OR REPLACE TRIGGER kasauti_events_append_only "
    "BEFORE UPDATE OF hash OR DELETE OR TRUNCATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION kasauti_append_only()",
    "CREATE OR REPLACE TRIGGER kasauti_events_append_only "
    "BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
    "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION kasauti_append_only()",
    "CREATE OR REPLACE FUNCTION kasauti_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NULL; RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
]


@pytest.mark.parametrize("statement", WEAKER, ids=["verbs", "columns", "never", "returns first"])
def test_a_trigger_of_our_name_that_guards_less_is_told(
    postgres: URL, tmp_path: Path, statement: str
) -> None:
    place = Place(tmp_path / "ledger.sqlite", postgres)
    filled(place).close()
    with tool(place) as connection:
        connection.execute(statement)
    assert "is missing, off or another" in problems_of(place)
    assert not problems_of(place), "it was put back"


def test_a_ledger_older_than_a_trigger_raises_no_alarm_for_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    filled(place).close()
    late = [f"DROP TRIGGER {table}_no_replace" for table in ("events", "outbox", "broker_events")]
    with tool(place) as connection:
        for statement in (*late, "PRAGMA user_version=0"):
            connection.execute(statement)
    assert not problems_of(place)
    with tool(place) as connection:
        connection.execute(late[0])
    assert "events_no_replace is missing" in problems_of(place), "opened, it has them"


@pytest.mark.parametrize("how", ["dropped", "off or another"])
def test_a_trigger_that_does_not_guard_is_told_before_it_is_put_back(
    place: Place, how: str
) -> None:
    filled(place).close()
    assert not problems_of(place)
    with tool(place) as connection:
        if place.url is None:
            connection.execute("DROP TRIGGER events_no_delete")
            if how != "dropped":
                connection.execute(
                    "CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT 1; END"
                )
        elif how == "dropped":
            connection.execute("DROP TRIGGER kasauti_events_append_only ON events")
        else:
            connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
    assert "is missing, off or another" in problems_of(place)
    if how == "dropped" or place.url is None:
        assert not problems_of(place), "it was put back"


def test_an_index_that_contradicts_its_rows_is_found(tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    ledger = make(place)
    ledger.claim(entry(), at=OPEN)
    ledger.close()
    with closing(sqlite3.connect(place.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(place.path.read_bytes())
    key = b"intent:" + entry().key.encode()
    places = [n for n in range(len(content)) if content.startswith(key, n)]
    assert len(places) == 2, "in the row and in the index"
    index = next(n for n in places if not content.startswith(b"{", n + len(key)))
    content[index : index + 3] = b"zzz"
    place.path.write_bytes(bytes(content))
    assert "the file is damaged" in problems_of(place)


@pytest.mark.parametrize("column", ["payload = x'00ff'", "epoch = 'seven'"])
def test_a_value_of_another_type_is_a_problem_and_no_crash(tmp_path: Path, column: str) -> None:
    place = Place(tmp_path / "ledger.sqlite")
    tamper(filled(place), f"UPDATE events SET {column} WHERE seq = 3")
    assert "event 3" in problems_of(place)


def test_a_table_that_is_gone_is_a_problem_and_no_crash(postgres: URL, tmp_path: Path) -> None:
    place = Place(tmp_path / "ledger.sqlite", postgres)
    filled(place).close()
    with tool(place) as connection:
        connection.execute("DROP TABLE outbox")
    assert "cannot be looked at" in problems_of(place)
