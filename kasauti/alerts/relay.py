"""Brings the paper ledger's outbox into the alert book; the ledger is only read.

A ledger on a replay clock tells nobody: what it trades counts for nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from kasauti.alerts.book import AlertBook, Raised
from kasauti.alerts.triggers import of_message
from kasauti.errors import LedgerError
from kasauti.execution import failpoints, postgres, schema
from kasauti.execution.place import Place

SOURCE = "paper"
BATCH = 500  # alerts that are taken in at once

_EVENTS, _OUTBOX = schema.events, schema.outbox
_HASH = select(_EVENTS.c.seq, _EVENTS.c.hash)


class LedgerReader:
    """Reads the outbox of the ledger at one place, whether there is one yet or not."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._engine: Engine | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def relay(self, book: AlertBook, now: datetime) -> int:
        """Take in what is new; return how many alerts that were.

        An alert's key holds its event's hash. Where the ledger was replaced, by a restored backup
        for instance, all of it is read again, and what is known changes nothing.

        Raises
        ------
        LedgerError
            If the ledger cannot be read.
        AlertError
            If the book cannot be written; the next call takes it in.
        """
        if not self._exists():
            return 0
        position, new = book.position(SOURCE), 0
        with self._reading() as connection:
            known = position is not None and _hash_of(connection, position[0]) == position[1]
            after = position[0] if known and position is not None else 0
            while rows := _rows(connection, after):
                after = rows[-1][0]
                reached = (after, rows[-1][2])
                raised = [_raised(*row) for row in rows]
                failpoints.reach("alerts.before_relay")
                new += book.relay(SOURCE, raised, reached, now, history=position is None)
                failpoints.reach("alerts.relayed")
                known = True
            if not known:  # no alert in it at all: the first one will be news
                last = _last(connection)
                if last is not None:
                    book.relay(SOURCE, [], last, now)
        return new

    def _exists(self) -> bool:
        return self._place.url is not None or self._place.path.exists()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._engine is None:
            database = self._place.database
            if database is not None:
                self._engine = postgres.connect(database, wait_seconds=schema.BUSY_SECONDS)
            else:
                file = f"{self._place.path.resolve().as_uri()}?mode=rw&uri=true"
                self._engine = create_engine(f"sqlite:///{file}")
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            self.close()  # the next try begins anew: the file may have been replaced
            raise LedgerError(
                f"{self._place} cannot be read for its alerts: {self._place.said(error)}; "
                "`kasauti ledger verify` says what is broken"
            ) from error


Row = tuple[int, str, str, str]


def _rows(connection: Connection, after: int) -> list[Row]:
    """Return number, time, hash and message of the next alerts, oldest first."""
    query = (
        select(_EVENTS.c.seq, _EVENTS.c.at, _EVENTS.c.hash, _OUTBOX.c.message)
        .select_from(_OUTBOX.join(_EVENTS))
        .where(_OUTBOX.c.seq > after)
        .order_by(_OUTBOX.c.seq)
        .limit(BATCH)
    )
    return [(row.seq, row.at, row.hash, row.message) for row in connection.execute(query)]


def _last(connection: Connection) -> tuple[int, str] | None:
    row = connection.execute(_HASH.order_by(_EVENTS.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else (row.seq, row.hash)


def _hash_of(connection: Connection, seq: int) -> str | None:
    row = connection.execute(_HASH.where(_EVENTS.c.seq == seq)).one_or_none()
    return None if row is None else str(row.hash)


def _raised(seq: int, at: str, found: str, message: str) -> Raised:
    alert = of_message(message)
    return Raised(f"{SOURCE}:{seq}:{found[:16]}", alert, datetime.fromisoformat(at))
