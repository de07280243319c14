"""When a backup was last proved, from the record that the backups keep; none is made here."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from kasauti.home import Home

OLDEST = timedelta(hours=48)  # backups are daily; one may fail before it matters


@dataclass(frozen=True)
class Backups:
    """What is known of the backups.

    Attributes
    ----------
    proved : datetime or None
        When the last one was restored and verified; None: none ever was.
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


def backups_of(home: Home) -> Backups:
    """Return what the record of backups says; a line that a power cut broke off says nothing."""
    path = home.root / "backups" / "proofs.jsonl"
    found = Backups()
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            at = datetime.fromisoformat(row["at"]).astimezone()
            if row["ok"]:
                found = Backups(at, str(row["place"]))
            else:
                found = Backups(found.proved, found.place, str(row["detail"]) or "no reason given")
        except (ValueError, TypeError, KeyError):
            continue
    return found
