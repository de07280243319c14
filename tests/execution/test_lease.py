"""Only one desk, and never one that has been overtaken."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from kasauti.errors import LeaseError
from kasauti.execution import postgres as postgres_module
from kasauti.execution.lease import Lease, is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from tests.execution.world import OPEN


def make(place: Place) -> Ledger:
    return Ledger(place.path, scope=Scope.PAPER, market="nse", at=OPEN, url=place.url)


def taken_by_some_desk(ledger: Ledger) -> bool:
    return is_taken(ledger.path, ledger.engine)


def holds(lease: Lease) -> bool:
    return lease.is_held


def _hold(place: Place, taken: Event) -> None:
    lease = Lease.take(make(place), host="child", at=OPEN)
    taken.set()
    signal.pause()
    lease.release()


def test_a_second_desk_refuses_to_start_until_the_first_is_killed(place: Place) -> None:
    context = multiprocessing.get_context("fork")
    taken = context.Event()
    child = context.Process(target=_hold, args=(place, taken))
    child.start()
    assert taken.wait(30) and child.pid is not None
    ledger = make(place)
    assert taken_by_some_desk(ledger)
    with pytest.raises(LeaseError, match="another desk"):
        Lease.take(ledger, host="second", at=OPEN)
    assert ledger.epoch() == 1, "a refused desk raises no epoch"
    os.kill(child.pid, signal.SIGKILL)
    child.join(10)
    with Lease.take(ledger, host="next", at=OPEN) as lease:
        assert lease.epoch == 2
        assert lease.is_held


def test_an_overtaken_desk_knows_it(place: Place) -> None:
    ledger = make(place)
    first = Lease.take(ledger, host="first", at=OPEN)
    ledger.raise_epoch(host="another", at=OPEN)
    assert not first.is_held
    first.release()
    assert not taken_by_some_desk(ledger)


def test_a_released_lease_is_not_held(place: Place) -> None:
    lease = Lease.take(make(place), host="first", at=OPEN)
    lease.release()
    assert not lease.is_held


def test_who_looks_keeps_no_desk_from_starting(place: Place) -> None:
    ledger = make(place)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            taken_by_some_desk(ledger)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(20):
            with Lease.take(ledger, host="next", at=OPEN) as lease:
                assert lease.epoch == number + 1
    finally:
        stop.set()
        looking.join()


def test_a_lost_lock_connection_is_a_lost_lease(postgres: URL, tmp_path: Path) -> None:
    ledger = make(Place(tmp_path / "ledger.sqlite", postgres))
    first = Lease.take(ledger, host="first", at=OPEN)
    assert holds(first)
    ended = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
        "AND pid <> pg_backend_pid()"
    )
    with ledger.engine.connect() as connection:
        connection.execute(ended)
    assert not holds(first), "the epoch alone would not tell: nobody has raised it yet"
    with Lease.take(ledger, host="second", at=OPEN) as second:
        assert holds(second) and not holds(first)
    first.release()


def test_a_server_that_is_gone_gives_no_lease(postgres: URL, tmp_path: Path) -> None:
    ledger = make(Place(tmp_path / "ledger.sqlite", postgres))
    lease = Lease.take(ledger, host="first", at=OPEN)
    ledger.close()
    gone = create_engine(postgres.set(database="nowhere"))
    with pytest.raises(LeaseError, match="server does not answer"):
        is_taken(ledger.path, gone)
    with pytest.raises(LeaseError, match="server does not answer"):
        postgres_module.SessionLock.take(gone)
    lease.release()
