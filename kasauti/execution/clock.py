"""Clocks to pass in: the machine's, and the replay clock that only moves when it is told to."""

import time
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from kasauti.errors import UsageError


class Clock(Protocol):
    """Exchange time."""

    def now(self) -> datetime:
        """Return the current exchange time, aware."""
        ...

    def wait(self, duration: timedelta) -> None:
        """Let `duration` pass."""
        ...


class SystemClock:
    """The machine's clock in the exchange's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def now(self) -> datetime:
        """Return the machine's time in the exchange's zone."""
        return datetime.now(self._zone)

    def wait(self, duration: timedelta) -> None:
        """Sleep."""
        time.sleep(duration.total_seconds())


class RunningClock:
    """A clock that was told the time once and runs on from there, whatever the machine's says."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise UsageError("a running clock needs an aware time: use exchange time")
        self._start = start
        self._begun = time.monotonic()

    def now(self) -> datetime:
        """Return the time that it was told, and what has passed since."""
        return self._start + timedelta(seconds=time.monotonic() - self._begun)

    def wait(self, duration: timedelta) -> None:
        """Sleep."""
        time.sleep(duration.total_seconds())


class ReplayClock:
    """A clock that stands still until it is set; it never goes back."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise UsageError("a replay clock needs an aware time: use exchange time")
        self._now = start

    def now(self) -> datetime:
        """Return the replayed time."""
        return self._now

    def wait(self, duration: timedelta) -> None:
        """Move on by `duration` at once."""
        self.set(self._now + duration)

    def set(self, moment: datetime) -> None:
        """Move to `moment`.

        Raises
        ------
        UsageError
            If that is in the past: time that goes back would release what has expired.
        """
        if moment < self._now:
            raise UsageError(f"the replay clock stands at {self._now}, it cannot go to {moment}")
        self._now = moment
