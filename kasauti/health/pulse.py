"""Ends a desk that runs and does nothing any more: it would hold the lease for ever.

Whoever keeps it running starts another; the clock is the monotonic one, which stands still while
a machine sleeps.
"""

import os
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from kasauti.errors import DataError
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode

PAUSED = 10.0  # seconds between two looks, which come every second
HUNG = 60.0  # seconds without a heartbeat, which comes every second; long work tells of itself


@dataclass
class Pulse:
    """When the last new heartbeat was seen, and when anybody last looked."""

    last: datetime | None = None
    since: float = 0.0
    looked: float = 0.0

    def is_gone(self, beat: Heartbeat, now: float) -> bool:
        """Whether `beat` has been the newest for too long; `now` counts seconds.

        Whoever was stopped himself (Ctrl-Z, a paused machine) begins to count anew.
        """
        if beat.at != self.last or now - self.looked > PAUSED:
            self.last, self.since = beat.at, now
        self.looked = now
        return now - self.since > HUNG


def end_hung(pulse: Pulse, path: Path, desk: int | None, now: float) -> int | None:
    """Kill the desk behind the heartbeat in `path` if that is old; return its pid if it was.

    Only the process `desk` or its child is killed, and only one that is older than its heartbeat:
    a pid is used again.
    """
    try:
        beat = heartbeat.read(path)
    except (DataError, OSError):
        return None  # `kasauti status` says so
    if beat is None or beat.mode is Mode.STOPPED or not pulse.is_gone(beat, now):
        return None
    try:
        process = psutil.Process(beat.pid)
        mine = desk is not None and desk in (beat.pid, process.ppid())
        if not mine or process.create_time() > beat.at.timestamp():
            return None
    except psutil.NoSuchProcess:
        return None
    os.kill(beat.pid, signal.SIGKILL)
    return beat.pid
