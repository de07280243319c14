"""At which price one resting or arriving order executes, and which order goes first; no state.

On bars the fills are those of section 4.2 where an order can express them: a jump (the open) fills
at its price, a continuous move fills a stop at its trigger. On quotes whoever takes liquidity pays
the other side's price. A resting limit fills only when the price goes *through* it: touched is not
filled, since whoever stood there before goes first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from kasauti.execution.model import Money, Order, OrderSide, round_to_tick

WIDEST_BAND = Decimal("0.20")


class Phase(StrEnum):
    """How a symbol trades at the moment."""

    CONTINUOUS = "continuous"
    HALTED = "halted"
    CALL = "call auction"
    CLOSED = "closed"


@dataclass(frozen=True)
class Quote:
    """One moment of a feed.

    Attributes
    ----------
    last : Decimal
        Price of the last trade, on the tick.
    bid, ask : Decimal or None
        Best prices, where the feed has them.
    volume : Decimal or None
        Shares traded since the quote before, where known.
    """

    last: Money
    bid: Money | None = None
    ask: Money | None = None
    volume: Money | None = None


@dataclass(frozen=True)
class Instrument:
    """What the exchange's morning file says about a share.

    Attributes
    ----------
    previous_close : Decimal or None
        Where the price band is measured from; None: no order is refused for its price.
    band : Decimal
        Fraction of it: 0.02, 0.05, 0.10 or 0.20.
    closing_auction : bool
        Whether it may have one; False only where somebody knows that it has none.
    tick : Decimal or None
        Price step; None: the market's own rule.
    """

    previous_close: Money | None = None
    band: Money = WIDEST_BAND
    closing_auction: bool = True
    tick: Money | None = None


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
    quote : Quote or None
        The quote that the price is from. It may have jumped over a stop's trigger, and says what
        taking liquidity costs.
    """

    price: Decimal
    jumped: bool
    tick: Decimal
    half_spread: Decimal
    quote: Quote | None = None

    def opposite(self, side: OrderSide) -> Decimal | None:
        """Return what `side` trades against, None without a quote."""
        if self.quote is None:
            return None
        return self.quote.ask if side is OrderSide.BUY else self.quote.bid


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
    passed_through = not touch.jumped and touch.quote is None
    return True, _taking(order, order.trigger_price if passed_through else touch.price, touch)


def by_priority(tags: Sequence[str], orders: Mapping[str, Order]) -> list[str]:
    """Return resting orders as they meet a price: stops first, then by price, then by time.

    Parameters
    ----------
    tags : sequence of str
        As they came.
    orders : mapping of tag to Order
        Orders of different symbols keep their places among each other.
    """
    ranked = sorted(tags, key=lambda tag: orders[tag].trigger_price is None)
    places: dict[tuple[str, OrderSide, bool], list[int]] = defaultdict(list)
    for place, tag in enumerate(ranked):
        order = orders[tag]
        places[order.symbol, order.side, order.trigger_price is None].append(place)
    found = list(ranked)
    for slots in places.values():
        rivals = sorted((ranked[slot] for slot in slots), key=lambda tag: _precedence(orders[tag]))
        for slot, tag in zip(slots, rivals, strict=True):
            found[slot] = tag
    return found


def _precedence(order: Order) -> Decimal:
    """Return a key by which the better price sorts first; of stops, the one that is hit first."""
    if order.trigger_price is not None:
        return order.trigger_price * order.side.sign
    return -order.limit_price * order.side.sign


def _as_limit(order: Order, touch: Touch) -> Decimal | None:
    if touch.jumped:
        return _taking(order, touch.price, touch)
    known = (touch.price, touch.opposite(order.side))
    through = any((order.limit_price - p) * order.side.sign > 0 for p in known if p is not None)
    return order.limit_price if through else None


def _taking(order: Order, base: Decimal, touch: Touch) -> Decimal | None:
    """Take liquidity at the quote, or at `base` plus half the spread, never beyond the limit."""
    is_buy = order.side is OrderSide.BUY
    price = touch.opposite(order.side)
    if price is not None:
        return price if (order.limit_price - price) * order.side.sign >= 0 else None
    if (order.limit_price - base) * order.side.sign < 0:
        return None
    price = base * (1 + order.side.sign * touch.half_spread)
    price = round_to_tick(price, touch.tick, up=is_buy)
    return min(price, order.limit_price) if is_buy else max(price, order.limit_price)
