"""Reads Dagster's own SQLite files: heartbeats of its daemons, runs of an evening, ages of assets.

Asking Dagster itself would cost every `kasauti status` the 1.7 s of its import, and this library
knows nothing of it. Its tables are part of its storage, and the tests hold this against the real
thing.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kasauti.errors import DataError

SESSION_TAG = "kasauti/session"  # of the runs that the schedule of trading days starts


@dataclass(frozen=True)
class Beat:
    """The last heartbeat of one of Dagster's daemons; `error` is empty where all went well."""

    daemon: str
    at: datetime
    error: str


def heartbeats(dagster: Path) -> tuple[Beat, ...] | None:
    """Return the last heartbeat of every daemon, None where Dagster stored nothing yet.

    Raises
    ------
    DataError
        If the storage cannot be read; so do all functions here.
    """
    query = "SELECT daemon_type, timestamp, body FROM daemon_heartbeats ORDER BY daemon_type"
    rows = _rows(dagster / "history" / "runs.db", query)
    if rows is None:
        return None
    return tuple(Beat(kind, _moment(at), _error(body)) for kind, at, body in rows)


def session_runs(dagster: Path) -> Mapping[date, tuple[str, ...]] | None:
    """Return by session what became of the runs that the evening's schedule started for it."""
    query = (
        "SELECT run_tags.value, runs.status FROM run_tags JOIN runs USING (run_id) "
        "WHERE run_tags.key = ? ORDER BY runs.id"
    )
    rows = _rows(dagster / "history" / "runs.db", query, SESSION_TAG)
    if rows is None:
        return None
    found: dict[date, tuple[str, ...]] = {}
    for day, status in rows:
        session = date.fromisoformat(day)
        found[session] = (*found.get(session, ()), status)
    return found


def made(dagster: Path) -> Mapping[str, datetime] | None:
    """Return by asset, ``layer/noun``, when it was last made."""
    query = (
        "SELECT asset_key, last_materialization_timestamp FROM asset_keys "
        "WHERE last_materialization_timestamp IS NOT NULL"
    )
    rows = _rows(dagster / "history" / "runs" / "index.db", query)
    if rows is None:
        return None
    return {"/".join(json.loads(key)): _moment(at) for key, at in rows}


def _rows(file: Path, query: str, *values: str) -> Sequence[Any] | None:
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as driver:
            return driver.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise DataError(f"{file} cannot be read ({error}): see `kasauti up`") from error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _error(body: str | None) -> str:
    """Return the first line of the newest error that a heartbeat carries."""
    errors = (json.loads(body).get("errors") if body else None) or [{}]
    lines = str(errors[0].get("message", "")).strip().splitlines()
    return lines[0] if lines else ""
