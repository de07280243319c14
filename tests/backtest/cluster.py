"""A real Dask scheduler with worker processes, and the tasks that tests give to workers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kasauti.backtest import Backtester
from kasauti.backtest.result import Scores
from kasauti.genome.codes import Population

ROOT = Path(__file__).resolve().parent.parent.parent
DASK = Path(sys.executable).parent / "dask"
PATIENCE = 30.0


@dataclass(frozen=True)
class Cluster:
    """Where the scheduler listens, and the processes of its workers."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: tuple["subprocess.Popen[bytes]", ...]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a scheduler on a free port of this machine; workers without a nanny stay dead."""
    file = folder / "scheduler.json"
    scheduler = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    worker = ["--scheduler-file", str(file), "--nthreads", "1", "--no-nanny"]
    started = [_start(folder, "scheduler", *scheduler)]
    try:
        started += [_start(folder, "worker", *worker) for _ in range(workers)]
        yield Cluster(_address(file), started[0], tuple(started[1:]))
    finally:
        for process in started:
            process.kill()
            process.wait()


def _start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [DASK, *arguments, "--no-dashboard"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


def _address(file: Path) -> str:
    end = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < end, "the scheduler did not start"
        time.sleep(0.05)
    return str(json.loads(file.read_text())["address"])


def slow_scores(backtester: Backtester, part: Population) -> tuple[int, Scores]:
    """Return the process that scored `part`, and the scores, after a twentieth of a second."""
    time.sleep(0.05)
    return os.getpid(), backtester.scores(part)


def whereabouts(shared: object, part: int) -> tuple[int, int, int]:
    """Return the process, the identity of `shared` in it, and the part."""
    return os.getpid(), id(shared), part


def steps_taken(dask_scheduler: Any) -> int:
    """Return how often a task of the scheduler has changed its state."""
    return int(dask_scheduler.transition_counter)


def fail(shared: object, part: int) -> int:
    """Fail at part 3."""
    if part == 3:
        raise ZeroDivisionError(part)
    return part
