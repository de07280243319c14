"""The paper account as a fold of its own events: orders, cash, holdings, prices; no matching."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from kasauti.execution.brokers.base import BrokerOrder
from kasauti.execution.model import Fill, Money, Order, OrderSide
from kasauti.execution.orders import OrderState

ZERO = Decimal(0)


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


PaperEvent = Funded | Placed | Triggered | Ended | Filled | Ticked
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in PaperEvent.__args__}


@cache
def adapter(kind: str) -> TypeAdapter[Any]:
    """Return the codec of the events called `kind`."""
    return TypeAdapter(_KINDS[kind])


@dataclass(frozen=True)
class Bought:
    """Shares bought in this session: what an exit today turns from delivery into intraday."""

    quantity: int = 0
    value: Decimal = ZERO
    charges: Decimal = ZERO


class PaperBook:
    """The fold of the paper broker's events."""

    def __init__(self) -> None:
        self.seq = 0
        self.cash = ZERO
        self.day: date | None = None
        self.orders: dict[str, BrokerOrder] = {}
        self.resting: dict[str, None] = {}
        self.value: dict[str, Decimal] = {}
        self.charged: dict[str, Decimal] = {}
        self.trades: list[Fill] = []
        self.held: dict[str, int] = {}
        self.bought: dict[str, Bought] = {}
        self.prices: dict[str, Decimal] = {}
        self.volumes: dict[str, Decimal] = {}

    def apply(self, event: PaperEvent) -> None:
        """Take in the next event."""
        match event:
            case Funded():
                self.cash += event.cash
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
                if event.day != self.day:
                    self.day, self.bought, self.prices, self.volumes = event.day, {}, {}, {}
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
        self.value[fill.tag] = self.value.get(fill.tag, ZERO) + value
        self.charged[fill.tag] = self.charged.get(fill.tag, ZERO) + fill.charges
        self.cash -= fill.side.sign * value + fill.charges
        self.held[fill.symbol] = self.held.get(fill.symbol, 0) + fill.side.sign * fill.quantity
        if fill.symbol in self.volumes:
            self.volumes[fill.symbol] -= fill.quantity
        before = self.bought.get(fill.symbol, Bought())
        if fill.side is OrderSide.BUY:
            self.bought[fill.symbol] = Bought(
                before.quantity + fill.quantity,
                before.value + value,
                before.charges + fill.charges,
            )
        elif before.quantity:
            left = Decimal(max(before.quantity - fill.quantity, 0)) / before.quantity
            self.bought[fill.symbol] = Bought(
                max(before.quantity - fill.quantity, 0), before.value * left, before.charges * left
            )

    def blocked(self) -> Decimal:
        """Return the cash that resting purchases may still need."""
        rows = [self.orders[tag] for tag in self.resting]
        return sum(
            (
                (row.order.quantity - row.filled) * row.order.limit_price
                for row in rows
                if row.order.side is OrderSide.BUY
            ),
            ZERO,
        )


def _resting_state(order: Order) -> OrderState:
    return OrderState.OPEN if order.trigger_price is None else OrderState.TRIGGER_PENDING
