"""Where a ledger is: the path beside which latch, lock and anchor lie, and the events' database."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from kasauti.errors import LedgerError
from kasauti.execution import postgres, schema
from kasauti.home import Home

_FIRST = select(schema.events.c.at, schema.events.c.payload).where(schema.events.c.seq == 1)


@dataclass(frozen=True)
class Place:
    """Of one ledger, opened or not.

    Attributes
    ----------
    path : Path
        SQLite file; with a `url` a name only, beside which latch and anchor lie.
    url : URL, str or None
        Of the PostgreSQL database that holds the events instead. It is a secret, and parsed when
        it is needed: nothing may keep the kill switch from its file.
    """

    path: Path
    url: URL | str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return str(self.path) if self.url is None else "the ledger on PostgreSQL"

    @property
    def database(self) -> URL | None:
        """The parsed URL.

        Raises
        ------
        UsageError
            If it is none of a PostgreSQL database.
        """
        return None if self.url is None else postgres.parse_url(self.url)

    @property
    def parent(self) -> Path:
        """The folder of the path."""
        return self.path.parent

    def exists(self) -> bool:
        """Whether there is a ledger; a server that does not answer is asked, not guessed.

        Raises
        ------
        LedgerError
            If the server cannot be reached.
        """
        return self.path.exists() if self.url is None else self.genesis() is not None

    def genesis(self) -> tuple[str, str] | None:
        """Return time and payload of the first event, None if there is none; nothing is made.

        Raises
        ------
        LedgerError
            If the database cannot be read.
        """
        database = self.database
        if database is not None:
            return self._first_of(database)
        try:
            file = f"{self.path.resolve().as_uri()}?mode=rw"
            with closing(sqlite3.connect(file, uri=True)) as driver:
                row = driver.execute("SELECT at, payload FROM events WHERE seq = 1").fetchone()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path} cannot be read as a ledger: {error}; restore a backup"
            ) from error
        return None if row is None else (str(row[0]), str(row[1]))

    def said(self, error: Exception) -> str:
        """Return the driver's words without what the URL holds."""
        words = str(error.__cause__ or error)
        database = self.database
        if database is not None:
            for secret in (database.password, database.host, database.username):
                words = words.replace(str(secret), "...") if secret else words
        return " ".join(words.split())

    def _first_of(self, url: URL) -> tuple[str, str] | None:
        engine = postgres.connect(url, wait_seconds=schema.BUSY_SECONDS)
        try:
            with engine.connect() as connection:
                if not inspect(connection).has_table(schema.events.name):
                    return None
                row = connection.execute(_FIRST).one_or_none()
        except SQLAlchemyError as error:
            raise LedgerError(
                f"{self} cannot be read: {self.said(error)}; start the server, "
                "or mend KASAUTI_LEDGER_URL"
            ) from error
        finally:
            engine.dispose()
        return None if row is None else (row.at, row.payload)


def paper_place(home: Home) -> Place:
    """Return where the paper ledger of a state folder is."""
    return Place(home.ledger, home.ledger_url)
