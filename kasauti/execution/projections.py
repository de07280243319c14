"""What the ledger's events amount to: orders, positions, fills, profit, limits used; a pure fold.

`Book` is rebuilt from the events at any time and is equal each time. It reads no clock, no price
feed and no broker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from kasauti.execution import events as ev
from kasauti.execution.limits import Limits
from kasauti.execution.model import (
    Fill,
    Intent,
    Outcome,
    Product,
    Purpose,
    Scope,
    tag_of,
)
from kasauti.execution.orders import OrderEvent, OrderState, advance, outcome_of

ZERO = Decimal(0)


@dataclass(frozen=True)
class OrderView:
    """One intent and what became of it."""

    intent: Intent
    state: OrderState = OrderState.QUEUED
    committed_at: datetime | None = None
    sent_at: datetime | None = None
    broker_id: str = ""
    triggered: bool = False
    filled: int = 0
    value: Decimal = ZERO
    charges: Decimal = ZERO
    code: str = ""
    ended_at: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome that the intent's sender sees."""
        return outcome_of(self.state)

    @property
    def remaining(self) -> int:
        """Shares that may still fill."""
        return 0 if self.state.is_final else self.intent.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Mean fill price, None before the first fill."""
        return self.value / self.filled if self.filled else None


@dataclass(frozen=True)
class Position:
    """What is held in one symbol; the quantity of a short is negative.

    Attributes
    ----------
    cost, proceeds : Decimal
        Value of the shares bought into and sold out of the position (the reverse for a short).
    stop_price, target_price : Decimal or None
        Levels of the protection, not yet on the tick.
    """

    symbol: str
    quantity: int
    parent: str
    genome_hash: str
    opened_at: datetime
    product: Product
    entered: int
    cost: Decimal
    exited: int = 0
    proceeds: Decimal = ZERO
    charges: Decimal = ZERO
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trail: Decimal | None = None

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return 1 if self.quantity >= 0 else -1

    @property
    def average_price(self) -> Decimal:
        """Mean entry price."""
        return self.cost / self.entered


@dataclass(frozen=True)
class ClosedTrade:
    """One position from flat to flat; `profit` is net of `charges`."""

    symbol: str
    genome_hash: str
    side: str
    quantity: int
    entry_time: datetime
    entry_price: Decimal
    exit_time: datetime
    exit_price: Decimal
    reason: Purpose
    charges: Decimal
    profit: Decimal


@dataclass(frozen=True)
class DayResult:
    """One session's end: close-marked equity and its change; charges of the day."""

    day: date
    equity: Decimal
    profit: Decimal
    charges: Decimal


class Book:
    """The fold of a ledger's events."""

    def __init__(self) -> None:
        self.seq = 0
        self.epoch = 0
        self.scope: Scope | None = None
        self.market = ""
        self.limits: Limits | None = None
        self.limits_day: date | None = None
        self.capital = ZERO
        self.trading_state = ev.TradingState.ACTIVE
        self.latched = False
        self.streak = 0
        self.differences: tuple[str, ...] = ()
        self.orders: dict[str, OrderView] = {}
        self.live: dict[str, None] = {}
        self.sends: list[datetime] = []
        self.positions: dict[str, Position] = {}
        self.fills: dict[str, Fill] = {}
        self.trades: list[ClosedTrade] = []
        self.days: list[DayResult] = []
        self.marks: dict[str, Decimal] = {}
        self.cash_flow = ZERO
        self.charges = ZERO
        self.evaluated: dict[str, datetime] = {}
        self.self_tested: date | None = None

    def apply(self, record: ev.Record) -> None:
        """Take in the next event.

        Raises
        ------
        LedgerError
            If it is impossible after those before it.
        """
        handler = getattr(self, f"_on_{type(record.event).__name__}", None)
        if handler is not None:
            handler(record.event, record.at)
        self.seq = record.seq
        self.epoch = record.epoch

    def order(self, key: str) -> OrderView | None:
        """Return the order of the intent `key`, None if it was never committed."""
        return self.orders.get(tag_of(key))

    def live_orders(self) -> list[OrderView]:
        """Return every order that is not final, oldest first."""
        return [self.orders[tag] for tag in self.live]

    def equity(self, marks: Mapping[str, Decimal] | None = None) -> Decimal:
        """Return cash plus positions at `marks`, else at the last marks, else at their cost."""
        known = {**self.marks, **(marks or {})}
        held = sum(
            (p.quantity * known.get(p.symbol, p.average_price) for p in self.positions.values()),
            ZERO,
        )
        return self.capital + self.cash_flow + held

    def opening_equity(self) -> Decimal:
        """Return the equity at the last close, or the capital before the first."""
        return self.days[-1].equity if self.days else self.capital

    def fingerprint(self) -> dict[str, Any]:
        """Return all that a crash must not change: no epochs, event numbers or reconciliations."""
        return {
            "orders": self.orders,
            "positions": self.positions,
            "fills": sorted(self.fills.items()),
            "trades": self.trades,
            "days": self.days,
            "cash": self.cash_flow,
            "state": self.trading_state,
            "latched": self.latched,
            "streak": self.streak,
        }

    def _on_Genesis(self, event: ev.Genesis, at: datetime) -> None:
        del at
        self.scope, self.market = event.scope, event.market

    def _on_LimitsSealed(self, event: ev.LimitsSealed, at: datetime) -> None:
        del at
        if self.limits is None:
            self.capital = event.limits.capital
        self.limits, self.limits_day = event.limits, event.day

    def _on_SelfTested(self, event: ev.SelfTested, at: datetime) -> None:
        del at
        self.self_tested = event.day

    def _on_IntentCommitted(self, event: ev.IntentCommitted, at: datetime) -> None:
        tag = event.intent.tag
        self.orders[tag] = OrderView(event.intent, committed_at=at)
        self.live[tag] = None

    def _on_IntentDropped(self, event: ev.IntentDropped, at: datetime) -> None:
        self._move(tag_of(event.key), event.event, at, code=event.code)

    def _on_GateDecided(self, event: ev.GateDecided, at: datetime) -> None:
        self.evaluated.update(dict.fromkeys((d.control for d in event.decisions), at))
        tag = tag_of(event.key)
        if event.allowed:
            self.sends.append(at)
            self._move(tag, OrderEvent.SEND, at, sent_at=at)
        else:
            self._move(tag, OrderEvent.DENY, at, code=event.code)

    def _on_OrderMoved(self, event: ev.OrderMoved, at: datetime) -> None:
        order = self.orders[event.tag]
        changes: dict[str, Any] = {}
        if event.broker_id:
            changes["broker_id"] = event.broker_id
        if event.text:
            changes["code"] = event.text
        if event.event is OrderEvent.REST and order.intent.trigger_price is not None:
            changes["triggered"] = True
        if event.event is OrderEvent.CANCEL:
            self.sends.append(at)
        if event.event is OrderEvent.NEVER_ARRIVED and order.sent_at is not None:
            self.sends.remove(order.sent_at)
            changes["sent_at"] = None
        self._move(event.tag, event.event, at, **changes)

    def _on_OrderFilled(self, event: ev.OrderFilled, at: datetime) -> None:
        fill = event.fill
        if fill.id in self.fills:
            return
        self.fills[fill.id] = fill
        order = self.orders[fill.tag]
        filled = order.filled + fill.quantity
        whole = filled >= order.intent.quantity
        self._move(
            fill.tag,
            OrderEvent.FILL if whole else OrderEvent.FILL_PART,
            fill.at,
            filled=filled,
            value=order.value + fill.quantity * fill.price,
            charges=order.charges + fill.charges,
        )
        self.cash_flow -= fill.side.sign * fill.quantity * fill.price + fill.charges
        self.charges += fill.charges
        self._hold(fill, order.intent)

    def _on_ProtectionRevised(self, event: ev.ProtectionRevised, at: datetime) -> None:
        del at
        position = self.positions.get(event.symbol)
        if position is not None and position.parent == event.parent:
            revised = replace(position, stop_price=event.stop_price)
            self.positions[event.symbol] = revised

    def _on_TradingStateChanged(self, event: ev.TradingStateChanged, at: datetime) -> None:
        del at
        self.trading_state = event.state

    def _on_LatchChanged(self, event: ev.LatchChanged, at: datetime) -> None:
        del at
        self.latched = event.latched

    def _on_Acknowledged(self, event: ev.Acknowledged, at: datetime) -> None:
        del event, at
        self.streak = 0

    def _on_Reconciled(self, event: ev.Reconciled, at: datetime) -> None:
        del at
        self.differences = event.differences

    def _on_SessionClosed(self, event: ev.SessionClosed, at: datetime) -> None:
        del at
        self.marks.update(event.marks)
        charged = sum((day.charges for day in self.days), ZERO)
        equity = self.equity()
        self.days.append(
            DayResult(event.day, equity, equity - self.opening_equity(), self.charges - charged)
        )

    def _move(self, tag: str, event: OrderEvent, at: datetime, **changes: Any) -> None:
        order = self.orders[tag]
        state = advance(order.state, event)
        if state.is_final:
            self.live.pop(tag, None)
            if not order.state.is_final:
                changes["ended_at"] = at
        self.orders[tag] = replace(order, state=state, **changes)

    def _hold(self, fill: Fill, intent: Intent) -> None:
        position = self.positions.get(fill.symbol)
        signed = fill.side.sign * fill.quantity
        value = fill.quantity * fill.price
        if position is None:
            self.positions[fill.symbol] = _protected(
                Position(
                    fill.symbol,
                    signed,
                    intent.key,
                    intent.genome_hash,
                    fill.at,
                    intent.product,
                    fill.quantity,
                    value,
                    charges=fill.charges,
                ),
                intent,
            )
            return
        held = replace(
            position, quantity=position.quantity + signed, charges=position.charges + fill.charges
        )
        if fill.side.sign == position.sign:
            held = replace(held, entered=held.entered + fill.quantity, cost=held.cost + value)
            self.positions[fill.symbol] = _protected(held, intent)
            return
        held = replace(held, exited=held.exited + fill.quantity, proceeds=held.proceeds + value)
        self.positions[fill.symbol] = held
        if held.quantity == 0:
            del self.positions[fill.symbol]
            self._close(position, held, fill, intent.purpose)

    def _close(self, before: Position, flat: Position, fill: Fill, reason: Purpose) -> None:
        profit = before.sign * (flat.proceeds - flat.cost) - flat.charges
        self.trades.append(
            ClosedTrade(
                flat.symbol,
                flat.genome_hash,
                "long" if before.sign > 0 else "short",
                flat.entered,
                flat.opened_at,
                flat.average_price,
                fill.at,
                flat.proceeds / flat.exited,
                reason,
                flat.charges,
                profit,
            )
        )
        self.streak = self.streak + 1 if profit < 0 else 0


def _protected(position: Position, intent: Intent) -> Position:
    """Return the position with the levels that its entry's protection gives at its mean price."""
    if intent.protection is None:
        return position
    price = position.average_price
    trail = intent.protection.trail
    return replace(
        position,
        stop_price=intent.protection.stop_price(price, intent.side),
        target_price=intent.protection.target_price(price, intent.side),
        trail=None if trail is None else trail.amount(price),
    )
