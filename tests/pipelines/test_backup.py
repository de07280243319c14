"""The daily backup as Dagster runs it: proved, or the run fails."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from kasauti.backups.history import read
from kasauti.backups.place import BackupPlace
from tests.backups.states import filled
from tests.pipelines.states import Clocked, made, run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clocked:
    for name in ("KASAUTI_BACKUP_KEY", "KASAUTI_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KASAUTI_BACKUP_TO", str(tmp_path / "to"))
    project = Clocked(home=str(tmp_path / "var"), bars="sample")
    filled(project.workspace().home)
    return project


def test_the_job_makes_a_proved_backup(project: Clocked, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path / "var" / "dagster")) as instance:
        result = run(project, instance, "backup")
    assert result.success and made(result) == {"operations/backup"}
    ((name, size),) = BackupPlace(str(tmp_path / "to")).list()
    (event,) = result.get_asset_materialization_events()
    facts = event.materialization.metadata
    assert facts["name"].value == str(name) and facts["bytes"].value == size
    (tried,) = read(project.workspace().home)
    assert tried.ok and "events" in tried.detail


def test_the_run_fails_where_it_is_not_proved(project: Clocked, tmp_path: Path) -> None:
    with closing(sqlite3.connect(project.workspace().home.ledger)) as ledger:
        ledger.execute("DROP TRIGGER events_no_update")
        ledger.execute("UPDATE events SET payload = payload || ' ' WHERE seq = 3")
        ledger.commit()
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(project, instance, "backup")
        assert not result.success and not made(result)
    assert not any(name.proved for name, _ in BackupPlace(str(tmp_path / "to")).list())
