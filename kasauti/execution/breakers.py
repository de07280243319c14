"""Circuit breakers: what the book and a fresh reading ask to be stopped; pure, it stops nothing.

A loss halts only after several reads in a row agree, since one bad tick must not; what is lost or
differs reduces at once. Breakers that watch a condition close when it is good again; those of
losses, login and clock close by a person's word alone. One good reading of a book that lags is not
yet agreement: what differed has to agree several times in a row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.execution.conditions import Conditions
from kasauti.execution.controls.connection import clock_fault, feed_fault, login_fault
from kasauti.execution.events import StrategyLatched, TradingState, TradingStateChanged
from kasauti.execution.model import Purpose
from kasauti.execution.projections import Book
from kasauti.execution.usage import drawdown

DESK = "desk"
LOSS = "K22"
UNANIMOUS = 3  # reads in a row that have to agree


@dataclass(frozen=True)
class Reading:
    """What was just read.

    Attributes
    ----------
    now : datetime
    equity : Decimal or None
        At fresh prices; not a number, or None, where nobody can tell: such a read says nothing.
    conditions : Conditions or None
        None if the broker could not be asked.
    differences : tuple of str
        Between ledger and broker.
    is_open : bool
        Whether the market is: outside its hours login, feeds and clocks may sleep.
    """

    now: datetime
    equity: Decimal | None
    conditions: Conditions | None
    differences: tuple[str, ...]
    is_open: bool


Check = Callable[[Book, Reading], str | None]


@dataclass(frozen=True)
class Breaker:
    """One breaker.

    Attributes
    ----------
    control : str
        The control that it belongs to.
    state : TradingState
        What it asks for.
    check : callable
        Why it should open; empty if all is well, None if the reading does not say.
    reads : int
        Readings at different moments that have to agree before it opens.
    closes : int
        Good readings in a row, at different moments, after which it closes by itself; 0 is never.
    """

    control: str
    state: TradingState
    check: Check
    reads: int = 1
    closes: int = 0


def _daily_loss(book: Book, reading: Reading) -> str | None:
    if book.limits is None or reading.equity is None or not reading.equity.is_finite():
        return None
    loss = book.opening_equity() - reading.equity
    most = book.limits.daily_loss
    return f"lost {loss:.2f} today, {most} is allowed" if loss >= most else ""


def _drawdown(book: Book, reading: Reading) -> str | None:
    if book.limits is None or reading.equity is None or not reading.equity.is_finite():
        return None
    fallen, most = drawdown(book, reading.equity), book.limits.max_drawdown
    return f"fell {fallen:.2%} from the peak, {most:.0%} is allowed" if fallen >= most else ""


def _streak(book: Book, reading: Reading) -> str | None:
    del reading
    if book.limits is None:
        return None
    return f"{book.streak} losses in a row" if book.streak >= book.limits.losing_streak else ""


def _differences(book: Book, reading: Reading) -> str | None:
    del book
    return "; ".join(reading.differences)


def _feeds(book: Book, reading: Reading) -> str | None:
    del book
    return _condition(reading, feed_fault)


def _login(book: Book, reading: Reading) -> str | None:
    del book
    return _condition(reading, login_fault)


def _clock(book: Book, reading: Reading) -> str | None:
    del book
    return _condition(reading, clock_fault)


def _condition(reading: Reading, fault: Callable[[Conditions, datetime], str]) -> str | None:
    if not reading.is_open:
        return None
    if reading.conditions is None:
        return "the broker cannot be asked"
    return fault(reading.conditions, reading.now)


BREAKERS = (
    Breaker(LOSS, TradingState.REDUCING, _daily_loss, UNANIMOUS),
    Breaker("K23", TradingState.HALTED, _drawdown, UNANIMOUS),
    Breaker("K26", TradingState.HALTED, _login, UNANIMOUS),
    Breaker("K27", TradingState.REDUCING, _feeds, closes=1),
    Breaker("K28", TradingState.REDUCING, _differences, closes=UNANIMOUS),
    Breaker("K29", TradingState.HALTED, _clock, UNANIMOUS),
    Breaker("K37", TradingState.REDUCING, _streak),
)


@dataclass(frozen=True)
class Row:
    """How many readings in a row said the same of a breaker, the last of them when."""

    is_good: bool
    reads: int
    at: datetime

    def next(self, is_good: bool, at: datetime) -> "Row":
        """Return the row with one reading more; two of one moment count once.

        A moment may be before the last: a session is played in the evening on its own clock.
        """
        if is_good is not self.is_good:
            return Row(is_good, 1, at)
        return self if at == self.at else Row(is_good, self.reads + 1, at)


Watched = Mapping[str, Row]  # by control
NOTHING_SEEN: Watched = {}


def watch(book: Book, reading: Reading, seen: Watched) -> tuple[list[TradingStateChanged], Watched]:
    """Return the breakers that open or close on this reading, and what was seen so far.

    Two readings of one moment count once. A reading that says nothing neither counts nor resets.
    """
    rows, changes = dict(seen), []
    for breaker in BREAKERS:
        name, reason = breaker.control, breaker.check(book, reading)
        if reason is None:
            continue
        before = rows.get(name)
        row = Row(not reason, 1, reading.now)
        row = rows[name] = row if before is None else before.next(not reason, reading.now)
        is_open = name in book.switches.breakers
        if is_open and row.is_good and 0 < breaker.closes <= row.reads:
            changes.append(_changed(breaker, TradingState.ACTIVE, "good again", book))
        elif not is_open and not row.is_good and row.reads >= breaker.reads:
            changes.append(_changed(breaker, breaker.state, reason, book))
    return changes, rows


def repeated(book: Book, now: datetime) -> list[StrategyLatched]:
    """Return the strategies that entered one symbol too often in this session (K19)."""
    if book.limits is None:
        return []
    released = book.switches.released_at
    counts: dict[tuple[str, str, str], int] = {}
    for view in book.sent_on(now.date()):
        intent, sent = view.intent, view.sent_at
        after = released is None or (sent is not None and sent > released)
        if intent.purpose is Purpose.ENTRY and after:
            key = (intent.genome_hash, intent.symbol, intent.side.value)
            counts[key] = counts.get(key, 0) + 1
    return [
        StrategyLatched(genome, f"{count} entries in {symbol} today ({side})")
        for (genome, symbol, side), count in counts.items()
        if count >= book.limits.repeats and genome not in book.switches.throttled
    ]


_TRIGGERS = {
    LOSS: Trigger.DAILY_LOSS,
    "K26": Trigger.API_FAILURE,
    "K27": Trigger.STALE_FEED,
    "K28": Trigger.DIFFERENCE,
    "K37": Trigger.LOSING_STREAK,
}
_OF_A_DAY = (LOSS, "K37")  # the same breaker on another day is another incident


def alert_for(change: TradingStateChanged | StrategyLatched, day: date) -> Alert:
    """Return what tells a person; the end of an incident carries the incident's id."""
    if isinstance(change, StrategyLatched):
        name = change.genome_hash[:12]
        said = f"Strategy {name} is latched (K19): {change.reason}"
        return alert_of(Trigger.STRATEGY_LATCHED, name, said, key=str(day))
    name = change.breaker
    trigger = _TRIGGERS.get(name, Trigger.BREAKER)
    key = str(day) if name in _OF_A_DAY else ""
    # Comparing tells of a difference as well: one incident, one message.
    subject = "ledger" if trigger is Trigger.DIFFERENCE else name
    if change.state is TradingState.ACTIVE:
        said = f"Breaker {name} closed: {change.reason}"
        title = f"Over: {trigger.value}"
        return alert_of(trigger, subject, said, key=key, title=title, closes=True)
    said = f"Breaker {name} opened, trading is {change.state.value}: {change.reason}"
    return alert_of(trigger, subject, said, key=key)


def _changed(breaker: Breaker, state: TradingState, reason: str, book: Book) -> TradingStateChanged:
    limits = book.limits
    opens = state is not TradingState.ACTIVE
    flatten = limits is not None and limits.flatten_on_loss and opens and breaker.control == LOSS
    return TradingStateChanged(state, DESK, reason, breaker.control, flatten)
