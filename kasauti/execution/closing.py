"""The desk's own closing orders: stops, targets and forced exits, their keys and prices; pure.

Every position is under a stop for exactly its shares. A triggered stop that stays unfilled gives
way step by step, never beyond the band. A target goes out when its price is there, and the stop
comes back if it was not had. What does not succeed is tried again ever more rarely.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from kasauti.execution.actions import NOT_NEEDED, Action, Cancel, Commit, Expire, View
from kasauti.execution.model import Intent, OrderSide, Product, Purpose, round_to_tick
from kasauti.execution.orders import OrderState
from kasauti.execution.reconcile import NEVER_ARRIVED
from kasauti.execution.square_off import square_off
from kasauti.execution.views import OrderView, Position

STOP_SLIP = Decimal("0.02")  # of the trigger; one step of repricing
BAND = Decimal("0.20")  # where the exchange has not said how wide it is
FLATTEN = "FLATTEN"
EXITS = (Purpose.EXIT, Purpose.TARGET)  # what goes out only as the stop is taken back
REFUSED = (OrderState.REJECTED, OrderState.DENIED)
FRESH = timedelta(minutes=1)
TARGET_WINDOW = timedelta(seconds=10)  # in which a target fills, or the stop comes back
MOST_PATIENCE = timedelta(minutes=5)  # between two tries at an order that is refused


def forced_exits(view: View) -> list[Intent]:
    """Return the exits that the desk asks for: square-off, a flattening kill, a target's price.

    Shares from outside are left alone: whoever bought them sells them.
    """
    wanted = []
    for position in view.book.positions.values():
        reason = _forced(position, view) or (Purpose.TARGET if is_reached(position, view) else "")
        if not reason or not view.trades(position.symbol) or _is_leaving(position, view):
            continue
        stem = f"{position.parent}|{reason}|{view.now.date()}"
        before = [o for o in view.book.orders_of(position.parent) if o.intent.key.startswith(stem)]
        quantity = view.held(position) - position.foreign
        if quantity <= 0 or not may_try(before, view):
            continue
        key = stem if not before else f"{stem}|{len(before) + 1}"
        if reason is Purpose.TARGET:
            wanted.append(_at_target(position, key, view, quantity))
            continue
        low, high = band(position, view)
        limit = low if position.sign > 0 else high
        wanted.append(_closing(position, Purpose.EXIT, key, view, quantity, limit))
    return wanted


def is_reached(position: Position, view: View) -> bool:
    """Whether the target can be had: the market bids it, or has traded beyond it.

    A price that is only touched went to whoever stood there before, and no stop is taken back for
    one that is a minute old.
    """
    level, conditions = _target(position, view), view.conditions
    if level is None:
        return False
    quote = conditions.quotes.get(position.symbol)
    if quote is not None and quote.at is not None and view.now - quote.at > FRESH:
        return False
    bid = None if quote is None else quote.bid if position.sign > 0 else quote.ask
    if bid is not None:
        return bid.is_finite() and (bid - level) * position.sign >= 0
    last = conditions.prices.get(position.symbol)
    return last is not None and last.is_finite() and (last - level) * position.sign > 0


def has_waited(order: OrderView, view: View) -> bool:
    """Whether it is a target that had its time; earlier versions gave it the whole session."""
    if order.intent.purpose is not Purpose.TARGET or order.sent_at is None:
        return False
    return view.now - order.sent_at >= TARGET_WINDOW


def _target(position: Position, view: View) -> Decimal | None:
    """Return the target on the tick, None without one."""
    level = position.target_price
    if level is None or not level.is_finite():
        return None
    return round_to_tick(level, _tick(position, level, view), up=position.sign > 0)


def _at_target(position: Position, key: str, view: View, quantity: int) -> Intent:
    level = _target(position, view)
    assert level is not None
    low, high = band(position, view)
    limit = min(max(level, low), high)
    order = _closing(position, Purpose.TARGET, key, view, quantity, limit)
    return replace(order, valid_until=min(view.now + TARGET_WINDOW, order.valid_until))


def is_overtaken(order: OrderView, view: View) -> bool:
    """Whether it is an exit, perhaps far from the market, of what must be sold now."""
    position = view.book.positions.get(order.intent.symbol)
    if position is None or order.intent.purpose not in EXITS:
        return False
    reason = _forced(position, view)
    return bool(reason) and f"|{reason}|" not in order.intent.key


def is_called_off(intent: Intent, view: View) -> bool:
    """Whether it is an exit that was not sent yet, and whose reason is gone.

    Somebody has called the flattening off, or the price has left the target again.
    """
    position = view.book.positions.get(intent.symbol)
    if position is None:
        return False
    if intent.purpose is Purpose.TARGET:
        return not is_reached(position, view)
    return f"|{FLATTEN}|" in intent.key and _forced(position, view) != FLATTEN


def _forced(position: Position, view: View) -> str:
    """Return why a position is closed whatever its strategy says, empty if it is not."""
    if position.is_foreign:
        return ""
    if view.book.switches.flatten or (view.book.flatten and view.latched):
        return FLATTEN
    if position.product is not Product.INTRADAY:
        return ""
    left_over = position.opened_at.date() < view.now.date()  # nobody was there to close it
    return "SQUARE_OFF" if left_over or _is_late(position.symbol, view) else ""


def _is_leaving(position: Position, view: View) -> bool:
    """Whether an exit of it is out already: a second one would sell the shares twice."""
    return any(
        order.intent.symbol == position.symbol
        and order.intent.purpose in EXITS
        and (order.state.is_working or order.intent.valid_from <= view.now)
        for order in view.book.live_orders()
    )


def protect(position: Position, mine: list[OrderView], leaving: int, view: View) -> list[Action]:
    """Keep the shares of one position under a stop.

    Parameters
    ----------
    position : Position
    mine : list of OrderView
        Live orders of its symbol.
    leaving : int
        Shares that an exit is about to close.
    view : View
    """
    if position.stop_price is None:
        return []
    orders = [order for order in mine if order.intent.purpose is Purpose.STOP]
    excess = sum(map(view.unfilled, orders)) + leaving - view.held(position)
    queued = [order for order in orders if order.state is OrderState.QUEUED]
    resting = [order for order in orders if is_resting(order)]
    if excess < 0:
        before = _stops_today(position, view)
        if may_try(before, view):
            return [Commit(_stop(position, position.stop_price, -excess, before, view))]
    elif excess > 0 and queued:
        return [Expire(queued[-1].intent.key, NOT_NEEDED)]
    elif excess > 0 and resting:
        return [Cancel(resting[-1].intent.tag)]
    return []


def may_reprice(order: OrderView, view: View) -> bool:
    """Whether it is a triggered stop that rests unfilled and could still give way."""
    position = view.book.positions.get(order.intent.symbol)
    if position is None or not is_resting(order) or not _is_triggered(order):
        return False
    low, high = band(position, view)
    limit = order.intent.limit_price
    return limit > low if position.sign > 0 else limit < high


def may_try(before: list[OrderView], view: View) -> bool:
    """Whether to try again: at once, but after failures ever later, at last every 5 minutes.

    A refusal is one, and a target that was not had.

    Parameters
    ----------
    before : list of OrderView
        The earlier tries of today for one position, oldest first.
    view : View
    """
    freed = None if not before else view.freed.get(before[0].intent.symbol)
    refused = [
        order
        for order in before
        if order.code != NEVER_ARRIVED
        and (order.state in REFUSED or order.intent.purpose is Purpose.TARGET)
        and not (freed and order.ended_at and order.ended_at <= freed)
    ]
    if not refused or refused[-1].ended_at is None:
        return True
    patience = min(timedelta(seconds=2 ** min(len(refused), 20)), MOST_PATIENCE)
    return view.now >= refused[-1].ended_at + patience


def is_resting(order: OrderView) -> bool:
    """Whether the broker has it and it can be cancelled."""
    return order.state.is_working and not order.state.is_unconfirmed


def band(position: Position, view: View) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest price at which an order can rest today, on the tick."""
    reference = view.references.get(position.symbol)
    known = reference is not None and reference.close.is_finite() and reference.close > 0
    close = reference.close if reference is not None and known else position.average_price
    width = BAND if reference is None or reference.band is None else reference.band
    low, high = close * (1 - width), close * (1 + width)
    return (
        round_to_tick(low, _tick(position, low, view), up=True),
        round_to_tick(high, _tick(position, high, view), up=False),
    )


def square_off_at(symbol: str, view: View) -> datetime | None:
    """Return when intraday positions of `symbol` are closed today, None without such a time."""
    end = view.ends_at(symbol)
    if view.session is None or end is None:
        return None
    return square_off(view.session, view.market, end)


def _tick(position: Position, price: Decimal, view: View) -> Decimal:
    """Return the price step: the instrument master's, else the market's at `price`."""
    reference = view.references.get(position.symbol)
    if reference is not None and reference.tick is not None:
        return reference.tick
    return view.market.tick_size(price, view.now.date())


def _is_late(symbol: str, view: View) -> bool:
    at = square_off_at(symbol, view)
    return at is not None and view.now >= at


def _stops_today(position: Position, view: View) -> list[OrderView]:
    return [
        order
        for order in view.book.orders_of(position.parent)
        if order.intent.purpose is Purpose.STOP
        and order.intent.valid_from.date() == view.now.date()
    ]


def _stop(
    position: Position, level: Decimal, quantity: int, before: list[OrderView], view: View
) -> Intent:
    """Return the next stop of a position; each step gives way a little further."""
    key = f"{position.parent}|{Purpose.STOP.value}|{view.now.date()}|{len(before) + 1}"
    long = position.sign > 0
    low, high = band(position, view)
    tick = _tick(position, level, view)
    price = min(max(round_to_tick(level, tick, up=long), low), high)
    steps = 1 + sum(1 for order in before if _is_triggered(order))
    # After fifty steps nothing is left of the price: the band is where giving way ends.
    limit = min(max(price * (1 - position.sign * STOP_SLIP * steps), low), high)
    tick = max(tick, _tick(position, limit, view))  # a coarser price is on the finer tick, too
    limit = (
        max(round_to_tick(limit, tick, up=not long), low)
        if long
        else min(round_to_tick(limit, tick, up=True), high)
    )
    trigger = None if steps > 1 else price
    return _closing(position, Purpose.STOP, key, view, quantity, limit, trigger)


def _closing(
    position: Position,
    purpose: Purpose,
    key: str,
    view: View,
    quantity: int,
    limit: Decimal,
    trigger: Decimal | None = None,
) -> Intent:
    assert view.session is not None
    reference = view.references.get(position.symbol)
    if reference is not None and reference.freeze_quantity is not None:
        quantity = min(quantity, reference.freeze_quantity)  # the rest follows in further orders
    return Intent(
        key=key,
        genome_hash=position.genome_hash,
        signal_version="",
        symbol=position.symbol,
        side=OrderSide.SELL if position.sign > 0 else OrderSide.BUY,
        quantity=quantity,
        purpose=purpose,
        limit_price=limit,
        trigger_price=trigger,
        valid_from=view.now,
        valid_until=view.session.close,
        parent=position.parent,
        product=position.product,
    )


def _is_triggered(order: OrderView) -> bool:
    was_limit = order.intent.trigger_price is None and order.sent_at is not None
    return order.intent.purpose is Purpose.STOP and (
        order.triggered or was_limit or order.filled > 0
    )
