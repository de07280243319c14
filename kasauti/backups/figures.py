"""What a file at rest amounts to: rows of a database, events of a ledger, rows of a table.

Computed when a backup is taken and again from what was restored: the two must be equal.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kasauti.backups.contents import DATABASES
from kasauti.errors import BackupError
from kasauti.execution import schema

Counts = dict[str, int]


class Figures(BaseModel):
    """Of one file.

    Attributes
    ----------
    tables : dict of str to int
        Rows of each table of a database.
    head : str
        Hash of a ledger's last event.
    events, openings, rows : int
        Events of a ledger, openings of sealed bars in a vault, rows of a Parquet file.
    """

    model_config = ConfigDict(frozen=True)

    tables: Counts = {}
    head: str = ""
    events: int = 0
    openings: int = 0
    rows: int = 0


def figures_of(path: Path) -> Figures:
    """Return the figures of the file at `path`; of most kinds there are none.

    Raises
    ------
    BackupError
        If it is not what its name says.
    """
    if path.name.endswith(DATABASES):
        try:
            return _of_database(path)
        except sqlite3.Error as error:
            raise BackupError(f"{path} is no database: {error}") from error
    return Figures(rows=_rows(path)) if path.suffix == ".parquet" else Figures()


def damage(database: Path) -> str:
    """Return what SQLite finds wrong with a database, empty if nothing."""
    try:
        with closing(_at_rest(database)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if found == "ok" else str(found)


def _of_database(path: Path) -> Figures:
    with closing(_at_rest(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        tables = {
            name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
            for (name,) in sorted(names)
        }
        if {table.name for table in schema.APPEND_ONLY} <= tables.keys():
            last = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
            events, head = connection.execute(last).fetchone() or (0, "")
            return Figures(tables=tables, head=head, events=events)
        if tables.keys() == {"records"}:
            opened = "SELECT count(*) FROM records WHERE kind = 'opening'"
            return Figures(tables=tables, openings=connection.execute(opened).fetchone()[0])
    return Figures(tables=tables)


def _at_rest(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _rows(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException as error:
        raise BackupError(f"{path} is damaged: make or ingest what it holds again") from error
