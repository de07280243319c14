"""What `kasauti up` keeps running: the desk beside Dagster, started again when it dies."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from kasauti.execution import heartbeat
from kasauti.execution.clock import SystemClock
from kasauti.execution.events import EpochRaised, Reconciled
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.execution.host import DESK_PROCESS
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.health import supervision
from kasauti.health.pulse import HUNG, Pulse, end_hung
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from pipelines.serve import services
from pipelines.service import LONG_ENOUGH, LONGEST_WAIT, WAIT_BEFORE_RESTART, Service
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


def test_a_start_that_was_killed_is_tried_again_at_once() -> None:
    service = Service("desk", [sys.executable, "-c", "import time; time.sleep(60)"])
    service.keep_running(0.0, {})
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    service.keep_running(1.0, {})
    assert service.starts == 2, "it did start: somebody killed it"
    service.process.kill()
    service.process.wait()
    service.keep_running(2.0, {})
    assert service.starts == 2, "killed again: the machine may have no memory"
    service.keep_running(2.0 + WAIT_BEFORE_RESTART, {})
    assert service.starts == 3
    service.stop()


def test_a_heartbeat_that_cannot_be_read_ends_nothing(home: Home) -> None:
    home.heartbeat.mkdir(parents=True)
    assert end_hung(Pulse(), home.heartbeat, os.getpid(), 0.0) is None


def test_a_pid_that_is_used_again_is_not_killed(home: Home) -> None:
    """After a restart of the machine the old heartbeat may name any process."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    beat = Heartbeat(sleeper.pid, 1, NOW - timedelta(days=1), Mode.BARS, "waits")
    heartbeat.write(home.heartbeat, beat)
    pulse = Pulse()
    looks = [end_hung(pulse, home.heartbeat, os.getpid(), float(s)) for s in range(70)]
    assert not any(looks) and sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_a_desk_that_hangs_is_ended_and_followed_by_another(
    home: Home, desk: Service, ledger: Ledger
) -> None:
    """It holds the lease and does nothing: without this, nobody trades until morning."""
    desk.keep_running(0.0, {})
    until(lambda: told(ledger, Reconciled))
    worker = until(lambda: beat(home)).pid
    os.kill(worker, signal.SIGSTOP)
    assert desk.process is not None
    mine = desk.process.pid

    def looking(at: Sequence[float], parent: int | None) -> list[int | None]:
        pulse = Pulse()
        return [end_hung(pulse, home.heartbeat, parent, now) for now in at]

    seconds = [float(second) for second in range(int(HUNG) + 2)]
    assert not any(looking(seconds, os.getpid())), "it is not this process's child"
    assert not any(looking([0.0, HUNG + 1], mine)), "who was paused himself begins anew"
    assert not any(looking(seconds[:-1], mine))
    assert looking(seconds, mine)[-1] == worker
    until(lambda: len(told(ledger, Reconciled)) == 2)
    assert until(lambda: (found := beat(home)) and found.pid != worker and found)


def test_up_is_one_and_takes_everything_with_it(home: Home, tmp_path: Path) -> None:
    """The person's terminal goes, a second one is started, the desk and then `up` are killed."""
    tool = Path(sys.executable).with_name("kasauti")
    reader, writer = os.pipe()
    first = subprocess.Popen(
        [tool, "up", "--port", str(_free_port())], stdout=writer, stderr=writer
    )
    os.close(writer)
    try:
        os.read(reader, 1)
        os.close(reader)  # whoever listened is gone
        pids = until(lambda: _running(home))
        second = subprocess.run([tool, "up"], capture_output=True, text=True, timeout=60)
        assert second.returncode == 2 and "another `kasauti up` runs on" in second.stderr
        os.kill(pids["desk"], signal.SIGKILL)
        until(lambda: (now := _running(home)) and now["desk"] != pids["desk"])
        assert first.poll() is None, "it had to say that, and nobody listened"
        pids = _running(home)
        first.kill()
        first.wait()
        until(lambda: not [pid for pid in pids.values() if psutil.pid_exists(pid)])
    finally:
        first.kill()
        first.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _running(home: Home) -> dict[str, int]:
    """Return the pids of the services, once all four run."""
    word = supervision.read(home.supervisor)
    pids = {} if word is None else {s.name: s.pid for s in word.services if s.pid is not None}
    return pids if len(pids) == 4 else {}


@pytest.mark.parametrize("port", ["0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    tool = Path(sys.executable).with_name("kasauti")
    ran = subprocess.run([tool, "up", "--port", port], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and "--port" in ran.stderr


def test_what_runs_all_the_time() -> None:
    names = [service.name for service in services(3000)]
    assert names == ["web page", "daemon", "desk", "alerts"]
    assert the_desk().command[1:] == ["desk"]
