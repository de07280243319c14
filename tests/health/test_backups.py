"""When a backup was last proved, from the record that the backups leave."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.health.backups import look
from kasauti.health.model import Health
from kasauti.home import Home
from tests.health.surroundings import NOW, around, one


def line(hours: float, *, ok: bool = True) -> str:
    at = (NOW - timedelta(hours=hours)).isoformat()
    row = {"at": at, "place": "disk", "name": "b", "ok": ok, "detail": "no space", "bytes": 1}
    return json.dumps(row)


@pytest.mark.parametrize(
    ("lines", "trades", "health"),
    [
        pytest.param([], False, Health.ABSENT, id="never, nothing to lose"),
        pytest.param([], True, Health.RED, id="never, with a paper ledger"),
        pytest.param([line(1, ok=False)], False, Health.RED, id="tried in vain"),
        pytest.param([line(1)], True, Health.OK, id="an hour ago"),
        pytest.param([line(48)], True, Health.OK, id="48 hours"),
        pytest.param([line(48.1)], True, Health.RED, id="over 48 hours"),
        pytest.param([line(48.1)], False, Health.RED, id="over 48 hours, no ledger"),
        pytest.param([line(20), line(1, ok=False)], True, Health.WARNING, id="last one failed"),
        pytest.param([line(60), line(1, ok=False)], True, Health.RED, id="old and failed"),
        pytest.param([line(60), line(1), line(30)], True, Health.OK, id="any order"),
        pytest.param([line(1), line(1)[:30]], True, Health.OK, id="a torn line says nothing"),
        pytest.param(['{"at": "2026-11-20T10:00:00", "ok": true}'], True, Health.RED, id="no zone"),
    ],
)
def test_the_last_proved_backup(
    tmp_path: Path, lines: list[str], trades: bool, health: Health
) -> None:
    home = Home(tmp_path)
    if trades:
        Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=NOW).close()
    if lines:
        home.backup_proofs.parent.mkdir()
        home.backup_proofs.write_text("\n".join(lines))
    found = one(look(around(tmp_path)))
    assert (found.id, found.health) == ("backup", health), found.detail
    assert health is Health.OK or "kasauti backup" in found.detail
