"""What a control is and what it gets to see; the controls themselves lie beside it by subject."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from kasauti.errors import KasautiError
from kasauti.execution.approvals import Permit
from kasauti.execution.conditions import Conditions
from kasauti.execution.events import Decision, TradingState
from kasauti.execution.limits import Limits
from kasauti.execution.model import Intent, Purpose, Scope
from kasauti.execution.references import Reference
from kasauti.execution.usage import Usage
from kasauti.market.calendar import Session

# All that a control or a source of its input may raise: each of them is a refusal.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    KasautiError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

T = TypeVar("T")

ENTRY = frozenset({Purpose.ENTRY})
CLOSING = frozenset({Purpose.EXIT, Purpose.STOP, Purpose.TARGET})
EVERY = frozenset(Purpose)


@dataclass(frozen=True)
class Comparison:
    """When ledger and broker were last compared, and how they differed."""

    at: datetime
    differences: tuple[str, ...]


@dataclass(frozen=True)
class GateInput:
    """Everything the controls judge by; None is what could not be learnt, and refuses.

    Attributes
    ----------
    now : datetime
    intent : Intent
    scope : Scope
        Of the ledger.
    broker : str
        The broker's own name for itself.
    latched, lease_held : bool
    trading_state : TradingState
    permit : Permit
    limits, limits_day : Limits, date
        As sealed.
    reference : Reference
    fresh_day : date
        The session that a fresh reference belongs to.
    session : Session
        Of today, None also where the market is shut.
    square_off : datetime
        When intraday positions of this symbol are closed today.
    tick : Decimal
    funds : Decimal
    entry_charges, exit_charges : Decimal
        Of buying at the limit, and of selling at the protective stop.
    usage : Usage
    comparison : Comparison
    ledger_head : str
        Hash of the last event: the ledger can be read and written.
    room : bool
        The disk keeps room for what closes a position.
    conditions : Conditions
        What the broker says of connection and market.
    self_tested : date
        Session whose controls were tripped once.
    """

    now: datetime
    intent: Intent
    scope: Scope | None = None
    broker: str | None = None
    latched: bool | None = None
    lease_held: bool | None = None
    trading_state: TradingState | None = None
    permit: Permit | None = None
    limits: Limits | None = None
    limits_day: date | None = None
    reference: Reference | None = None
    fresh_day: date | None = None
    session: Session | None = None
    square_off: datetime | None = None
    tick: Decimal | None = None
    funds: Decimal | None = None
    entry_charges: Decimal | None = None
    exit_charges: Decimal | None = None
    usage: Usage | None = None
    comparison: Comparison | None = None
    ledger_head: str | None = None
    room: bool | None = None
    conditions: Conditions | None = None
    self_tested: date | None = None
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def value(self) -> Decimal:
        """Value of the order at its limit."""
        return self.intent.quantity * number(self.intent.limit_price, "limit price")


Check = Callable[[GateInput], tuple[bool, dict[str, str]]]


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes
    ----------
    id, code : str
        Its number in the list of controls, and the denial code; both are stable.
    check : callable
        Pure; returns whether it is content and what it compared.
    binds : frozenset of Purpose
        Orders that it may refuse. It is evaluated, and recorded, for every order.
    delays : bool
        It asks to wait instead of refusing.
    """

    id: str
    code: str
    check: Check
    binds: frozenset[Purpose] = ENTRY
    delays: bool = False

    def decide(self, given: GateInput) -> Decision:
        """Evaluate; whatever is missing, undefined or raises is a refusal."""
        binding = given.intent.purpose in self.binds
        try:
            passed, figures = self.check(given)
        except FAULTS as fault:
            figures = {"fault": f"{type(fault).__name__}: {fault}", **given.faults}
            return Decision(self.id, self.code, False, binding, figures)
        return Decision(self.id, self.code, passed is True, binding, figures)


def need(value: T | None, name: str) -> T:
    """Return `value`, which must be there."""
    if value is None:
        raise KasautiError(f"{name} is not known")
    return value


def number(value: Decimal | None, name: str) -> Decimal:
    """Return `value`, which must be there and be a number."""
    known = need(value, name)
    if not known.is_finite():
        raise KasautiError(f"{name} is {known}")
    return known
