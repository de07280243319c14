"""State folders with something of every kind, and short ways to back them up and restore them."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from pydantic import SecretStr

from kasauti.backups.place import BackupPlace
from kasauti.backups.restore import Restored, restore
from kasauti.backups.take import Taken, take
from kasauti.evolution.register import TrialRegister
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from kasauti.market.lake import Lake
from kasauti.operations.progress import Progress
from kasauti.validation.seal import Vault
from kasauti.workspace import STORED
from tests.evolution.small import dataset, trial
from tests.execution.world import OPEN, at, bars_of, entry, world

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=INDIA)
SECRET = SecretStr("a passphrase of the tests")
ROW = (100.0, 101.0, 99.0, 100.0)


def filled(home: Home) -> None:
    """Put something of every kind into the state folder `home`."""
    traded(home.root)
    with world(home.replay) as w:
        w.tick(OPEN, "100")
    bars = bars_of({name: [ROW] * 7 for name in ("TEST", "OTHER")})
    Lake(home.ingested).write_bars(STORED, bars)
    Lake(home.lake).write("signals/daily", pd.DataFrame({"symbol": ["TEST"], "score": [1.5]}))
    Vault(home.vault).admit(bars, now=NOW)
    TrialRegister(home.register).record(dataset("d1"), [trial("g1"), trial("g2")], at=NOW)
    home.limits.write_text('capital = "100000"\n')
    (home.feed).mkdir()
    (home.feed / "ticks.jsonl").write_text('{"last": "1"}\n{"last": "2"}\n')
    (home.dagster / "history" / "runs").mkdir(parents=True)
    with closing(sqlite3.connect(home.dagster / "history" / "runs" / "1.db")) as runs:
        runs.execute("CREATE TABLE runs (id, body)")
        runs.execute("INSERT INTO runs VALUES (1, 'a run')")
        runs.commit()


def traded(folder: Path) -> None:
    """Let a paper desk buy in `folder`."""
    with world(folder, scope=Scope.PAPER) as w:
        w.tick(OPEN, "100")
        w.desk.submit(entry(), OPEN)
        w.tick(at(9, 16), "100.50")
        assert "TEST" in w.desk.book.positions
        w.desk.close_session(at(15, 30), {})


def back_up(
    home: Home, where: str | Path, *, secret: SecretStr | None = None, now: datetime = NOW
) -> Taken:
    place = BackupPlace(str(where))
    return take(home, place, secret=secret, now=now, progress=Progress(quiet=True))


def put_back(
    home: Home,
    where: str | Path,
    *,
    secret: SecretStr | None = None,
    wanted: str | None = None,
    force: bool = False,
    now: datetime = NOW + timedelta(hours=1),
) -> Restored:
    return restore(
        home,
        BackupPlace(str(where)),
        wanted=wanted,
        secret=secret,
        now=now,
        force=force,
        progress=Progress(quiet=True),
    )


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below `root` that a backup holds, databases as what is in them."""
    from kasauti.backups.contents import DATABASES, names

    return {
        name: dumped(root / name) if name.endswith(DATABASES) else (root / name).read_bytes()
        for name in names(root)
    }


def dumped(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()).encode()


def ledger_of(home: Home) -> Ledger:
    from kasauti.execution.place import paper_place

    return Ledger.existing(paper_place(home))
