"""What the desk does next, as a pure function of the book and the time; it acts on nothing.

The order within a moment is that of section 4.2: a rule or time exit first, then protection, then
entries, the best ranked first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kasauti.execution.events import TradingState
from kasauti.execution.model import (
    Intent,
    OrderSide,
    Product,
    Purpose,
    round_to_tick,
)
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.ranking import rank_key
from kasauti.execution.views import OrderView, Position
from kasauti.market.calendar import Session
from kasauti.market.markets import Market

STOP_SLIP = Decimal("0.02")  # of the trigger; one step of repricing
BAND = Decimal("0.20")


@dataclass(frozen=True)
class Expire:
    """Past its window and never sent."""

    key: str


@dataclass(frozen=True)
class Cancel:
    """Take the rest of a working order back."""

    tag: str


@dataclass(frozen=True)
class Release:
    """Put a committed intent before the gate."""

    intent: Intent


@dataclass(frozen=True)
class Commit:
    """Commit an intent of the desk's own: a protective order or a square-off."""

    intent: Intent


Action = Expire | Cancel | Release | Commit


@dataclass(frozen=True)
class View:
    """What the decision is made on.

    Attributes
    ----------
    book : Book
    now : datetime
    session : Session or None
        Of today.
    latched : bool
    market : Market
    closes : mapping of symbol to Decimal
        Previous closes, for the band within which an order can rest.
    """

    book: Book
    now: datetime
    session: Session | None
    latched: bool
    market: Market
    closes: Mapping[str, Decimal]

    @property
    def is_open(self) -> bool:
        """Whether orders can rest: none does during the closing auction."""
        session = self.session
        return session is not None and session.open <= self.now < (session.auction or session.close)


def next_actions(view: View) -> list[Action]:
    """Return what is to be done now, most urgent first; each needs a fresh look afterwards."""
    live = view.book.live_orders()
    actions: list[Action] = [
        Expire(order.intent.key)
        for order in live
        if order.state is OrderState.QUEUED and view.now >= order.intent.valid_until
    ]
    actions += [Cancel(order.intent.tag) for order in live if _is_to_be_cancelled(order, view)]
    if not view.is_open:
        return actions
    due = [order.intent for order in live if _is_due(order, view)]
    actions += _exits(view, live, due)
    actions += _protection(view, live)
    actions += [Release(i) for i in due if i.purpose in (Purpose.STOP, Purpose.TARGET)]
    entries = [intent for intent in due if intent.purpose is Purpose.ENTRY]
    entries.sort(key=lambda i: rank_key(i.score, i.genome_hash, i.symbol))
    return actions + [Release(intent) for intent in entries]


def has_triggered_stop(view: View) -> bool:
    """Whether some protective order is triggered, unfilled, and may still be repriced."""
    return view.is_open and any(_may_reprice(order, view) for order in view.book.live_orders())


def _is_due(order: OrderView, view: View) -> bool:
    intent = order.intent
    return order.state is OrderState.QUEUED and intent.valid_from <= view.now < intent.valid_until


def _is_resting(order: OrderView) -> bool:
    return order.state.is_working and not order.state.is_unconfirmed


def _is_to_be_cancelled(order: OrderView, view: View) -> bool:
    if not _is_resting(order):
        return False
    purpose = order.intent.purpose
    stopped = view.latched or view.book.trading_state is TradingState.HALTED
    if purpose is Purpose.ENTRY and stopped:
        return True
    if purpose in (Purpose.ENTRY, Purpose.EXIT) and view.now >= order.intent.valid_until:
        return True
    orphan = purpose is not Purpose.ENTRY and order.intent.symbol not in view.book.positions
    return orphan or (_may_reprice(order, view) and order.sent_at != view.now)


def _exits(view: View, live: list[OrderView], due: list[Intent]) -> list[Action]:
    """Each exit goes out as its protection is taken back, never together with it."""
    actions: list[Action] = []
    for intent in due + _square_offs(view):
        if intent.purpose is not Purpose.EXIT:
            continue
        resting = [
            order
            for order in live
            if order.intent.symbol == intent.symbol
            and order.intent.purpose in (Purpose.STOP, Purpose.TARGET)
            and order.state.is_working
        ]
        actions += [Cancel(order.intent.tag) for order in resting if _is_resting(order)]
        if not resting:
            known = view.book.order(intent.key) is not None
            actions.append(Release(intent) if known else Commit(intent))
    return actions


def _square_offs(view: View) -> list[Intent]:
    """Return the exits of intraday positions from the market's square-off time on."""
    if view.session is None or view.market.square_off is None:
        return []
    if view.now.time() < view.market.square_off:
        return []
    wanted = []
    for position in view.book.positions.values():
        key = f"{position.parent}|SQUARE_OFF|{view.session.day}"
        if position.product is Product.INTRADAY and view.book.order(key) is None:
            low, high = _band(position, view)
            limit = low if position.sign > 0 else high
            wanted.append(
                _closing(position, Purpose.EXIT, key, view, abs(position.quantity), limit)
            )
    return wanted


def _protection(view: View, live: list[OrderView]) -> list[Action]:
    """Keep exactly the held shares under a stop, and under a target where there is one."""
    actions: list[Action] = []
    for position in view.book.positions.values():
        mine = [order for order in live if order.intent.symbol == position.symbol]
        exits = [o for o in mine if o.intent.purpose is Purpose.EXIT]
        leaving = sum(_unfilled(o) for o in exits if o.state.is_working or _is_due(o, view))
        for purpose, level in (
            (Purpose.STOP, position.stop_price),
            (Purpose.TARGET, position.target_price),
        ):
            if level is None:
                continue
            orders = [order for order in mine if order.intent.purpose is purpose]
            excess = sum(map(_unfilled, orders)) + leaving - abs(position.quantity)
            resting = [order for order in orders if _is_resting(order)]
            if excess < 0:
                actions.append(Commit(_protective(position, purpose, level, -excess, view)))
            elif excess > 0 and resting:
                actions.append(Cancel(resting[-1].intent.tag))
    return actions


def _unfilled(order: OrderView) -> int:
    return order.intent.quantity - order.filled


def _protective(
    position: Position, purpose: Purpose, level: Decimal, quantity: int, view: View
) -> Intent:
    """Return the next protective order of a position; each step gives way a little further."""
    before = [
        order
        for order in view.book.orders_of(position.parent)
        if order.intent.purpose is purpose and order.intent.valid_from.date() == view.now.date()
    ]
    key = f"{position.parent}|{purpose.value}|{view.now.date()}|{len(before) + 1}"
    long = position.sign > 0
    low, high = _band(position, view)
    tick = view.market.tick_size(level, view.now.date())
    price = min(max(round_to_tick(level, tick, up=long), low), high)
    if purpose is Purpose.TARGET:
        return _closing(position, purpose, key, view, quantity, price)
    steps = 1 + sum(1 for order in before if _is_triggered(order))
    limit = price * (1 - position.sign * STOP_SLIP * steps)
    limit = (
        max(round_to_tick(limit, tick, up=not long), low)
        if long
        else min(round_to_tick(limit, tick, up=True), high)
    )
    trigger = None if steps > 1 else price
    return _closing(position, purpose, key, view, quantity, limit, trigger)


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


def _may_reprice(order: OrderView, view: View) -> bool:
    position = view.book.positions.get(order.intent.symbol)
    if position is None or not _is_resting(order) or not _is_triggered(order):
        return False
    low, high = _band(position, view)
    limit = order.intent.limit_price
    return limit > low if position.sign > 0 else limit < high


def _band(position: Position, view: View) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest price at which an order can rest today, on the tick."""
    close = view.closes.get(position.symbol, position.average_price)
    day = view.now.date()
    low, high = close * (1 - BAND), close * (1 + BAND)
    return (
        round_to_tick(low, view.market.tick_size(low, day), up=True),
        round_to_tick(high, view.market.tick_size(high, day), up=False),
    )
