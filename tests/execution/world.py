"""A small market, its bars and a hosted desk for the tests of execution."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from kasauti.execution.approvals import Permit
from kasauti.execution.brokers.faults import FaultPlan, Faulty
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.desk import Desk
from kasauti.execution.gate import Gate
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits, custom
from kasauti.execution.model import Intent, Offset, OrderSide, Protection, Purpose, Scope
from kasauti.execution.references import Reference
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar, Session, TableCalendar
from kasauti.market.markets import NSE

ZONE = NSE.zone
DAYS = [date(2026, 7, day) for day in (13, 14, 15, 16, 17, 20, 21)]
CALENDAR = NSE.replay_calendar(DAYS)
YESTERDAY, TODAY, TOMORROW = DAYS[1], DAYS[2], DAYS[3]
LIMITS = custom(
    capital=Decimal(100_000),
    trades_a_day=2,
    risk_per_trade=Decimal(1_000),
    daily_loss=Decimal(2_000),
    losing_streak=3,
)


def at(hour: int, minute: int = 0, second: int = 0, day: date = TODAY) -> datetime:
    return datetime.combine(day, time(hour, minute, second), tzinfo=ZONE)


OPEN = at(9, 15)
AUCTIONS = TableCalendar(
    "auctions",
    DAYS[0],
    DAYS[-1],
    tuple(
        Session(day, at(9, 15, day=day), at(15, 30, day=day), at(15, 15, day=day)) for day in DAYS
    ),
)
PROTECTION = Protection(Offset(Decimal("0.05"), of_price=True))


def entry(symbol: str = "TEST", **changes: Any) -> Intent:
    given: dict[str, Any] = {
        "key": f"g|v|{symbol}|ENTRY",
        "genome_hash": "g",
        "signal_version": "v",
        "symbol": symbol,
        "side": OrderSide.BUY,
        "quantity": 10,
        "purpose": Purpose.ENTRY,
        "limit_price": Decimal("101.00"),
        "valid_from": OPEN,
        "valid_until": OPEN + timedelta(minutes=10),
        "reference_price": Decimal(100),
        "protection": PROTECTION,
    }
    return Intent(**(given | changes))


def closing(parent: Intent, purpose: Purpose = Purpose.EXIT, **changes: Any) -> Intent:
    given: dict[str, Any] = {
        "key": f"{parent.key}|{purpose.value}",
        "side": OrderSide.SELL,
        "purpose": purpose,
        "limit_price": Decimal("95.00"),
        "protection": None,
        "parent": parent.key,
    }
    return replace(parent, **(given | changes))


def permit(scope: Scope = Scope.REPLAY, genome_hash: str = "g") -> Permit:
    return Permit(genome_hash, scope, "test", "", at(0, day=DAYS[0]), at(0, day=DAYS[-1]))


@dataclass
class World:
    """A desk with everything around it; the references may be changed under way."""

    desk: Desk
    gate: Gate
    broker: PaperBroker
    ledger: Ledger
    lease: Lease
    latch: Latch
    references: dict[str, Reference] = field(default_factory=dict)
    moments: int = 0
    faulty: Faulty | None = None

    def tick(
        self,
        when: datetime,
        price: str,
        *,
        symbol: str = "TEST",
        volume: int | None = None,
        jumped: bool = False,
    ) -> bool:
        """Feed one price and let the desk act on it."""
        self.moments += 1
        volumes = None if volume is None else {symbol: Decimal(volume)}
        prices = {symbol: Decimal(price)}
        self.broker.feed(f"{when}:{self.moments}", when, prices, volumes, jumped=jumped)
        return self.desk.step(when)

    def order(self, intent: Intent) -> Any:
        return self.desk.book.order(intent.key)

    def working(self, purpose: Purpose) -> list[Any]:
        live = self.desk.book.live_orders()
        return [view for view in live if view.intent.purpose is purpose and view.state.is_working]


@contextmanager
def world(
    folder: Path,
    *,
    scope: Scope = Scope.REPLAY,
    limits: Limits = LIMITS,
    now: datetime = OPEN,
    references: Mapping[str, Reference] | None = None,
    permits: Mapping[str, Permit] | None = None,
    broker_class: type[PaperBroker] = PaperBroker,
    plan: FaultPlan | None = None,
    calendar: Calendar = CALENDAR,
) -> Iterator[World]:
    """Host a desk on a ledger in `folder`, its session opened; `plan` makes its broker fail."""
    ledger = Ledger(folder / "ledger.sqlite", scope=scope, market="nse", at=now)
    known = dict(
        references or {s: Reference(s, YESTERDAY, Decimal(100)) for s in ("TEST", "OTHER", "THIRD")}
    )
    latch = Latch.beside(ledger.path)
    with Lease.take(ledger, host="test", at=now) as lease:
        broker = broker_class(ledger.engine, NSE, cash=limits.capital, calendar=calendar)
        faulty = None if plan is None else Faulty(broker, plan)
        gate = Gate(
            broker if faulty is None else faulty,
            ledger=ledger,
            lease=lease,
            latch=latch,
            calendar=calendar,
            market=NSE,
            references=known.get,
            permits=(permits or {"g": permit(scope)}).get,
        )
        desk = Desk(
            ledger=ledger,
            lease=lease,
            gate=gate,
            latch=latch,
            calendar=calendar,
            market=NSE,
            references=known.get,
        )
        desk.reconcile(now, always_record=True)
        desk.open_session(now, limits)
        yield World(desk, gate, broker, ledger, lease, latch, known, faulty=faulty)
    ledger.close()


def bars_of(rows: Mapping[str, list[tuple[float, float, float, float]]], **more: Any) -> Bars:
    """Return daily bars of `DAYS` from (open, high, low, close) rows."""
    symbols = tuple(rows)
    table = np.array([rows[symbol] for symbol in symbols], dtype=np.float64)
    length = table.shape[1]
    days = np.array(DAYS[:length], dtype="datetime64[D]")
    volume = np.full(table.shape[:2], more.get("volume", 1e6))
    open_, high, low, close = (table[:, :, field] for field in range(4))
    return Bars("nse", symbols, days, open_, high, low, close, volume)
