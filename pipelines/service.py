"""One process that is kept running and ends with its keeper; which ones there are says `serve`."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from kasauti.health.supervision import Supervised
from kasauti.home import PROJECT_ROOT

LONG_ENOUGH = 10.0  # seconds; what ran that long is started again at once
WAIT_BEFORE_RESTART = 5.0  # seconds; what cannot start is not started in a tight loop
LONGEST_WAIT = 60.0  # seconds; each start in vain doubles the wait up to this
GRACE = 15.0  # seconds that a process has to end
END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
LIBC = ctypes.CDLL(None, use_errno=True)  # before any fork: afterwards nothing may be loaded


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
    killed: bool = False

    def keep_running(self, now: float, variables: Mapping[str, str]) -> None:
        """Start it if it does not run and it is time; what ran for a while is back at once."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            lasted = now - self.started >= LONG_ENOUGH
            killed = self.process.returncode == -signal.SIGKILL and not self.killed
            self.killed = killed  # once is chance; again and again is a machine without memory
            doubled = min(max(2 * self.wait, WAIT_BEFORE_RESTART), LONGEST_WAIT)
            self.wait = 0.0 if lasted or killed else doubled
            self.due = now + self.wait
            when = f"in {self.wait:.0f} s" if self.wait else "now"
            say(f"{self.name} ended with code {self.process.returncode}; starting it again {when}")
            self.process = None
        if now >= self.due:
            self.started = now
            self.starts += 1
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **variables},
                cwd=PROJECT_ROOT,
                preexec_fn=partial(_as_child, os.getpid()),
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


def _as_child(keeper: int) -> None:
    """Take SIGINT, which a shell's `&` has children ignore, and end when the keeper is killed.

    Orphans would hold the desk's lease and the page's port against the next `kasauti up`.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    LIBC.prctl(END_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != keeper:  # it was killed before that
        os._exit(1)


def say(text: str) -> None:
    """Tell the person at the terminal; that it is gone ends nothing that is kept running."""
    try:
        sys.stderr.write(f"kasauti: {text}\n")
        sys.stderr.flush()
    except OSError:
        return
