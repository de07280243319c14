"""Controls on who may trade at all: latch, mode, state, permit, lease, session, reconciliation."""

from datetime import timedelta

from kasauti.execution.controls.model import EVERY, Control, GateInput, need
from kasauti.execution.events import TradingState
from kasauti.execution.model import Product, Purpose, Scope

MAX_COMPARISON_AGE = timedelta(minutes=15)
BROKERS = {Scope.PAPER: "paper", Scope.REPLAY: "paper"}


def kill_latch(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K01: the kill latch is known to be off."""
    return need(given.latched, "latch") is False, {"latched": str(given.latched)}


def mode(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K02: this kind of ledger belongs to this kind of broker; live does not exist here."""
    scope, broker = need(given.scope, "scope"), need(given.broker, "broker")
    return BROKERS.get(scope) == broker, {"scope": scope.value, "broker": broker}


def trading_state(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K03: trading is ACTIVE; exits pass in every state."""
    state = need(given.trading_state, "trading state")
    return state is TradingState.ACTIVE, {"state": state.value}


def permit(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K04: the genome has a permit that counts in this ledger now, and was not demoted since."""
    held, scope = need(given.permit, "permit"), need(given.scope, "scope")
    demoted = need(given.usage, "usage").demoted_at
    figures = {
        "scope": held.scope.value,
        "until": held.valid_until.isoformat(),
        "demoted": str(demoted),
    }
    stands = demoted is None or demoted < held.valid_from
    return held.covers(given.intent.genome_hash, scope, given.now) and stands, figures


def session(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K25: the market is open, the intent's window too, and not past the intraday square-off."""
    today, intent = need(given.session, "session"), given.intent
    is_open = today.open <= given.now < (today.auction or today.close)
    in_window = intent.valid_from <= given.now < intent.valid_until
    figures = {
        "open": today.open.isoformat(),
        "close": (today.auction or today.close).isoformat(),
        "from": intent.valid_from.isoformat(),
        "until": intent.valid_until.isoformat(),
    }
    if intent.product is Product.INTRADAY and intent.purpose is Purpose.ENTRY:
        square_off = need(given.square_off, "square-off")
        figures["square-off"] = square_off.isoformat()
        in_window = in_window and given.now < square_off
    return is_open and in_window, figures


def reconciled(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K28: ledger and broker were compared a short while ago and agreed."""
    compared = need(given.comparison, "comparison with the broker")
    age = given.now - compared.at
    fresh = timedelta(0) <= age <= MAX_COMPARISON_AGE
    figures = {"age": str(age), "differences": "; ".join(compared.differences)}
    return fresh and not compared.differences, figures


def reduce_only(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K30: a closing order closes, at most to flat, together with those that work already."""
    intent, used = given.intent, need(given.usage, "usage")
    held, taken = used.held, used.spoken_for
    figures = {"held": str(held), "quantity": str(intent.quantity), "spoken for": str(taken)}
    if intent.purpose is Purpose.ENTRY:
        return held * intent.side.sign >= 0, figures
    return held * intent.side.sign < 0 and intent.quantity + taken <= abs(held), figures


def lease(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K31: this process holds the lease of the ledger."""
    return need(given.lease_held, "lease") is True, {"held": str(given.lease_held)}


def self_tested(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K33: every control was tripped once for this session."""
    day = need(given.self_tested, "day of the self-test")
    return day == given.now.date(), {"tested": str(day)}


def started(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K35S: the profile's start date has come."""
    start = need(given.limits, "limits").start
    return start is None or given.now.date() >= start, {"start": str(start)}


def reviewed(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K35R: a person has looked at the trades as often as the profile asks."""
    due = need(given.usage, "usage").review_due
    return due is None or given.now.date() < due, {"due": str(due)}


def recorded(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K34: the ledger can be written, also what follows; the decision is the record of its send."""
    head, room = need(given.ledger_head, "ledger head"), need(given.room, "room on the disk")
    return len(head) == 64 and room is True, {"head": head[:12], "room": str(room)}


AUTHORITY = (
    Control("K01", "KILLED", kill_latch),
    Control("K02", "MODE", mode, EVERY),
    Control("K03", "TRADING_STATE", trading_state),
    Control("K04", "NO_PERMIT", permit),
    Control("K25", "SESSION", session),
    Control("K28", "NOT_RECONCILED", reconciled),
    Control("K30", "WOULD_FLIP", reduce_only, EVERY),
    Control("K31", "NO_LEASE", lease, EVERY),
    Control("K33", "NOT_SELF_TESTED", self_tested),
    Control("K34", "NOT_RECORDED", recorded),
    Control("K35R", "REVIEW_OVERDUE", reviewed),
    Control("K35S", "NOT_STARTED", started),
)
