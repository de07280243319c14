"""The parent: it forks a desk, kills it at a named step, starts the next and asks for a verdict.

Every desk is a process of its own, forked from this one once everything is imported.
"""

import fcntl
import gc
import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from kasauti.execution import failpoints, lease
from kasauti.execution.brokers.faults import Fault
from kasauti.execution.model import Scope
from tests.execution.crash import verdict, wire, worker
from tests.execution.crash.mutants import Mutant
from tests.execution.crash.script import Verb, script
from tests.execution.crash.worker import Run

# Whoever sleeps there keeps the database's write lock: nobody can take over, nothing can go wrong.
INSIDE_A_TRANSACTION = ("ledger.before_commit", "broker.before_write")
STEPS = tuple(failpoints.STEPS)
FAULTS: tuple[Fault | None, ...] = (None, *Fault)


@dataclass(frozen=True)
class Case:
    """One case: which script, which fault, and where the first desk dies.

    Attributes
    ----------
    seed : int
        Of script and faults.
    fault : Fault or None
    step : str
    count : int
        Which reaching of the step kills.
    again : tuple of str and int, or None
        Where the second desk dies as well.
    scope : Scope
    paused : bool
        It is not killed: it sleeps there, loses its lock, and wakes when another desk has traded.
    sessions : int
    """

    seed: int
    fault: Fault | None
    step: str
    count: int
    again: tuple[str, int] | None = None
    scope: Scope = Scope.PAPER
    paused: bool = False
    sessions: int = 2


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    case: Case
    kills: int
    problems: tuple[str, ...]


def run_case(case: Case, *, mutant: Mutant | None = None, url: URL | None = None) -> Result:
    """Kill, restart and judge.

    Parameters
    ----------
    case : Case
    url : URL or None
        Of a fresh PostgreSQL database; None: SQLite.
    mutant : callable or None
        Breaks something in each desk's process, never here.
    """
    _warm()
    folder = Path(tempfile.mkdtemp(prefix="kasauti-crash-", dir=_fast_folder()))
    try:
        return _run(case, _first(case, folder, url), mutant)
    finally:
        shutil.rmtree(folder)


def _first(case: Case, folder: Path, url: URL | None = None) -> Run:
    moves = script(case.seed, case.fault, case.sessions)
    return Run(folder, moves, case.fault, case.seed, scope=case.scope, url=url)


def _run(case: Case, run: Run, mutant: Mutant | None) -> Result:
    if case.paused:
        return _paused(case, run, mutant)
    kills = 0
    for stop in ((case.step, case.count), case.again, None):
        desk = _Desk(run, _progress(run), stop, mutant)
        if not desk.stopped:
            desk.end()
            break
        desk.kill()
        kills += 1
        run = _following(run, kills)
    return _judged(case, run, kills, [])


def _following(run: Run, number: int) -> Run:
    """Return the next process's part: it starts where the last one stood, a moment later."""
    late = timedelta(0) if run.scope is Scope.REPLAY else timedelta(seconds=number)
    return replace(run, seed=run.seed + 1_000, late=late)


def _paused(case: Case, run: Run, mutant: Mutant | None) -> Result:
    """Let a desk lose its lock while it sleeps, another trade for it, and wake it in the evening.

    Whoever was about to call the broker when it fell asleep cannot know: that one request is
    allowed, and the third desk has to find it.
    """
    old = _Desk(run, 0, (case.step, case.count), mutant, loses_lock=True)
    if not old.stopped:
        old.end()
        return _judged(case, run, 0, [])
    begun = _progress(run)
    night = next(n for n, m in enumerate(run.moves) if n >= begun and m.verb is Verb.CLOSE) + 1
    _Desk(replace(_following(run, 1), until=night), begun, None, mutant).end()
    before, newest = len(wire.read(run.log)), _epoch(run)
    if _read(run.folder / "error") is None:
        old.wake()
        error = _read(run.folder / "error") or ""
        if "LeaseError" in error or "the clock was set back" in error:
            (run.folder / "error").unlink()
    after = [one for one in wire.read(run.log)[before:] if one.epoch < newest]
    if _read(run.folder / "error") is None:  # the evening once more, then what is left
        _Desk(_following(run, 2), night - 1, None, mutant).end()
    allowed = 1 if case.step in ("gate.before_send", "gate.before_cancel") else 0
    found = [f"a desk that had lost its lease sent {len(after)} requests"]
    pardoned = replace(run, pardoned=newest - 1 if allowed else 0)
    return _judged(case, pardoned, 1, found if len(after) > allowed else [])


def _judged(case: Case, run: Run, kills: int, found: Sequence[str]) -> Result:
    error = _read(run.folder / "error")
    if error is None:
        os.waitpid(_fork(lambda: _judge(run), run.folder), 0)
        judged = _read(run.folder / "verdict")
        if judged is not None:
            return Result(case, kills, (*found, *json.loads(judged)))
        error = _read(run.folder / "error") or "no verdict"
    return Result(case, kills, (*found, error))


def _judge(run: Run) -> None:
    (run.folder / "verdict").write_text(json.dumps(verdict.problems(run)))


class _Desk:
    """One desk in a process of its own; it has reached its step or ended when this returns."""

    def __init__(
        self,
        run: Run,
        start: int,
        stop: tuple[str, int] | None,
        mutant: Mutant | None,
        *,
        loses_lock: bool = False,
    ) -> None:
        self._told, tell = os.pipe()
        wake, self._waking = os.pipe()

        def desk() -> None:
            os.close(self._told)
            os.close(self._waking)
            if mutant is not None:
                mutant()
            if loses_lock:
                _lose_lock_when_stopped()
            if stop is not None:
                os.environ[failpoints.ENVIRONMENT] = f"{stop[0]},{stop[1]},{tell},{wake}"
                failpoints.arm()
            worker.play(run, start)

        self.pid = _fork(desk, run.folder)
        os.close(tell)
        os.close(wake)
        self.stopped = bool(os.read(self._told, 100)) if stop is not None else False

    def kill(self) -> None:
        """End it as a power cut would, as far as this process is concerned."""
        os.kill(self.pid, signal.SIGKILL)
        self.end()

    def wake(self) -> None:
        """Let it go on where it stopped, and wait for its end."""
        os.write(self._waking, b"!")
        self.end()

    def end(self) -> None:
        """Wait for its end."""
        os.waitpid(self.pid, 0)
        os.close(self._told)
        os.close(self._waking)


def _lose_lock_when_stopped() -> None:
    """As when the session that holds an advisory lock breaks while its desk sleeps."""
    held: list[Any] = []
    take, stop = lease._take, failpoints._stop

    def remembered(*given: Any) -> Any:
        held.append(take(*given))
        return held[-1]

    def sleep(armed: Any) -> None:
        if armed.left == 1:
            for lock in held:
                if not isinstance(lock, lease.FileLock):
                    lock.release()
                    continue
                with suppress(OSError):  # that of a self-test was given back
                    fcntl.flock(lock._handle, fcntl.LOCK_UN)
        stop(armed)

    lease._take = remembered  # type: ignore[assignment]
    failpoints._stop = sleep


def reached_by(case: Case) -> Counter[str]:
    """Return how often an undisturbed desk of the case's script and faults reaches each step."""
    _warm()
    folder = Path(tempfile.mkdtemp(prefix="kasauti-crash-", dir=_fast_folder()))
    run = _first(case, folder)

    def trace() -> None:
        passed: Counter[str] = Counter()
        failpoints.reach = lambda name: passed.update([name])
        worker.play(run, 0)
        (folder / "passed").write_text(json.dumps(passed))

    os.waitpid(_fork(trace, folder), 0)
    try:
        error = _read(folder / "error")
        if error is not None:
            raise AssertionError(f"seed {case.seed}, {case.fault}: {error}")
        return Counter(json.loads((folder / "passed").read_text()))
    finally:
        shutil.rmtree(folder)


def cases(
    seed: int, fault: Fault | None, steps: Collection[str] = STEPS, *, sessions: int = 2
) -> Iterator[Case]:
    """Yield a case for each of `steps` that the script of `seed` reaches under `fault`.

    Some desks die a second time; without a fault each step is also one at which a desk sleeps.
    """
    rng = random.Random(f"cases {seed} {fault}")
    scope = Scope.REPLAY if rng.random() < 0.15 else Scope.PAPER
    counts = reached_by(Case(seed, fault, "", 0, scope=scope, sessions=sessions))
    for step in sorted(steps):
        second = rng.choice(sorted(counts))
        again = (second, rng.randint(1, counts[second])) if rng.random() < 0.3 else None
        if counts[step]:
            case = Case(
                seed, fault, step, rng.randint(1, counts[step]), again, scope, sessions=sessions
            )
            yield case
            if fault is None and step not in INSIDE_A_TRANSACTION:
                yield replace(case, again=None, scope=Scope.PAPER, paused=True)


def run_cases(wanted: Sequence[Case], workers: int = 2) -> Iterator[Result]:
    """Yield the result of each case, in their order, from `workers` parents at a time."""
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(run_case, wanted, chunksize=4)


@cache
def _warm() -> None:
    """Play one case here, undisturbed, so that no desk has to build what all of them need."""
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        run = Run(Path(folder), script(2, None), None, 2)
        worker.play(run, 0)
        verdict.problems(run)
    gc.freeze()


def _fork(work: Callable[[], None], folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 (a process boundary: the parent reads the file)
        (folder / "error").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _epoch(run: Run) -> int:
    newest = "SELECT max(epoch) FROM events"
    if run.url is None:
        with closing(sqlite3.connect(run.ledger)) as file:
            return int(file.execute(newest).fetchone()[0])
    plain = run.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(plain)) as server:
        row = server.execute(newest).fetchone()
    assert row is not None
    return int(row[0])


def _progress(run: Run) -> int:
    return int(_read(run.folder / "progress") or 0)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _fast_folder() -> str | None:
    """Return a folder in memory: a kill loses nothing that the system was given, disk or not."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None
