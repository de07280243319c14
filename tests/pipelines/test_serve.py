"""What `kasauti up` keeps running: the desk beside Dagster, started again when it dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from kasauti.execution import heartbeat
from kasauti.execution.clock import SystemClock
from kasauti.execution.events import EpochRaised, Reconciled
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.execution.host import DESK_PROCESS
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from pipelines.serve import LONG_ENOUGH, LONGEST_WAIT, WAIT_BEFORE_RESTART, Service, services
from tests.execution.desks import told, until

NOW = SystemClock(INDIA).now()


def beat(home: Home) -> Heartbeat | None:
    return heartbeat.read(home.heartbeat)


def the_desk() -> Service:
    (found,) = [service for service in services(3000) if service.name == "desk"]
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("KASAUTI_HOME", str(tmp_path))
    monkeypatch.delenv("KASAUTI_BARS", raising=False)
    return Home(tmp_path)


@pytest.fixture
def desk() -> Iterator[Service]:
    service = the_desk()
    yield service
    service.stop()


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with closing(Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=NOW)) as made:
        yield made


def test_a_desk_that_is_killed_is_back_reconciled_under_a_new_epoch(
    home: Home, desk: Service, ledger: Ledger
) -> None:
    desk.keep_running(0.0, {})
    until(lambda: told(ledger, Reconciled))
    assert desk.process is not None
    desk.keep_running(1.0, {})
    worker = until(lambda: beat(home)).pid
    assert worker != desk.process.pid, "the desk is a child of a process that only waits"
    os.kill(worker, signal.SIGKILL)
    until(lambda: len(told(ledger, Reconciled)) == 2)
    assert desk.process.poll() is None, "it was back without any new start"
    desk.process.kill()
    desk.process.wait()
    until(lambda: not is_taken(ledger.path))
    desk.keep_running(LONG_ENOUGH, {})
    until(lambda: len(told(ledger, Reconciled)) == 3)
    assert told(ledger, EpochRaised) == [EpochRaised(DESK_PROCESS)] * 3
    until(lambda: (found := beat(home)) and found.epoch == 3)
    second = subprocess.run(desk.command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2 and not second.stdout
    assert "another desk holds the lease" in second.stderr and second.stderr.count("\n") == 1
    asked = subprocess.run(
        [desk.command[0], "reconcile", "--json"], capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 0 and '"by": "desk process"' in asked.stdout
    desk.stop()
    assert desk.process.returncode == 0
    assert not is_taken(ledger.path)
    assert (found := beat(home)) is not None and found.mode is Mode.STOPPED


def test_without_bars_of_ones_own_the_desk_idles_and_makes_no_ledger(
    home: Home, desk: Service
) -> None:
    desk.keep_running(0.0, {})
    found = until(lambda: beat(home))
    assert (found.mode, found.epoch) == (Mode.IDLE, 0) and "kasauti ingest" in found.doing
    assert desk.process is not None and desk.process.poll() is None
    os.kill(desk.process.pid, signal.SIGTERM)
    assert desk.process.wait(20) == 0
    assert not home.ledger.exists()


def test_what_cannot_start_is_tried_ever_more_rarely() -> None:
    service = Service("broken", [sys.executable, "-c", "raise SystemExit(3)"])
    starts: list[float] = []
    now, process = 0.0, None
    while len(starts) < 7:
        service.keep_running(now, {})
        if service.process is not None and service.process is not process:
            process = service.process
            process.wait()
            starts.append(now)
        now += 1.0
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits[0] <= WAIT_BEFORE_RESTART + 1
    assert waits == sorted(waits) and waits[-1] >= LONGEST_WAIT


def test_what_runs_all_the_time() -> None:
    names = [service.name for service in services(3000)]
    assert names == ["web page", "daemon", "desk", "alerts"]
    assert the_desk().command[1:] == ["desk"]
