"""The failure table of the design's section 8, each row with real processes and real signals."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import LeaseError
from kasauti.execution import failpoints
from kasauti.execution.clock import RunningClock
from kasauti.execution.events import (
    EpochRaised,
    GateDecided,
    IntentCommitted,
    OrderFilled,
    Reconciled,
)
from kasauti.execution.guarded import DESK_DOWN, submit_and_wait
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Outcome, Purpose
from kasauti.execution.views import OrderView
from tests.execution.desks import paper_ledger, process_in, told, until, write_tick
from tests.execution.world import OPEN, at, entry

MORNING = at(9, 14, 59)
FORK = get_context("fork")
SECOND = timedelta(seconds=1)


@dataclass
class Child:
    """A real process, and what it said when it ended."""

    process: BaseProcess
    said: Path

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(10)
        assert self.process.exitcode == -signal.SIGKILL

    def end(self) -> str:
        """Wait until it ends by itself and return its last words."""
        self.process.join(20)
        assert self.process.exitcode == 0
        return self.said.read_text()


Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes; whatever still runs at the end is killed."""
    begun: list[BaseProcess] = []

    def begin(body: Callable[..., str], *arguments: Any) -> Child:
        said = tmp_path / f"said-{len(begun)}"

        def run() -> None:
            said.write_text(body(tmp_path, *arguments))

        process = FORK.Process(target=run)
        process.start()
        begun.append(process)
        return Child(process, said)

    yield begin
    for process in begun:
        with suppress(ProcessLookupError):
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
        process.join()


def desk(folder: Path, armed: dict[str, str] | None = None) -> str:
    """Run a desk process from a second before the open on, until it is told to stop."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    try:
        with process_in(folder, RunningClock(MORNING)) as running:
            if armed is not None:
                failpoints.arm(armed)
            running.process.run(lambda: bool(stopped))
    except LeaseError as error:
        return str(error)
    return "stopped"


def sender(folder: Path, wait: float = 10.0) -> str:
    """Send one intent as a Dagster run does, and say its outcome."""
    with closing(paper_ledger(folder)) as ledger:
        return submit_and_wait(
            ledger, entry(), clock=RunningClock(OPEN), wait=timedelta(seconds=wait)
        ).value


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(paper_ledger(tmp_path)) as found:
        yield found


def in_charge(ledger: Ledger, number: int = 1) -> bool:
    """Whether the desk number `number` has reconciled."""
    return len(told(ledger, EpochRaised)) >= number and len(told(ledger, Reconciled)) >= number


def order(ledger: Ledger) -> OrderView:
    found = ledger.book().order(entry().key)
    assert found is not None
    return found


def tick(folder: Path, price: str = "100.00") -> None:
    """Write a price of the open, which the running desks' clocks have reached or soon will."""
    write_tick(folder, OPEN, price)


def sends(ledger: Ledger) -> list[str]:
    return [one.key for one in told(ledger, GateDecided) if one.allowed and one.key == entry().key]


# -- Dagster down --------------------------------------------------------------------------------


def test_without_dagster_exits_and_stops_go_on(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    """The run that wanted the entry is killed; its position is protected and left all the same."""
    running = start(desk)
    tick(tmp_path)
    until(lambda: ledger.book().limits_day)
    run = start(sender, 60.0)
    until(lambda: "TEST" in ledger.book().positions)
    run.process.kill()
    stop = until(lambda: [v for v in ledger.book().live_orders() if v.state.is_working])[0]
    assert stop.intent.purpose is Purpose.STOP
    assert stop.sent_at is not None
    write_tick(tmp_path, stop.sent_at + SECOND / 1000, "94.50")
    until(lambda: "TEST" not in ledger.book().positions)
    assert running.process.is_alive()
    assert ledger.book().trades[0].reason is Purpose.STOP


# -- the desk down -------------------------------------------------------------------------------


def test_with_the_desk_killed_an_order_of_live_trading_is_denied_on_record(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    """A sender that may not host a desk, as in live trading; stops rest at the broker."""
    running = start(desk)
    tick(tmp_path)
    until(lambda: ledger.book().limits_day)
    running.kill()
    assert start(sender).end() == Outcome.DENIED.value
    assert order(ledger).code == DESK_DOWN
    assert any("no desk" in message for _, message in ledger.outbox())
    assert not sends(ledger)


# -- the run killed after its commit -------------------------------------------------------------


def test_a_run_killed_after_its_commit_is_answered_when_it_runs_again(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    running = start(desk)
    until(lambda: in_charge(ledger))
    run = start(sender, 60.0)
    until(lambda: told(ledger, IntentCommitted))
    run.kill()
    tick(tmp_path)
    assert start(sender).end() == Outcome.ACCEPTED.value
    assert start(sender).end() == Outcome.ACCEPTED.value
    assert len(sends(ledger)) == 1
    assert [one.intent.key for one in told(ledger, IntentCommitted)].count(entry().key) == 1
    assert running.process.is_alive()


# -- the desk killed mid-send --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "arrived"),
    [
        pytest.param("gate.before_send", False, id="before the broker had it"),
        pytest.param("gate.answered", True, id="after the broker took it"),
    ],
)
def test_a_desk_killed_mid_send_is_followed_by_one_that_looks_it_up(
    start: Start, ledger: Ledger, tmp_path: Path, step: str, arrived: bool
) -> None:
    tell, told_by = os.pipe()
    never, waits = os.pipe()
    armed = {failpoints.ENVIRONMENT: f"{step},1,{told_by},{never}"}
    first = start(desk, armed)
    until(lambda: in_charge(ledger))
    ledger.claim(entry(), at=MORNING)
    tick(tmp_path)
    assert os.read(tell, 100).decode() == step
    first.kill()
    assert order(ledger).state.is_unconfirmed
    second = start(desk)
    until(lambda: in_charge(ledger, 2))
    until(lambda: not order(ledger).state.is_unconfirmed)
    fills = [one.fill for one in told(ledger, OrderFilled) if one.fill.tag == entry().tag]
    if arrived:
        assert order(ledger).outcome is Outcome.ACCEPTED
        assert sum(fill.quantity for fill in fills) == entry().quantity
    else:
        assert (order(ledger).outcome, order(ledger).code) == (Outcome.REJECTED, "NEVER_ARRIVED")
        assert not fills
    assert len(sends(ledger)) == 1, "never sent again"
    assert ledger.epoch() == 2 and second.process.is_alive()
    for end in (tell, told_by, never, waits):
        os.close(end)


# -- the wait elapses ----------------------------------------------------------------------------


def test_a_run_whose_wait_elapses_returns_queued_and_never_sends_again(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    """The desk has no price yet; the order goes out once, when the first one comes."""
    running = start(desk)
    until(lambda: in_charge(ledger))
    assert start(sender, 0.05).end() == Outcome.QUEUED.value
    assert start(sender, 0.05).end() == Outcome.QUEUED.value
    tick(tmp_path)
    until(lambda: order(ledger).outcome is Outcome.ACCEPTED)
    assert start(sender).end() == Outcome.ACCEPTED.value
    assert len(sends(ledger)) == 1 and running.process.is_alive()


# -- two desks -----------------------------------------------------------------------------------


def test_a_second_desk_refuses_to_start(start: Start, ledger: Ledger) -> None:
    first = start(desk)
    until(lambda: in_charge(ledger))
    assert "another desk holds the lease" in start(desk).end()
    assert ledger.epoch() == 1 and first.process.is_alive()


def pause(child: Child, ledger: Ledger) -> None:
    """Stop the process at a moment at which it does not hold the database's write lock."""

    def is_free() -> bool:
        assert child.process.pid is not None
        os.kill(child.process.pid, signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(ledger.path, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os.kill(child.process.pid, signal.SIGCONT)
            return False
        return True

    until(is_free)


def test_a_desk_that_wakes_with_an_old_epoch_sends_nothing_and_ends(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    """The kernel keeps a sleeping process's lock; a lost one (a database's) is played here."""
    paused = start(desk)
    tick(tmp_path)
    until(lambda: ledger.book().limits_day)
    pause(paused, ledger)
    with closing(paper_ledger(tmp_path)) as other:
        epoch = other.raise_epoch(host="another", at=OPEN)
        other.claim(entry(), at=OPEN)
    assert paused.process.pid is not None
    os.kill(paused.process.pid, signal.SIGCONT)
    assert "another desk has taken over" in paused.end()
    assert order(ledger).outcome is Outcome.QUEUED and not sends(ledger)
    assert ledger.epoch() == epoch


# -- the supervisor's view -----------------------------------------------------------------------


def test_a_desk_that_is_asked_to_stop_gives_its_lease_back(start: Start, ledger: Ledger) -> None:
    first = start(desk)
    until(lambda: in_charge(ledger))
    first.process.terminate()
    assert first.end() == "stopped"
    beat = json.loads((ledger.path.parent / "desk.json").read_text())
    assert beat["mode"] == "stopped"
    start(desk)
    until(lambda: in_charge(ledger, 2))
