"""The append-only, hash-chained event table: what we meant and know; it interprets nothing.

Appending is one IMMEDIATE transaction: read the head, refuse an older epoch, chain, insert.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from kasauti.errors import LeaseError, LedgerError
from kasauti.execution import schema
from kasauti.execution.events import (
    OPEN_TO_ALL,
    EpochRaised,
    Event,
    Genesis,
    IntentCommitted,
    Record,
    from_json,
    to_json,
)
from kasauti.execution.model import Intent, Scope
from kasauti.execution.projections import Book

NOTHING = "0" * 64
_EVENTS = schema.events
_HEAD = select(_EVENTS).order_by(_EVENTS.c.seq.desc()).limit(1)
_AFTER = select(_EVENTS).where(_EVENTS.c.seq > bindparam("after")).order_by(_EVENTS.c.seq)
_BY_KEY = select(_EVENTS).where(_EVENTS.c.unique_key == bindparam("key"))


@dataclass(frozen=True)
class Entry:
    """One event to append.

    Attributes
    ----------
    event : Event
    unique : str or None
        A second event with the same key is not written; the first one is returned.
    alert : str or None
        Written to the outbox in the same transaction.
    """

    event: Event
    unique: str | None = None
    alert: str | None = None


@dataclass(frozen=True)
class Verification:
    """What `Ledger.verify` found; no problems means that the chain holds."""

    events: int
    head: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every event is as it was written."""
        return not self.problems


class Ledger:
    """One ledger file.

    Parameters
    ----------
    path : Path
        SQLite file, made if missing.
    scope : Scope
        What it counts for; written into its first event.
    market : str
    at : datetime
        Exchange time of the genesis, used when the file is new.

    Raises
    ------
    LedgerError
        If the file has another scope or market, which can never change.
    """

    def __init__(self, path: Path, *, scope: Scope, market: str, at: datetime) -> None:
        self.path = path
        try:
            self.engine = schema.connect(path)
        except (sqlite3.Error, SQLAlchemyError, OSError) as error:
            raise LedgerError(
                f"{path} cannot be opened as a ledger: {error}; check disk and permissions, "
                "or restore a backup"
            ) from error
        self._writer = schema.writing(self.engine)
        self._book = Book()
        self._append([Entry(Genesis(scope, market), "genesis")], at=at, genesis=True)
        genesis = next(self.events()).event
        if genesis != Genesis(scope, market):
            raise LedgerError(
                f"{path} is {genesis}, not a {scope.value} ledger of {market}: "
                "its scope never changes, use another file"
            )
        self.scope = scope
        self.market = market

    @classmethod
    def existing(cls, path: Path) -> "Ledger":
        """Open the ledger that lies at `path`, whatever its scope and market.

        Raises
        ------
        LedgerError
            If there is none, or its first event cannot be read.
        """
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as file:
                row = file.execute("SELECT at, payload FROM events WHERE seq = 1").fetchone()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{path} cannot be read as a ledger: {error}; restore a backup"
            ) from error
        genesis = None if row is None else from_json("Genesis", row[1])
        if not isinstance(genesis, Genesis):
            raise LedgerError(f"{path} has no events, not even its first: restore a backup")
        at = datetime.fromisoformat(row[0])
        return cls(path, scope=genesis.scope, market=genesis.market, at=at)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def append(
        self,
        event: Event,
        *,
        at: datetime,
        epoch: int | None = None,
        unique: str | None = None,
        alert: str | None = None,
    ) -> Record:
        """Append one event; see `append_all`."""
        entry = Entry(event, unique, alert)
        return self._append([entry], at=at, epoch=epoch)[0][0]

    def append_new(
        self, event: Event, *, at: datetime, epoch: int, unique: str, alert: str | None = None
    ) -> Record:
        """Append an event that must be the first with its key; see `append_all`.

        Raises
        ------
        LedgerError
            If there is one already.
        """
        record, is_new = self._append([Entry(event, unique, alert)], at=at, epoch=epoch)[0]
        if not is_new:
            raise LedgerError(f"{unique} stands in the ledger already, as event {record.seq}")
        return record

    def append_all(
        self,
        entries: Sequence[Entry],
        *,
        at: datetime,
        epoch: int | None = None,
    ) -> list[Record]:
        """Append events in one transaction and return their records.

        Parameters
        ----------
        entries : sequence of Entry
        at : datetime
            Aware exchange time.
        epoch : int or None
            The writer's lease. None is for those who need none: whoever wants an order, sets the
            latch or acknowledges a streak.

        Raises
        ------
        LeaseError
            If `epoch` is not the ledger's, or missing where the event needs a desk.
        LedgerError
            If the database refuses the write.
        """
        return [record for record, _ in self._append(entries, at=at, epoch=epoch)]

    def _append(
        self,
        entries: Sequence[Entry],
        *,
        at: datetime,
        epoch: int | None = None,
        genesis: bool = False,
    ) -> list[tuple[Record, bool]]:
        if at.tzinfo is None:
            raise LedgerError(f"event time {at} has no zone: use exchange time")
        try:
            with self._writer.begin() as connection:
                head = _head(connection)
                written = []
                for entry in entries:
                    record = _existing(connection, entry.unique)
                    is_new = record is None
                    if record is None:
                        if not genesis:
                            _fence(entry.event, epoch, head)
                        record = head = _insert(connection, entry, at, epoch, head)
                    written.append((record, is_new))
                return written
        except SQLAlchemyError as error:
            raise LedgerError(
                f"{self.path} refused the append: {error.__cause__ or error}; "
                "nothing was sent, check disk and permissions"
            ) from error

    def claim(self, intent: Intent, *, at: datetime) -> tuple[Intent, bool]:
        """Commit `intent` under its unique key.

        Returns
        -------
        intent : Intent
            The one that stands in the ledger: a rerun gets the first.
        is_new : bool
        """
        entry = Entry(IntentCommitted(intent), f"intent:{intent.key}")
        record, is_new = self._append([entry], at=at)[0]
        if not isinstance(record.event, IntentCommitted):
            raise LedgerError(f"key {intent.key} belongs to {record.event}")
        return record.event.intent, is_new

    def raise_epoch(self, *, host: str, at: datetime) -> int:
        """Fence off every earlier desk and return the new epoch; called under the lease's lock."""
        epoch = self.epoch() + 1
        self.append(EpochRaised(host), at=at, epoch=epoch)
        return epoch

    def epoch(self) -> int:
        """Return the epoch of the last event."""
        return self._last().epoch

    def head(self) -> tuple[int, str]:
        """Return number and hash of the last event, to be kept elsewhere as an anchor."""
        last = self._last()
        return last.seq, last.hash

    def _last(self) -> Record:
        with self.engine.connect() as connection:
            head = _head(connection)
        if head is None:
            raise LedgerError(f"{self.path} has no events, not even its first: restore a backup")
        return head

    def events(self, after: int = 0) -> Iterator[Record]:
        """Yield the records with a number above `after`, in order."""
        with self.engine.connect() as connection:
            for row in connection.execute(_AFTER, {"after": after}):
                yield _record(row)

    def book(self) -> Book:
        """Return what the events amount to; only those that are new are read."""
        for record in self.events(self._book.seq):
            self._book.apply(record)
        return self._book

    def outbox(self, after: int = 0) -> list[tuple[int, str]]:
        """Return the alerts with an event number above `after`, in order."""
        table = schema.outbox
        with self.engine.connect() as connection:
            query = select(table).where(table.c.seq > after).order_by(table.c.seq)
            return [(row.seq, row.message) for row in connection.execute(query)]

    def _rows(self) -> Iterator[Row[tuple[object, ...]]]:
        with self.engine.connect() as connection:
            yield from connection.execute(_AFTER, {"after": 0})

    def verify(self, anchor: tuple[int, str] | None = None) -> Verification:
        """Recompute the chain and report every edit, gap and re-ordering.

        Parameters
        ----------
        anchor : tuple of int and str, or None
            A `head` kept elsewhere: the chain alone cannot tell that its tail was cut off.
        """
        problems: list[str] = []
        previous, epoch, seq, hashes = NOTHING, 0, 0, {0: NOTHING}
        try:
            for row in self._rows():
                if row.seq != seq + 1:
                    problems.append(f"event {seq + 1} is missing: next is {row.seq}")
                if row.previous != previous:
                    problems.append(f"event {row.seq} does not follow the one before it")
                if row.hash != _hash(row):
                    problems.append(f"event {row.seq} was changed")
                if row.epoch < epoch:
                    problems.append(f"event {row.seq} has epoch {row.epoch} after {epoch}")
                previous, epoch, seq = row.hash, row.epoch, row.seq
                hashes[seq] = row.hash
        except SQLAlchemyError as error:
            problems.append(f"the file cannot be read after event {seq}: {error.__cause__}")
        if anchor is not None and hashes.get(anchor[0]) != anchor[1]:
            problems.append(f"event {anchor[0]} is not the one that was anchored")
        return Verification(seq, previous, tuple(problems))


def _head(connection: Connection) -> Record | None:
    row = connection.execute(_HEAD).one_or_none()
    return None if row is None else _record(row)


def _existing(connection: Connection, unique: str | None) -> Record | None:
    if unique is None:
        return None
    row = connection.execute(_BY_KEY, {"key": unique}).one_or_none()
    return None if row is None else _record(row)


def _fence(event: Event, epoch: int | None, head: Record | None) -> None:
    current = 0 if head is None else head.epoch
    if isinstance(event, EpochRaised):
        current += 1
    if epoch is None and isinstance(event, OPEN_TO_ALL):
        return
    if epoch != current:
        raise LeaseError(
            f"{type(event).__name__} of epoch {epoch} refused, the ledger is at {current}: "
            "another desk has taken over, stop this one"
        )


def _insert(
    connection: Connection, entry: Entry, at: datetime, epoch: int | None, head: Record | None
) -> Record:
    kind, payload = to_json(entry.event)
    seq = 1 if head is None else head.seq + 1
    carried = epoch if epoch is not None else (0 if head is None else head.epoch)
    values = {
        "seq": seq,
        "epoch": carried,
        "at": at.isoformat(),
        "kind": kind,
        "unique_key": entry.unique,
        "payload": payload,
        "previous": NOTHING if head is None else head.hash,
    }
    digest = _digest(list(values.values()))
    connection.execute(insert(_EVENTS).values(**values, hash=digest))
    if entry.alert is not None:
        connection.execute(insert(schema.outbox).values(seq=seq, message=entry.alert))
    return Record(seq, carried, at, entry.event, entry.unique, digest)


def _record(row: Row[tuple[object, ...]]) -> Record:
    return Record(
        row.seq,
        row.epoch,
        datetime.fromisoformat(row.at),
        from_json(row.kind, row.payload),
        row.unique_key,
        row.hash,
    )


def _digest(values: list[object]) -> str:
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def _hash(row: Row[tuple[object, ...]]) -> str:
    return _digest(
        [row.seq, row.epoch, row.at, row.kind, row.unique_key, row.payload, row.previous]
    )
