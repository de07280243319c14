"""What the book has used up, as one order sees it; pure, read by the controls."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.model import Intent, OrderSide, Purpose
from kasauti.execution.projections import Book
from kasauti.execution.references import References
from kasauti.execution.reviews import review_due
from kasauti.execution.views import ClosedTrade, OrderView

ZERO, NAN = Decimal(0), Decimal("NaN")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MOST_SENDS = 2_000  # twice the ceiling of a day
OLDEST_MARK = timedelta(minutes=15)  # of a held symbol; thin ones trade rarely
DUPLICATE_WINDOW = timedelta(minutes=10)
CLOSING = (Purpose.EXIT, Purpose.STOP, Purpose.TARGET)
LOW_PROFIT_TRADES = 3  # of one symbol, that together have to bring something
LOW_PROFIT_LOOK = 20  # sessions; what was longer ago is forgotten


@dataclass(frozen=True)
class Usage:
    """Figures against the limits, the order in question not counted.

    Attributes
    ----------
    sent_this_second, sent_this_minute, sent_today : int
        Placements and cancels.
    last_sent : datetime or None
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
    sessions_since_losses : int or None
        Sessions closed since the last trade of this symbol, if its last `LOW_PROFIT_TRADES` within
        `LOW_PROFIT_LOOK` sessions lost together; else None.
    profit_today : Decimal
        Equity now less equity at the last close.
    drawdown : Decimal
        Fall of the equity from its peak, as a fraction.
    strategy_value, sector_value : Decimal
        Positions and unfilled entries of this strategy, and of this symbol's sector.
    repeats : int
        Entries of this strategy in this symbol and direction that were sent this session.
    throttled : bool
        Whether the strategy is latched.
    spoken_for : int
        Shares that other working closing orders will sell.
    crossing : int
        Working orders of ours on the other side at a price that this one meets.
    review_due : date or None
        From when on entries are closed until a person has looked at the trades.
    demoted_at : datetime or None
        When the strategy was demoted.
    """

    sent_this_second: int
    sent_this_minute: int
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
    sessions_since_losses: int | None
    profit_today: Decimal
    drawdown: Decimal
    strategy_value: Decimal
    sector_value: Decimal
    repeats: int
    throttled: bool
    crossing: int
    spoken_for: int = 0
    last_sent: datetime | None = None
    review_due: date | None = None
    demoted_at: datetime | None = None


def usage(
    book: Book,
    intent: Intent,
    references: References,
    now: datetime,
    quotes: Mapping[str, LiveQuote] | None = None,
    cancels: Collection[datetime] = (),
) -> Usage:
    """Return what `intent` finds used at `now`; positions are marked at `quotes` where known.

    `cancels` are the times at which cancels were asked for, whatever came of them.
    """
    today = [view for view in book.sent_on(now.date()) if view.intent.key != intent.key]
    live = [view for view in book.live_orders() if view.intent.key != intent.key]
    working = [view for view in live if view.state.is_working]
    entries = [view for view in working if _opens(view.intent)]
    same = [view for view in working if view.intent.symbol == intent.symbol]
    marks = current_marks(book, references, quotes, now)
    equity = book.equity(marks)
    values = _values(book, entries, marks)
    sector = _sector(intent.symbol, references)
    position = book.positions.get(intent.symbol)
    held = {view.intent.symbol for view in entries} | set(book.positions)
    return Usage(
        sent_this_second=sent_within(book, now, SECOND, cancels),
        sent_this_minute=sent_within(book, now, MINUTE, cancels),
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
        sessions_since_losses=_sessions_since_losses(book, intent.symbol),
        profit_today=equity - book.opening_equity(),
        drawdown=drawdown(book, equity),
        strategy_value=sum((v for _, g, v in values if g == intent.genome_hash), ZERO),
        sector_value=sum((v for s, _, v in values if _sector(s, references) == sector), ZERO),
        repeats=sum(1 for view in today if _repeats(view, intent, book.switches.released_at)),
        throttled=intent.genome_hash in book.switches.throttled,
        crossing=sum(1 for view in same if _crosses(view.intent, intent)),
        spoken_for=_spoken_for(same, intent),
        last_sent=max(book.sends[-MOST_SENDS:], default=None),
        review_due=None if book.limits is None else review_due(book, book.limits.review),
        demoted_at=book.demoted.get(intent.genome_hash),
    )


def quotes_of(conditions: Conditions | None) -> Mapping[str, LiveQuote]:
    """Return the quotes to mark positions at; none where prices come as bars."""
    return conditions.quotes if conditions is not None and conditions.quoted else {}


def drawdown(book: Book, equity: Decimal) -> Decimal:
    """Return the fall of `equity` from the book's peak as a fraction, 0 before there is one."""
    fallen = 1 - equity / book.peak if book.peak > 0 else ZERO
    return fallen if fallen.is_nan() or fallen > 0 else ZERO


def current_marks(
    book: Book,
    references: References,
    quotes: Mapping[str, LiveQuote] | None = None,
    now: datetime | None = None,
) -> dict[str, Decimal]:
    """Return a price for every position: quote, else reference, but its cost if bought since.

    A quote that is too old is NaN: what was lost since nobody knows, and no entry goes out.
    """
    marks = {}
    for symbol, position in book.positions.items():
        quote = (quotes or {}).get(symbol)
        reference = references(symbol)
        if quote is not None:
            stale = now is not None and quote.at is not None and now - quote.at > OLDEST_MARK
            marks[symbol] = quote.last if quote.last.is_finite() and not stale else NAN
        elif reference is not None and reference.day >= position.opened_at.date():
            marks[symbol] = reference.close
        else:  # no bar since the purchase: an older mark belongs to an earlier position
            marks[symbol] = position.average_price
    return marks


def _opens(intent: Intent) -> bool:
    """Whether it may add to what is held: an entry, or a purchase from outside."""
    bought = intent.purpose is Purpose.FOREIGN and intent.side is OrderSide.BUY
    return intent.purpose is Purpose.ENTRY or bought


def _values(
    book: Book, entries: list[OrderView], marks: Mapping[str, Decimal]
) -> list[tuple[str, str, Decimal]]:
    """Return symbol, strategy and value of every position and unfilled entry."""
    held = [
        (p.symbol, p.genome_hash, abs(p.quantity) * marks[p.symbol])
        for p in book.positions.values()
    ]
    return held + [
        (v.intent.symbol, v.intent.genome_hash, v.remaining * v.intent.limit_price) for v in entries
    ]


def _sector(symbol: str, references: References) -> str:
    reference = references(symbol)
    return "" if reference is None else reference.sector


def _repeats(view: OrderView, intent: Intent, released: datetime | None) -> bool:
    other = view.intent
    if released is not None and view.sent_at is not None and view.sent_at <= released:
        return False  # a person let it go
    return other.purpose is Purpose.ENTRY and (
        (other.genome_hash, other.symbol, other.side)
        == (intent.genome_hash, intent.symbol, intent.side)
    )


def _crosses(other: Intent, intent: Intent) -> bool:
    if other.side is intent.side:
        return False
    buy, sell = (intent, other) if intent.side is OrderSide.BUY else (other, intent)
    if not buy.limit_price.is_finite() or not sell.limit_price.is_finite():
        return True
    return buy.limit_price >= sell.limit_price


def _spoken_for(same: list[OrderView], intent: Intent) -> int:
    closing = (view for view in same if view.intent.purpose in CLOSING)
    return sum(view.remaining for view in closing if view.intent.side is intent.side)


def sent_within(
    book: Book, now: datetime, span: timedelta, cancels: Collection[datetime] = ()
) -> int:
    """Return how many orders and cancels went out within `span`; a clock may have gone back.

    A cancel that was asked for is in the book once it has come true, for whoever starts anew.
    """
    asked = sum(1 for at in cancels if abs(now - at) < span)
    placed = [view.sent_at for view in book.sent_on(now.date())[-1_000:] if view.sent_at]
    known = sum(1 for at in book.sends[-1_000:] if abs(now - at) < span)
    return max(asked + sum(1 for at in placed if abs(now - at) < span), known)


def _sent_today(book: Book, now: datetime) -> int:
    return sum(1 for at in book.sends[-MOST_SENDS:] if at.date() == now.date())


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


def _sessions_since_losses(book: Book, symbol: str) -> int | None:
    days = [result.day for result in book.days[-LOW_PROFIT_LOOK:]]
    lost: list[ClosedTrade] = []
    for trade in reversed(book.trades):
        if len(lost) == LOW_PROFIT_TRADES or (days and trade.exit_time.date() < days[0]):
            break
        if trade.symbol == symbol:
            lost.append(trade)
    if len(lost) < LOW_PROFIT_TRADES or sum(trade.profit for trade in lost) >= 0:
        return None
    return sum(1 for day in days if day >= lost[0].exit_time.date())
