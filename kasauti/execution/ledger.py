"""The append-only, hash-chained event table: what we meant and know; it interprets nothing.

Appending is one IMMEDIATE transaction: read the head, refuse an older epoch, chain, insert.
"""

import gc
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Row, Select, bindparam, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kasauti.alerts.model import Alert
from kasauti.errors import LedgerError
from kasauti.execution import anchor as anchors
from kasauti.execution import failpoints, records, schema
from kasauti.execution.chain import Anchor, Chain, Verification
from kasauti.execution.events import (
    OPEN_TO_ALL,
    EpochRaised,
    Event,
    Genesis,
    IntentCommitted,
    LatchChanged,
    Record,
    SessionClosed,
    for_book,
    from_json,
)
from kasauti.execution.model import ADOPTED, Intent, Scope
from kasauti.execution.place import Place
from kasauti.execution.projections import Book
from kasauti.execution.records import Entry, Head

__all__ = ["SET_BACK", "Entry", "Ledger"]

SET_BACK = timedelta(seconds=schema.BUSY_SECONDS)  # who waited for the lock read his clock before
BATCH = 2_000  # rows that are read at once
LONGEST_KEY = 200  # of an intent; a key's column has 300, and closing orders add to it
MANY = 100_000  # new objects that the collector had better not go over

_EVENTS = schema.events
_DESKS_OWN = re.compile(r"\|(STOP|TARGET|FLATTEN|SQUARE_OFF)\|\d{4}-\d\d-\d\d")
_ALL = select(_EVENTS).order_by(_EVENTS.c.seq)
_AFTER = _ALL.where(_EVENTS.c.seq > bindparam("after"))
_FOR_BOOK = _AFTER.with_only_columns(
    _EVENTS.c.seq, _EVENTS.c.epoch, _EVENTS.c.at, _EVENTS.c.kind, _EVENTS.c.payload
)
_SEQ = "SELECT max(seq) FROM events"
_EPOCH = select(_EVENTS.c.epoch).order_by(_EVENTS.c.seq.desc()).limit(1)
_HASH = select(_EVENTS.c.hash).where(_EVENTS.c.seq == bindparam("seq"))
ANYBODYS = frozenset(kind.__name__ for kind in OPEN_TO_ALL)
_OF_DESK = (
    select(_EVENTS.c.at)
    .where(_EVENTS.c.kind.not_in(ANYBODYS), _EVENTS.c.seq > bindparam("after"))
    .order_by(_EVENTS.c.seq.desc())
    .limit(1)
)
_CLOSED = (
    select(_EVENTS.c.at)
    .where(_EVENTS.c.kind == SessionClosed.__name__)
    .order_by(_EVENTS.c.seq.desc())
    .limit(1)
)

_time = lru_cache(maxsize=8)(datetime.fromisoformat)  # what is appended together has one time


class Ledger:
    """One ledger.

    Parameters
    ----------
    path : Path
        SQLite file, made if missing.
    scope : Scope
        What it counts for; written into its first event.
    market : str
    at : datetime
        Exchange time of the genesis, used when the ledger is new.
    url : URL, str or None
        Of a PostgreSQL database that holds the events instead; latch, lock and anchor lie beside
        `path` all the same.

    Raises
    ------
    LedgerError
        If it has another scope or market, which can never change, or cannot be opened.
    """

    def __init__(
        self, path: Path, *, scope: Scope, market: str, at: datetime, url: URL | str | None = None
    ) -> None:
        self.path = path
        self.place = Place(path, url)
        try:
            self.engine = schema.connect(path, self.place.database)
        except (sqlite3.Error, SQLAlchemyError, OSError) as error:
            raise LedgerError(
                f"{self.place} cannot be opened as a ledger: {self.place.said(error)}; "
                "check disk, permissions and server, or restore a backup"
            ) from error
        self._writer = schema.writing(self.engine)
        self._book = Book()
        self._look: Connection | None = None
        self._desk_spoke: tuple[int, datetime] | None = None  # last before that event, and when
        self._in_session_time = False
        self._append([Entry(Genesis(scope, market), "genesis")], at=at, genesis=True)
        genesis = next(self.events()).event
        if genesis != Genesis(scope, market):
            raise LedgerError(
                f"{self.place} is {genesis}, not a {scope.value} ledger of {market}: "
                "its scope never changes, use another one"
            )
        self.scope = scope
        self.market = market

    @classmethod
    def existing(cls, place: Path | Place) -> "Ledger":
        """Open the ledger that is at `place`, whatever its scope and market.

        Raises
        ------
        LedgerError
            If there is none, or its first event cannot be read.
        """
        place = place if isinstance(place, Place) else Place(place)
        first = place.genesis()
        genesis = None if first is None else from_json("Genesis", first[1])
        if first is None or not isinstance(genesis, Genesis):
            raise LedgerError(f"{place} has no events, not even its first: restore a backup")
        at = datetime.fromisoformat(first[0])
        return cls(place.path, scope=genesis.scope, market=genesis.market, at=at, url=place.url)

    def close(self) -> None:
        """Close the connections."""
        self._stop_looking()
        self.engine.dispose()

    @contextmanager
    def session_time(self) -> Iterator[None]:
        """Allow times before the last event's: a session is played after the fact.

        Inside, events may carry any time that is not before the last session's end.
        """
        before, self._in_session_time = self._in_session_time, True
        try:
            yield
        finally:
            self._in_session_time = before

    def append(
        self,
        event: Event,
        *,
        at: datetime,
        epoch: int | None = None,
        unique: str | None = None,
        alert: Alert | None = None,
    ) -> Record:
        """Append one event; see `append_all`."""
        entry = Entry(event, unique, alert)
        return self._append([entry], at=at, epoch=epoch)[0][0]

    def append_new(
        self, event: Event, *, at: datetime, epoch: int, unique: str, alert: Alert | None = None
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
            If the database refuses the write, the clock was set back, or a text cannot be stored.
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
            try:
                written = self._write(entries, at, epoch, genesis)
            except DBAPIError as error:
                if not schema.is_full(error.orig):
                    raise
                written = self._write(entries, at, epoch, genesis)  # in the room that was given up
        except SQLAlchemyError as error:
            raise LedgerError(
                f"{self.place} refused the append: {self.place.said(error)}; "
                "nothing was sent, check disk and permissions"
            ) from error
        if any(isinstance(entry.event, SessionClosed) for entry in entries):
            self.keep_anchor()
        return written

    def _write(
        self, entries: Sequence[Entry], at: datetime, epoch: int | None, genesis: bool
    ) -> list[tuple[Record, bool]]:
        with self._writer.begin() as connection:
            head = records.head(connection)
            spoke = None if head is None else self._desk_time(connection, head)
            written = []
            for entry in entries:
                if not genesis:
                    records.fence(entry.event, epoch, head)
                record = records.existing(connection, entry.unique)
                is_new = record is None
                if record is None:
                    self._require_order(connection, entry.event, at, spoke)
                    record = records.write(connection, entry, at, epoch, head)
                    kind = type(record.event).__name__
                    head = Head(record.seq, record.epoch, at, record.hash, kind)
                written.append((record, is_new))
            failpoints.reach("ledger.before_commit")
        failpoints.reach("ledger.committed")
        return written

    def _desk_time(self, connection: Connection, head: Head) -> datetime:
        """Return the time of the last committed event of a desk.

        Only those tell what time it is: whoever wants an order, or stops everything, may have a
        clock that is days off, and the desk must go on. Thousands of theirs are gone over once.
        """
        if head.kind in ANYBODYS:
            after, last = self._desk_spoke or (0, head.at)
            found = connection.execute(_OF_DESK, {"after": after}).scalar_one_or_none()
            last = last if found is None else datetime.fromisoformat(found)
        else:
            last = head.at
        self._desk_spoke = head.seq, last
        return last

    def _require_order(
        self, connection: Connection, event: Event, at: datetime, last: datetime | None
    ) -> None:
        """Refuse an event before `last`, of a clock that was set back; a stop is always taken."""
        if last is None or at >= last - SET_BACK:
            return
        if isinstance(event, LatchChanged) and event.latched:
            return
        if self._in_session_time:
            closed = connection.execute(_CLOSED).scalar_one_or_none()
            if closed is None or at >= datetime.fromisoformat(closed) - SET_BACK:
                return
        raise LedgerError(
            f"{type(event).__name__} of {at.isoformat()} refused, the desk's last event is of "
            f"{last.isoformat()}: the clock was set back, mend it"
        )

    def claim(self, intent: Intent, *, at: datetime) -> tuple[Intent, bool]:
        """Commit `intent` under its unique key.

        Returns
        -------
        intent : Intent
            The one that stands in the ledger: a rerun gets the first.
        is_new : bool

        Raises
        ------
        LedgerError
            For a key that stands for something from outside, since its tag would be the broker's,
            for one of the desk's own orders, and for one that is too long.
        """
        if intent.key.startswith(ADOPTED):
            raise LedgerError(f"key {intent.key} is for what was adopted: give the intent its own")
        if len(intent.key) > LONGEST_KEY:
            raise LedgerError(
                f"key {intent.key[:40]}... has {len(intent.key)} characters: give it at most "
                f"{LONGEST_KEY}, those of its stops are longer"
            )
        if _DESKS_OWN.search(intent.key):
            raise LedgerError(
                f"key {intent.key} is of the desk's own closing orders: give the intent another"
            )
        entry = Entry(IntentCommitted(intent), f"intent:{intent.key}")
        failpoints.reach("intent.before_commit")
        record, is_new = self._append([entry], at=at)[0]
        failpoints.reach("intent.committed")
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
        with self._reading() as connection:
            return int(connection.execute(_EPOCH).scalar_one())

    def seq(self) -> int:
        """Return the number of the last event; cheap, for whoever waits for news.

        One connection is kept for it: to take one from the pool costs four times the question.
        """
        with self._looking() as connection:
            return int(connection.exec_driver_sql(_SEQ).scalar_one() or 0)

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        """Give the kept connection for one statement, which is a single trip to a server."""
        with self._told():
            try:
                if self._look is None:
                    self._look = schema.looking(self.engine).connect()
                yield self._look
            except SQLAlchemyError:
                self._stop_looking()
                raise

    def _stop_looking(self) -> None:
        kept, self._look = self._look, None
        if kept is not None:
            with suppress(SQLAlchemyError):
                kept.invalidate()  # it is in another mode than those of the pool
                kept.close()

    def head(self) -> Anchor:
        """Return number and hash of the last event, to be kept elsewhere as an anchor."""
        with self._looking() as connection:
            head = records.head(connection)
        if head is None:
            raise LedgerError(f"{self.place} has no events, not even its first: restore a backup")
        return head.seq, head.hash

    def keep_anchor(self) -> None:
        """Keep the head beside the ledger, unless the anchor kept before has gone astray.

        Raises
        ------
        LedgerError
            If it cannot be written; the events stand.
        """
        kept = anchors.read(self.path)
        if kept is not None:
            with self._reading() as connection:
                found = connection.execute(_HASH, {"seq": kept[0]}).scalar_one_or_none()
            if found != kept[1]:
                return  # overwritten, it could tell nobody any more; `verify` does
        anchors.keep(self.path, self.head())

    def rows(self, after: int | None = None) -> Iterator[Row[Any]]:
        """Yield the rows of the events with a number above `after`, in order and as they stand.

        By default those that cannot be, too: events are counted from 1.
        """
        yield from self._selected(_ALL if after is None else _AFTER, after)

    def events(self, after: int = 0) -> Iterator[Record]:
        """Yield the records with a number above `after`, in order."""
        for row in self.rows(after):
            yield records.record(row)

    def book(self) -> Book:
        """Return what the events amount to; only those that are new are read."""
        known = self._book.seq
        if (last := self.seq()) == known:
            return self._book
        take = self._book.take
        select_rows = self._selected if last - known > BATCH else self._selected_at_once
        with _without_collector():
            for seq, epoch, at, kind, payload in select_rows(_FOR_BOOK, known):
                take(seq, epoch, _time(at), for_book(kind, payload))
        return self._book

    def _selected_at_once(self, query: Select[Any], after: int) -> Sequence[Any]:
        with self._looking() as connection:
            return connection.execute(query, {"after": after}).all()

    def _selected(self, query: Select[Any], after: int | None) -> Iterator[Any]:
        with self._reading() as connection:
            streaming = connection.execution_options(yield_per=BATCH)
            for batch in streaming.execute(query, {"after": after}).partitions():
                yield from batch

    def outbox(self, after: int = 0) -> list[tuple[int, str]]:
        """Return the alerts with an event number above `after` as they were written, in order."""
        table = schema.outbox
        with self._reading() as connection:
            query = select(table).where(table.c.seq > after).order_by(table.c.seq)
            return [(row.seq, row.message) for row in connection.execute(query)]

    def verify(self, anchor: Anchor | None = None) -> Verification:
        """Recompute the chain and report every edit, gap and re-ordering, of alerts too.

        Parameters
        ----------
        anchor : Anchor or None
            A `head` kept elsewhere: the chain alone cannot tell that its tail was cut off.
        """
        chain = Chain([] if anchor is None else [anchor])
        try:
            for row in self.rows():
                chain.take(row)
            chain.hear(self.outbox())
        except LedgerError as error:
            chain.note(f"after event {chain.seq}: {error}")
        return chain.end()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise LedgerError(
                f"{self.place} cannot be read: {self.place.said(error)}; run its verification, "
                "or restore a backup"
            ) from error


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cyclic collector from going over millions of rows that hold no cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY and not gc.get_freeze_count():
            gc.freeze()  # straight to the oldest generation, as if it had been gone over
            gc.unfreeze()
        if was_on:
            gc.enable()
