"""One event to its row and back, inside a transaction that the ledger has opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.engine import Connection

from kasauti.alerts.model import Alert
from kasauti.errors import LeaseError, LedgerError
from kasauti.execution import schema
from kasauti.execution.chain import NOTHING, digest, sealed
from kasauti.execution.events import (
    OPEN_TO_ALL,
    Acknowledged,
    EpochRaised,
    Event,
    LatchChanged,
    Record,
    Resumed,
    Reviewed,
    TradingState,
    TradingStateChanged,
    from_json,
    to_json,
)
from kasauti.execution.text import is_storable, require_storable, storable

_EVENTS = schema.events
_HEAD = (
    select(_EVENTS.c.seq, _EVENTS.c.epoch, _EVENTS.c.at, _EVENTS.c.hash, _EVENTS.c.kind)
    .order_by(_EVENTS.c.seq.desc())
    .limit(1)
)
_BY_KEY = select(_EVENTS).where(_EVENTS.c.unique_key == bindparam("key"))


@dataclass(frozen=True)
class Entry:
    """One event to append.

    Attributes
    ----------
    event : Event
    unique : str or None
        A second event with the same key is not written; the first one is returned.
    alert : Alert or None
        Written to the outbox in the same transaction.
    """

    event: Event
    unique: str | None = None
    alert: Alert | None = None


@dataclass(frozen=True)
class Head:
    """What an append needs to know of the last event."""

    seq: int
    epoch: int
    at: datetime
    hash: str
    kind: str


def head(connection: Connection) -> Head | None:
    """Return the last event's, None of an empty table."""
    row = connection.execute(_HEAD).one_or_none()
    return None if row is None else Head(row[0], row[1], datetime.fromisoformat(row[2]), *row[3:])


def existing(connection: Connection, unique: str | None) -> Record | None:
    """Return the event with this key, if any."""
    if unique is None or not is_storable(unique):
        return None
    row = connection.execute(_BY_KEY, {"key": unique}).one_or_none()
    return None if row is None else record(row)


def fence(event: Event, epoch: int | None, head: Head | Record | None) -> None:
    """Refuse the write of a desk that was overtaken.

    Raises
    ------
    LeaseError
        If `epoch` is not the ledger's, or missing where the event needs a desk.
    LedgerError
        If it lets trading go on and no person with a reason says so.
    """
    _require_person(event)
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


def _require_person(event: Event) -> None:
    """Refuse what lets trading go on without a name and a reason; a breaker may close by itself."""
    match event:
        case TradingStateChanged(TradingState.ACTIVE, by, reason, breaker="") | LatchChanged(
            False, by, reason
        ):
            pass
        case Resumed(by, reason) | Reviewed(by, reason) | Acknowledged(by, reason):
            pass
        case _:
            return
    if not by.strip() or not reason.strip():
        raise LedgerError(
            f"{type(event).__name__} without a name and a reason: only a person lets trading go on"
        )


def write(
    connection: Connection, entry: Entry, at: datetime, epoch: int | None, last: Head | None
) -> Record:
    """Insert an event after `last`, chained to it, and its alert.

    Raises
    ------
    LedgerError
        If one of its texts cannot be stored.
    """
    kind, payload = to_json(entry.event)
    message = None if entry.alert is None else storable(entry.alert.to_text())
    if message is not None:
        payload = sealed(payload, message)
    require_storable(kind, entry.unique, payload)
    seq = 1 if last is None else last.seq + 1
    carried = epoch if epoch is not None else (0 if last is None else last.epoch)
    values = {
        "seq": seq,
        "epoch": carried,
        "at": at.isoformat(),
        "kind": kind,
        "unique_key": entry.unique,
        "payload": payload,
        "previous": NOTHING if last is None else last.hash,
    }
    found = digest(list(values.values()))
    connection.execute(insert(_EVENTS), [{**values, "hash": found}])
    if message is not None:
        connection.execute(insert(schema.outbox), [{"seq": seq, "message": message}])
    return Record(seq, carried, at, entry.event, entry.unique, found)


def record(row: Sequence[Any]) -> Record:
    """Return the event of a row."""
    seq, epoch, at, kind, unique, payload, _, found = row
    return Record(seq, epoch, datetime.fromisoformat(at), from_json(kind, payload), unique, found)
