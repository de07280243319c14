"""Trips every control once before a session opens: a rule that cannot refuse is no rule.

It runs on a made-up order, a scratch ledger, a scratch latch and a scratch paper account; nothing
of the real ones is touched.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kasauti.errors import SelfTestError
from kasauti.execution import failpoints
from kasauti.execution.approvals import Permit
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.controls import CONTROLS, Comparison, GateInput
from kasauti.execution.events import IntentCommitted, LimitsSealed, SelfTested, TradingState
from kasauti.execution.gate import Gate, Passage, judge
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Entry, Ledger
from kasauti.execution.limits import custom
from kasauti.execution.model import (
    Intent,
    Offset,
    OrderSide,
    Protection,
    Purpose,
    Scope,
)
from kasauti.execution.references import Reference
from kasauti.execution.usage import Usage
from kasauti.market.calendar import Session, calendar_from_dates
from kasauti.market.markets import NSE

ZONE = ZoneInfo("Asia/Kolkata")
DAY, DAY_BEFORE = date(2026, 7, 15), date(2026, 7, 14)
NOW = datetime(2026, 7, 15, 9, 15, tzinfo=ZONE)
LIMITS = custom(
    capital=Decimal(100_000),
    trades_a_day=2,
    risk_per_trade=Decimal(1_000),
    daily_loss=Decimal(2_000),
    losing_streak=3,
)
INTENT = Intent(
    key="self-test",
    genome_hash="g",
    signal_version="v",
    symbol="TEST",
    side=OrderSide.BUY,
    quantity=10,
    purpose=Purpose.ENTRY,
    limit_price=Decimal("101.00"),
    valid_from=NOW,
    valid_until=NOW + timedelta(minutes=10),
    reference_price=Decimal(100),
    protection=Protection(Offset(Decimal("0.05"), of_price=True)),
)
PERMIT = Permit("g", Scope.REPLAY, "self-test", "", NOW - timedelta(1), NOW + timedelta(1))
UNUSED = Usage(
    sent_this_second=0,
    sent_this_minute=0,
    sent_today=0,
    entries_today=0,
    open_entry_value=Decimal(0),
    positions=0,
    held=0,
    gross=Decimal(0),
    duplicates=0,
    unconfirmed=0,
    working_entries=0,
    losing_streak=0,
    sessions_since_stop=None,
    sessions_since_losses=None,
    profit_today=Decimal(0),
    drawdown=Decimal(0),
    strategy_value=Decimal(0),
    sector_value=Decimal(0),
    repeats=0,
    throttled=False,
    crossing=0,
)
CONDITIONS = Conditions(
    login_day=DAY,
    ip="192.0.2.1",
    registered_ip="192.0.2.1",
    feed_at=NOW,
    order_feed_at=NOW,
    broker_time=NOW,
    halted=frozenset(),
    market_halted=False,
    restricted=frozenset(),
    quotes={"TEST": LiveQuote(Decimal(100), Decimal("99.95"), Decimal("100.05"), NOW)},
)
COMPARED = Comparison(NOW, ())
CLOSED = "trading stays closed"
HEALTHY = GateInput(
    now=NOW,
    intent=INTENT,
    scope=Scope.REPLAY,
    broker="paper",
    latched=False,
    lease_held=True,
    trading_state=TradingState.ACTIVE,
    permit=PERMIT,
    limits=LIMITS,
    limits_day=DAY,
    reference=Reference("TEST", DAY_BEFORE, Decimal(100)),
    fresh_day=DAY_BEFORE,
    session=Session(DAY, NOW, NOW + timedelta(hours=6)),
    tick=Decimal("0.01"),
    funds=Decimal(100_000),
    entry_charges=Decimal(7),
    exit_charges=Decimal(31),
    usage=UNUSED,
    comparison=COMPARED,
    ledger_head="0" * 64,
    room=True,
    conditions=CONDITIONS,
    self_tested=DAY,
)


def _used(**changes: Any) -> Callable[[GateInput], GateInput]:
    return lambda given: replace(given, usage=replace(UNUSED, **changes))


def _given(**changes: Any) -> Callable[[GateInput], GateInput]:
    return lambda given: replace(given, **changes)


def _asked(**changes: Any) -> Callable[[GateInput], GateInput]:
    return lambda given: replace(given, intent=replace(INTENT, **changes))


def _told(**changes: Any) -> Callable[[GateInput], GateInput]:
    return lambda given: replace(given, conditions=replace(CONDITIONS, **changes))


def _quoted(**changes: Any) -> Callable[[GateInput], GateInput]:
    return _told(quotes={"TEST": replace(CONDITIONS.quotes["TEST"], **changes)})


TRIPS: Mapping[str, Callable[[GateInput], GateInput]] = {
    "K01": _given(latched=True),
    "K02": _given(broker="angel_one"),
    "K03": _given(trading_state=TradingState.REDUCING),
    "K04": _given(permit=replace(PERMIT, scope=Scope.PAPER)),
    "K05": _asked(trigger_price=Decimal("100.50")),
    "K06": _asked(limit_price=Decimal("101.005")),
    "K07": _asked(limit_price=Decimal("121.00")),
    "K08": _asked(limit_price=Decimal("106.00")),
    "K09": _given(reference=Reference("TEST", DAY_BEFORE - timedelta(1), Decimal(100))),
    "K09C": _quoted(bid=Decimal("100.10")),
    "K09Q": _quoted(at=NOW - timedelta(minutes=2)),
    "K09R": _quoted(last=Decimal(150)),
    "K09W": _told(quotes={}),
    "K10": _asked(quantity=10_001),
    "K11": _asked(quantity=1_000),
    "K12": _used(open_entry_value=Decimal(99_500)),
    "K13": _given(funds=Decimal(1_010)),
    "K14": _used(positions=2),
    "K15": _used(gross=Decimal(99_500)),
    "K16": _used(sent_this_second=2),
    "K16D": _used(sent_today=200),
    "K17": _used(duplicates=1),
    "K18": _used(unconfirmed=1),
    "K19": _used(throttled=True),
    "K20": _used(crossing=1),
    "K21": _told(restricted=frozenset({"TEST"})),
    "K22": _used(profit_today=Decimal(-2_000)),
    "K23": _used(drawdown=Decimal("0.20")),
    "K24": _used(sessions_since_stop=0),
    "K24L": _used(sessions_since_losses=0),
    "K25": _given(now=NOW - timedelta(minutes=1)),
    "K26": _told(login_day=DAY_BEFORE),
    "K27": _told(feed_at=NOW - timedelta(minutes=1)),
    "K28": _given(comparison=Comparison(NOW, ("TEST: 10 in the ledger, 0 at the broker",))),
    "K29": _told(broker_time=NOW - timedelta(seconds=5)),
    "K30": _used(held=-5),
    "K31": _given(lease_held=False),
    "K32": _told(market_halted=True),
    "K33": _given(self_tested=DAY_BEFORE),
    "K34": _given(ledger_head=""),
    "K35": _used(entries_today=2),
    "K35R": _used(review_due=DAY),
    "K35S": _given(limits=replace(LIMITS, start=DAY + timedelta(1))),
    "K36": _given(exit_charges=Decimal(1_000)),
    "K37": _used(losing_streak=3),
}
"""For each control, the healthy input changed so that this control, at least, must refuse."""


def self_test() -> tuple[str, ...]:
    """Trip every control through a whole gate, and the latch; return the controls' ids.

    Raises
    ------
    LedgerError
        If the healthy order is refused, if a control lets its bad order pass, or if anything but
        the healthy order reaches the broker.
    """
    tripped = trip_every_control()
    scratch = tempfile.TemporaryDirectory(prefix="kasauti-self-test-")
    with failpoints.muted(), scratch as folder:
        _through_the_gate(Path(folder) / "scratch.sqlite")
    return tripped


def trip_every_control() -> tuple[str, ...]:
    """Judge the healthy order and one bad order a control; return the controls' ids.

    Raises
    ------
    LedgerError
        As `self_test`.
    """
    refused = [d.control for d in judge(CONTROLS, HEALTHY).decisions if not d.passed]
    if refused:
        raise SelfTestError(f"self-test: {refused} refuse a healthy order; {CLOSED}")
    for control in CONTROLS:
        trip = TRIPS.get(control.id)
        if trip is None or control.decide(trip(HEALTHY)).passed:
            raise SelfTestError(f"self-test: {control.id} cannot be tripped; {CLOSED}")
    return tuple(control.id for control in CONTROLS)


class _TrippedGate(Gate):
    """A whole gate that sees one thing wrong."""

    def __init__(self, broker: PaperBroker, **parts: Any) -> None:
        super().__init__(broker, **parts)
        self.trip: Callable[[GateInput], GateInput] = _given()

    def look(self, intent: Intent, now: datetime, comparison: Comparison | None) -> GateInput:
        """Gather what the controls judge by, with the one thing changed."""
        return self.trip(super().look(intent, now, comparison))


def _through_the_gate(path: Path) -> None:
    """Send one bad order a control, one with the latch set and a healthy one; one may arrive."""
    ledger = Ledger(path, scope=Scope.REPLAY, market=NSE.name, at=NOW)
    latch = Latch.beside(path)
    calendar = calendar_from_dates([DAY_BEFORE, DAY], NSE.opens, NSE.closes, ZONE)
    broker = PaperBroker(ledger.engine, NSE, cash=LIMITS.capital, calendar=calendar)
    with closing(ledger), Lease.take(ledger, host="self-test", at=NOW) as lease:
        gate = _TrippedGate(
            broker,
            ledger=ledger,
            lease=lease,
            latch=latch,
            calendar=calendar,
            market=NSE,
            references={"TEST": HEALTHY.reference}.get,
            permits={"g": PERMIT}.get,
            controls=CONTROLS,
        )
        ledger.append_all(
            [
                Entry(LimitsSealed(DAY, LIMITS, LIMITS.hash)),
                Entry(SelfTested(DAY, ())),
                *(Entry(IntentCommitted(_intent(control.id))) for control in CONTROLS),
                *(Entry(IntentCommitted(_intent(name))) for name in ("latch", "healthy")),
            ],
            at=NOW,
            epoch=lease.epoch,
        )
        for control in CONTROLS:
            gate.trip = TRIPS[control.id]
            ruling = gate.release(_intent(control.id), NOW, COMPARED)
            word = next(d for d in ruling.decisions if d.control == control.id)
            if word.passed or ruling.passage is Passage.SENT or broker.orders():
                raise SelfTestError(f"self-test: {control.id} let a bad order out; {CLOSED}")
        gate.trip = _given()
        latch.set(ledger, by="self-test", reason="self-test", at=NOW)
        if gate.release(_intent("latch"), NOW, COMPARED).code != "KILLED" or broker.orders():
            raise SelfTestError(f"self-test: the kill latch let an order out; {CLOSED}")
        latch.lift(ledger, by="self-test", reason="self-test", at=NOW)
        ruling = gate.release(_intent("healthy"), NOW, COMPARED)
        if ruling.passage is not Passage.SENT or len(broker.orders()) != 1:
            refused = [d.control for d in ruling.decisions if not d.passed]
            raise SelfTestError(f"self-test: {refused} hold a healthy order back; {CLOSED}")


def _intent(name: str) -> Intent:
    return replace(INTENT, key=f"self-test|{name}")
