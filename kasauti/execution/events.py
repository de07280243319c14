"""What a ledger can say: one frozen class an event, to canonical JSON and back.

Adding a field needs a default, since old ledgers are read for ever; no event is ever removed.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from kasauti.errors import LedgerError
from kasauti.execution.limits import Limits
from kasauti.execution.model import Fill, Intent, Money, Product, Scope
from kasauti.execution.orders import OrderEvent
from kasauti.execution.twin_rows import Tolerance, TwinRow


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
    """The gate's decision with every control's word; when allowed, the record before the send.

    Attributes
    ----------
    decisions : tuple of Decision
        Every control's word; none where a book reads the event.
    controls : str
        Ids of those that spoke, with spaces between: all that a book needs of the decisions.
    """

    key: str
    allowed: bool
    code: str
    decisions: tuple[Decision, ...]
    limits_hash: str
    controls: str = ""

    def __post_init__(self) -> None:
        if not self.decisions:
            return
        spoke = " ".join(one.control for one in self.decisions)
        if self.controls not in ("", spoke):
            raise ValueError(f"{self.controls} are said to have spoken, but it was {spoke}")
        object.__setattr__(self, "controls", spoke)


@dataclass(frozen=True)
class OrderMoved:
    """The broker, or the lack of its answer, moved an order; `at` is the broker's own time."""

    tag: str
    event: OrderEvent
    broker_id: str = ""
    text: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class CancelAsked:
    """The broker is asked next to cancel the rest of an order."""

    tag: str


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
    """ACTIVE, REDUCING or HALTED, by whom and why.

    Attributes
    ----------
    breaker : str
        The control whose breaker opened or, with ACTIVE, closed again by itself; empty: a person.
    flatten : bool
        Whether the open positions are to be closed, too.
    """

    state: TradingState
    by: str
    reason: str
    breaker: str = ""
    flatten: bool = False


@dataclass(frozen=True)
class StrategyLatched:
    """A strategy was executed too often in a session; a person releases it."""

    genome_hash: str
    reason: str


@dataclass(frozen=True)
class Resumed:
    """A person allows trading again: every breaker, state and latched strategy is let go."""

    by: str
    reason: str


@dataclass(frozen=True)
class Reviewed:
    """A person has looked at the trades so far."""

    by: str
    reason: str


@dataclass(frozen=True)
class LatchChanged:
    """The kill latch was set or lifted; `flatten` asks for the open positions to be closed, too."""

    latched: bool
    by: str
    reason: str
    flatten: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """A person looked at a losing streak, in a later session than its last loss."""

    by: str
    reason: str


@dataclass(frozen=True)
class ReconciliationRequested:
    """Somebody wants ledger and broker compared now; whoever holds the lease does it."""

    by: str


@dataclass(frozen=True)
class Reconciled:
    """Ledger and broker were compared; empty differences mean that they agree."""

    differences: tuple[str, ...]


@dataclass(frozen=True)
class OrderAdopted:
    """An order at the broker that we never sent; the intent stands for it, purpose FOREIGN."""

    intent: Intent
    broker_id: str


@dataclass(frozen=True)
class PositionAdopted:
    """What the broker holds counts; the change came from outside, booked at `price`.

    Attributes
    ----------
    quantity : int
        Signed shares of the symbol at the broker; 0 where it has none.
    price : Decimal
        Last close: what was really paid is not known.
    stop : Decimal or None
        Distance of its protective stop as a fraction of `price`.
    """

    symbol: str
    quantity: int
    price: Money
    product: Product = Product.DELIVERY
    stop: Money | None = None


@dataclass(frozen=True)
class FundsAdopted:
    """Money came in (or went out, negative) at the broker from outside: capital, not profit.

    What went out is `lost` until somebody can say where to: the limits of loss have to see it.
    Ledgers of before this was known took it for capital.
    """

    amount: Money
    lost: bool = False


@dataclass(frozen=True)
class LimitNeared:
    """A limit was used to 80 % or more on `day`, and a person was told; both amounts as text."""

    day: date
    limit: str
    control: str
    used: str
    allowed: str


@dataclass(frozen=True)
class SessionClosed:
    """The end of one session: every open position marked at its close."""

    day: date
    marks: dict[str, Money]


@dataclass(frozen=True)
class SignalsDecided:
    """The rules were asked what they want in the session of `day`, the evening before.

    Attributes
    ----------
    opens : datetime
        When that session opens: what is decided later is hindsight.
    keys : tuple of str
        Of the intents that follow; none where nothing is wanted.
    genomes : tuple of str
        The strategies that were asked.
    """

    day: date
    opens: datetime
    keys: tuple[str, ...]
    genomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftUndecided:
    """A session opened, and nobody had asked the rules of these positions what to do in it."""

    day: date
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class TwinCompared:
    """The session was run again by the engine; the first comparison of a day counts.

    Attributes
    ----------
    genomes : tuple of str
        Hashes of the strategies that were compared.
    rows : tuple of TwinRow
        Every leg and difference.
    """

    day: date
    genomes: tuple[str, ...]
    tolerance: Tolerance
    rows: tuple[TwinRow, ...]


@dataclass(frozen=True)
class StrategyDemoted:
    """The approval of a strategy ended because paper and engine were too far apart on `day`."""

    genome_hash: str
    day: date
    reason: str


@dataclass(frozen=True)
class ArmingAsked:
    """A person wants to go live; it takes the phrase, whose digest this is, to make it so.

    Attributes
    ----------
    account, profile : str
        Of the broker's account, and the capital profile that it is traded with.
    most_loss : Decimal
        What a day may cost.
    digest : str
        sha256 of the phrase.
    valid_from, valid_until : datetime
        When the phrase may be given.
    armed_until : datetime
        When the arming would end by itself.
    """

    by: str
    reason: str
    account: str
    profile: str
    most_loss: Money
    digest: str
    valid_from: datetime
    valid_until: datetime
    armed_until: datetime


@dataclass(frozen=True)
class Armed:
    """A person has confirmed: the account may trade live until then, if the environment agrees.

    Attributes
    ----------
    genomes : tuple of str
        The strategies that had passed the trial; no other may be traded live.
    """

    by: str
    reason: str
    account: str
    profile: str
    most_loss: Money
    digest: str
    until: datetime
    genomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disarmed:
    """A person has taken the arming back."""

    by: str
    reason: str


Event = (
    Genesis
    | EpochRaised
    | LimitsSealed
    | SelfTested
    | IntentCommitted
    | IntentDropped
    | GateDecided
    | OrderMoved
    | CancelAsked
    | OrderFilled
    | ProtectionRevised
    | TradingStateChanged
    | StrategyLatched
    | Resumed
    | Reviewed
    | LatchChanged
    | Acknowledged
    | ReconciliationRequested
    | Reconciled
    | OrderAdopted
    | PositionAdopted
    | FundsAdopted
    | LimitNeared
    | SessionClosed
    | SignalsDecided
    | LeftUndecided
    | TwinCompared
    | StrategyDemoted
    | ArmingAsked
    | Armed
    | Disarmed
)

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}

# Whoever wants an order, stops everything, looks at a streak, compares or arms is not the desk.
OPEN_TO_ALL = (
    IntentCommitted,
    LatchChanged,
    Acknowledged,
    Resumed,
    Reviewed,
    ReconciliationRequested,
    SignalsDecided,
    TwinCompared,
    StrategyDemoted,
    ArmingAsked,
    Armed,
    Disarmed,
)


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


@cache
def _parser(kind: str) -> Callable[[str], Any]:
    return _adapter(kind).validator.validate_json


def to_json(event: Event) -> tuple[str, str]:
    """Return kind and canonical JSON: sorted keys, no spaces, Decimals as text.

    Raises
    ------
    LedgerError
        If a field is not of its type: nobody could read the ledger any more.
    """
    kind = type(event).__name__
    try:
        plain = _adapter(kind).dump_python(event, mode="json", warnings="error")
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
        _parser(kind)(text)  # a None passes the first check
    except (PydanticSerializationError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise LedgerError(
            f"{kind} was not written, it could not be read again: {said}; "
            "give each field a value of its type"
        ) from error
    if _SIGNALS.search(text):
        raise LedgerError(f"{kind} was not written: a price in it is a signalling NaN")
    return kind, text


_SIGNALS = re.compile(r'"-?sNaN\d*"')  # it raises wherever it is compared
_WORDS, _END = '"decisions":[', '],"key":'  # of canonical JSON, in which quotes are escaped


def for_book(kind: str, payload: str) -> Event:
    """Return an event as far as a book needs it: of a gate's decision only which controls spoke.

    Their words are nine tenths of a ledger, and skipping them makes a rebuild twice as fast.
    Raises as `from_json`.
    """
    if kind != "GateDecided":
        return from_json(kind, payload)
    begin, end = payload.find(_WORDS) + len(_WORDS), payload.rfind(_END)
    if not len(_WORDS) <= begin <= end:
        return from_json(kind, payload)
    judged = from_json(kind, payload[:begin] + payload[end:])
    tells = isinstance(judged, GateDecided) and judged.controls
    return judged if tells or begin == end else from_json(kind, payload)


def from_json(kind: str, payload: str) -> Event:
    """Return the event of `kind` in `payload`.

    Raises
    ------
    LedgerError
        For a kind that this version does not know, or a payload that is not one.
    """
    try:
        event: Event = _parser(kind)(payload)
    except ValidationError as error:
        raise LedgerError(f"the ledger holds a broken {kind}: run its verification") from error
    return event
