"""The history of health: colours by check, bounded, written by several processes."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from kasauti.errors import DataError
from kasauti.health.history import KEPT, changes, record
from kasauti.health.model import Check, Health, Status
from tests.health.surroundings import NOW

OK, RED, ABSENT = Health.OK, Health.RED, Health.ABSENT


def status(now: datetime, **healths: Health) -> Status:
    checks = tuple(Check(name, health, f"{name} {health}") for name, health in healths.items())
    return Status(Path("home"), now, checks, ())


def test_only_changes_are_told_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "health.sqlite3"
    assert changes(path, NOW, 10) == [] and not path.exists()
    looks = [(OK, OK), (OK, RED), (RED, RED), (OK, RED), (OK, OK)]
    for minutes, (disk, desk) in enumerate(looks):
        record(path, status(NOW + timedelta(minutes=minutes), disk=disk, desk=desk))
    told = [(c.name, c.before, c.after, c.at.minute, c.detail) for c in changes(path, NOW, 10)]
    assert told == [
        ("desk", RED, OK, 4, "desk ok"),
        ("disk", RED, OK, 3, "disk ok"),
        ("disk", OK, RED, 2, "disk red"),
        ("desk", OK, RED, 1, "desk red"),
    ]
    assert [one.name for one in changes(path, NOW, 2)] == ["desk", "disk"]


def test_a_check_that_was_not_looked_at_in_between_did_not_change(tmp_path: Path) -> None:
    path = tmp_path / "health.sqlite3"
    record(path, status(NOW, desk=OK, disk=ABSENT))
    record(path, status(NOW + timedelta(minutes=1), disk=ABSENT))
    record(path, status(NOW + timedelta(minutes=2), desk=OK, disk=ABSENT))
    assert changes(path, NOW, 10) == []


def test_it_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "health.sqlite3"
    for days in range(0, 400, 20):
        record(path, status(NOW + timedelta(days=days), disk=OK))
    with closing(sqlite3.connect(path)) as file:
        first, last, count = file.execute(
            "SELECT min(at), max(at), count(*) FROM checks"
        ).fetchone()
    assert last - first <= KEPT.total_seconds() and count == 5


def test_several_processes_record_at_once(tmp_path: Path) -> None:
    path = tmp_path / "health.sqlite3"
    spawn = get_context("fork")
    writers = [spawn.Process(target=_record_many, args=(path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT name, count(*) FROM checks GROUP BY name").fetchall()
    assert rows == [("a", 20), ("b", 20), ("c", 20)]


def _record_many(path: Path, name: str) -> None:
    for second in range(20):
        record(path, status(NOW + timedelta(seconds=second), **{name: OK}))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "health.sqlite3"
    path.write_text("no database" * 100)
    with pytest.raises(DataError, match=r"health\.sqlite3 cannot be used"):
        record(path, status(NOW, disk=OK))
    with pytest.raises(DataError, match="move it away"):
        changes(path, NOW, 1)


def test_a_status_is_said_as_before() -> None:
    found = status(NOW, disk=OK, desk=RED)
    assert found.to_json()["red"] == ["desk"] and found.to_json()["ok"] is False
    row = replace(found.checks[0], at=NOW).to_json()
    assert (row["id"], row["name"], row["health"], row["detail"]) == (
        *("disk", "disk", "ok", "disk ok"),
    )
