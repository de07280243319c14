"""A small but real state folder, and a PostgreSQL server for its ledger."""

from pathlib import Path

import pytest

from kasauti.home import Home
from tests.backups.states import filled
from tests.cli.conftest import run as run
from tests.execution.conftest import place as place
from tests.execution.conftest import postgres as postgres
from tests.execution.conftest import postgres_server as postgres_server


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KASAUTI_BACKUP_TO", "KASAUTI_BACKUP_KEY", "KASAUTI_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A state folder with something of every kind in it."""
    monkeypatch.setenv("KASAUTI_HOME", str(tmp_path / "var"))
    home = Home(tmp_path / "var")
    filled(home)
    return home
