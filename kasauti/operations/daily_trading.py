"""What one ledger says of one day: profit, trades, positions, denials, limits, the engine's word.

Told from the events up to that day's end, so an old day is told as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from kasauti.execution.events import LatchChanged, Record, TradingState, TwinCompared
from kasauti.execution.limits_used import Used, limits_used
from kasauti.execution.model import Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.paper_trial import Trial, trial_of
from kasauti.execution.projections import Book
from kasauti.execution.reviews import review_due
from kasauti.execution.twin_rows import Kind, TwinRow
from kasauti.execution.views import ClosedTrade, DayResult

ZERO = Decimal(0)
LOSS_TODAY = "K22"
FLEETING = ("orders this second", "orders this minute")  # nothing is left of them at the close
BASIS_POINTS = 10_000
NOT_PLACED = (OrderState.DENIED, OrderState.EXPIRED, OrderState.REJECTED)


@dataclass(frozen=True)
class Profit:
    """What some sessions earned, after all charges.

    Attributes
    ----------
    net, charges : Decimal
    sessions : int
        How many were closed.
    """

    net: Decimal
    charges: Decimal
    sessions: int

    @classmethod
    def of(cls, days: Sequence[DayResult]) -> "Profit":
        """Return the sum over closed sessions."""
        net = sum((one.profit for one in days), ZERO)
        return cls(net, sum((one.charges for one in days), ZERO), len(days))


@dataclass(frozen=True)
class Held:
    """An open position at the day's end; profit is open and after the charges paid so far."""

    symbol: str
    quantity: int
    entry_price: Decimal
    opened: datetime
    stop: Decimal | None
    target: Decimal | None
    mark: Decimal
    profit: Decimal
    foreign: bool


@dataclass(frozen=True)
class NotPlaced:
    """Orders of the day that ended unsent or refused for one reason."""

    code: str
    state: str
    orders: tuple[str, ...]


@dataclass(frozen=True)
class LegCompared:
    """One leg of a trade on paper beside the engine's on the same bars.

    Attributes
    ----------
    basis_points, money : Decimal or None
        Positive where paper did worse; None where only one of them traded.
    explanation : str
        How and why they differ, empty where they do not.
    within : bool
        Whether the difference is explained and tolerated.
    """

    symbol: str
    leg: str
    genome: str
    engine_quantity: int
    engine_price: Decimal | None
    paper_quantity: int
    paper_price: Decimal | None
    basis_points: Decimal | None
    money: Decimal | None
    explanation: str
    within: bool


@dataclass(frozen=True)
class Trading:
    """One account on one day.

    Attributes
    ----------
    closed : bool
        Whether the day's session was traded to its close.
    state : TradingState
    stopped : bool
        Whether the kill switch was set.
    profile : str
    capital, equity : Decimal
    today, week, start : Profit
        Of the day, of its week from Monday on, and since the first session.
    days : tuple of DayResult
        All sessions so far.
    trades : tuple of ClosedTrade
        Closed in the day.
    held : tuple of Held
    not_placed : tuple of NotPlaced
    compared : tuple of LegCompared or None
        None before the engine ran the session again.
    limits : tuple of Used
    review_due : date or None
        From when on an overdue review closes entries.
    trial : Trial
    """

    closed: bool
    state: TradingState
    stopped: bool
    profile: str
    capital: Decimal
    equity: Decimal
    today: Profit
    week: Profit
    start: Profit
    days: tuple[DayResult, ...]
    trades: tuple[ClosedTrade, ...]
    held: tuple[Held, ...]
    not_placed: tuple[NotPlaced, ...]
    compared: tuple[LegCompared, ...] | None
    limits: tuple[Used, ...]
    review_due: date | None
    trial: Trial


def trading_of(records: Sequence[Record], day: date) -> Trading:
    """Return what the ledger's records say of `day`.

    Parameters
    ----------
    records : sequence of Record
        All of them, in order. The engine's comparison counts whenever it was made.
    """
    told = _until(records, day)
    book = Book()
    for record in told:
        book.apply(record)
    monday = day - timedelta(days=day.weekday())
    today = [one for one in book.days if one.day == day]
    limits = book.limits
    return Trading(
        closed=bool(today),
        state=book.trading_state,
        stopped=_stopped(told),
        profile="" if limits is None else limits.profile,
        capital=book.capital,
        equity=book.equity(),
        today=Profit.of(today),
        week=Profit.of([one for one in book.days if monday <= one.day]),
        start=Profit.of(book.days),
        days=tuple(book.days),
        trades=tuple(trade for trade in book.trades if trade.exit_time.date() == day),
        held=tuple(_held(book)),
        not_placed=_not_placed(book, day),
        compared=_compared(records, day),
        limits=tuple(_limits(book, day, today)),
        review_due=None if limits is None else review_due(book, limits.review),
        trial=trial_of(told),
    )


def _until(records: Sequence[Record], day: date) -> Sequence[Record]:
    """Return the records up to the last one of `day`: a session may be played a day later."""
    last = max((place for place, one in enumerate(records) if one.at.date() <= day), default=-1)
    return records[: last + 1]


def _stopped(records: Sequence[Record]) -> bool:
    latches = [one.event for one in records if isinstance(one.event, LatchChanged)]
    return bool(latches) and latches[-1].latched


def _held(book: Book) -> list[Held]:
    rows = []
    for one in book.positions.values():
        mark = book.marks.get(one.symbol, one.average_price)
        rows.append(
            Held(
                one.symbol,
                one.quantity,
                one.average_price,
                one.opened_at,
                one.stop_price,
                one.target_price,
                mark,
                one.quantity * (mark - one.average_price) - one.charges,
                one.is_foreign,
            )
        )
    return rows


def _not_placed(book: Book, day: date) -> tuple[NotPlaced, ...]:
    found: dict[tuple[str, str], list[str]] = {}
    for order in book.orders.values():
        ended = order.ended_at is not None and order.ended_at.date() == day
        if ended and order.state in NOT_PLACED and not order.filled:
            intent = order.intent
            told = f"{intent.purpose.value.lower()} {intent.quantity} {intent.symbol}"
            found.setdefault((order.code, order.state.value), []).append(told)
    return tuple(NotPlaced(code, state, tuple(told)) for (code, state), told in found.items())


def _limits(book: Book, day: date, today: Sequence[DayResult]) -> list[Used]:
    if book.limits is None or book.sealed_at is None:
        return []
    moment = datetime.combine(day, book.sealed_at.timetz())
    found = [one for one in limits_used(book, book.limits, moment) if one.limit not in FLEETING]
    lost = max(-Profit.of(today).net, ZERO)  # the book's own count begins anew with each close
    return [replace(one, used=lost) if one.control == LOSS_TODAY else one for one in found]


def _compared(records: Sequence[Record], day: date) -> tuple[LegCompared, ...] | None:
    events = [one.event for one in records if isinstance(one.event, TwinCompared)]
    ours = [event for event in events if event.day == day]
    if not ours:
        return None
    legs: dict[tuple[str, str, str], list[TwinRow]] = {}
    for row in ours[0].rows:
        legs.setdefault((row.genome_hash, row.symbol, row.leg.value), []).append(row)
    return tuple(_leg(rows) for rows in legs.values())


def _leg(rows: Sequence[TwinRow]) -> LegCompared:
    row = rows[0]
    worse = None
    if row.engine_price is not None and row.paper_price is not None:
        worse = (row.paper_price - row.engine_price) * row.worse
    different = [
        f"{one.kind.value}: {one.explanation}" for one in rows if one.kind is not Kind.SAME
    ]
    return LegCompared(
        row.symbol,
        row.leg.value,
        row.genome_hash,
        row.engine_quantity,
        row.engine_price,
        row.paper_quantity,
        row.paper_price,
        None if worse is None or not row.engine_price else worse / row.engine_price * BASIS_POINTS,
        None if worse is None else worse * row.paper_quantity,
        "; ".join(different),
        all(one.within for one in rows),
    )


def scope_words(scope: Scope | None) -> str:
    """Return what the figures of a ledger count for."""
    match scope:
        case Scope.PAPER:
            return "Paper trading"
        case None:
            return "Nothing was traded yet"
    return "Replay of the sample: an exercise, no paper trading"
