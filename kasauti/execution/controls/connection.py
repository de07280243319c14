"""Controls on what only the broker's side can tell: quotes, login, feeds, clock, halts, lists."""

from datetime import datetime, timedelta

from kasauti.errors import KasautiError
from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.controls.model import Control, GateInput, need, number

MAX_QUOTE_AGE = timedelta(seconds=60)
MAX_FEED_AGE = timedelta(seconds=30)
MAX_SKEW = timedelta(seconds=2)
PAPER = "paper"


def has_quote(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K09W: where prices come as quotes, this symbol has had one; until then the order waits."""
    conditions = need(given.conditions, "conditions")
    quote = conditions.quotes.get(given.intent.symbol)
    known = quote is not None and quote.at is not None
    return not conditions.quoted or known, {"quoted": str(conditions.quoted), "known": str(known)}


def fresh_quote(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K09Q: the quote is young, and not from the future."""
    quote = _quote(given)
    if quote is None:
        return True, {"quote": "none"}
    age = given.now - need(quote.at, "time of the quote")
    return -MAX_SKEW <= age <= MAX_QUOTE_AGE, {"age": str(age), "most": str(MAX_QUOTE_AGE)}


def whole_book(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K09C: bid and ask are known and not crossed; the paper broker does with a last price."""
    quote = _quote(given)
    if quote is None:
        return True, {"quote": "none"}
    if quote.bid is None and quote.ask is None:
        return given.broker == PAPER, {"quote": "last price only"}
    bid, ask = number(quote.bid, "bid"), number(quote.ask, "ask")
    return 0 < bid < ask, {"bid": str(bid), "ask": str(ask)}


def reasonable_quote(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K09R: the last price could have traded: above 0, within the band of the previous close."""
    quote = _quote(given)
    if quote is None:
        return True, {"quote": "none"}
    last, reference = number(quote.last, "last price"), need(given.reference, "reference")
    most = need(given.limits, "limits").band
    distance = abs(last / number(reference.close, "reference close") - 1)
    figures = {"last": str(last), "distance": f"{distance:.4f}", "band": str(most)}
    return last > 0 and distance <= most, figures


def unrestricted(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K21: neither the exchange nor the user has restricted the symbol."""
    symbol = given.intent.symbol
    listed = symbol in need(
        need(given.conditions, "conditions").restricted, "restrictions of the exchange"
    )
    own = symbol in need(given.limits, "limits").restricted
    return not listed and not own, {"exchange": str(listed), "own list": str(own)}


def logged_in(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K26: the login is of today, and the broker sees the registered address."""
    conditions = need(given.conditions, "conditions")
    fault = login_fault(conditions, given.now)
    return not fault, {"fault": fault or "none", "login": str(conditions.login_day)}


def feeds_alive(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K27: price feed and order feed have shown a sign of life a short while ago."""
    conditions = need(given.conditions, "conditions")
    fault = feed_fault(conditions, given.now)
    return not fault, {"fault": fault or "none", "most": str(MAX_FEED_AGE)}


def clock(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K29: our clock is the broker's, and has not been set back behind our own last order."""
    conditions = need(given.conditions, "conditions")
    fault = clock_fault(conditions, given.now)
    last = need(given.usage, "usage").last_sent
    back = last is not None and given.now < last - MAX_SKEW
    return not fault and not back, {"fault": fault or "none", "last order": str(last)}


def trades_now(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K32: neither the symbol nor the market is halted."""
    conditions = need(given.conditions, "conditions")
    halted = given.intent.symbol in need(conditions.halted, "halted symbols")
    market = need(conditions.market_halted, "halt of the market")
    return halted is False and market is False, {"symbol": str(halted), "market": str(market)}


def login_fault(conditions: Conditions, now: datetime) -> str:
    """Say what is wrong with login and address, nothing if they are good."""
    if conditions.login_day != now.date():
        return f"the login is of {conditions.login_day or 'no day'}, log in again"
    if conditions.ip is None or conditions.ip != conditions.registered_ip:
        seen, wanted = conditions.ip or "unknown", conditions.registered_ip or "none"
        return f"orders come from address {seen}, registered is {wanted}"
    return ""


def feed_fault(conditions: Conditions, now: datetime) -> str:
    """Say which feed is silent, nothing if both are alive."""
    for name, at in (("price", conditions.feed_at), ("order", conditions.order_feed_at)):
        if at is None or not -MAX_SKEW <= now - at <= MAX_FEED_AGE:
            return f"the {name} feed was last heard of at {at or 'no time'}"
    return ""


def clock_fault(conditions: Conditions, now: datetime) -> str:
    """Say how far our clock is off, nothing if it is good."""
    if conditions.broker_time is None:
        return "the broker's time is not known"
    skew = now - conditions.broker_time
    return f"our clock is {skew} ahead of the broker's" if abs(skew) > MAX_SKEW else ""


def _quote(given: GateInput) -> LiveQuote | None:
    """Return the symbol's quote; None where there are none, or none yet (K09W waits for it)."""
    conditions = need(given.conditions, "conditions")
    if not isinstance(conditions.quoted, bool):
        raise KasautiError(f"whether prices come as quotes is {conditions.quoted!r}")
    quote = conditions.quotes.get(given.intent.symbol) if conditions.quoted else None
    return None if quote is None or quote.at is None else quote


CONNECTION = (
    Control("K09C", "CROSSED_QUOTE", whole_book),
    Control("K09Q", "STALE_QUOTE", fresh_quote),
    Control("K09R", "UNREASONABLE_QUOTE", reasonable_quote),
    Control("K09W", "NO_QUOTE_YET", has_quote, delays=True),
    Control("K21", "RESTRICTED", unrestricted),
    Control("K26", "LOGIN", logged_in),
    Control("K27", "FEED", feeds_alive),
    Control("K29", "CLOCK", clock),
    Control("K32", "HALTED_SYMBOL", trades_now),
)
