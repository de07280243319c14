"""The ledger loses nothing, forgets nothing and notices everything."""

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from kasauti.alerts.triggers import note
from kasauti.errors import LeaseError, LedgerError
from kasauti.execution.events import (
    Genesis,
    LatchChanged,
    Reconciled,
    SessionClosed,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Entry, Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from tests.execution.world import OPEN, TODAY, entry


def make(place: Place, scope: Scope = Scope.REPLAY) -> Ledger:
    return Ledger(place.path, scope=scope, market="nse", at=OPEN, url=place.url)


def filled(place: Place, events: int = 5) -> Ledger:
    ledger = make(place)
    for number in range(events):
        ledger.append(LatchChanged(bool(number % 2), "test", f"{number}"), at=OPEN)
    return ledger


@contextmanager
def tool(place: Place) -> Iterator[Any]:
    """Give the database's own connection, as somebody with a database tool has it."""
    if place.url is None:
        with closing(sqlite3.connect(place.path)) as connection, connection:
            yield connection
    else:
        database = place.database
        assert database is not None
        plain = database.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as server:
            yield server


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change the events past their triggers."""
    with tool(ledger.place) as connection:
        if ledger.place.url is None:
            for name in ("events_no_update", "events_no_delete"):
                connection.execute(f"DROP TRIGGER {name}")
        else:
            connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement)


def test_the_first_event_says_what_the_ledger_is_for_ever(place: Place) -> None:
    ledger = make(place)
    assert next(ledger.events()).event == Genesis(Scope.REPLAY, "nse")
    with pytest.raises(LedgerError, match="scope never changes"):
        make(place, Scope.PAPER)
    assert ledger.verify().events == 1


def test_events_come_back_in_order_and_verify(place: Place) -> None:
    ledger = filled(place)
    assert [record.seq for record in ledger.events()] == list(range(1, 7))
    assert ledger.verify().ok
    assert ledger.verify(anchor=ledger.head()).ok


VERBS = ["UPDATE {} SET seq = seq", "DELETE FROM {}", "TRUNCATE {} CASCADE"]


@pytest.mark.parametrize("table", ["events", "outbox", "broker_events"])
def test_triggers_refuse_change(place: Place, table: str) -> None:
    ledger = filled(place)
    ledger.append(LatchChanged(True, "test", ""), at=OPEN, alert=note("a message"))
    with tool(place) as connection:
        connection.execute("INSERT INTO broker_events VALUES (1, 'k', NULL, '{}')")
    for verb in VERBS[: 2 if place.url is None else 3]:  # SQLite has no TRUNCATE
        refused = pytest.raises((sqlite3.IntegrityError, psycopg.Error), match="append-only")
        with refused, tool(place) as connection:
            connection.execute(verb.format(table))
    assert ledger.verify().events == 7 and len(ledger.outbox()) == 1


TAMPERINGS = [
    pytest.param(
        ["UPDATE events SET payload = replace(payload, '\"2\"', '\"9\"') WHERE seq = 4"],
        "event 4 was changed",
        id="payload edited",
    ),
    pytest.param(["UPDATE events SET at = '2020' WHERE seq = 3"], "event 3 was", id="time edited"),
    pytest.param(["UPDATE events SET epoch = 7 WHERE seq = 3"], "event 3 was", id="epoch edited"),
    pytest.param(["UPDATE events SET kind = 'X' WHERE seq = 3"], "event 3 was", id="kind edited"),
    pytest.param(
        ["UPDATE events SET unique_key = 'x' WHERE seq = 3"], "event 3 was", id="key edited"
    ),
    pytest.param(["DELETE FROM events WHERE seq = 4"], "event 4 is missing", id="gap"),
    pytest.param(["DELETE FROM events WHERE seq = 1"], "event 1 is missing", id="head cut off"),
    pytest.param(
        [
            "UPDATE events SET seq = 99 WHERE seq = 3",
            "UPDATE events SET seq = 3 WHERE seq = 4",
            "UPDATE events SET seq = 4 WHERE seq = 99",
        ],
        "does not follow",
        id="re-ordered",
    ),
    pytest.param(
        [
            "DELETE FROM events WHERE seq = 3",
            "UPDATE events SET seq = seq - 1 WHERE seq > 3",
        ],
        "does not follow",
        id="gap closed",
    ),
]


@pytest.mark.parametrize(("statements", "problem"), TAMPERINGS)
def test_verify_finds_tampering(place: Place, statements: list[str], problem: str) -> None:
    ledger = filled(place)
    tamper(ledger, *statements)
    found = ledger.verify()
    assert not found.ok
    assert any(problem in text for text in found.problems), found.problems


def test_an_anchor_finds_a_tail_that_was_cut_off(place: Place) -> None:
    ledger = filled(place)
    anchor = ledger.head()
    tamper(ledger, "DELETE FROM events WHERE seq = 6")
    assert ledger.verify().ok, "the chain alone cannot know"
    assert not ledger.verify(anchor).ok


def test_a_claimed_key_gives_the_first_intent_back(place: Place) -> None:
    ledger = make(place)
    first, is_new = ledger.claim(entry(quantity=10), at=OPEN)
    again, again_new = ledger.claim(entry(quantity=99), at=OPEN)
    assert (is_new, again_new) == (True, False)
    assert again == first == entry(quantity=10)
    assert ledger.head()[0] == 2


def test_an_older_epoch_writes_nothing(place: Place) -> None:
    ledger = make(place)
    with Lease.take(ledger, host="a", at=OPEN) as old:
        ledger.append(Reconciled(()), at=OPEN, epoch=old.epoch)
    with Lease.take(ledger, host="b", at=OPEN) as new:
        before = ledger.head()
        with pytest.raises(LeaseError, match="another desk"):
            ledger.append(Reconciled(()), at=OPEN, epoch=old.epoch)
        assert ledger.head() == before
        assert ledger.append(Reconciled(()), at=OPEN, epoch=new.epoch).epoch == new.epoch


@pytest.mark.parametrize("epoch", [None, 7], ids=["without a lease", "an epoch nobody raised"])
def test_what_needs_a_desk_needs_its_epoch(place: Place, epoch: int | None) -> None:
    ledger = make(place)
    with pytest.raises(LeaseError):
        ledger.append(SessionClosed(TODAY, {}), at=OPEN, epoch=epoch)


def test_an_alert_stands_in_the_outbox_with_its_event_or_not_at_all(place: Place) -> None:
    ledger = make(place)
    with pytest.raises(LeaseError):
        ledger.append_all(
            [
                Entry(LatchChanged(True, "test", ""), alert=note("stopped")),
                Entry(TradingStateChanged(TradingState.HALTED, "test", "")),
            ],
            at=OPEN,
        )
    assert ledger.head()[0] == 1 and ledger.outbox() == []
    record = ledger.append(LatchChanged(True, "test", ""), at=OPEN, alert=note("stopped"))
    assert ledger.outbox() == [(record.seq, note("stopped").to_text())]


def test_event_times_are_aware(place: Place) -> None:
    with pytest.raises(LedgerError, match="no zone"):
        make(place).append(LatchChanged(True, "t", ""), at=OPEN.replace(tzinfo=None))


def test_a_broken_payload_stops_the_fold(place: Place) -> None:
    ledger = filled(place)
    tamper(ledger, "UPDATE events SET payload = '{}' WHERE seq = 4")
    with pytest.raises(LedgerError, match="broken LatchChanged"):
        ledger.book()


def _append_many(place: Place, worker: int, count: int) -> None:
    ledger = make(place)
    for number in range(count):
        ledger.claim(entry(key=f"{worker}/{number}"), at=OPEN + timedelta(milliseconds=number))
        ledger.claim(entry(key=f"shared/{number}"), at=OPEN)


def in_processes(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> list[int]:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode if process.exitcode is not None else 99 for process in processes]


def test_eight_processes_lose_nothing_and_share_the_unique_keys(place: Place) -> None:
    workers, each = 8, 12
    codes = in_processes(_append_many, [(place, worker, each) for worker in range(workers)])
    assert codes == [0] * workers
    ledger = make(place)
    keys = [record.unique for record in ledger.events()][1:]
    own = {f"intent:{worker}/{number}" for worker in range(workers) for number in range(each)}
    assert len(keys) == len(set(keys)) == workers * each + each
    assert own < set(keys)
    assert ledger.verify().ok


def test_the_book_rebuilt_equals_the_book_kept(place: Place) -> None:
    ledger = make(place)
    ledger.claim(entry(), at=OPEN)
    kept = ledger.book()
    ledger.claim(entry("OTHER"), at=OPEN)
    assert ledger.book() is kept
    assert kept.fingerprint() == make(place).book().fingerprint()
    assert len(kept.orders) == 2
