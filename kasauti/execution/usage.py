"""What the book has used up, as one order sees it; pure, read by the controls."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kasauti.execution.model import Intent, Purpose
from kasauti.execution.projections import Book
from kasauti.execution.references import References
from kasauti.execution.views import OrderView

ZERO = Decimal(0)
SECOND = timedelta(seconds=1)
DUPLICATE_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class Usage:
    """Figures against the limits, the order in question not counted.

    Attributes
    ----------
    sent_this_second, sent_today : int
        Placements and cancels.
    entries_today : int
        Entries of this session that rest or filled.
    open_entry_value : Decimal
        Unfilled rest of all working entries, at their limits.
    positions : int
        Symbols held, or with a working entry.
    held : int
        Signed shares of this symbol.
    gross : Decimal
        Value of all positions, at their last mark.
    duplicates : int
        Orders like this one (symbol, side, quantity, limit) sent a short while ago.
    unconfirmed, working_entries : int
        Orders of this symbol without an answer, and entries of it that may still fill.
    losing_streak : int
    sessions_since_stop : int or None
        Sessions closed since a stop of this symbol was hit, None if none was.
    profit_today : Decimal
        Equity now less equity at the last close.
    """

    sent_this_second: int
    sent_today: int
    entries_today: int
    open_entry_value: Decimal
    positions: int
    held: int
    gross: Decimal
    duplicates: int
    unconfirmed: int
    working_entries: int
    losing_streak: int
    sessions_since_stop: int | None
    profit_today: Decimal


def usage(book: Book, intent: Intent, references: References, now: datetime) -> Usage:
    """Return what `intent` finds used at `now`."""
    today = [view for view in book.sent_on(now.date()) if view.intent.key != intent.key]
    live = [view for view in book.live_orders() if view.intent.key != intent.key]
    working = [view for view in live if view.state.is_working]
    entries = [view for view in working if view.intent.purpose is Purpose.ENTRY]
    same = [view for view in working if view.intent.symbol == intent.symbol]
    marks = current_marks(book, references)
    position = book.positions.get(intent.symbol)
    held = {view.intent.symbol for view in entries} | set(book.positions)
    return Usage(
        sent_this_second=sum(1 for at in reversed(book.sends[-20:]) if now - SECOND < at <= now),
        sent_today=_sent_today(book, now),
        entries_today=sum(1 for view in today if _counts_as_entry(view)),
        open_entry_value=sum((v.remaining * v.intent.limit_price for v in entries), ZERO),
        positions=len(held - {intent.symbol}),
        held=0 if position is None else position.quantity,
        gross=sum((abs(p.quantity) * marks[p.symbol] for p in book.positions.values()), ZERO),
        duplicates=sum(1 for view in today if _is_like(view, intent, now)),
        unconfirmed=sum(1 for view in same if view.state.is_unconfirmed),
        working_entries=sum(1 for view in same if view.intent.purpose is Purpose.ENTRY),
        losing_streak=book.streak,
        sessions_since_stop=_sessions_since_stop(book, intent.symbol),
        profit_today=book.equity(marks) - book.opening_equity(),
    )


def current_marks(book: Book, references: References) -> dict[str, Decimal]:
    """Return a price for every position: the reference, but its cost if bought since."""
    marks = {}
    for symbol, position in book.positions.items():
        reference = references(symbol)
        if reference is not None and reference.day >= position.opened_at.date():
            marks[symbol] = reference.close
        else:  # no bar since the purchase: an older mark belongs to an earlier position
            marks[symbol] = position.average_price
    return marks


def _sent_today(book: Book, now: datetime) -> int:
    count = 0
    for at in reversed(book.sends):
        if at.date() != now.date():
            break
        count += 1
    return count


def _counts_as_entry(view: OrderView) -> bool:
    counts = view.state.is_working or view.filled > 0
    return counts and view.intent.purpose is Purpose.ENTRY


def _is_like(view: OrderView, intent: Intent, now: datetime) -> bool:
    other = view.intent
    return (
        view.sent_at is not None
        and now - view.sent_at < DUPLICATE_WINDOW
        and (other.symbol, other.side, other.quantity, other.limit_price, other.trigger_price)
        == (
            intent.symbol,
            intent.side,
            intent.quantity,
            intent.limit_price,
            intent.trigger_price,
        )
    )


def _sessions_since_stop(book: Book, symbol: str) -> int | None:
    for trade in reversed(book.trades):
        if trade.symbol == symbol and trade.reason is Purpose.STOP:
            return sum(1 for day in book.days if day.day >= trade.exit_time.date())
    return None
