"""At which price one resting or arriving order executes on one price; pure, no state.

The fills are those of section 4.2 where an order can express them: a jump (the open) fills at its
price, a continuous move fills a stop at its trigger, and a resting limit only when the price goes
*through* it: touched is not filled.
"""

from dataclasses import dataclass
from decimal import Decimal

from kasauti.execution.model import Order, OrderSide, round_to_tick


@dataclass(frozen=True)
class Touch:
    """One price of a symbol as one order meets it.

    Attributes
    ----------
    price : Decimal
    jumped : bool
        The price came without passing those in between: the open, or the order has just arrived.
    tick, half_spread : Decimal
        Price step, and half the spread as a fraction, paid by whoever takes liquidity.
    """

    price: Decimal
    jumped: bool
    tick: Decimal
    half_spread: Decimal


def execution_price(order: Order, triggered: bool, touch: Touch) -> tuple[bool, Decimal | None]:
    """Return whether the order is triggered now, and its execution price, None if untouched.

    Parameters
    ----------
    order : Order
    triggered : bool
        Whether a STOPLOSS_LIMIT order has been triggered before; ignored for LIMIT.
    touch : Touch
    """
    if order.trigger_price is None or triggered:
        return triggered, _as_limit(order, touch)
    reached = (touch.price - order.trigger_price) * order.side.sign >= 0
    if not reached:
        return False, None
    base = touch.price if touch.jumped else order.trigger_price
    return True, _taking(order, base, touch)


def _as_limit(order: Order, touch: Touch) -> Decimal | None:
    better = (order.limit_price - touch.price) * order.side.sign
    if touch.jumped:
        return _taking(order, touch.price, touch)
    return order.limit_price if better > 0 else None


def _taking(order: Order, base: Decimal, touch: Touch) -> Decimal | None:
    """Take liquidity at `base` plus half the spread, never beyond the order's limit."""
    if (order.limit_price - base) * order.side.sign < 0:
        return None
    is_buy = order.side is OrderSide.BUY
    price = base * (1 + order.side.sign * touch.half_spread)
    price = round_to_tick(price, touch.tick, up=is_buy)
    return min(price, order.limit_price) if is_buy else max(price, order.limit_price)
