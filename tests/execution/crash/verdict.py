"""What must hold after any crash, read from the broker's book, the wire log and the ledger."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal

from kasauti.execution.brokers.base import BrokerOrder
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import CancelAsked, EpochRaised, GateDecided, LimitsSealed, Record
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Purpose
from kasauti.execution.orders import OrderState
from kasauti.execution.place import Place
from kasauti.execution.projections import Book
from kasauti.execution.reconcile import NEVER_ARRIVED
from kasauti.market.markets import NSE
from tests.execution.crash import wire
from tests.execution.crash.worker import Run
from tests.execution.world import CALENDAR

SECOND = timedelta(seconds=1)
NOT_THERE = (OrderState.DENIED, OrderState.EXPIRED)


def problems(run: Run) -> list[str]:
    """Return everything that is wrong with what a finished case left behind."""
    ledger = Ledger.existing(Place(run.ledger, run.url))
    broker = PaperBroker(ledger.engine, NSE, cash=Decimal(1), calendar=CALENDAR)
    book, requests = Book(), wire.read(run.log)
    records = list(ledger.events())
    found = [
        f"the wire: {one.tag} was sent, but {one.wrong}"
        for one in requests
        if one.wrong and one.epoch != run.pardoned
    ]
    complaints = run.folder / "complaints"
    if complaints.exists():
        found += [json.loads(line) for line in complaints.read_text().splitlines()]
    found += _limits(records, book, broker, requests)
    found += ledger.verify().problems
    found += _twice(book, requests)
    found += _unasked(records, requests)
    found += _orders(book, broker, requests)
    found += _holdings(book, broker)
    found += _epochs(records)
    again = Book()
    for record in ledger.events():
        again.apply(record)
    if again.fingerprint() != ledger.book().fingerprint():
        found.append("the book is not the same when it is built again")
    ledger.close()
    return found


def _twice(book: Book, requests: list[wire.Request]) -> list[str]:
    """No order goes out twice; a replay's does where the broker's book proved that it had not."""
    sent = Counter(one.tag for one in requests if one.what == "place")
    most = {tag: 1 + view.never_arrived for tag, view in book.orders.items()}
    return [f"{tag} was sent {count} times" for tag, count in sent.items() if count > most[tag]]


def _unasked(records: list[Record], requests: list[wire.Request]) -> list[str]:
    """No cancel goes out that is not on record: an exit could not follow a stop."""
    asked = Counter(one.event.tag for one in records if isinstance(one.event, CancelAsked))
    cancelled = Counter(one.tag for one in requests if one.what == "cancel")
    return [
        f"{tag} was cancelled {count} times, on record are {asked[tag]}"
        for tag, count in cancelled.items()
        if count > asked[tag]
    ]


def _orders(book: Book, broker: PaperBroker, requests: list[wire.Request]) -> list[str]:
    """Every intent has ended, and ended as the broker says."""
    found = [f"{view.intent.key} never ended: {view.state.value}" for view in book.live_orders()]
    rows = {row.order.tag: row for row in broker.orders()}
    placed = {one.tag for one in requests if one.what == "place"}
    for tag, row in rows.items():
        view = book.orders.get(tag)
        if view is None:
            found.append(f"the ledger does not know {tag} of {row.order.symbol}: {row.state}")
        elif view.code == NEVER_ARRIVED and row.state is OrderState.CANCELLED and not row.filled:
            continue  # it came after all, and was taken back
        elif (view.filled, view.state) != (row.filled, _as_ledger(row)):
            mine, theirs = f"{view.state} {view.filled}", f"{row.state} {row.filled}"
            found.append(f"{view.intent.key} is {mine} in the ledger, {theirs} at the broker")
        elif view.state in NOT_THERE:
            found.append(f"{view.intent.key} is {view.state} and at the broker")
    for tag, view in book.orders.items():
        if tag not in rows and view.filled:
            found.append(f"{view.intent.key} filled {view.filled} that the broker never had")
        if tag not in placed and view.filled and view.intent.purpose is not Purpose.FOREIGN:
            found.append(f"{view.intent.key} filled and was never sent")
    return found


def _as_ledger(row: BrokerOrder) -> OrderState:
    """Return how the ledger calls it: what was refused after it filled in part was cancelled."""
    refused = row.state is OrderState.REJECTED and row.filled
    return OrderState.CANCELLED if refused else row.state


def _holdings(book: Book, broker: PaperBroker) -> list[str]:
    ours = {symbol: position.quantity for symbol, position in book.positions.items()}
    theirs = {position.symbol: position.quantity for position in broker.positions()}
    found = [] if ours == theirs else [f"held: {ours} in the ledger, {theirs} at the broker"]
    if book.capital + book.cash_flow != broker.funds():
        cash = book.capital + book.cash_flow
        found.append(f"cash: {cash} in the ledger, {broker.funds()} at the broker")
    return found + [f"{symbol} is held short" for symbol, held in theirs.items() if held < 0]


def _epochs(records: list[Record]) -> list[str]:
    found, epoch = [], 0
    for record in records:
        raised = isinstance(record.event, EpochRaised)
        if record.epoch != epoch + raised:
            found.append(f"event {record.seq} has epoch {record.epoch} after {epoch}")
        epoch = record.epoch
    return found


def _limits(
    records: list[Record], book: Book, broker: PaperBroker, requests: list[wire.Request]
) -> list[str]:
    """Fold the ledger into `book` and hold each allowed entry against what was sealed then."""
    found: list[str] = []
    for record in records:
        event = record.event
        limits = book.limits
        if isinstance(event, GateDecided) and event.allowed:
            found += _entry(event, record, book, broker)
        if (
            isinstance(event, LimitsSealed)
            and limits is not None
            and book.limits_day == event.day
            and event.limits.trades_a_day > limits.trades_a_day
        ):
            found.append(f"event {record.seq} loosens the limits of {event.day}")
        book.apply(record)
    return found + _rate(book, requests)


def _entry(event: GateDecided, record: Record, book: Book, broker: PaperBroker) -> list[str]:
    """Judge an order that was allowed by what the broker's book says about those before it."""
    view, limits = book.order(event.key), book.limits
    if view is None or view.intent.purpose is not Purpose.ENTRY:
        return []
    intent = view.intent
    if limits is None or limits.hash != event.limits_hash or book.latched:
        return [f"{event.key} was allowed while latched, or under no sealed limits"]
    rows = {row.order.tag: row for row in broker.orders()}
    held, others, value = set(book.positions), 0, intent.quantity * intent.limit_price
    for tag in book.sent.get(record.at.date(), []):
        row = rows.get(tag)
        if row is None or tag == intent.tag or book.orders[tag].intent.purpose is not Purpose.ENTRY:
            continue
        ended = row.state.is_final and row.at <= record.at and not row.filled
        if not ended:
            others += 1
            held.add(row.order.symbol)
    found = []
    if others >= limits.trades_a_day:
        found.append(f"{intent.key} is trade {others + 1} of the day, {limits.trades_a_day} may be")
    if len(held - {intent.symbol}) >= limits.slots:
        found.append(f"{intent.key} takes slot {len(held) + 1} of {limits.slots}")
    if value > limits.max_order_value or intent.quantity > limits.max_quantity:
        found.append(f"{intent.key} is over the order limits")
    assert intent.protection is not None
    stop = intent.protection.stop_price(intent.limit_price, intent.side)
    if (intent.limit_price - stop) * intent.quantity > limits.risk_per_trade:
        found.append(f"{intent.key} risks too much")
    return found


def _rate(book: Book, requests: list[wire.Request]) -> list[str]:
    assert book.limits is not None
    last = {one.tag: one.at for one in requests if one.what == "place"}  # others never arrived
    placed = list(last.values())
    most = max(
        (sum(1 for at in placed if begun <= at < begun + SECOND) for begun in placed), default=0
    )
    if most > book.limits.orders_a_second:
        return [f"{most} orders went out within a second"]
    return []
