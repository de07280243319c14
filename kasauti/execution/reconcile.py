"""Ledger against broker: what the ledger has to learn, and where the two still differ; pure.

News of our own orders is taken in at once. What cannot be explained by news is a difference: it
closes entries, and once it has stood unchanged for a while the broker is believed, since it is the
truth about what happened. One reading proves nothing: books lag and lack rows.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition
from kasauti.execution.events import (
    FundsAdopted,
    OrderAdopted,
    OrderFilled,
    OrderMoved,
    PositionAdopted,
)
from kasauti.execution.gate import Snapshot
from kasauti.execution.ledger import Entry
from kasauti.execution.model import (
    ADOPTED,
    Fill,
    Intent,
    Offset,
    OrderSide,
    Product,
    Protection,
    Purpose,
    Scope,
)
from kasauti.execution.orders import TRANSITIONS, OrderEvent, OrderState
from kasauti.execution.projections import Book
from kasauti.execution.text import storable
from kasauti.execution.views import ZERO, OrderView

_TOLD_BY = {
    OrderState.TRIGGER_PENDING: OrderEvent.AWAIT_TRIGGER,
    OrderState.OPEN: OrderEvent.REST,
    OrderState.CANCELLED: OrderEvent.CANCEL,
    OrderState.LAPSED: OrderEvent.LAPSE,
    OrderState.REJECTED: OrderEvent.REJECT,
}

NEVER_ARRIVED = "NEVER_ARRIVED"
VANISHED = "VANISHED"
UNREAD = "the broker cannot be read"
FOREIGN_STOP = Decimal("0.05")  # of the price: nobody told us where such a position should end
CONSISTENT_READS = 3  # at different moments, before the broker is believed
STANDING = timedelta(seconds=30)
# An order that the broker's books do not agree on may explain a position; it has its time to.
STANDING_UNCLEAR = timedelta(minutes=2)
# Shares do not leave during a session without an order; a book that came back empty says so, too,
# and our stops would be taken back on its word.
STANDING_GONE = timedelta(minutes=10)


@dataclass(frozen=True)
class Difference:
    """One disagreement in plain words, and what the ledger takes over if it stands for long."""

    text: str
    settlement: tuple[Entry, ...] = ()
    patience: timedelta = STANDING


@dataclass
class Standing:
    """How long each difference has stood unchanged; of this process, a restart begins anew."""

    _seen: dict[str, tuple[datetime, datetime, int]] = field(default_factory=dict)

    def settled(self, found: Sequence[Difference], now: datetime) -> list[Entry]:
        """Count this reading and return what those amount to that have stood long enough."""
        seen = {}
        for difference in found:
            first, last, reads = self._seen.get(difference.text, (now, now, 0))
            seen[difference.text] = (first, now, reads + (reads == 0 or now > last))
        self._seen = seen
        return [
            entry
            for difference in found
            for entry in difference.settlement
            if seen[difference.text][2] >= CONSISTENT_READS
            and now - seen[difference.text][0] >= difference.patience
        ]


def new_sends(book: Book, snapshot: Snapshot) -> list[Entry]:
    """Return the queued orders that the broker has already, told by their tags.

    They went out after the backup was taken that this ledger was restored from.
    """
    queued = [view for view in book.live_orders() if view.state is OrderState.QUEUED]
    known = _rows(snapshot) if queued else {}
    return [
        Entry(
            OrderMoved(view.intent.tag, OrderEvent.SEND, known[view.intent.tag].broker_id),
            alert=alert_of(
                Trigger.ORDER_TROUBLE,
                view.intent.symbol,
                "An order had gone out before this ledger was restored",
            ),
        )
        for view in queued
        if view.intent.tag in known
    ]


def new_answers(book: Book, snapshot: Snapshot) -> list[Entry]:
    """Return the acknowledgements that were lost: orders unanswered here that the broker has."""
    known = _rows(snapshot)
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
        Entry(OrderFilled(fill), f"fill:{fill.tag}:{fill.id}")
        for fill in sorted(snapshot.trades, key=lambda fill: fill.at)
        if fill.key not in book.fills
        and (view := book.orders.get(fill.tag)) is not None
        and not _nonsense(fill, view)
        and OrderEvent.FILL in TRANSITIONS[view.state]
    ]


def new_moves(book: Book, snapshot: Snapshot, asked: Collection[str] | None = None) -> list[Entry]:
    """Return what happened to our orders beside fills; call it once these are in the book.

    An unanswered placement is looked up by its tag. Where the broker's book proves that it never
    arrived, it ends as rejected and is not sent again; a replay, whose time stood still while its
    process was down, takes it back into the queue, since that moment has not passed.

    Parameters
    ----------
    book, snapshot
    asked : collection of str or None
        Tags that this desk asked to cancel: any other cancel is an alert. None: not known.
    """
    known = _rows(snapshot)
    moves: list[Entry] = []
    for view in book.live_orders():
        row = known.get(view.intent.tag)
        if row is not None:
            moves.extend(_move(view, row, book, asked))
        elif view.state.is_unconfirmed and snapshot.absence_is_proof:
            moves.append(_absent(view, book.scope))
        elif view.state.is_working and snapshot.absence_is_proof:
            moves.append(_vanished(view, book))
    return moves


def differences(book: Book, snapshot: Snapshot) -> tuple[str, ...]:
    """Return in plain words where ledger and broker disagree, sorted; empty if they agree."""
    return tuple(sorted(difference.text for difference in compare(book, snapshot, {})))


def unheard(book: Book, snapshot: Snapshot) -> dict[str, int]:
    """Return the shares of closing orders, by tag, whose fills the trade book does not show yet."""
    return {
        row.order.tag: row.filled - view.filled
        for row in snapshot.orders
        if (view := book.orders.get(row.order.tag)) is not None
        and view.intent.purpose not in (Purpose.ENTRY, Purpose.FOREIGN)
        and row.filled > view.filled
    }


def alert_for(found: Sequence[str], before: Sequence[str]) -> Alert | None:
    """Return what tells a person that ledger and broker differ, or that they agree again."""
    if found:
        said = f"Ledger and broker differ: {'; '.join(found)}"
        unread = all(text.startswith(UNREAD) for text in found)
        return alert_of(Trigger.API_FAILURE if unread else Trigger.DIFFERENCE, "ledger", said)
    if not before:
        return None
    unread = all(text.startswith(UNREAD) for text in before)
    trigger = Trigger.API_FAILURE if unread else Trigger.DIFFERENCE
    said = "Ledger and broker agree again"
    return alert_of(trigger, "ledger", said, title=said, closes=True)


def revenants(book: Book, snapshot: Snapshot) -> list[str]:
    """Return the tags of our orders that work at the broker though they have ended here."""
    return [
        row.order.tag
        for row in snapshot.orders
        if row.state.is_working
        and (view := book.orders.get(row.order.tag)) is not None
        and not view.state.is_working
    ]


def altered(book: Book, snapshot: Snapshot) -> list[str]:
    """Return the tags of our orders that somebody has changed at the broker.

    A stop that was moved protects no more than one that was cancelled.
    """
    return [
        row.order.tag
        for row in snapshot.orders
        if row.state.is_working
        and (view := book.orders.get(row.order.tag)) is not None
        and view.state.is_working
        and _changes(view, row)
    ]


def stuck(book: Book, refused: dict[str, int]) -> list[str]:
    """Return in plain words which orders the broker does not cancel; forget those that ended."""
    for tag in refused.keys() - book.live.keys():
        del refused[tag]
    return [
        f"order {tag} of {book.orders[tag].intent.symbol} cannot be cancelled"
        for tag, times in refused.items()
        if times >= CONSISTENT_READS
    ]


def compare(book: Book, snapshot: Snapshot, closes: Mapping[str, Decimal]) -> list[Difference]:
    """Return where ledger and broker disagree once all news is in the book, sorted.

    Parameters
    ----------
    book, snapshot
    closes : mapping of symbol to Decimal
        Last closes, at which positions from outside are booked; without one they count as nothing.
    """
    found, unclear = _orders(book, snapshot)
    found += _positions(book, snapshot.positions, closes, unclear)
    found += _oversold(book)
    if not unclear:
        found += _funds(book, snapshot.funds, settles=not found)
    return sorted(found, key=lambda difference: difference.text)


def _rows(snapshot: Snapshot) -> dict[str, BrokerOrder]:
    return {row.order.tag: row for row in snapshot.orders}


def _orders(book: Book, snapshot: Snapshot) -> tuple[list[Difference], set[str]]:
    """Return the differences in orders, and the symbols whose positions they may explain."""
    known = _rows(snapshot)
    found: list[tuple[str, Difference]] = []
    for row in known.values():
        order, view = row.order, book.orders.get(row.order.tag)
        if view is None:
            if row.state.is_working or row.filled:
                found.append((order.symbol, _stranger(row)))
        elif row.filled != view.filled:
            text = f"order {order.tag} of {order.symbol}: {view.filled} filled in the ledger, "
            found.append((order.symbol, Difference(f"{text}{row.filled} at the broker")))
        elif row.state.is_working and not view.state.is_working:
            text = f"order {order.tag} of {order.symbol} has ended here, works at the broker"
            found.append((order.symbol, Difference(text)))
        elif row.state.is_working and (changes := _changes(view, row)):
            text = f"order {order.tag} of {order.symbol} was changed at the broker: {changes}"
            found.append((order.symbol, Difference(text)))
    for fill in snapshot.trades:
        view = book.orders.get(fill.tag)
        if view is not None and (nonsense := _nonsense(fill, view)):
            text = f"execution {fill.id} of order {fill.tag} cannot be true: {nonsense}"
            found.append((view.intent.symbol, Difference(text)))
    twice = Counter(row.order.tag for row in snapshot.orders if row.state.is_working)
    for tag in [tag for tag, times in twice.items() if times > 1]:
        symbol = known[tag].order.symbol
        found.append((symbol, Difference(f"order {tag} of {symbol} works twice at the broker")))
    believed = not _funds_contradict(book, snapshot)
    for view in book.live_orders():
        intent, absent = view.intent, view.intent.tag not in known
        name = f"order {intent.tag} of {intent.symbol}"
        if view.state.is_unconfirmed:
            gone = (_absent(view, Scope.PAPER),) if absent and believed else ()
            found.append((intent.symbol, Difference(f"{name} is unanswered", gone)))
        elif absent and view.state.is_working:
            text = f"{name} is not in the broker's book"
            gone = (_vanished(view, book),) if believed else ()
            found.append((intent.symbol, Difference(text, gone)))
    for view in [] if book.limits_day is None else book.sent_on(book.limits_day):
        if view.filled and not view.state.is_working and view.intent.tag not in known:
            text = f"order {view.intent.tag} of {view.intent.symbol} has filled today, "
            found.append((view.intent.symbol, Difference(f"{text}the broker's book lacks it")))
    return [difference for _, difference in found], {symbol for symbol, _ in found}


def _nonsense(fill: Fill, view: OrderView) -> str:
    """Return what cannot be true of an execution of ours, empty if all can."""
    intent = view.intent
    wrong = {
        "quantity": not 0 < fill.quantity <= intent.quantity,
        "price": not (fill.price.is_finite() and fill.price > 0),
        "charges": not fill.charges.is_finite(),
        "symbol": fill.symbol != intent.symbol,
        "side": fill.side is not intent.side,
        "at": fill.at.tzinfo is None,
    }
    return ", ".join(f"{name} {getattr(fill, name)}" for name in wrong if wrong[name])


def _changes(view: OrderView, row: BrokerOrder) -> str:
    """Return how a working order differs from what we sent, empty if it does not.

    Theirs is no business of ours, and an answer may be older than what it is about.
    """
    if view.intent.purpose is Purpose.FOREIGN:
        return ""
    sent, there = asdict(view.intent.order()), asdict(row.order)
    return ", ".join(
        f"{name} {value} is {there[name]}" for name, value in sent.items() if value != there[name]
    )


def _stranger(row: BrokerOrder) -> Difference:
    order = row.order
    intent = Intent(
        key=f"{ADOPTED}{order.tag}",
        genome_hash="",
        signal_version="",
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        purpose=Purpose.FOREIGN,
        limit_price=order.limit_price,
        valid_from=row.at,
        valid_until=row.at,
        trigger_price=order.trigger_price,
        protection=Protection(Offset(FOREIGN_STOP, of_price=True)),
        product=order.product,
    )
    text = f"order {row.broker_id} of {order.symbol} is not ours"
    said = f"{text}: {order.side.value} {order.quantity}, it is watched and left alone"
    alert = alert_of(Trigger.FOREIGN, order.symbol, said, key=order.tag)
    entry = Entry(OrderAdopted(intent, row.broker_id), f"adopt:{order.tag}", alert)
    return Difference(text, (entry,))


def _positions(
    book: Book,
    positions: Sequence[BrokerPosition],
    closes: Mapping[str, Decimal],
    unclear: Collection[str],
) -> list[Difference]:
    ours = {symbol: position.quantity for symbol, position in book.positions.items()}
    theirs: dict[str, int] = {}
    products: dict[str, Product] = {}
    for position in positions:
        theirs[position.symbol] = theirs.get(position.symbol, 0) + position.quantity
        products[position.symbol] = position.product
    found = []
    for symbol in ours.keys() | theirs.keys():
        held, there = ours.get(symbol, 0), theirs.get(symbol, 0)
        if held == there:
            continue
        text = f"{symbol}: {held} in the ledger, {there} at the broker"
        product, price = products.get(symbol, Product.DELIVERY), closes.get(symbol)
        said = f"{text}: the broker counts, the difference came from outside"
        fewer = abs(there) < abs(held) or there * held < 0
        settlement: tuple[Entry, ...] = ()
        if (price is not None or not held) and not (fewer and symbol in unclear):
            stop = None if price is None else FOREIGN_STOP
            adopted = PositionAdopted(symbol, there, price or ZERO, product, stop)
            if price is None:
                said += "; its price is not known: it counts as nothing, and has no stop"
            settlement = (Entry(adopted, alert=alert_of(Trigger.FOREIGN, symbol, said, key=said)),)
        patience = STANDING_UNCLEAR if symbol in unclear else STANDING
        found.append(
            Difference(text, settlement, STANDING_GONE if fewer or price is None else patience)
        )
    return found


def _oversold(book: Book) -> list[Difference]:
    """Return the positions that our own closing orders opened: both agree, and a person acts.

    Nothing is bought back on its own: an entry that is told late may still explain it.
    """
    return [
        Difference(
            f"{position.symbol}: {position.quantity} by our own closing orders, more than was "
            "held: close it at the broker"
        )
        for position in book.positions.values()
        if (opened := book.order(position.parent)) is not None
        and opened.intent.purpose not in (Purpose.ENTRY, Purpose.FOREIGN)
    ]


def _funds_contradict(book: Book, snapshot: Snapshot) -> bool:
    """Whether the cash is not what it had to be if the orders that the book lacks were gone.

    A book that lags lacks orders, too. The cash that they block, or brought in, is still told.
    """
    known = _rows(snapshot)
    return bool(_funds(book, snapshot.funds, settles=False, lacking=known.keys()))


def _funds(
    book: Book, funds: Decimal | None, *, settles: bool, lacking: Collection[str] | None = None
) -> list[Difference]:
    """Compare the cash that resting purchases do not block, once the capital is known.

    Purchases that are not among `lacking`, the tags of the broker's book, block nothing.
    """
    if funds is None or book.limits is None:
        return []
    blocked = sum(
        (
            view.remaining * view.intent.limit_price
            for view in book.live_orders()
            if view.intent.side is OrderSide.BUY
            and view.state.is_working
            and (lacking is None or view.intent.tag in lacking)
        ),
        ZERO,
    )
    ours = book.capital + book.cash_flow - blocked
    if ours == funds:
        return []
    text = f"funds: {ours:.4f} in the ledger, {funds:.4f} at the broker"
    change = funds - ours
    what = "is lost, and counts as a loss" if change < 0 else "came from outside"
    said = f"{text}: the broker counts, {change:+.2f} {what}"
    alert = alert_of(Trigger.FOREIGN, "funds", said, key=said)
    entry = Entry(FundsAdopted(change, lost=change < 0), alert=alert)
    return [Difference(text, (entry,) if settles else ())]


def _move(
    view: OrderView, row: BrokerOrder, book: Book, asked: Collection[str] | None
) -> list[Entry]:
    event = _TOLD_BY.get(row.state)
    if event is None or TRANSITIONS[view.state].get(event, view.state) is view.state:
        return []
    at: datetime | None = row.at if row.state.is_final else None
    intent = view.intent
    needed = intent.purpose is Purpose.ENTRY or intent.symbol in book.positions
    unasked = asked is not None and event is OrderEvent.CANCEL and intent.tag not in asked
    alert = None
    if event is OrderEvent.REJECT or (needed and unasked):
        said = f"{intent.symbol}: {intent.purpose.value} {row.state.value} by the broker: "
        said += storable(row.text) or "no reason given"
        alert = alert_of(Trigger.ORDER_TROUBLE, intent.symbol, said, key=intent.tag)
    text = storable(row.text)
    return [Entry(OrderMoved(intent.tag, event, row.broker_id, text, at), alert=alert)]


def _absent(view: OrderView, scope: Scope | None) -> Entry:
    tag = view.intent.tag
    if scope is Scope.REPLAY and view.state is OrderState.SENT:
        return Entry(OrderMoved(tag, OrderEvent.NEVER_ARRIVED))
    symbol = view.intent.symbol
    said = f"{symbol}: an order never arrived at the broker and is not sent again"
    alert = alert_of(Trigger.ORDER_TROUBLE, symbol, said, key=tag)
    return Entry(OrderMoved(tag, OrderEvent.REJECT, text=NEVER_ARRIVED), alert=alert)


def _vanished(view: OrderView, book: Book) -> Entry:
    """Return the end of an order that is gone without a word: an exchange's kill switch does that.

    One of an earlier session has simply lapsed: orders are DAY.
    """
    sent, today = view.sent_at, book.limits_day
    if sent is not None and today is not None and sent.date() < today:
        return Entry(OrderMoved(view.intent.tag, OrderEvent.LAPSE, text="its session is over"))
    intent = view.intent
    said = f"{intent.symbol}: {intent.purpose.value} vanished from the broker's book"
    alert = alert_of(Trigger.ORDER_TROUBLE, intent.symbol, said, key=intent.tag)
    return Entry(OrderMoved(intent.tag, OrderEvent.CANCEL, text=VANISHED), alert=alert)
