"""Who may act: an OS lock beside the ledger and the epoch that every event of that desk carries.

The kernel frees the lock when its holder dies, however it dies; the epoch stops a holder that
wakes from a pause after another has taken over.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kasauti.errors import LeaseError

if TYPE_CHECKING:
    from kasauti.execution.ledger import Ledger


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for it as long as it takes."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Lease:
    """The right to act on one ledger; made by `Lease.take`, given back by `release` or death."""

    def __init__(self, ledger: "Ledger", handle: int, epoch: int) -> None:
        self._ledger = ledger
        self._handle: int | None = handle
        self.epoch = epoch

    @classmethod
    def take(cls, ledger: "Ledger", *, host: str, at: datetime) -> "Lease":
        """Take the lease and raise the ledger's epoch.

        Raises
        ------
        LeaseError
            If another desk holds it.
        """
        handle = os.open(lock_path(ledger.path), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise LeaseError(
                f"another desk holds the lease of {ledger.path}: stop it, or let it do the work"
            ) from None
        return cls(ledger, handle, ledger.raise_epoch(host=host, at=at))

    @property
    def is_held(self) -> bool:
        """Whether the lock is ours and no later epoch has been raised."""
        return self._handle is not None and self._ledger.epoch() == self.epoch

    def release(self) -> None:
        """Give the lease back; the next desk raises the epoch."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def lock_path(ledger: Path) -> Path:
    """Return the lock file of a ledger; never deleted, or two desks could lock one each."""
    return ledger.with_name(ledger.name + ".lease")


def is_taken(ledger: Path) -> bool:
    """Whether some desk, this process's included, holds the lease of the ledger at `ledger`."""
    handle = os.open(lock_path(ledger), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
