"""The record of every backup that was tried, and what it says of the last proof; none is made here.

Light to import: health and alerts look at it every minute.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from kasauti.home import Home

OLDEST = timedelta(hours=48)  # backups are daily; one may fail before it matters


@dataclass(frozen=True)
class Tried:
    """One attempt.

    Attributes
    ----------
    at : datetime
        Exchange time at which it was begun.
    place : str
        Without credentials.
    name : str
        Of the backup, empty where there is none.
    ok : bool
        Whether it was proved.
    detail : str
        What it holds, or what was wrong.
    seconds : dict of str to float
        By stage.
    bytes : int
        Of the archive.
    """

    at: AwareDatetime
    place: str
    name: str
    ok: bool
    detail: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True)
class LastProof:
    """What is known of the backups.

    Attributes
    ----------
    proved : datetime or None
        When the newest that was restored and verified was begun; None: none ever was.
    place : str
        Where that one is, without credentials.
    failed : str
        What the last attempt said if it failed, else empty.
    """

    proved: datetime | None = None
    place: str = ""
    failed: str = ""

    def is_fresh(self, now: datetime) -> bool:
        """Whether one was proved within two days."""
        return self.proved is not None and now - self.proved <= OLDEST


_ADAPTER = TypeAdapter(Tried)


def record(home: Home, tried: Tried) -> None:
    """Append an attempt, synced to disk."""
    line = json.dumps({**asdict(tried), "at": tried.at.isoformat()})
    path = home.backup_proofs
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(home: Home) -> Iterator[Tried]:
    """Yield every attempt, oldest first; a line that a power cut broke off is left out."""
    path = home.backup_proofs
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield _ADAPTER.validate_json(line)
        except ValidationError:
            continue


def last_proof(home: Home) -> LastProof:
    """Return what the record says."""
    tried = list(read(home))
    newest = max((one for one in tried if one.ok), key=lambda one: one.at, default=None)
    failed = tried[-1].detail or "no reason given" if tried and not tried[-1].ok else ""
    if newest is None:
        return LastProof(failed=failed)
    return LastProof(newest.at, newest.place, failed)
