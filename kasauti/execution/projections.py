"""What the ledger's events amount to: orders, positions, fills, profit, limits used; a pure fold.

`Book` is rebuilt from the events at any time and is equal each time. It reads no clock, no price
feed and no broker.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from kasauti.execution import events as ev
from kasauti.execution.limits import Limits
from kasauti.execution.model import (
    Fill,
    Intent,
    Purpose,
    Scope,
    tag_of,
)
from kasauti.execution.orders import OrderEvent, advance
from kasauti.execution.views import (
    ZERO,
    ClosedTrade,
    DayResult,
    OrderView,
    Position,
    protected,
)


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
        self.children: dict[str, list[str]] = {}
        self.sends: list[datetime] = []
        self.sent: dict[date, list[str]] = {}
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
        handler = _HANDLERS.get(type(record.event))
        if handler is not None:
            handler(self, record.event, record.at)
        self.seq = record.seq
        self.epoch = record.epoch

    def order(self, key: str) -> OrderView | None:
        """Return the order of the intent `key`, None if it was never committed."""
        return self.orders.get(tag_of(key))

    def sent_on(self, day: date) -> list[OrderView]:
        """Return the orders sent on `day`, oldest first."""
        return [self.orders[tag] for tag in self.sent.get(day, [])]

    def orders_of(self, parent: str) -> list[OrderView]:
        """Return the closing orders of the position that the entry `parent` opened."""
        return [self.orders[tag] for tag in self.children.get(parent, [])]

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

    def _on_genesis(self, event: ev.Genesis, at: datetime) -> None:
        del at
        self.scope, self.market = event.scope, event.market

    def _on_limits_sealed(self, event: ev.LimitsSealed, at: datetime) -> None:
        del at
        if self.limits is None:
            self.capital = event.limits.capital
        self.limits, self.limits_day = event.limits, event.day

    def _on_self_tested(self, event: ev.SelfTested, at: datetime) -> None:
        del at
        self.self_tested = event.day

    def _on_intent_committed(self, event: ev.IntentCommitted, at: datetime) -> None:
        tag = event.intent.tag
        self.orders[tag] = OrderView(event.intent, committed_at=at)
        self.live[tag] = None
        if event.intent.parent is not None:
            self.children.setdefault(event.intent.parent, []).append(tag)
        position = self.positions.get(event.intent.symbol)
        if event.intent.purpose is Purpose.EXIT and position is not None:
            self.positions[position.symbol] = replace(position, leaving=True)

    def _on_intent_dropped(self, event: ev.IntentDropped, at: datetime) -> None:
        self._move(tag_of(event.key), event.event, at, code=event.code)

    def _on_gate_decided(self, event: ev.GateDecided, at: datetime) -> None:
        self.evaluated.update(dict.fromkeys((d.control for d in event.decisions), at))
        tag = tag_of(event.key)
        if event.allowed:
            self.sends.append(at)
            self.sent.setdefault(at.date(), []).append(tag)
            self._move(tag, OrderEvent.SEND, at, sent_at=at)
        else:
            self._move(tag, OrderEvent.DENY, at, code=event.code)

    def _on_order_moved(self, event: ev.OrderMoved, at: datetime) -> None:
        order = self.orders[event.tag]
        changes: dict[str, Any] = {}
        if event.broker_id:
            changes["broker_id"] = event.broker_id
        if event.text:
            changes["code"] = event.text
        if event.event is OrderEvent.REST and order.intent.trigger_price is not None:
            changes["triggered"] = True
        at = event.at or at
        if event.event is OrderEvent.CANCEL:
            self.sends.append(at)
        if event.event is OrderEvent.NEVER_ARRIVED and order.sent_at is not None:
            self.sends.remove(order.sent_at)
            self.sent[order.sent_at.date()].remove(event.tag)
            changes |= {"sent_at": None, "never_arrived": order.never_arrived + 1}
        self._move(event.tag, event.event, at, **changes)

    def _on_order_filled(self, event: ev.OrderFilled, at: datetime) -> None:
        del at
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

    def _on_protection_revised(self, event: ev.ProtectionRevised, at: datetime) -> None:
        del at
        position = self.positions.get(event.symbol)
        if position is not None and position.parent == event.parent:
            revised = replace(position, stop_price=event.stop_price)
            self.positions[event.symbol] = revised

    def _on_trading_state_changed(self, event: ev.TradingStateChanged, at: datetime) -> None:
        del at
        self.trading_state = event.state

    def _on_latch_changed(self, event: ev.LatchChanged, at: datetime) -> None:
        del at
        self.latched = event.latched

    def _on_acknowledged(self, event: ev.Acknowledged, at: datetime) -> None:
        del event
        if self.trades and self.trades[-1].exit_time.date() < at.date():
            self.streak = 0  # a word on the day of the loss itself changes nothing

    def _on_reconciled(self, event: ev.Reconciled, at: datetime) -> None:
        del at
        self.differences = event.differences

    def _on_session_closed(self, event: ev.SessionClosed, at: datetime) -> None:
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
            self.positions[fill.symbol] = protected(
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
            self.positions[fill.symbol] = protected(held, intent)
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


_HANDLERS: dict[type[Any], Callable[[Book, Any, datetime], None]] = {
    ev.Genesis: Book._on_genesis,
    ev.LimitsSealed: Book._on_limits_sealed,
    ev.SelfTested: Book._on_self_tested,
    ev.IntentCommitted: Book._on_intent_committed,
    ev.IntentDropped: Book._on_intent_dropped,
    ev.GateDecided: Book._on_gate_decided,
    ev.OrderMoved: Book._on_order_moved,
    ev.OrderFilled: Book._on_order_filled,
    ev.ProtectionRevised: Book._on_protection_revised,
    ev.TradingStateChanged: Book._on_trading_state_changed,
    ev.LatchChanged: Book._on_latch_changed,
    ev.Acknowledged: Book._on_acknowledged,
    ev.Reconciled: Book._on_reconciled,
    ev.SessionClosed: Book._on_session_closed,
}
