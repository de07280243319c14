"""Ledger against broker: what the ledger has to learn, and where the two still differ; pure."""

from collections.abc import Sequence
from datetime import datetime

from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition
from kasauti.execution.events import OrderFilled, OrderMoved
from kasauti.execution.gate import Snapshot
from kasauti.execution.ledger import Entry
from kasauti.execution.model import Scope
from kasauti.execution.orders import OrderEvent, OrderState, advance
from kasauti.execution.projections import Book
from kasauti.execution.views import OrderView

_TOLD_BY = {
    OrderState.TRIGGER_PENDING: OrderEvent.AWAIT_TRIGGER,
    OrderState.OPEN: OrderEvent.REST,
    OrderState.CANCELLED: OrderEvent.CANCEL,
    OrderState.LAPSED: OrderEvent.LAPSE,
    OrderState.REJECTED: OrderEvent.REJECT,
}

NEVER_ARRIVED = "NEVER_ARRIVED"


def new_answers(book: Book, snapshot: Snapshot) -> list[Entry]:
    """Return the acknowledgements that were lost: orders unanswered here that the broker has."""
    known = {row.order.tag: row for row in snapshot.orders}
    return [
        Entry(OrderMoved(row.order.tag, OrderEvent.ACKNOWLEDGE, row.broker_id))
        for view in book.live_orders()
        if view.state.is_unconfirmed
        and (row := known.get(view.intent.tag)) is not None
        and row.state is not OrderState.REJECTED
    ]


def new_fills(book: Book, snapshot: Snapshot) -> list[Entry]:
    """Return the executions of our orders that the ledger has not heard of."""
    return [
        Entry(OrderFilled(fill), f"fill:{fill.id}")
        for fill in sorted(snapshot.trades, key=lambda fill: fill.at)
        if fill.id not in book.fills and fill.tag in book.orders
    ]


def new_moves(book: Book, snapshot: Snapshot) -> list[Entry]:
    """Return what happened to our orders beside fills; call it once these are in the book.

    An unanswered placement is looked up by its tag. Where the broker's book proves that it never
    arrived, it ends as rejected and is not sent again; a replay, whose time stood still while its
    process was down, takes it back into the queue, since that moment has not passed.
    """
    known = {row.order.tag: row for row in snapshot.orders}
    moves: list[Entry] = []
    for view in book.live_orders():
        row = known.get(view.intent.tag)
        if row is not None:
            moves.extend(_move(view, row))
        elif view.state.is_unconfirmed and snapshot.absence_is_proof:
            moves.append(_absent(view, book.scope))
    return moves


def differences(book: Book, snapshot: Snapshot) -> tuple[str, ...]:
    """Return in plain words where ledger and broker disagree, sorted; empty if they agree."""
    found = [
        f"order {row.broker_id} of {row.order.symbol} is not ours"
        for row in snapshot.orders
        if row.order.tag not in book.orders
    ]
    found += [
        f"order {view.intent.tag} of {view.intent.symbol} is unanswered"
        for view in book.live_orders()
        if view.state.is_unconfirmed
    ]
    ours = {symbol: position.quantity for symbol, position in book.positions.items()}
    theirs = _quantities(snapshot.positions)
    found += [
        f"{symbol}: {ours.get(symbol, 0)} in the ledger, {theirs.get(symbol, 0)} at the broker"
        for symbol in ours.keys() | theirs.keys()
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]
    return tuple(sorted(found))


def _quantities(positions: Sequence[BrokerPosition]) -> dict[str, int]:
    return {position.symbol: position.quantity for position in positions if position.quantity}


def _move(view: OrderView, row: BrokerOrder) -> list[Entry]:
    event = _TOLD_BY.get(row.state)
    if event is None or advance(view.state, event) is view.state:
        return []
    at: datetime | None = row.at if row.state.is_final else None
    return [Entry(OrderMoved(view.intent.tag, event, row.broker_id, row.text, at))]


def _absent(view: OrderView, scope: Scope | None) -> Entry:
    tag = view.intent.tag
    if scope is Scope.REPLAY and view.state is OrderState.SENT:
        return Entry(OrderMoved(tag, OrderEvent.NEVER_ARRIVED))
    return Entry(
        OrderMoved(tag, OrderEvent.REJECT, text=NEVER_ARRIVED),
        alert=f"{view.intent.symbol}: an order never arrived at the broker and is not sent again",
    )
