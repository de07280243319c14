"""Who may act: a lock that dies with its holder, and the epoch that every event of it carries.

On SQLite it is an OS lock on a file beside the ledger, on PostgreSQL an advisory lock of a session
of its own: kernel or server frees it when its holder dies, however it dies. The epoch stops a
holder that wakes from a pause after another has taken over.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from kasauti.errors import LeaseError
from kasauti.execution import failpoints, postgres

if TYPE_CHECKING:
    from kasauti.execution.ledger import Ledger

TRIES, PAUSE_SECONDS = 11, 0.01  # who only looks holds the file's lock for an instant


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for it as long as it takes."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Lock(Protocol):
    """What a lease rests on."""

    def is_held(self) -> bool:
        """Whether it is still ours."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class FileLock:
    """An OS lock on a file, freed by the kernel."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, path: Path) -> "FileLock | None":
        """Return the lock on `path`, None if somebody else has it."""
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return cls(handle)

    def is_held(self) -> bool:
        """Whether it is still ours: a file lock is not lost."""
        return True

    def release(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Lease:
    """The right to act on one ledger; made by `Lease.take`, given back by `release` or death."""

    def __init__(self, ledger: "Ledger", lock: Lock, epoch: int) -> None:
        self._ledger = ledger
        self._lock: Lock | None = lock
        self.epoch = epoch

    @classmethod
    def take(cls, ledger: "Ledger", *, host: str, at: datetime) -> "Lease":
        """Take the lease and raise the ledger's epoch.

        Raises
        ------
        LeaseError
            If another desk holds it.
        """
        lock = _take(ledger.path, ledger.engine)
        if lock is None:
            raise LeaseError(
                f"another desk holds the lease of {ledger.place}: stop it, or let it do the work"
            )
        failpoints.reach("lease.locked")
        try:
            lease = cls(ledger, lock, ledger.raise_epoch(host=host, at=at))
        except BaseException:
            lock.release()
            raise
        failpoints.reach("lease.taken")
        return lease

    @property
    def is_held(self) -> bool:
        """Whether the lock is ours and no later epoch has been raised."""
        lock = self._lock
        return lock is not None and lock.is_held() and self._ledger.epoch() == self.epoch

    def release(self) -> None:
        """Give the lease back; the next desk raises the epoch."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def lock_path(ledger: Path) -> Path:
    """Return the lock file of a ledger; never deleted, or two desks could lock one each."""
    return ledger.with_name(ledger.name + ".lease")


def is_taken(ledger: Path, engine: Engine | None = None) -> bool:
    """Whether some desk, this process's included, holds the lease of the ledger at `ledger`.

    Parameters
    ----------
    ledger : Path
    engine : Engine or None
        Of the opened ledger; without one it is a ledger on SQLite.
    """
    if engine is not None and engine.dialect.name == "postgresql":
        return postgres.is_lease_taken(engine)
    lock = FileLock.take(lock_path(ledger))
    if lock is not None:
        lock.release()
    return lock is None


def _take(ledger: Path, engine: Engine) -> Lock | None:
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        lock = (
            FileLock.take(lock_path(ledger))
            if engine.dialect.name == "sqlite"
            else postgres.SessionLock.take(engine)
        )
        if lock is not None:
            return lock
    return None
