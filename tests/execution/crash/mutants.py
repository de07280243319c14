"""Four mistakes that others made, put into a desk's process; the matrix must see each of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from kasauti.execution import failpoints, records
from kasauti.execution.brokers.base import Answer, Reply
from kasauti.execution.events import GateDecided, Genesis
from kasauti.execution.gate import Gate
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Intent

Mutant = Callable[[], None]


def send_before_commit() -> None:
    """Send, and write the decision down afterwards."""
    append_new, place = Ledger.append_new, Gate._place
    waiting: list[Callable[[], Any]] = []

    def later(self: Ledger, event: Any, **given: Any) -> Any:
        if not isinstance(event, GateDecided):
            return append_new(self, event, **given)
        waiting.append(lambda: append_new(self, event, **given))
        return None

    def early(self: Gate, intent: Intent, now: datetime) -> Reply:
        reply = place(self, intent, now)
        failpoints.reach("gate.answered")
        waiting.pop()()
        return reply

    Ledger.append_new, Gate._place = later, early  # type: ignore[method-assign]


def retry_on_unknown() -> None:
    """Send again where the answer was lost."""
    place = Gate._place

    def twice(self: Gate, intent: Intent, now: datetime) -> Reply:
        reply = place(self, intent, now)
        return place(self, intent, now) if reply.answer is Answer.LOST else reply

    Gate._place = twice  # type: ignore[method-assign]


def ignore_the_epoch() -> None:
    """Trust the lock that was once taken, and write whatever the epoch."""
    records.fence = lambda event, epoch, head: None
    Lease.is_held = property(lambda self: True)  # type: ignore[assignment,method-assign]


def drop_the_unique_key() -> None:
    """Write events without their keys, but for the one that says what the ledger is."""
    write = records.write

    def without(connection: Any, entry: records.Entry, *given: Any) -> Any:
        kept = entry.unique if isinstance(entry.event, Genesis) else None
        return write(connection, replace(entry, unique=kept), *given)

    records.write = without  # type: ignore[assignment]
