"""The paper account as a fold of its own events: orders, cash, holdings, prices; no matching."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from kasauti.execution.brokers.base import BrokerOrder
from kasauti.execution.brokers.matching import Instrument, Phase, Quote
from kasauti.execution.model import Fill, Money, Order, OrderSide, Product
from kasauti.execution.orders import OrderState
from kasauti.market.contract_note import Executed

ZERO = Decimal(0)
UNLISTED = Instrument()


@dataclass(frozen=True)
class Funded:
    """Cash paid in."""

    cash: Money


@dataclass(frozen=True)
class Placed:
    """An order was received; a rejected one stays in the book like any other."""

    order: Order
    broker_id: str
    at: datetime
    rejected: str = ""


@dataclass(frozen=True)
class Triggered:
    """A stop order became a limit order."""

    tag: str


@dataclass(frozen=True)
class Ended:
    """The rest of an order was cancelled or lapsed."""

    tag: str
    state: OrderState
    text: str
    at: datetime


@dataclass(frozen=True)
class Filled:
    """An execution."""

    fill: Fill


@dataclass(frozen=True)
class Ticked:
    """Prices of one moment; volumes, where given, are what a session's orders may share in."""

    day: date
    prices: dict[str, Money]
    volumes: dict[str, Money]
    quotes: dict[str, Quote] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """The exchange's morning file."""

    day: date
    instruments: dict[str, Instrument]


@dataclass(frozen=True)
class Phased:
    """A symbol (all of them where it is empty) trades in another way from now on."""

    symbol: str
    phase: Phase


@dataclass(frozen=True)
class Transferred:
    """Money and shares that came in, or went out, without an order."""

    cash: Money
    shares: dict[str, int]


PaperEvent = Transferred | Funded | Placed | Triggered | Ended | Filled | Ticked | Listed | Phased
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in PaperEvent.__args__}


@cache
def adapter(kind: str) -> TypeAdapter[Any]:
    """Return the codec of the events called `kind`."""
    return TypeAdapter(_KINDS[kind])


class PaperBook:
    """The fold of the paper broker's events."""

    def __init__(self) -> None:
        self.seq = 0
        self.cash = ZERO
        self.day: date | None = None
        self.orders: dict[str, BrokerOrder] = {}
        self.resting: dict[str, None] = {}
        self.trades: list[Fill] = []
        self.held: dict[str, int] = {}
        self.executed: dict[date, dict[str, dict[str, Executed]]] = {}
        self.intraday: dict[str, int] = {}
        self.listed: date | None = None
        self.instruments: dict[str, Instrument] = {}
        self.phases: dict[str, Phase] = {}
        self.quotes: dict[str, Quote] = {}
        self.prices: dict[str, Decimal] = {}
        self.volumes: dict[str, Decimal] = {}

    def apply(self, event: PaperEvent) -> None:
        """Take in the next event."""
        match event:
            case Funded():
                self.cash += event.cash
            case Transferred():
                self.cash += event.cash
                for symbol, quantity in event.shares.items():
                    self.held[symbol] = self.held.get(symbol, 0) + quantity
            case Placed():
                state = _resting_state(event.order) if not event.rejected else OrderState.REJECTED
                tag = event.order.tag
                self.orders[tag] = BrokerOrder(
                    event.broker_id, event.order, state, 0, False, event.rejected, event.at
                )
                if not event.rejected:
                    self.resting[tag] = None
            case Triggered():
                row = self.orders[event.tag]
                self.orders[event.tag] = replace(row, triggered=True, state=OrderState.OPEN)
            case Ended():
                row = self.orders[event.tag]
                self.orders[event.tag] = replace(
                    row, state=event.state, text=event.text, at=event.at
                )
                self.resting.pop(event.tag, None)
            case Filled():
                self._fill(event.fill)
            case Ticked():
                self._tick(event)
            case Listed():
                self.listed, self.instruments = event.day, event.instruments
            case Phased():
                self.phases[event.symbol] = event.phase

    def instrument(self, symbol: str, day: date) -> Instrument:
        """Return what the morning file says of `symbol`; that of another day than `day` nothing."""
        return self.instruments.get(symbol, UNLISTED) if self.listed == day else UNLISTED

    def price(self, symbol: str, day: date) -> Decimal | None:
        """Return the last price of `symbol` on `day`, None before its first."""
        return self.prices.get(symbol) if self.day == day else None

    def executed_on(self, day: date, symbol: str) -> dict[str, Executed]:
        """Return the orders of `symbol` that were executed on `day`, by tag."""
        return dict(self.executed.get(day, {}).get(symbol, {}))

    def unsettled(self, symbol: str) -> int:
        """Return the shares bought for delivery on the last day with a price."""
        if self.day is None:
            return 0
        rows = self.executed_on(self.day, symbol).values()
        signed = (o.quantity if o.is_buy else -o.quantity for o in rows if not o.squared_off)
        return max(sum(signed), 0)

    def held_as(self, symbol: str, product: Product) -> int:
        """Return the shares of `symbol` that an order of `product` can sell."""
        intraday = self.intraday.get(symbol, 0)
        return intraday if product is Product.INTRADAY else self.held.get(symbol, 0) - intraday

    def _tick(self, event: Ticked) -> None:
        if event.day != self.day:
            self.day, self.prices, self.volumes = event.day, {}, {}
            self.phases.pop("", None)  # a market-wide halt ends with its day
            self.quotes = {}
        for symbol in event.prices:
            self.quotes.pop(symbol, None)
        self.quotes.update(event.quotes)
        self.prices.update(event.prices)
        self.volumes.update(event.volumes)

    def _fill(self, fill: Fill) -> None:
        row = self.orders[fill.tag]
        filled = row.filled + fill.quantity
        whole = filled >= row.order.quantity
        state = OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED
        self.orders[fill.tag] = replace(row, filled=filled, state=state)
        if whole:
            self.resting.pop(fill.tag, None)
        value = fill.quantity * fill.price
        self.trades.append(fill)
        if fill.at.date() not in self.executed:
            self.executed = {fill.at.date(): {}}
        orders = self.executed[fill.at.date()].setdefault(fill.symbol, {})
        orders[fill.tag] = executed(row.order, fill.quantity, value, orders.get(fill.tag))
        self.cash -= fill.side.sign * value + fill.charges
        self.held[fill.symbol] = self.held.get(fill.symbol, 0) + fill.side.sign * fill.quantity
        if fill.symbol in self.volumes:
            self.volumes[fill.symbol] -= fill.quantity
        if row.order.product is Product.INTRADAY:
            signed = fill.side.sign * fill.quantity
            self.intraday[fill.symbol] = self.intraday.get(fill.symbol, 0) + signed

    def purchases(self) -> list[tuple[Order, int]]:
        """Return the resting purchases, each with the shares that may still fill."""
        rows = [self.orders[tag] for tag in self.resting]
        return [
            (row.order, row.order.quantity - row.filled)
            for row in rows
            if row.order.side is OrderSide.BUY
        ]

    def offered(self, order: Order) -> int:
        """Return the shares that resting sales of the same symbol and product may still sell."""
        rows = [self.orders[tag] for tag in self.resting]
        return sum(
            row.order.quantity - row.filled
            for row in rows
            if row.order.side is OrderSide.SELL
            and (row.order.symbol, row.order.product) == (order.symbol, order.product)
        )

    def blocked(self) -> Decimal:
        """Return the value of what resting purchases may still buy, without charges."""
        return sum((left * order.limit_price for order, left in self.purchases()), ZERO)


def executed(
    order: Order, quantity: int, value: Decimal, before: Executed | None = None
) -> Executed:
    """Return an order with this execution on top of those before it."""
    return Executed(
        order.side is OrderSide.BUY,
        quantity + (0 if before is None else before.quantity),
        value + (ZERO if before is None else before.value),
        order.product is Product.INTRADAY,
    )


def _resting_state(order: Order) -> OrderState:
    return OrderState.OPEN if order.trigger_price is None else OrderState.TRIGGER_PENDING
