"""What the ledger's events amount to: orders, positions, fills, profit, limits used; a pure fold.

`Book` is rebuilt from the events at any time and is equal each time. It reads no clock, no price
feed and no broker.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from kasauti.execution import events as ev
from kasauti.execution.holdings import Holdings
from kasauti.execution.limits import Limits
from kasauti.execution.model import (
    ADOPTED,
    Fill,
    Intent,
    Offset,
    OrderSide,
    Protection,
    Purpose,
    Scope,
    tag_of,
)
from kasauti.execution.orders import OrderEvent, OrderState, advance
from kasauti.execution.switches import STREAK, Switches
from kasauti.execution.views import ZERO, ClosedTrade, DayResult, OrderView, Position, changed, made


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
        self.host = ""
        self.hosted_at: datetime | None = None
        self.limits_hash = ""
        self.sealed_at: datetime | None = None
        self.switches = Switches()
        self.reviewed_at: datetime | None = None
        self.reviewed = 0  # trades that were known then: a session may be played after the fact
        self.peak = ZERO
        self.latched = False
        self.flatten = False
        self.streak = 0
        self.differences: tuple[str, ...] = ()
        self.orders: dict[str, OrderView] = {}
        self.live: dict[str, None] = {}
        self.children: dict[str, list[str]] = {}
        self.sends: list[datetime] = []
        self.sent: dict[date, list[str]] = {}
        self.holdings = Holdings()
        self.positions: dict[str, Position] = self.holdings.positions
        self.fills: dict[tuple[str, str], Fill] = {}  # by order and id
        self.trades: list[ClosedTrade] = self.holdings.trades
        self.acknowledged = 0  # trades that were known when somebody looked at a streak
        self.days: list[DayResult] = []
        self.marks: dict[str, Decimal] = {}
        self._traded = ZERO  # cash that executions moved
        self.paid_in = ZERO
        self.lost = ZERO  # what went out of the account, and nobody knows where to
        self.charges = ZERO
        self._charges_closed = ZERO  # those of the sessions that are over
        self._spoke: dict[str, datetime] = {}
        self.self_tested: date | None = None
        self.demoted: dict[str, datetime] = {}
        self.asked_for: tuple[date, frozenset[str]] = (date.min, frozenset())
        self.asked: ev.ArmingAsked | None = None
        self.armed: ev.Armed | None = None
        self.armed_at: datetime | None = None

    def apply(self, record: ev.Record) -> None:
        """Take in the next event.

        Raises
        ------
        LedgerError
            If it is impossible after those before it.
        """
        self.take(record.seq, record.epoch, record.at, record.event)

    def take(self, seq: int, epoch: int, at: datetime, event: ev.Event) -> None:
        """Take in the next event as `apply` does; a rebuild makes no records."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event, at)
        self.seq = seq
        self.epoch = epoch

    @property
    def trading_state(self) -> ev.TradingState:
        """The strictest of what a person chose and what open breakers ask for."""
        return self.switches.state

    @property
    def cash_flow(self) -> Decimal:
        """Cash that executions and changes from outside moved, from the capital on."""
        return self._traded - self.lost + sum(self.holdings.adopted.values(), ZERO)

    @property
    def evaluated(self) -> dict[str, datetime]:
        """When each control was last evaluated; one that never was is missing."""
        return {control: at for controls, at in self._spoke.items() for control in controls.split()}

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
        """Return the equity at the last close, or the capital before the first.

        Money that came in from outside since then counts as if it had been there.
        """
        return self.days[-1].equity + self.paid_in if self.days else self.capital

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
            "breakers": sorted(self.switches.breakers),
            "throttled": sorted(self.switches.throttled),
            "latched": self.latched,
            "streak": self.streak,
        }

    def _on_genesis(self, event: ev.Genesis, at: datetime) -> None:
        del at
        self.scope, self.market = event.scope, event.market

    def _on_epoch_raised(self, event: ev.EpochRaised, at: datetime) -> None:
        self.host, self.hosted_at = event.host, at

    def _on_limits_sealed(self, event: ev.LimitsSealed, at: datetime) -> None:
        if self.limits is None:
            self.capital = self.peak = event.limits.capital
        self.limits, self.limits_day = event.limits, event.day
        self.limits_hash, self.sealed_at = event.hash, at

    def _on_self_tested(self, event: ev.SelfTested, at: datetime) -> None:
        del at
        self.self_tested = event.day

    def _on_intent_committed(self, event: ev.IntentCommitted, at: datetime) -> None:
        intent = event.intent
        tag = intent.tag
        known = self.orders.get(tag)
        if known is not None and known.intent.key.startswith(ADOPTED):
            # It went out before this ledger was restored: it is that order, and not sent again. Of
            # any other order a second commit is a broken ledger, which must show.
            self.orders[tag] = changed(known, intent=intent, committed_at=at)
        else:
            self.orders[tag] = made(OrderView, intent=intent, committed_at=at)
            self.live[tag] = None
        if intent.parent is not None:
            self.children.setdefault(intent.parent, []).append(tag)
        if intent.purpose is Purpose.EXIT and intent.symbol in self.positions:
            self.holdings.leave(intent.symbol, at)

    def _on_intent_dropped(self, event: ev.IntentDropped, at: datetime) -> None:
        self._move(tag_of(event.key), event.event, at, code=event.code)

    def _on_gate_decided(self, event: ev.GateDecided, at: datetime) -> None:
        self._spoke.pop(event.controls, None)  # the latest stands last
        self._spoke[event.controls] = at
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
        if event.event is OrderEvent.SEND:  # found at the broker, not sent by this ledger's desk
            self.sends.append(at)
            self.sent.setdefault(at.date(), []).append(event.tag)
            changes["sent_at"] = at
        if event.event is OrderEvent.CANCEL and not order.state.is_final:
            self.sends.append(at)  # in our time, whatever the broker's clock says
        at = event.at or at
        if event.event is OrderEvent.NEVER_ARRIVED and order.sent_at is not None:
            self.sends.remove(order.sent_at)
            self.sent[order.sent_at.date()].remove(event.tag)
            changes |= {"sent_at": None, "never_arrived": order.never_arrived + 1}
        self._move(event.tag, event.event, at, **changes)

    def _on_order_filled(self, event: ev.OrderFilled, at: datetime) -> None:
        del at
        fill = event.fill
        if fill.key in self.fills:
            return
        self.fills[fill.key] = fill
        order = self.orders[fill.tag]
        filled, value = order.filled + fill.quantity, fill.quantity * fill.price
        whole = filled >= order.intent.quantity
        self._move(
            fill.tag,
            OrderEvent.FILL if whole else OrderEvent.FILL_PART,
            fill.at,
            filled=filled,
            filled_at=max(fill.at, order.filled_at or fill.at),
            value=order.value + value,
            charges=order.charges + fill.charges,
        )
        self._traded -= fill.side.sign * value + fill.charges
        self.charges += fill.charges
        self._hold(fill, order.intent)

    def _hold(self, fill: Fill, intent: Intent) -> None:
        known = len(self.trades)
        in_order = self.holdings.fill(fill, intent)
        if not in_order:  # the trades were made anew
            self.streak = self._losses_in_a_row()
            return
        for trade in self.trades[known:]:
            self.streak = self.streak + 1 if trade.profit < 0 else 0

    def _losses_in_a_row(self) -> int:
        losses = 0
        for trade in islice(reversed(self.trades), len(self.trades) - self.acknowledged):
            if trade.profit >= 0:
                break
            losses += 1
        return losses

    def _on_protection_revised(self, event: ev.ProtectionRevised, at: datetime) -> None:
        self.holdings.revise(event.symbol, event.parent, event.stop_price, at)

    def _on_trading_state_changed(self, event: ev.TradingStateChanged, at: datetime) -> None:
        if self.switches.change(event, at):
            self.peak = self.equity()  # a fall that a person accepted is measured from here on

    def _on_resumed(self, event: ev.Resumed, at: datetime) -> None:
        del event
        if self.switches.resume(at):
            self.peak = self.equity()

    def _on_strategy_latched(self, event: ev.StrategyLatched, at: datetime) -> None:
        self.switches.throttled[event.genome_hash] = at

    def _on_reviewed(self, event: ev.Reviewed, at: datetime) -> None:
        del event
        self.reviewed_at, self.reviewed = at, len(self.trades)

    def _on_latch_changed(self, event: ev.LatchChanged, at: datetime) -> None:
        del at
        self.latched = event.latched
        self.flatten = event.latched and (self.flatten or event.flatten)

    def _on_acknowledged(self, event: ev.Acknowledged, at: datetime) -> None:
        del event
        if self.trades and self.trades[-1].exit_time.date() < at.date():
            self.streak = 0  # a word on the day of the loss itself changes nothing
            self.acknowledged = len(self.trades)
            self.switches.breakers.pop(STREAK, None)

    def _on_reconciled(self, event: ev.Reconciled, at: datetime) -> None:
        del at
        self.differences = event.differences

    def _on_order_adopted(self, event: ev.OrderAdopted, at: datetime) -> None:
        tag, placed_at = event.intent.tag, event.intent.valid_from
        self.orders[tag] = OrderView(
            event.intent, OrderState.ACCEPTED, at, placed_at, broker_id=event.broker_id
        )
        self.live[tag] = None

    def _on_position_adopted(self, event: ev.PositionAdopted, at: datetime) -> None:
        known = len(self.trades)
        self.holdings.adopt(event.symbol, event.quantity, event.price, _adopted(event, at))
        if len(self.trades) != known:
            self.streak = self._losses_in_a_row()

    def _on_funds_adopted(self, event: ev.FundsAdopted, at: datetime) -> None:
        del at
        if event.lost:
            self.lost -= event.amount
            return
        self.capital += event.amount
        self.paid_in += event.amount
        self.peak += event.amount

    def _on_session_closed(self, event: ev.SessionClosed, at: datetime) -> None:
        del at
        self.marks.update(event.marks)
        equity = self.equity()
        self.peak = max(self.peak, equity)
        charged = self.charges - self._charges_closed
        self.days.append(DayResult(event.day, equity, equity - self.opening_equity(), charged))
        self._charges_closed = self.charges
        self.paid_in = ZERO

    def _on_signals_decided(self, event: ev.SignalsDecided, at: datetime) -> None:
        day, asked = self.asked_for
        if at < event.opens and event.day >= day:
            before = asked if event.day == day else frozenset[str]()
            self.asked_for = event.day, before | set(event.genomes)

    def undecided(self, day: date) -> tuple[str, ...]:
        """Return the symbols held for strategies whose rules nobody asked about `day`."""
        asked = self.asked_for[1] if self.asked_for[0] == day else frozenset()
        mine = [one for one in self.positions.values() if not one.is_foreign]
        return tuple(sorted(one.symbol for one in mine if one.genome_hash not in asked))

    def _on_strategy_demoted(self, event: ev.StrategyDemoted, at: datetime) -> None:
        self.demoted[event.genome_hash] = at

    def _on_arming_asked(self, event: ev.ArmingAsked, at: datetime) -> None:
        del at
        self.asked = event

    def _on_armed(self, event: ev.Armed, at: datetime) -> None:
        self.asked, self.armed, self.armed_at = None, event, at

    def _on_disarmed(self, event: ev.Disarmed, at: datetime) -> None:
        del event, at
        self.asked = self.armed = None

    def _move(self, tag: str, event: OrderEvent, at: datetime, **changes: Any) -> None:
        order = self.orders[tag]
        state = advance(order.state, event)
        if state.is_final:
            self.live.pop(tag, None)
            filled_at = changes.get("filled_at", order.filled_at)
            if not order.state.is_final:
                changes["ended_at"] = max(at, filled_at or at)
            elif filled_at is not None and order.ended_at is not None:
                changes["ended_at"] = max(order.ended_at, filled_at)
        self.orders[tag] = changed(order, state=state, **changes)


_HANDLERS: dict[type[Any], Callable[[Book, Any, datetime], None]] = {
    ev.Genesis: Book._on_genesis,
    ev.EpochRaised: Book._on_epoch_raised,
    ev.LimitsSealed: Book._on_limits_sealed,
    ev.SelfTested: Book._on_self_tested,
    ev.IntentCommitted: Book._on_intent_committed,
    ev.IntentDropped: Book._on_intent_dropped,
    ev.GateDecided: Book._on_gate_decided,
    ev.OrderMoved: Book._on_order_moved,
    ev.OrderFilled: Book._on_order_filled,
    ev.ProtectionRevised: Book._on_protection_revised,
    ev.TradingStateChanged: Book._on_trading_state_changed,
    ev.StrategyLatched: Book._on_strategy_latched,
    ev.Resumed: Book._on_resumed,
    ev.Reviewed: Book._on_reviewed,
    ev.LatchChanged: Book._on_latch_changed,
    ev.Acknowledged: Book._on_acknowledged,
    ev.Reconciled: Book._on_reconciled,
    ev.OrderAdopted: Book._on_order_adopted,
    ev.PositionAdopted: Book._on_position_adopted,
    ev.FundsAdopted: Book._on_funds_adopted,
    ev.SessionClosed: Book._on_session_closed,
    ev.SignalsDecided: Book._on_signals_decided,
    ev.StrategyDemoted: Book._on_strategy_demoted,
    ev.ArmingAsked: Book._on_arming_asked,
    ev.Armed: Book._on_armed,
    ev.Disarmed: Book._on_disarmed,
}


def _adopted(event: ev.PositionAdopted, at: datetime) -> Intent:
    """Return the intent that stands for a position from outside."""
    stop = None if event.stop is None else Protection(Offset(event.stop, of_price=True))
    return Intent(
        key=f"{ADOPTED}{event.symbol}|{at.isoformat()}",
        genome_hash="",
        signal_version="",
        symbol=event.symbol,
        side=OrderSide.BUY if event.quantity >= 0 else OrderSide.SELL,
        quantity=abs(event.quantity),
        purpose=Purpose.FOREIGN,
        limit_price=event.price,
        valid_from=at,
        valid_until=at,
        protection=stop,
        product=event.product,
    )
