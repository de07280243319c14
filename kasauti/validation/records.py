"""The vault's book: append-only, hash-chained records; what is recorded is for others to say.

The table refuses changes, the chain shows one made behind its back, and a head file beside the
database shows a tail that was cut off.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kasauti.errors import LedgerError, SealedDataError
from kasauti.evolution.chained import ChainedTables, Table

RECORDS = Table("records", ("number", "kind", "body"), 1)
_OPENINGS = """
CREATE VIEW IF NOT EXISTS openings AS SELECT number,
    body ->> 'when' AS "when", body ->> 'who' AS who, body ->> 'why' AS why,
    body ->> 'family' AS family, body ->> 'genome' AS genome, body ->> 'seal' AS seal
    FROM records WHERE kind = 'opening'
"""


@dataclass(frozen=True)
class Record:
    """One line of the book: its number, what kind of thing happened, and the facts."""

    number: int
    kind: str
    body: Mapping[str, Any]


class Page:
    """The book held for one transaction: nobody else writes between a look and an append."""

    def __init__(self, tables: ChainedTables, connection: sqlite3.Connection) -> None:
        self._tables = tables
        self._connection = connection

    def find(self, kind: str, **equal: str) -> list[Record]:
        """Return the records of `kind` whose body has these values, oldest first."""
        rows = self._connection.execute(
            "SELECT number, kind, body FROM records WHERE kind = ? ORDER BY number", (kind,)
        )
        records = [Record(number, kind, json.loads(body)) for number, kind, body in rows]
        return [
            record
            for record in records
            if all(record.body.get(name) == value for name, value in equal.items())
        ]

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Write one record; it is permanent when the transaction ends without an error."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
        (last,) = self._connection.execute("SELECT count(*) FROM records").fetchone()
        self._tables.append(self._connection, RECORDS, [(last + 1, kind, text)])
        return Record(last + 1, kind, json.loads(text))


class RecordBook:
    """Append-only records in the SQLite file `path`, which is made when it is first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head = path.with_suffix(".head")

    @cached_property
    def _tables(self) -> ChainedTables:
        tables = ChainedTables(self.path, (RECORDS,))
        with tables.transaction() as connection:
            connection.execute(_OPENINGS)
        return tables

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Hold the book for one transaction; an error inside leaves it as it was."""
        with self._tables.transaction() as connection:
            before = connection.total_changes
            yield Page(self._tables, connection)
            appended = connection.total_changes > before
        if appended:
            self._write_head()

    def find(self, kind: str, **equal: str) -> list[Record]:
        """Return the records of `kind` whose body has these values, oldest first."""
        with self._tables.reading() as connection:
            return Page(self._tables, connection).find(kind, **equal)

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Write one record in a transaction of its own."""
        with self.page() as page:
            return page.append(kind, body)

    def verify(self) -> None:
        """Check the chain, the guards of the table and the head file.

        Raises
        ------
        SealedDataError
            Naming the first thing that does not fit.
        """
        if self._head.exists() and not self.path.exists():
            raise self._unsound("it is gone while its head file is there")
        try:
            self._tables.verify()
        except LedgerError as problem:
            raise SealedDataError(str(problem)) from problem
        with self._tables.reading() as connection:
            guards = {
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                )
            }
            chain = [""] + [c for (c,) in connection.execute("SELECT chain FROM records")]
        self._verify_head(chain)
        expected = {line.split()[5] for line in RECORDS.schema() if "CREATE TRIGGER" in line}
        if not expected <= guards:
            raise self._unsound("the triggers that keep it append-only were removed")

    def _write_head(self) -> None:
        # Written after the commit: a crash in between leaves the head one transaction behind,
        # which still verifies; a head that is ahead of the book means a tail was cut off.
        with self._tables.reading() as connection:
            number, chain = connection.execute(
                "SELECT number, chain FROM records ORDER BY number DESC LIMIT 1"
            ).fetchone()
        scratch = self._head.with_suffix(".head-new")
        scratch.write_text(f"{number} {chain}\n", encoding="ascii")
        scratch.replace(self._head)

    def _verify_head(self, chain: list[str]) -> None:
        if not self._head.exists():
            if len(chain) > 1:
                raise self._unsound(f"{self._head.name} is gone")
            return
        text, _, expected = self._head.read_text(encoding="ascii").strip().partition(" ")
        number = int(text) if text.isdigit() else -1
        if number >= len(chain):
            raise self._unsound(f"{number + 1 - len(chain)} record(s) at the end are missing")
        if number < 0 or chain[number] != expected:
            raise self._unsound(f"{self._head.name} does not fit the records")

    def _unsound(self, what: str) -> SealedDataError:
        return SealedDataError(
            f"{self.path} does not verify: {what}. Restore the vault from a backup"
        )
