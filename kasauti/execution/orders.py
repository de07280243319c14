"""The life of an order: which state follows which event; nothing is stored or sent here."""

from enum import StrEnum

from kasauti.errors import LedgerError
from kasauti.execution.model import Outcome


class OrderState(StrEnum):
    """Where an order stands, as far as the ledger knows."""

    QUEUED = "queued"
    DENIED = "denied"
    EXPIRED = "expired"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    TRIGGER_PENDING = "trigger pending"
    OPEN = "open"
    PARTIALLY_FILLED = "partially filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    LAPSED = "lapsed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected; a late fill may still arrive."""
        return self in FINAL

    @property
    def is_working(self) -> bool:
        """Whether it may rest at the broker or be on its way there."""
        return self in WORKING

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it was sent and the broker has not answered yet."""
        return self in (OrderState.SENT, OrderState.UNKNOWN)


class OrderEvent(StrEnum):
    """What can happen to an order."""

    DENY = "deny"
    EXPIRE = "expire"
    SEND = "send"
    LOSE = "lose"
    NEVER_ARRIVED = "never arrived"
    ACKNOWLEDGE = "acknowledge"
    AWAIT_TRIGGER = "await trigger"
    REST = "rest"
    FILL_PART = "fill part"
    FILL = "fill"
    CANCEL = "cancel"
    REJECT = "reject"
    LAPSE = "lapse"


S, E = OrderState, OrderEvent

FINAL = frozenset({S.DENIED, S.EXPIRED, S.FILLED, S.CANCELLED, S.REJECTED, S.LAPSED})
WORKING = frozenset({S.SENT, S.UNKNOWN, S.ACCEPTED, S.TRIGGER_PENDING, S.OPEN, S.PARTIALLY_FILLED})

_ENDS = {E.FILL: S.FILLED, E.CANCEL: S.CANCELLED, E.LAPSE: S.LAPSED}
_RESTS = {E.AWAIT_TRIGGER: S.TRIGGER_PENDING, E.REST: S.OPEN, E.FILL_PART: S.PARTIALLY_FILLED}
_FROM_BROKER = {E.ACKNOWLEDGE: S.ACCEPTED, **_RESTS, **_ENDS, E.REJECT: S.REJECTED}

# Events may repeat, and an acknowledgement may come after the fill: what is older than the state
# changes nothing. A fill may come after the cancel or the refusal that it outran: its shares count,
# the order stays ended unless it is now whole. A rejected order that filled in part was cancelled.
_LATE = (E.LOSE, E.ACKNOWLEDGE, E.AWAIT_TRIGGER, E.REST, E.FILL_PART)
_ENDINGS = (E.CANCEL, E.LAPSE, E.REJECT)

TRANSITIONS: dict[OrderState, dict[OrderEvent, OrderState]] = {
    S.QUEUED: {E.DENY: S.DENIED, E.EXPIRE: S.EXPIRED, E.SEND: S.SENT},
    S.DENIED: {E.DENY: S.DENIED},
    S.EXPIRED: {E.EXPIRE: S.EXPIRED},
    S.SENT: {**_FROM_BROKER, E.SEND: S.SENT, E.LOSE: S.UNKNOWN, E.NEVER_ARRIVED: S.QUEUED},
    S.UNKNOWN: {**_FROM_BROKER, E.LOSE: S.UNKNOWN},
    S.ACCEPTED: {**_FROM_BROKER, E.LOSE: S.ACCEPTED},
    S.TRIGGER_PENDING: {
        **_FROM_BROKER,
        E.LOSE: S.TRIGGER_PENDING,
        E.ACKNOWLEDGE: S.TRIGGER_PENDING,
    },
    S.OPEN: {
        **_FROM_BROKER,
        **dict.fromkeys((E.LOSE, E.ACKNOWLEDGE, E.AWAIT_TRIGGER), S.OPEN),
    },
    S.PARTIALLY_FILLED: {
        **_ENDS,
        **dict.fromkeys(_LATE, S.PARTIALLY_FILLED),
        E.REJECT: S.CANCELLED,
    },
    S.FILLED: dict.fromkeys((*_LATE, E.FILL, *_ENDINGS), S.FILLED),
    S.CANCELLED: {**dict.fromkeys((*_LATE, *_ENDINGS), S.CANCELLED), E.FILL: S.FILLED},
    S.REJECTED: {
        **dict.fromkeys((*_LATE, *_ENDINGS), S.REJECTED),
        E.FILL_PART: S.CANCELLED,
        E.FILL: S.FILLED,
    },
    S.LAPSED: {**dict.fromkeys((*_LATE, E.CANCEL, E.LAPSE), S.LAPSED), E.FILL: S.FILLED},
}

_OUTCOMES = {
    S.QUEUED: Outcome.QUEUED,
    S.DENIED: Outcome.DENIED,
    S.EXPIRED: Outcome.EXPIRED,
    S.SENT: Outcome.UNKNOWN,
    S.UNKNOWN: Outcome.UNKNOWN,
    S.REJECTED: Outcome.REJECTED,
}


def advance(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state after `event`.

    Repeated and late events leave the state as it is.

    Raises
    ------
    LedgerError
        If the event is impossible in that state, for instance a fill of an order never sent.
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise LedgerError(
            f"an order that is {state.value} cannot {event.value}: "
            "reconcile with the broker before anything else is sent"
        )
    return following


def outcome_of(state: OrderState) -> Outcome:
    """Return the outcome of an intent whose order is in `state`."""
    return _OUTCOMES.get(state, Outcome.ACCEPTED)
