"""Processes: real ones, under the word of a supervisor that lives, was stopped or vanished."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.health import dagster_daemons, processes
from kasauti.health.model import Check, Health
from kasauti.health.supervision import Supervised, Supervision, write
from kasauti.home import Home
from pipelines.serve import say_so
from pipelines.service import Service
from tests.execution.desks import until
from tests.health.surroundings import NOW, around, one, supervise

WAITS = [sys.executable, "-c", "input()"]
OLD = NOW - timedelta(minutes=10)
LOOKS = (processes.supervisor, processes.services, processes.desk, processes.alerts)


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([*WAITS, "api", "grpc"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def checks(root: Path) -> list[Check]:
    looks = (*LOOKS, dagster_daemons.look)
    return [check for look in looks for check in look(around(root))]


@pytest.mark.parametrize("stopped", [False, True])
def test_what_was_not_started_or_was_stopped_is_not_red(tmp_path: Path, stopped: bool) -> None:
    if stopped:
        services = (Supervised("web page", None, None, 1), Supervised("desk", None, None, 1))
        write(Home(tmp_path).supervisor, Supervision(1, OLD, services, stopped=True))
        heartbeat.write(Home(tmp_path).heartbeat, Heartbeat(1, 1, OLD, Mode.STOPPED, "ended"))
    found = checks(tmp_path)
    assert {check.health for check in found} == {Health.ABSENT}
    assert all("kasauti up" in check.detail for check in found)


def test_a_supervisor_that_vanished_is_red_and_its_processes_are_not_counted(
    tmp_path: Path,
) -> None:
    supervise(tmp_path, Supervised("web page", 1, OLD, 1), at=OLD)
    red = [check.id for check in checks(tmp_path) if check.health is Health.RED]
    assert red == ["supervisor"]


def test_what_should_run_and_does_not_is_red(
    tmp_path: Path, child: "subprocess.Popen[bytes]"
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z")
    supervise(
        tmp_path,
        Supervised("runs", child.pid, OLD, 1),
        Supervised("not started", None, None, 3),
        Supervised("ended", ended.pid, OLD, 1),
        Supervised("zombie", zombie.pid, OLD, 1),
        Supervised("ends again and again", child.pid, NOW - timedelta(seconds=2), 5),
        pid=os.getpid(),
    )
    found = {check.id: check for check in processes.services(around(tmp_path))}
    zombie.wait()
    assert found["runs"].health is Health.OK and int(found["runs"].figures["megabytes"]) > 0
    assert found["code server"].health is Health.OK
    red = {name for name, check in found.items() if check.health is Health.RED}
    assert red == {"not started", "ended", "zombie", "ends again and again"}


def test_a_supervisor_without_a_code_server(tmp_path: Path) -> None:
    with subprocess.Popen(WAITS, stdin=subprocess.PIPE) as other:
        supervise(tmp_path, Supervised("daemon", other.pid, OLD, 1), pid=other.pid)
        lost = one(processes.services(around(tmp_path)), "code server")
        fresh = NOW - timedelta(seconds=5)
        supervise(tmp_path, Supervised("daemon", other.pid, fresh, 1), pid=other.pid)
        young = one(processes.services(around(tmp_path)), "code server")
        other.kill()
    assert (lost.health, young.health) == (Health.RED, Health.OK)


def test_the_supervisors_word_is_what_is_read(tmp_path: Path) -> None:
    service = Service("page", WAITS)
    never = Service("never", WAITS)
    service.keep_running(0.0, {})
    say_so(Home(tmp_path), [service, never], NOW)
    found = {check.id: check.health for check in processes.services(around(tmp_path))}
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    assert (found["page"], found["never"]) == (Health.OK, Health.RED)
    say_so(Home(tmp_path), [service, never], NOW)
    assert one(processes.services(around(tmp_path)), "page").health is Health.RED
    say_so(Home(tmp_path), [service, never], NOW, stopped=True)
    assert one(processes.supervisor(around(tmp_path))).health is Health.ABSENT


def test_a_word_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "heartbeat").write_text("a file where a folder should be")
    say_so(Home(tmp_path), [], NOW)
    assert "cannot be written" in capsys.readouterr().err


YOUNG, LONG = NOW - timedelta(seconds=5), NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("beat", "since", "health"),
    [
        pytest.param(None, None, Health.ABSENT, id="never"),
        pytest.param(None, YOUNG, Health.OK, id="starting"),
        pytest.param(None, LONG, Health.RED, id="supervised, no sign"),
        pytest.param(Heartbeat(1, 1, NOW, Mode.IDLE, "idle"), None, Health.OK, id="alone"),
        pytest.param(Heartbeat(1, 1, NOW, Mode.TICKS, "trades"), LONG, Health.OK, id="at work"),
        pytest.param(
            Heartbeat(1, 1, NOW, Mode.TICKS, "trades", problem="the broker is gone"),
            LONG,
            Health.RED,
            id="problem",
        ),
        pytest.param(Heartbeat(1, 1, LONG, Mode.TICKS, "trades"), None, Health.RED, id="vanished"),
        pytest.param(Heartbeat(1, 1, LONG, Mode.TICKS, "trades"), LONG, Health.RED, id="hangs"),
        pytest.param(Heartbeat(1, 1, LONG, Mode.TICKS, "trades"), YOUNG, Health.OK, id="again"),
        pytest.param(Heartbeat(1, 1, LONG, Mode.STOPPED, ""), None, Health.ABSENT, id="stopped"),
        pytest.param(Heartbeat(1, 1, NOW, Mode.STOPPED, ""), LONG, Health.RED, id="will not"),
    ],
)
def test_the_desk(
    tmp_path: Path, beat: Heartbeat | None, since: datetime | None, health: Health
) -> None:
    if beat is not None:
        heartbeat.write(Home(tmp_path).heartbeat, beat)
    if since is not None:
        supervise(tmp_path, Supervised("desk", 1, since, 2))
    found = one(processes.desk(around(tmp_path)))
    assert (found.id, found.health) == ("desk", health), found.detail


@pytest.mark.parametrize(
    ("age", "words", "since", "health"),
    [
        pytest.param(0, "", None, Health.OK, id="sends"),
        pytest.param(0, '"problems": ["no channel"]', None, Health.RED, id="problem"),
        pytest.param(61, "", None, Health.RED, id="silent"),
        pytest.param(61, "", YOUNG, Health.OK, id="starting"),
        pytest.param(61, '"stopped": true', None, Health.ABSENT, id="stopped"),
        pytest.param(61, '"stopped": true', LONG, Health.RED, id="stopped, but should run"),
    ],
)
def test_the_alerts_service(
    tmp_path: Path, age: int, words: str, since: datetime | None, health: Health
) -> None:
    path = Home(tmp_path).pulse
    path.parent.mkdir()
    at = (NOW - timedelta(seconds=age)).isoformat()
    path.write_text(f'{{"pid": 1, "at": "{at}"{", " if words else ""}{words}}}')
    if since is not None:
        supervise(tmp_path, Supervised("alerts", 1, since, 1))
    found = one(processes.alerts(around(tmp_path)))
    assert (found.id, found.health) == ("alerts", health), found.detail
