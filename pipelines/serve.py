"""Keeps Dagster's web page and daemon, the desk and the alerts running; nothing else."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from kasauti.errors import UsageError
from kasauti.execution.clock import SystemClock
from kasauti.health import supervision
from kasauti.health.pulse import Pulse, end_hung
from kasauti.health.supervision import Supervision
from kasauti.home import PROJECT_ROOT, Home
from kasauti.market.calendar import INDIA
from pipelines.instance import environment, open_instance
from pipelines.service import Service, say

LOOK_EVERY = 0.1  # seconds; a desk that died has to be back within one
WORD_EVERY = 1.0  # seconds, between words to `kasauti status`


def services(port: int) -> list[Service]:
    """Return what has to run: the web page, the daemon, the desk and the alerts."""
    tool = Path(sys.executable).parent
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    page = [str(tool / "dagster-webserver"), "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
    return [
        Service("web page", page),
        Service("daemon", [str(tool / "dagster-daemon"), "run", "-w", workspace]),
        Service("desk", [str(tool / "kasauti"), "desk"]),
        Service("alerts", [str(tool / "kasauti"), "alerts", "run"]),
    ]


def serve(home: Home, port: int) -> None:
    """Run them until interrupted; one that ends is started again.

    Raises
    ------
    UsageError
        If another `kasauti up` keeps the same state folder's processes.
    """
    with _only_one(home):
        _serve(home, port)


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    home.supervisor.parent.mkdir(parents=True, exist_ok=True)
    with home.supervisor.with_suffix(".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another `kasauti up` runs on {home.root}: end it first, or give this one its own "
                "KASAUTI_HOME"
            ) from error
        yield


def _serve(home: Home, port: int) -> None:
    # A fresh home that several processes open at once breaks for good (dagster issue 27390).
    open_instance(home).dispose()
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        del number, frame
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    running, page = services(port), f"http://127.0.0.1:{port}"
    clock, due, pulse = SystemClock(INDIA), float("-inf"), Pulse()
    variables = {**environment(home), "KASAUTI_PAGE": page}  # alerts link to it
    say(f"Dagster's page: {page} (Ctrl-C stops)")
    try:
        while not stopping:
            for service in running:
                service.keep_running(time.monotonic(), variables)
            if time.monotonic() >= due:
                due = time.monotonic() + WORD_EVERY
                say_so(home, running, clock.now())
                ended = end_hung(pulse, home.heartbeat, _desk_of(running), time.monotonic())
                if ended is not None:
                    say(f"the desk (process {ended}) gave no sign of life and was ended")
            time.sleep(LOOK_EVERY)
    finally:
        for service in running:
            service.stop()
        say_so(home, running, clock.now(), stopped=True)


def say_so(home: Home, running: Sequence[Service], now: datetime, *, stopped: bool = False) -> None:
    """Write what runs for `kasauti status`; a full disk must not end what it supervises."""
    told = tuple(service.word(time.monotonic(), now) for service in running)
    try:
        supervision.write(home.supervisor, Supervision(os.getpid(), now, told, stopped))
    except OSError as error:
        say(f"{home.supervisor} cannot be written ({error}): `kasauti status` will say so")


def _desk_of(running: Sequence[Service]) -> int | None:
    """Return the pid of the process that keeps the desk."""
    (desk,) = [one for one in running if one.name == "desk"]
    return None if desk.process is None else desk.process.pid
