"""Every limit of one ledger: what is used of it and what is allowed; nothing is decided here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kasauti.execution.limits import Limits
from kasauti.execution.model import Purpose
from kasauti.execution.projections import Book
from kasauti.execution.reviews import review_due
from kasauti.execution.usage import MINUTE, SECOND, drawdown, sent_within
from kasauti.execution.views import Position
from kasauti.plain import plain

ZERO = Decimal(0)
NEAR = 0.8  # of what is allowed
FEW = 5  # of so few, 80 % is never less than all


class Unit(StrEnum):
    """What a limit counts."""

    MONEY = "money"
    COUNT = "count"
    SHARE = "share"
    TEXT = "text"


@dataclass(frozen=True)
class Used:
    """One limit.

    Attributes
    ----------
    limit : str
        What is limited, in words.
    control : str
        The control that holds it.
    used, allowed
        None where nothing is used between orders, or nothing is set.
    unit : Unit
    """

    limit: str
    control: str
    used: Any
    allowed: Any
    unit: Unit = Unit.COUNT

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, with the used fraction where there is one."""
        found: dict[str, Any] = plain({**vars(self), "fraction": self.fraction})
        return found

    @property
    def fraction(self) -> float | None:
        """Used as a fraction of what is allowed, None where that means nothing."""
        if self.unit is Unit.TEXT or self.used is None or not self.allowed:
            return None
        return float(self.used) / float(self.allowed)


def limits_used(
    book: Book, limits: Limits, now: datetime | None, equity: Decimal | None = None
) -> list[Used]:
    """Return every limit with what is used of it.

    Parameters
    ----------
    book, limits
    now : datetime or None
        None: nothing was traded yet.
    equity : Decimal or None
        At fresh prices; None: at the last closes.
    """
    worth = book.equity() if equity is None else equity
    return [*_losses(book, limits, worth), *_values(book, limits), *_orders(book, limits, now)]


def near(rows: Sequence[Used]) -> list[Used]:
    """Return the limits of which 80 % or more is used, so that a person hears of it before.

    Not a count of four or less: one of two is half, two of two is all, and a plan that takes its
    one trade a day is no warning. Of two limits of one control with the same figures the first.
    """
    found = {
        (row.control, row.used, row.allowed): row
        for row in reversed(rows)
        if row.fraction is not None
        and row.fraction >= NEAR
        and not (row.unit is Unit.COUNT and row.allowed < FEW)
    }
    return [row for row in rows if any(row is kept for kept in found.values())]


def _losses(book: Book, limits: Limits, equity: Decimal) -> Iterator[Used]:
    loss = max(book.opening_equity() - equity, ZERO)
    risks = [_risk(position) for position in book.positions.values()]
    yield Used("risk per trade", "K36", max(risks, default=None), limits.risk_per_trade, Unit.MONEY)
    yield Used("loss today", "K22", loss, limits.daily_loss, Unit.MONEY)
    fallen = drawdown(book, equity)
    yield Used("fall from the peak", "K23", fallen, limits.max_drawdown, Unit.SHARE)
    yield Used("losses in a row", "K37", book.streak, limits.losing_streak)
    due = review_due(book, limits.review)
    told = "nothing to review"
    if due is not None:
        overdue = book.limits_day is not None and due <= book.limits_day
        told = f"entries are closed since {due}" if overdue else f"closes entries on {due}"
        told += ": `kasauti review`"
    yield Used("review", "K35R", told, limits.review.value, Unit.TEXT)


def _risk(position: Position) -> Decimal:
    if position.stop_price is None:
        return abs(position.quantity) * position.average_price
    distance = (position.average_price - position.stop_price) * position.sign
    return max(distance * abs(position.quantity) + position.charges, ZERO)


def _values(book: Book, limits: Limits) -> Iterator[Used]:
    held = {
        p.symbol: abs(p.quantity) * book.marks.get(p.symbol, p.average_price)
        for p in book.positions.values()
    }
    strategies: dict[str, Decimal] = {}
    for position in book.positions.values():
        genome = position.genome_hash
        strategies[genome] = strategies.get(genome, ZERO) + held[position.symbol]
    entries = [
        order
        for order in book.live_orders()
        if order.intent.purpose is Purpose.ENTRY and order.state.is_working
    ]
    for order in entries:
        genome, value = order.intent.genome_hash, order.remaining * order.intent.limit_price
        strategies[genome] = strategies.get(genome, ZERO) + value
    working = sum((o.remaining * o.intent.limit_price for o in entries), ZERO)
    money = Unit.MONEY
    symbols = held.keys() | {order.intent.symbol for order in entries}
    yield Used("positions and entries", "K14", len(symbols), limits.slots)
    gross = sum(held.values(), ZERO) + working
    yield Used("value of positions and entries", "K15", gross, limits.max_gross, money)
    most = max(held.values(), default=ZERO)
    yield Used("value in one symbol", "K14", most, limits.max_position_value, money)
    most = max(strategies.values(), default=ZERO)
    allowed = limits.strategy_share * limits.capital
    yield Used("value of one strategy", "K14", most, allowed, money)
    allowed = limits.sector_share * limits.capital
    # No source tells sectors yet, and symbols of unknown sector count as one (`Reference`).
    yield Used("value in one sector", "K14", gross, allowed, money)
    yield Used("value of open entries", "K12", working, limits.max_open_value, money)
    yield Used("value of one order", "K11", None, limits.max_order_value, money)
    yield Used("shares in one order", "K10", None, limits.max_quantity)


def _orders(book: Book, limits: Limits, now: datetime | None) -> Iterator[Used]:
    sent = [] if now is None else book.sent_on(now.date())
    entries = [o for o in sent if o.intent.purpose is Purpose.ENTRY]
    counted = [o for o in entries if o.state.is_working or o.filled]
    today = 0 if now is None else sum(1 for at in book.sends if at.date() == now.date())
    repeats: dict[tuple[str, str, str], int] = {}
    for order in entries:
        key = (order.intent.genome_hash, order.intent.symbol, order.intent.side.value)
        repeats[key] = repeats.get(key, 0) + 1
    yield Used("trades today", "K35", len(counted), limits.trades_a_day)
    yield Used("orders today", "K16D", today, limits.orders_a_day)
    second = 0 if now is None else sent_within(book, now, SECOND)
    yield Used("orders this second", "K16", second, limits.orders_a_second)
    minute = 0 if now is None else sent_within(book, now, MINUTE)
    yield Used("orders this minute", "K16", minute, limits.orders_a_minute)
    most = max(repeats.values(), default=0)
    yield Used("entries of one strategy in a symbol today", "K19", most, limits.repeats)
    yield Used("limit price off the last close", "K08", None, limits.collar, Unit.SHARE)
    yield Used("sessions without entry after a stop", "K24", None, limits.cooldown_sessions)
    yield Used("sessions of rest after losses", "K24L", None, limits.low_profit_sessions)
    listed = ", ".join(limits.restricted) or "none"
    yield Used("own restricted list", "K21", None, listed, Unit.TEXT)
    start = "no start date" if limits.start is None else f"no entry before {limits.start}"
    yield Used("start", "K35S", None, start, Unit.TEXT)
