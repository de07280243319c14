"""The side that dies: a process without threads that forks one service at a time, and says its pid.

Started once with everything imported; each line that it reads asks for one more service:
``step count`` to wait at a step for the kill, or ``- 0`` to run until it is told to end.
"""

import os
import signal
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from kasauti.alerts.book import AlertBook
from kasauti.alerts.channels import desktop, email, slack  # noqa: F401 - forked with the imports
from kasauti.alerts.service import only_one
from kasauti.alerts.set_up import service_of
from kasauti.execution import failpoints
from kasauti.home import Home
from kasauti.market.calendar import INDIA

START = datetime(2026, 11, 20, 10, 0, tzinfo=INDIA)


class FastClock:
    """A clock on which a second of the test is a minute: a back-off of minutes is soon over."""

    def __init__(self, began: float, speed: float) -> None:
        self._began = began
        self._speed = speed

    def now(self) -> datetime:
        return START + timedelta(seconds=(time.time() - self._began) * self._speed)

    def wait(self, duration: timedelta) -> None:
        del duration
        time.sleep(0.02)


def serve(home: Home, clock: FastClock, seed: int, step: str, count: str) -> None:
    """Run a service until it is killed, or told to end."""
    if step != "-":
        failpoints.arm({failpoints.ENVIRONMENT: f"{step},{count},{TELL},{WAKE}"})
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    with only_one(home.alerts), closing(AlertBook(home.alerts)) as book:
        service = service_of(home, book, os.environ, clock=clock, rng=Random(seed))
        service.run(lambda: bool(stopped) or not HARNESS.exists())


def main() -> None:
    home, began, speed = Home(Path(sys.argv[1])), float(sys.argv[2]), float(sys.argv[3])
    for number, line in enumerate(sys.stdin):
        step, count = line.split()
        child = os.fork()
        if child == 0:
            try:
                serve(home, FastClock(began, speed), number, step, count)
            except BaseException as error:  # noqa: BLE001 - a fork ends here in any case
                sys.stderr.write(f"service: {type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"pid {child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"end {status}\n")
        sys.stdout.flush()


TELL, WAKE = 0, 0
HARNESS = Path(f"/proc/{os.getppid()}")  # gone once a harness that was killed itself is

if __name__ == "__main__":
    import apprise.plugins.email  # noqa: F401 - once, before every fork
    import slack_sdk.web  # noqa: F401

    TELL, WAKE = int(sys.argv[4]), int(sys.argv[5])
    main()
