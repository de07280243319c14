"""Ends a desk that runs and does nothing any more: it would hold the lease for ever.

Whoever keeps it running starts another; the clock is the monotonic one, which stands still while
a machine sleeps.
"""

import os
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from kasauti.errors import DataError
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode

HUNG = 60.0  # seconds without a heartbeat, which comes every second; long work tells of itself


@dataclass
class Pulse:
    """When the last new heartbeat was seen."""

    last: datetime | None = None
    since: float = 0.0

    def is_gone(self, beat: Heartbeat, now: float) -> bool:
        """Whether `beat` has been the newest for too long; `now` counts seconds."""
        if beat.at != self.last:
            self.last, self.since = beat.at, now
        return now - self.since > HUNG


def end_hung(pulse: Pulse, path: Path, parents: Collection[int], now: float) -> Iterator[int]:
    """Kill the desk behind the heartbeat in `path` if that is old; yield its pid.

    Only a child of one of `parents`, or one of them, is killed: a pid is used again.
    """
    try:
        beat = heartbeat.read(path)
    except DataError:
        return  # `kasauti status` says so
    if beat is None or beat.mode is Mode.STOPPED or not pulse.is_gone(beat, now):
        return
    try:
        mine = beat.pid in parents or psutil.Process(beat.pid).ppid() in parents
    except psutil.NoSuchProcess:
        return
    if mine:
        os.kill(beat.pid, signal.SIGKILL)
        yield beat.pid
