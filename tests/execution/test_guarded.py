"""What a sender without a broker gets to know."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from kasauti.execution.clock import ReplayClock
from kasauti.execution.desk import Desk
from kasauti.execution.guarded import DESK_DOWN, submit_and_wait
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Outcome, Scope
from tests.execution.world import LIMITS, OPEN, entry, world

WAIT = timedelta(seconds=1)


def make(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.sqlite", scope=Scope.REPLAY, market="nse", at=OPEN)


def test_without_a_lease_the_desk_is_hosted_for_the_call(tmp_path: Path) -> None:
    hosted = 0

    @contextmanager
    def host() -> Iterator[Desk]:
        nonlocal hosted
        hosted += 1
        with world(tmp_path, limits=LIMITS) as w:
            yield w.desk

    ledger, clock = make(tmp_path), ReplayClock(OPEN)
    outcome = submit_and_wait(ledger, entry(), clock=clock, wait=WAIT, host=host)
    assert (outcome, hosted) == (Outcome.ACCEPTED, 1)
    again = submit_and_wait(ledger, entry(quantity=99), clock=clock, wait=WAIT, host=host)
    assert (again, hosted) == (Outcome.ACCEPTED, 1), "a rerun finds its key and does nothing"


def test_when_the_wait_elapses_it_is_queued_and_the_desk_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        clock = ReplayClock(OPEN)
        outcome = submit_and_wait(make(tmp_path), entry(), clock=clock, wait=WAIT)
        assert outcome is Outcome.QUEUED
        assert clock.now() >= OPEN + WAIT
        w.desk.step(clock.now())
        assert w.desk.outcome(entry().key) is Outcome.ACCEPTED


def test_a_sender_whose_host_finds_another_desk_waits(tmp_path: Path) -> None:
    ledger = make(tmp_path)

    @contextmanager
    def late() -> Iterator[Desk]:
        other = Lease.take(make(tmp_path), host="faster", at=OPEN)
        try:
            with world(tmp_path) as w:
                yield w.desk
        finally:
            other.release()

    short = timedelta(milliseconds=10)
    outcome = submit_and_wait(ledger, entry(), clock=ReplayClock(OPEN), wait=short, host=late)
    assert outcome is Outcome.QUEUED


def test_without_any_desk_the_intent_is_denied(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    outcome = submit_and_wait(ledger, entry(), clock=ReplayClock(OPEN), wait=WAIT)
    order = ledger.book().order(entry().key)
    assert outcome is Outcome.DENIED and order is not None and order.code == DESK_DOWN
    assert len(ledger.outbox()) == 1
    assert submit_and_wait(ledger, entry(), clock=ReplayClock(OPEN), wait=WAIT) is Outcome.DENIED
