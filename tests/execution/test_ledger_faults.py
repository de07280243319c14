"""Disks that are full or read-only, broken pages, clocks that go back, texts that nobody can keep.

Whatever happens, the append is refused by a message, and what stands still verifies.
"""

import multiprocessing
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import note
from kasauti.errors import KasautiError, LedgerError, UsageError
from kasauti.execution import anchor
from kasauti.execution.audit import audit
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import (
    Decision,
    EpochRaised,
    Event,
    GateDecided,
    LatchChanged,
    LimitsSealed,
    Reconciled,
    SessionClosed,
    TradingState,
    TradingStateChanged,
    for_book,
    from_json,
    to_json,
)
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import SET_BACK, Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.market.markets import NSE
from tests.execution.test_ledger import filled, make, tamper
from tests.execution.world import LIMITS, OPEN, TODAY, entry, world

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
    ledger.append(latch(), at=later)
    ledger.append(latch(), at=later)
    ledger.append(latch(), at=later - SET_BACK)
    ledger.append(latch(), at=later)
    with pytest.raises(LedgerError, match="clock was set back") as refused:
        ledger.append(latch(), at=later - SET_BACK - SECOND)
    assert later.isoformat() in str(refused.value)
    assert (later - SET_BACK - SECOND).isoformat() in str(refused.value)
    ledger.append(LatchChanged(True, "test", "stop"), at=OPEN)
    assert ledger.book().latched and ledger.verify().ok


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
    with pytest.raises(LedgerError, match="refused"):
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
    assert found.found.problems == ("event 3 is not the one that was anchored",)


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
    broker = PaperBroker(ledger.engine, NSE, cash=LIMITS.capital)
    placed = broker.place(entry().order(), OPEN)
    again = PaperBroker(ledger.engine, NSE, cash=LIMITS.capital)
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
