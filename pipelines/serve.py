"""Keeps Dagster's web page and daemon, the desk and the alerts running; nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from kasauti.execution.clock import SystemClock
from kasauti.health import supervision
from kasauti.health.supervision import Supervised, Supervision
from kasauti.home import PROJECT_ROOT, Home
from kasauti.market.calendar import INDIA
from pipelines.instance import environment, open_instance

LOOK_EVERY = 0.1  # seconds; a desk that died has to be back within one
LONG_ENOUGH = 10.0  # seconds; what ran that long is started again at once
WAIT_BEFORE_RESTART = 5.0  # seconds; what cannot start is not started in a tight loop
LONGEST_WAIT = 60.0  # seconds; each start in vain doubles the wait up to this
WORD_EVERY = 1.0  # seconds, between words to `kasauti status`
GRACE = 15.0  # seconds that a process has to end


@dataclass
class Service:
    """One process that is to run all the time."""

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    wait: float = 0.0
    due: float = field(default=float("-inf"))
    starts: int = 0

    def keep_running(self, now: float, variables: Mapping[str, str]) -> None:
        """Start it if it does not run and it is time; what ran for a while is back at once."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            lasted = now - self.started >= LONG_ENOUGH
            doubled = min(max(2 * self.wait, WAIT_BEFORE_RESTART), LONGEST_WAIT)
            self.wait = 0.0 if lasted else doubled
            self.due = now + self.wait
            when = f"in {self.wait:.0f} s" if self.wait else "now"
            say(f"{self.name} ended with code {self.process.returncode}; starting it again {when}")
            self.process = None
        if now >= self.due:
            self.started = now
            self.starts += 1
            # SIGINT at its default: a shell's `&` has children ignore it, and Dagster copies that.
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **variables},
                cwd=PROJECT_ROOT,
                preexec_fn=_default_interrupt,
            )

    def word(self, now: float, clock: datetime) -> Supervised:
        """Say what is to be known of it; `now` counts seconds, `clock` is exchange time."""
        if self.process is None or self.process.poll() is not None:
            return Supervised(self.name, None, None, self.starts)
        since = clock - timedelta(seconds=now - self.started)
        return Supervised(self.name, self.process.pid, since, self.starts)

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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
    """Run them until interrupted; one that ends is started again."""
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
    clock, due = SystemClock(INDIA), float("-inf")
    variables = {**environment(home), "KASAUTI_PAGE": page}  # alerts link to it
    say(f"Dagster's page: {page} (Ctrl-C stops)")
    try:
        while not stopping:
            for service in running:
                service.keep_running(time.monotonic(), variables)
            if time.monotonic() >= due:
                due = time.monotonic() + WORD_EVERY
                say_so(home, running, clock.now())
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


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"kasauti: {text}\n")
