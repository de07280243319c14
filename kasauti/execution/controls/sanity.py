"""Controls on the order itself: type, price, tick, band, collar and the age of its reference."""

from decimal import Decimal

from kasauti.execution.controls.model import EVERY, Control, GateInput, need, number
from kasauti.execution.model import OrderSide, OrderType, Product, Purpose

SERIES = ("EQ",)  # no trade to trade (BE, BZ), no debt; an ETF is EQ, too


def order_type(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K05: LIMIT or STOPLOSS_LIMIT; an entry is a plain limit, and sells short only intraday."""
    intent, kind = given.intent, given.intent.order_type
    allowed = kind in (OrderType.LIMIT, OrderType.STOPLOSS_LIMIT)
    if intent.purpose is Purpose.ENTRY:
        short = intent.side is OrderSide.SELL and intent.product is Product.DELIVERY
        allowed = kind is OrderType.LIMIT and not short
    figures = {"type": kind.value, "side": intent.side.value, "product": intent.product.value}
    return allowed, figures


def instrument(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K06: a known symbol of a series that is traded, whole lots, positive prices on the tick."""
    intent = given.intent
    reference, tick = given.reference, number(given.tick, "tick")
    if intent.purpose is Purpose.ENTRY:
        series = need(reference, "symbol").series  # what is held can be sold without one
        if series is not None and series not in SERIES:
            return False, {"series": series}
    lot = 1 if reference is None else reference.lot
    prices = [number(intent.limit_price, "limit price")]
    if intent.trigger_price is not None:
        prices.append(number(intent.trigger_price, "trigger price"))
    good = all(price > 0 and price % tick == 0 for price in prices)
    whole = intent.quantity > 0 and intent.quantity % lot == 0
    figures = {
        "prices": " ".join(map(str, prices)),
        "tick": str(tick),
        "quantity": str(intent.quantity),
        "lot": str(lot),
    }
    return good and whole and (reference is None or reference.symbol == intent.symbol), figures


def _distance(given: GateInput) -> Decimal:
    close = number(given.reference.close if given.reference else None, "reference close")
    return abs(number(given.intent.limit_price, "limit price") / close - 1)


def band(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K07: the limit lies inside the price band around the previous close."""
    distance, most = _distance(given), need(given.limits, "limits").band
    own = need(given.reference, "reference").band
    most = most if own is None else min(most, number(own, "band"))
    return distance <= most, {"distance": f"{distance:.4f}", "band": str(most)}


def collar(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K08: an entry's limit lies close to its reference; a closing order's within the band.

    A stop has to be able to rest far away, so it is clipped to the band before it gets here.
    """
    distance, limits = _distance(given), need(given.limits, "limits")
    allowed = limits.collar if given.intent.purpose is Purpose.ENTRY else limits.band
    return distance <= allowed, {"distance": f"{distance:.4f}", "collar": str(allowed)}


def fresh_reference(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K09: the reference is the bar of the last completed session; an older one is stale."""
    reference, fresh = need(given.reference, "reference"), need(given.fresh_day, "fresh day")
    number(reference.close, "reference close")
    return reference.day == fresh, {"reference": str(reference.day), "fresh": str(fresh)}


SANITY = (
    Control("K05", "ORDER_TYPE", order_type, EVERY),
    Control("K06", "INSTRUMENT", instrument, EVERY),
    Control("K07", "PRICE_BAND", band),
    Control("K08", "PRICE_COLLAR", collar),
    Control("K09", "STALE_REFERENCE", fresh_reference),
)
