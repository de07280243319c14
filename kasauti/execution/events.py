"""What a ledger can say: one frozen class an event, to canonical JSON and back.

Adding a field needs a default, since old ledgers are read for ever; no event is ever removed.
"""

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kasauti.errors import LedgerError
from kasauti.execution.limits import Limits
from kasauti.execution.model import Fill, Intent, Money, Scope
from kasauti.execution.orders import OrderEvent


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING and HALTED take no new entries, HALTED also cancels them."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True)
class Decision:
    """One control's word on one order.

    Attributes
    ----------
    control, code : str
        The control's id, K01 ..., and its stable denial code.
    passed, binding : bool
        Whether it was content, and whether its refusal stops this kind of order.
    figures : dict of str
        What it compared, as text.
    """

    control: str
    code: str
    passed: bool
    binding: bool
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Genesis:
    """The first event: what this ledger is, for ever."""

    scope: Scope
    market: str


@dataclass(frozen=True)
class EpochRaised:
    """A desk took the lease; from here on, writes of older epochs are refused."""

    host: str


@dataclass(frozen=True)
class LimitsSealed:
    """The limits of one session, with their hash; later ones of the same day only tighten."""

    day: date
    limits: Limits
    hash: str


@dataclass(frozen=True)
class SelfTested:
    """Every control was tripped once before the session opened."""

    day: date
    controls: tuple[str, ...]


@dataclass(frozen=True)
class IntentCommitted:
    """An order is wanted. Nothing is sent before this is on disk."""

    intent: Intent


@dataclass(frozen=True)
class IntentDropped:
    """An intent ended without an order: past its window, or refused without a desk."""

    key: str
    event: OrderEvent
    code: str


@dataclass(frozen=True)
class GateDecided:
    """The gate's decision with every control's word; when allowed, the record before the send."""

    key: str
    allowed: bool
    code: str
    decisions: tuple[Decision, ...]
    limits_hash: str


@dataclass(frozen=True)
class OrderMoved:
    """The broker, or the lack of its answer, moved an order; `at` is the broker's own time."""

    tag: str
    event: OrderEvent
    broker_id: str = ""
    text: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class OrderFilled:
    """One execution."""

    fill: Fill


@dataclass(frozen=True)
class ProtectionRevised:
    """A position's stop follows its trail from now on."""

    symbol: str
    parent: str
    stop_price: Money


@dataclass(frozen=True)
class TradingStateChanged:
    """ACTIVE, REDUCING or HALTED, by whom and why."""

    state: TradingState
    by: str
    reason: str


@dataclass(frozen=True)
class LatchChanged:
    """The kill latch was set or lifted."""

    latched: bool
    by: str
    reason: str


@dataclass(frozen=True)
class Acknowledged:
    """A person looked at a losing streak, in a later session than its last loss."""

    by: str
    reason: str


@dataclass(frozen=True)
class Reconciled:
    """Ledger and broker were compared; empty differences mean that they agree."""

    differences: tuple[str, ...]


@dataclass(frozen=True)
class SessionClosed:
    """The end of one session: every open position marked at its close."""

    day: date
    marks: dict[str, Money]


Event = (
    Genesis
    | EpochRaised
    | LimitsSealed
    | SelfTested
    | IntentCommitted
    | IntentDropped
    | GateDecided
    | OrderMoved
    | OrderFilled
    | ProtectionRevised
    | TradingStateChanged
    | LatchChanged
    | Acknowledged
    | Reconciled
    | SessionClosed
)

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}

# Whoever wants an order, stops everything or looks at a streak need not be the desk.
OPEN_TO_ALL = (IntentCommitted, LatchChanged, Acknowledged)


@dataclass(frozen=True)
class Record:
    """An event as it stands in the ledger."""

    seq: int
    epoch: int
    at: datetime
    event: Event
    unique: str | None
    hash: str


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    if kind not in KINDS:
        raise LedgerError(f"the ledger holds an event {kind!r} that this version does not know")
    return TypeAdapter(KINDS[kind])


def to_json(event: Event) -> tuple[str, str]:
    """Return kind and canonical JSON: sorted keys, no spaces, Decimals as text."""
    kind = type(event).__name__
    plain = _adapter(kind).dump_python(event, mode="json")
    return kind, json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(kind: str, payload: str) -> Event:
    """Return the event of `kind` in `payload`.

    Raises
    ------
    LedgerError
        For a kind that this version does not know, or a payload that is not one.
    """
    try:
        event: Event = _adapter(kind).validate_json(payload)
    except ValidationError as error:
        raise LedgerError(f"the ledger holds a broken {kind}: run its verification") from error
    return event
