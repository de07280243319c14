"""What every check found, for three months, and when each changed colour; no check here."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kasauti.errors import DataError
from kasauti.health.model import Health, Status
from kasauti.plain import plain

KEPT = timedelta(days=90)
WAIT = 5.0  # seconds, for another process that records
_TABLE = """
CREATE TABLE IF NOT EXISTS checks
    (at REAL NOT NULL, name TEXT NOT NULL, health TEXT NOT NULL, detail TEXT NOT NULL)
"""
_BY_NAME = "CREATE INDEX IF NOT EXISTS checks_by_name ON checks (name, at)"
_CHANGES = """
SELECT at, name, before, health, detail FROM (
    SELECT *, lag(health) OVER (PARTITION BY name ORDER BY at, rowid) AS before FROM checks)
WHERE before IS NOT NULL AND before != health
ORDER BY at DESC, name LIMIT ?
"""


@dataclass(frozen=True)
class Change:
    """One check that changed colour.

    Attributes
    ----------
    at : datetime
        Exchange time of the first look that found it so.
    name : str
    before, after : Health
    detail : str
        What that look found.
    """

    at: datetime
    name: str
    before: Health
    after: Health
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain values."""
        found: dict[str, Any] = plain(vars(self))
        return found


def record(path: Path, status: Status) -> None:
    """Append what every check found; what is older than three months goes.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    at = status.now.timestamp()
    rows = [(at, check.name, check.health.value, check.detail) for check in status.checks]
    with _open(path, f"{path.resolve().as_uri()}?mode=rwc") as driver, driver:
        driver.execute(_TABLE)
        driver.execute(_BY_NAME)
        driver.execute("DELETE FROM checks WHERE at < ?", (at - KEPT.total_seconds(),))
        driver.executemany("INSERT INTO checks VALUES (?, ?, ?, ?)", rows)


def changes(path: Path, now: datetime, most: int) -> list[Change]:
    """Return the last `most` changes of colour, newest first.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if not path.exists():
        return []
    with _open(path, f"{path.resolve().as_uri()}?mode=ro") as driver:
        rows = driver.execute(_CHANGES, (most,)).fetchall()
    return [
        Change(datetime.fromtimestamp(at, now.tzinfo), name, Health(before), Health(after), detail)
        for at, name, before, after, detail in rows
    ]


@contextmanager
def _open(path: Path, url: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(url, uri=True, timeout=WAIT)) as driver:
            yield driver
    except sqlite3.Error as error:
        raise DataError(
            f"{path} cannot be used as the history of health ({error}): move it away"
        ) from error
