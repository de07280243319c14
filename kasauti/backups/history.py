"""The record of every backup that was tried: one JSON line each, for whoever watches them."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kasauti.home import Home


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

    at: datetime
    place: str
    name: str
    ok: bool
    detail: str
    seconds: dict[str, float]
    bytes: int


def path_of(home: Home) -> Path:
    """Return where the record is."""
    return home.backups / "proofs.jsonl"


def record(home: Home, tried: Tried) -> None:
    """Append an attempt, synced to disk."""
    line = json.dumps({**asdict(tried), "at": tried.at.isoformat()})
    path = path_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(home: Home) -> Iterator[Tried]:
    """Yield every attempt, oldest first; a line that a power cut broke off is left out."""
    path = path_of(home)
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            plain = json.loads(line)
            yield Tried(**{**plain, "at": datetime.fromisoformat(plain["at"])})
        except (ValueError, TypeError, KeyError):
            continue
