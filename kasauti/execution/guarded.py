"""What a sender without a broker calls: commit the intent, wait a little, say its outcome.

Dagster's `GuardedBroker` resource is a thin shell around this.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import LeaseError, LedgerError
from kasauti.execution import failpoints
from kasauti.execution.clock import Clock
from kasauti.execution.events import IntentDropped
from kasauti.execution.lease import Lease, is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Intent, Outcome
from kasauti.execution.orders import OrderEvent

POLL = timedelta(milliseconds=5)
DESK_DOWN = "DESK_DOWN"
WAITING = (Outcome.QUEUED, Outcome.UNKNOWN)


class Steps(Protocol):
    """A desk, or a process around one: it does what is due."""

    def step(self, now: datetime) -> bool:
        """Do what is due at `now`."""
        ...


DeskHost = Callable[[], AbstractContextManager[Steps]]


def submit_and_wait(
    ledger: Ledger,
    intent: Intent,
    *,
    clock: Clock,
    wait: timedelta,
    host: DeskHost | None = None,
) -> Outcome:
    """Commit `intent` under its unique key and return its outcome after at most `wait`.

    A rerun finds the key and returns the outcome that stands; nothing is ever sent twice. If
    nobody holds the lease, `host` (paper and replay only) hosts the desk for this call.

    Parameters
    ----------
    ledger : Ledger
    intent : Intent
    clock : Clock
    wait : timedelta
        ``queued`` is returned when it has passed; the desk goes on without the sender.
    host : callable or None
        Gives the started desk. None: without a desk the intent is denied as DESK_DOWN.
    """
    ledger.claim(intent, at=clock.now())
    failpoints.reach("guarded.claimed")
    until = clock.now() + wait
    while outcome_of(ledger, intent.key) in WAITING:
        if not is_taken(ledger.path, ledger.engine):
            if host is None:
                _without_desk(ledger, intent, clock)
            else:
                _hosted_step(host, clock)
        if outcome_of(ledger, intent.key) not in WAITING or clock.now() >= until:
            break
        clock.wait(POLL)
    return outcome_of(ledger, intent.key)


def outcome_of(ledger: Ledger, key: str) -> Outcome:
    """Return what became of the intent `key`.

    Raises
    ------
    LedgerError
        If it was never committed.
    """
    order = ledger.book().order(key)
    if order is None:
        raise LedgerError(f"the ledger has no intent {key}: submit it first")
    return order.outcome


def _hosted_step(host: DeskHost, clock: Clock) -> None:
    try:
        with host() as desk:
            desk.step(clock.now())
    except LeaseError:
        return  # another desk was faster: it does the work


def _without_desk(ledger: Ledger, intent: Intent, clock: Clock) -> None:
    """Deny under the lease, so that no desk can send the intent at the same time."""
    try:
        with Lease.take(ledger, host="sender without a desk", at=clock.now()) as lease:
            if outcome_of(ledger, intent.key) is Outcome.QUEUED:
                said = f"{intent.symbol}: no desk, the intent was denied"
                ledger.append(
                    IntentDropped(intent.key, OrderEvent.DENY, DESK_DOWN),
                    at=clock.now(),
                    epoch=lease.epoch,
                    alert=alert_of(Trigger.DESK_SILENT, "desk", said),
                )
    except LeaseError:
        return  # a desk has just started: it does the work
