"""Append-only SQLite tables whose rows are chained by hash; what the rows mean stands elsewhere."""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kasauti.errors import LedgerError

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

BUSY_SECONDS = 60.0  # a generation's insert holds the lock for about 0.01 s; 60 s is a stuck disk


@dataclass(frozen=True)
class Table:
    """One append-only table; its first `key_width` columns name a row for ever."""

    name: str
    columns: tuple[str, ...]
    key_width: int

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that are unique together."""
        return self.columns[: self.key_width]

    def schema(self) -> Iterator[str]:
        """Yield the statements that create the table and refuse every change to its rows.

        ``INSERT OR REPLACE`` deletes without firing a delete trigger, so an insert is refused too
        unless it takes the next position and a new key.
        """
        columns = ", ".join(self.columns)
        same_key = " AND ".join(f"{column} = NEW.{column}" for column in self.key)
        refuse = f"SELECT RAISE(ABORT, '{self.name} is append-only');"
        yield (
            f"CREATE TABLE IF NOT EXISTS {self.name} (position INTEGER PRIMARY KEY, {columns}, "
            f"chain TEXT NOT NULL, UNIQUE ({', '.join(self.key)}))"
        )
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER IF NOT EXISTS {self.name}_no_{verb.lower()} "
                f"BEFORE {verb} ON {self.name} BEGIN {refuse} END"
            )
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {self.name}_no_replace BEFORE INSERT ON {self.name} "
            f"WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM {self.name}) "
            f"OR EXISTS (SELECT 1 FROM {self.name} WHERE {same_key}) BEGIN {refuse} END"
        )


class ChainedTables:
    """A SQLite file of append-only tables, safe with several processes.

    Every thread, and every process after a fork, has its own connection. The journal is WAL with
    ``synchronous=FULL``: with NORMAL a power cut could forget rows that a checkpoint written after
    them already counts on; FULL costs one fsync a transaction.

    Parameters
    ----------
    path : Path
        The file; it and its folder are created when missing.
    tables : sequence of Table

    Raises
    ------
    LedgerError
        The file cannot be opened, is not SQLite or holds tables of another version.
    """

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        self.path = path
        self.tables = tuple(tables)
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._use_wal()
        with self.transaction() as connection:
            for table in self.tables:
                for statement in table.schema():
                    connection.execute(statement)
                self._require_columns(connection, table)

    def _require_columns(self, connection: sqlite3.Connection, table: Table) -> None:
        info = connection.execute(f"PRAGMA table_info({table.name})")
        found = tuple(name for _, name, *_ in info)
        if found != ("position", *table.columns, "chain"):
            raise LedgerError(
                f"{self.path}: its table {table.name} was written by another version of Kasauti, "
                f"with the columns {', '.join(found)}: nothing was changed in it. Go on with the "
                "version that wrote it, or move the file away and keep it (what it holds is not "
                "counted then) and a new one is begun"
            )

    def _connection(self) -> sqlite3.Connection:
        here = os.getpid()
        if getattr(self._local, "process", None) != here:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection, self._local.process = connection, here
        opened: sqlite3.Connection = self._local.connection
        return opened

    def _use_wal(self) -> None:
        # The busy timeout does not cover the switch to WAL, which two first users may both try.
        give_up = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self.reading() as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except LedgerError as problem:
                if "locked" not in str(problem) or time.monotonic() > give_up:
                    raise
                time.sleep(0.01)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend this thread's connection for queries."""
        try:
            yield self._connection()
        except sqlite3.Error as problem:
            raise LedgerError(
                f"{self.path}: {problem}; if the file is damaged restore it from a backup, "
                "never delete it: that would forget what was tried"
            ) from problem

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one BEGIN IMMEDIATE transaction; roll back on any error."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def append(self, connection: sqlite3.Connection, table: Table, rows: Iterable[Row]) -> int:
        """Append the rows whose keys are new and return how many those were."""
        position, chain = connection.execute(
            f"SELECT position, chain FROM {table.name} ORDER BY position DESC LIMIT 1"
        ).fetchone() or (0, "")
        known = f"SELECT 1 FROM {table.name} WHERE " + " AND ".join(f"{k} = ?" for k in table.key)
        fresh: dict[Row, Row] = {}
        for row in rows:
            key = row[: table.key_width]
            if key not in fresh and connection.execute(known, key).fetchone() is None:
                position, chain = position + 1, _link(chain, row)
                fresh[key] = (position, *row, chain)
        marks = ", ".join("?" * (len(table.columns) + 2))
        connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", fresh.values())
        return len(fresh)

    def verify(self) -> int:
        """Follow every chain from its first row and return the number of rows checked.

        A changed, inserted or removed row is found, but not the loss of the newest rows: compare
        `heads` with a copy kept elsewhere for that.

        Raises
        ------
        LedgerError
            Naming the first row that does not follow from the ones before it.
        """
        checked = 0
        with self.reading() as connection:
            for table in self.tables:
                chain = ""
                rows = connection.execute(f"SELECT * FROM {table.name} ORDER BY position")
                for expected, (position, *row, stored) in enumerate(rows, start=1):
                    chain = _link(chain, tuple(row))
                    if position != expected or stored != chain:
                        raise LedgerError(
                            f"{self.path}: row {expected} of {table.name} was changed or removed "
                            "after it was written; restore the register from a backup"
                        )
                    checked += 1
        return checked

    def heads(self) -> dict[str, str]:
        """Return the newest chain hash of each table, empty for an empty table."""
        with self.reading() as connection:
            return {
                table.name: (
                    connection.execute(
                        f"SELECT chain FROM {table.name} ORDER BY position DESC LIMIT 1"
                    ).fetchone()
                    or ("",)
                )[0]
                for table in self.tables
            }


def _link(chain: str, row: Row) -> str:
    # A blob stands as its digest: the repr of 100 kB of bytes takes longer than their sha256.
    row = tuple(hashlib.sha256(one).digest() if isinstance(one, bytes) else one for one in row)
    return hashlib.sha256(f"{chain}{row!r}".encode()).hexdigest()
