"""The ledger loses nothing, forgets nothing and notices everything."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

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
from tests.execution.world import OPEN, TODAY, entry


def make(folder: Path, scope: Scope = Scope.REPLAY) -> Ledger:
    return Ledger(folder / "ledger.sqlite", scope=scope, market="nse", at=OPEN)


def filled(folder: Path, events: int = 5) -> Ledger:
    ledger = make(folder)
    for number in range(events):
        ledger.append(LatchChanged(bool(number % 2), "test", f"{number}"), at=OPEN)
    return ledger


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change the file as somebody with a database tool would, triggers and all."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        for name in ("events_no_update", "events_no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_the_first_event_says_what_the_ledger_is_for_ever(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    assert next(ledger.events()).event == Genesis(Scope.REPLAY, "nse")
    with pytest.raises(LedgerError, match="scope never changes"):
        make(tmp_path, Scope.PAPER)
    assert ledger.verify().events == 1


def test_events_come_back_in_order_and_verify(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    assert [record.seq for record in ledger.events()] == list(range(1, 7))
    assert ledger.verify().ok
    assert ledger.verify(anchor=ledger.head()).ok


@pytest.mark.parametrize("table", ["events", "outbox", "broker_events"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET seq = seq", "DELETE FROM {}"])
def test_triggers_refuse_change(tmp_path: Path, table: str, verb: str) -> None:
    ledger = filled(tmp_path)
    ledger.append(LatchChanged(True, "test", ""), at=OPEN, alert="a message")
    with closing(sqlite3.connect(ledger.path)) as connection:
        if table == "broker_events":
            connection.execute("INSERT INTO broker_events VALUES (1, 'k', NULL, '{}')")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(verb.format(table))


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
def test_verify_finds_tampering(tmp_path: Path, statements: list[str], problem: str) -> None:
    ledger = filled(tmp_path)
    tamper(ledger, *statements)
    found = ledger.verify()
    assert not found.ok
    assert any(problem in text for text in found.problems), found.problems


def test_an_anchor_finds_a_tail_that_was_cut_off(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    anchor = ledger.head()
    tamper(ledger, "DELETE FROM events WHERE seq = 6")
    assert ledger.verify().ok, "the chain alone cannot know"
    assert not ledger.verify(anchor).ok


def test_a_claimed_key_gives_the_first_intent_back(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    first, is_new = ledger.claim(entry(quantity=10), at=OPEN)
    again, again_new = ledger.claim(entry(quantity=99), at=OPEN)
    assert (is_new, again_new) == (True, False)
    assert again == first == entry(quantity=10)
    assert ledger.head()[0] == 2


def test_an_older_epoch_writes_nothing(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    with Lease.take(ledger, host="a", at=OPEN) as old:
        ledger.append(Reconciled(()), at=OPEN, epoch=old.epoch)
    with Lease.take(ledger, host="b", at=OPEN) as new:
        before = ledger.head()
        with pytest.raises(LeaseError, match="another desk"):
            ledger.append(Reconciled(()), at=OPEN, epoch=old.epoch)
        assert ledger.head() == before
        assert ledger.append(Reconciled(()), at=OPEN, epoch=new.epoch).epoch == new.epoch


@pytest.mark.parametrize("epoch", [None, 7], ids=["without a lease", "an epoch nobody raised"])
def test_what_needs_a_desk_needs_its_epoch(tmp_path: Path, epoch: int | None) -> None:
    ledger = make(tmp_path)
    with pytest.raises(LeaseError):
        ledger.append(SessionClosed(TODAY, {}), at=OPEN, epoch=epoch)


def test_an_alert_stands_in_the_outbox_with_its_event_or_not_at_all(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    with pytest.raises(LeaseError):
        ledger.append_all(
            [
                Entry(LatchChanged(True, "test", ""), alert="stopped"),
                Entry(TradingStateChanged(TradingState.HALTED, "test", "")),
            ],
            at=OPEN,
        )
    assert ledger.head()[0] == 1 and ledger.outbox() == []
    record = ledger.append(LatchChanged(True, "test", ""), at=OPEN, alert="stopped")
    assert ledger.outbox() == [(record.seq, "stopped")]


def test_event_times_are_aware(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no zone"):
        make(tmp_path).append(LatchChanged(True, "t", ""), at=OPEN.replace(tzinfo=None))


def test_an_append_that_the_disk_refuses_says_so(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk'); END"
        )
    with pytest.raises(LedgerError, match="refused the append"):
        ledger.append(LatchChanged(True, "t", ""), at=OPEN)
    assert ledger.verify().ok


def test_what_is_no_ledger_says_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but long enough to be one" * 40)
    with pytest.raises(LedgerError, match="cannot be opened as a ledger"):
        make(tmp_path)


def test_a_corrupted_page_is_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path, events=60)
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(ledger.path.read_bytes())
    first = content.index(b"LatchChanged") // page
    content[first * page : (first + 1) * page] = b"\xa5" * page
    ledger.path.write_bytes(bytes(content))
    assert not ledger.verify().ok


def test_a_broken_payload_stops_the_fold(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    tamper(ledger, "UPDATE events SET payload = '{}' WHERE seq = 4")
    with pytest.raises(LedgerError, match="broken LatchChanged"):
        ledger.book()


def _append_many(folder: Path, worker: int, count: int) -> None:
    ledger = make(folder)
    for number in range(count):
        ledger.claim(entry(key=f"{worker}/{number}"), at=OPEN + timedelta(seconds=number))
        ledger.claim(entry(key=f"shared/{number}"), at=OPEN)


def in_processes(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> list[int]:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode if process.exitcode is not None else 99 for process in processes]


def test_eight_processes_lose_nothing_and_share_the_unique_keys(tmp_path: Path) -> None:
    workers, each = 8, 12
    codes = in_processes(_append_many, [(tmp_path, worker, each) for worker in range(workers)])
    assert codes == [0] * workers
    ledger = make(tmp_path)
    keys = [record.unique for record in ledger.events()][1:]
    own = {f"intent:{worker}/{number}" for worker in range(workers) for number in range(each)}
    assert len(keys) == len(set(keys)) == workers * each + each
    assert own < set(keys)
    assert ledger.verify().ok


def test_the_book_rebuilt_equals_the_book_kept(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    ledger.claim(entry(), at=OPEN)
    kept = ledger.book()
    ledger.claim(entry("OTHER"), at=OPEN)
    assert ledger.book() is kept
    assert kept.fingerprint() == make(tmp_path).book().fingerprint()
    assert len(kept.orders) == 2
