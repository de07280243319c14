"""Plays daily bars session by session on a clock of their own, through the same desk and gate.

After the close: signals become intents. At the next open the desk releases them, the paper broker
matches them against that session's bar: open, the worse extreme, a target that lies on the way, the
better extreme, close. Every moment is marked in the paper account before the desk acts on it, so a
killed replay goes on at the very moment where it stood and ends in the same state. Paper trading on
end-of-day bars plays its sessions with the same `Player`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np

from kasauti.errors import DataError, LedgerError
from kasauti.execution.approvals import Permits
from kasauti.execution.brokers.paper import has_seen
from kasauti.execution.clock import ReplayClock
from kasauti.execution.host import REPLAY, Hosted, paper_desk
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.listing import morning_file
from kasauti.execution.model import Product, Purpose, Scope, round_to_tick
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.references import BarReferences, Reference, References
from kasauti.execution.reviews import review_due
from kasauti.execution.signals import (
    WINDOW,
    Candidate,
    Signal,
    signals_for,
    to_intents,
    trailed,
)
from kasauti.execution.views import Position
from kasauti.execution.volumes import volume_of
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar, Session
from kasauti.market.markets import Market

SECOND = timedelta(seconds=1)
MOST_SECONDS = 300  # of one phase; more means that the desk never comes to rest
DAILY_BARS = "DAILY_BARS"  # code of an intraday entry that no bar could square off
PHASES = ("OPEN", "WINDOW", "WORST", "TARGET", "BEST", "CLOSE")


@dataclass(frozen=True)
class ReplaySettings:
    """What a replay trades and under which rules.

    Attributes
    ----------
    candidates : sequence of Candidate
    permits : Permits
        Only permits of scope ``replay`` count here.
    limits : Limits
        Sealed at each open; their capital is paid into a new account.
    market : Market
    calendar : Calendar
        Of the replayed sessions.
    acknowledged_by : str or None
        Who acknowledges a losing streak at the next open; None leaves entries closed for good.
    references : callable
        Makes the gate's references of the bars closed so far; a test makes them stale.
    """

    candidates: Sequence[Candidate]
    permits: Permits
    limits: Limits
    market: Market
    calendar: Calendar
    acknowledged_by: str | None = None
    references: Callable[[Bars], References] = BarReferences


def decide(book: Book, bars: Bars, settings: ReplaySettings) -> list[Signal]:
    """Return the ranked signals after the last bar, on the book as it stands.

    The replay commits exactly these; whoever shows them beforehand shows what will be traded.

    Parameters
    ----------
    book : Book
        An empty one stands for an account that has not traded yet.
    bars : Bars
        Up to the session that was just closed.
    settings : ReplaySettings
    """
    capital = book.capital or settings.limits.capital
    if not settings.candidates:
        return []  # nobody to ask: the engine need not be built
    return signals_for(
        bars,
        settings.candidates,
        positions=book.positions,
        limits=settings.limits,
        market=settings.market,
        equity=book.equity() if book.capital else capital,
        cash=capital + book.cash_flow,
    )


def replay(
    path: Path,
    bars: Bars,
    settings: ReplaySettings,
    *,
    first: date,
    progress: Callable[[date], None] | None = None,
) -> Book:
    """Trade every session from `first` on that the ledger has not closed yet.

    Parameters
    ----------
    path : Path
        The replay ledger, made if missing.
    bars : Bars
        Daily; history and the forward sessions to be traded.
    settings : ReplaySettings
    first : date
        First session to trade; there must be at least one bar before it.
    progress : callable or None
        Called with each session's date when it is closed.

    Returns
    -------
    Book
        What the ledger then amounts to. Nothing is added if all is done already.

    Raises
    ------
    DataError
        If there is nothing before `first`, or bars and calendar disagree.
    LeaseError
        If another desk works on the ledger.
    """
    if not bars.is_daily:
        raise DataError("the replay trades daily bars: give one bar a session")
    days: list[date] = bars.sessions.astype(object).tolist()
    ahead = [position for position, day in enumerate(days) if day >= first]
    if not ahead or ahead[0] == 0:
        raise DataError(f"no session to replay from {first} with one before it: give more bars")
    before = session_of(settings.calendar, days[ahead[0] - 1])
    market = settings.market.name
    with closing(Ledger(path, scope=Scope.REPLAY, market=market, at=before.close)) as ledger:
        closed = {result.day for result in ledger.book().days}
        todo = [position for position in ahead if days[position] not in closed]
        if todo:
            _replay(ledger, bars, settings, todo, progress)
        return ledger.book()


def _replay(
    ledger: Ledger,
    bars: Bars,
    settings: ReplaySettings,
    todo: Sequence[int],
    progress: Callable[[date], None] | None,
) -> None:
    references = MovingReferences(settings.references(bars.between(0, todo[0])))
    player = Player(ledger, bars, settings, references)
    hosting = paper_desk(
        ledger,
        market=settings.market,
        calendar=settings.calendar,
        references=references,
        permits=settings.permits,
        cash=settings.limits.capital,
        at=player.resume_at(todo[0]),
        host=REPLAY,
    )
    with ledger.session_time(), hosting as hosted:
        for position in todo:
            player.trade(hosted, position)
            if progress is not None:
                progress(player.days[position])


def replay_session(path: Path, bars: Bars, settings: ReplaySettings) -> Book:
    """Trade the last session of `bars` on what was known before it; see `replay`."""
    last: date = bars.sessions[-1].astype(object)
    return replay(path, bars, settings, first=last)


class MovingReferences:
    """References that can be moved on, from session to session."""

    def __init__(self, now: References) -> None:
        self.now = now

    def __call__(self, symbol: str) -> Reference | None:
        """Return the reference of `symbol` as it stands now."""
        return self.now(symbol)


class Player:
    """Trades the sessions of daily bars through a hosted desk, on the sessions' own clock.

    Parameters
    ----------
    ledger : Ledger
        That of the hosted desk.
    bars : Bars
        Daily; at least one before the first session to be traded.
    settings : ReplaySettings
        Without candidates only intents that others committed are traded.
    references : MovingReferences
        Those of the hosted desk; moved to the close before each session.
    """

    def __init__(
        self, ledger: Ledger, bars: Bars, settings: ReplaySettings, references: MovingReferences
    ) -> None:
        self._ledger = ledger
        self._bars = bars
        self._settings = settings
        self._references = references
        self.days: list[date] = bars.sessions.astype(object).tolist()

    def trade(self, hosted: Hosted, position: int) -> None:
        """Decide on the bars before `position`, then trade its session from where it stood."""
        with self._ledger.session_time():
            self._trade(hosted, position)

    def _trade(self, hosted: Hosted, position: int) -> None:
        session = session_of(self._settings.calendar, self.days[position])
        self._clock = ReplayClock(self.resume_at(position))
        history = self._bars.between(0, position)
        self._references.now = self._settings.references(history)
        if not self._seen(session, "OPEN", 0):
            self._decide(hosted, history, session)
            self._deny_intraday(hosted, session)
            self._list(hosted, session)
        self._clock.set(max(self._clock.now(), session.open))
        hosted.desk.open_session(self._clock.now(), self._settings.limits)
        self._acknowledge(hosted)
        for number, phase in enumerate(PHASES):
            following = PHASES[number + 1 : number + 2]
            if not (following and self._seen(session, following[0], 0)):
                self._play(hosted, position, session, phase)
        hosted.feed.end_session(session.close)
        self._clock.set(max(self._clock.now(), session.close))
        hosted.desk.reconcile(self._clock.now())
        hosted.desk.close_session(self._clock.now(), self._closes(position))

    def _decide(self, hosted: Hosted, history: Bars, session: Session) -> None:
        """After the close: move trails, decide signals, commit their intents."""
        desk, settings, now = hosted.desk, self._settings, self._clock.now()
        for moved in trailed(history, desk.book.positions):
            desk.revise(moved.symbol, moved.stop_price, str(history.sessions[-1]), now)
        for intent in to_intents(decide(desk.book, history, settings), session):
            desk.submit(intent, now)

    def _deny_intraday(self, hosted: Hosted, session: Session) -> None:
        """Deny the entries that daily bars cannot square off: they have no price of that time."""
        for order in hosted.desk.book.live_orders():
            intent = order.intent
            meant = intent.valid_from < session.close and intent.valid_until > session.open
            is_entry = intent.purpose is Purpose.ENTRY and intent.product is Product.INTRADAY
            if order.state is OrderState.QUEUED and is_entry and meant:
                hosted.desk.deny(intent, DAILY_BARS, self._clock.now())

    def _list(self, hosted: Hosted, session: Session) -> None:
        """Tell the venue the bands of what may be traded."""
        book = hosted.desk.book
        symbols = {order.intent.symbol for order in book.live_orders()} | book.positions.keys()
        completed = self._settings.calendar.previous_session(session.day).day
        listed = morning_file(sorted(symbols), self._references, completed)
        hosted.feed.list_instruments(session.day, listed)

    def _play(self, hosted: Hosted, position: int, session: Session, phase: str) -> None:
        """Feed one phase of the bar and let the desk act until it rests, a second a turn."""
        start = _time_of(phase, session)
        for turn in count():
            if turn > MOST_SECONDS:
                raise LedgerError(f"the desk finds no rest on {session.day} at {phase}")
            at = start + turn * SECOND
            self._clock.set(max(self._clock.now(), at))
            prices = self._prices(hosted, position, phase) if turn == 0 else {}
            hosted.feed.feed(
                _moment(session, phase, turn),
                at,
                prices,
                self._volumes(position) if phase == "OPEN" and turn == 0 else None,
                jumped=phase == "OPEN",
            )
            if self._seen(session, phase, turn + 1):
                continue
            if not hosted.desk.step(self._clock.now()):
                return

    def _acknowledge(self, hosted: Hosted) -> None:
        """Do what a person does before the open: look at trades and losses, and go on."""
        desk, by, now = hosted.desk, self._settings.acknowledged_by, self._clock.now()
        book = desk.book
        if by is None or not book.trades or book.trades[-1].exit_time.date() >= now.date():
            return
        if review_due(book, self._settings.limits.review) is not None:
            desk.review(by=by, reason="replay: next session", now=now)
        if book.streak >= self._settings.limits.losing_streak:
            desk.acknowledge(by=by, reason="replay: next session", now=now)
        if "K22" in book.switches.breakers:
            desk.resume(by=by, reason="replay: next session", now=now)

    def resume_at(self, position: int) -> datetime:
        """Return the last moment that the feed has seen in this session, or the close before."""
        session = session_of(self._settings.calendar, self.days[position])
        for phase in reversed(PHASES):
            seen = 0
            while self._seen(session, phase, seen):
                seen += 1
            if seen:
                return _time_of(phase, session) + (seen - 1) * SECOND
        return session_of(self._settings.calendar, self.days[position - 1]).close

    def _seen(self, session: Session, phase: str, turn: int) -> bool:
        return has_seen(self._ledger.engine, _moment(session, phase, turn))

    def _whole(self, position: int) -> Iterator[int]:
        bars = self._bars
        fields = (bars.open, bars.high, bars.low, bars.close)
        for row in range(len(bars.symbols)):
            if all(np.isfinite(field[row, position]) for field in fields):
                yield row

    def _prices(self, hosted: Hosted, position: int, phase: str) -> dict[str, Decimal]:
        bars, positions = self._bars, hosted.desk.book.positions
        prices: dict[str, Decimal] = {}
        for row in self._whole(position):
            symbol = bars.symbols[row]
            short = symbol in positions and positions[symbol].sign < 0
            worse, better = (bars.high, bars.low) if short else (bars.low, bars.high)
            if phase == "TARGET" and symbol in positions:
                best = self._on_tick(float(better[row, position]), position)
                prices |= self._beyond_target(positions[symbol], best, position)
            field = {"OPEN": bars.open, "WORST": worse, "BEST": better, "CLOSE": bars.close}
            if phase in field:
                prices[symbol] = self._on_tick(float(field[phase][row, position]), position)
        return prices

    def _beyond_target(self, held: Position, best: Decimal, position: int) -> dict[str, Decimal]:
        """Return the price just beyond the target of `held`, empty if the bar did not trade there.

        Prices move through it without a jump: nobody sells all at the day's extreme.
        """
        level = held.target_price
        if level is None or not level.is_finite():
            return {}
        tick = self._settings.market.tick_size(level, self.days[position])
        beyond = round_to_tick(level, tick, up=held.sign > 0) + held.sign * tick
        return {held.symbol: beyond} if (best - beyond) * held.sign >= 0 else {}

    def _volumes(self, position: int) -> dict[str, Decimal]:
        """Return the volumes that are known; at one of 0 nothing can be had."""
        known = {row: volume_of(self._bars, row, position) for row in self._whole(position)}
        symbols = self._bars.symbols
        return {symbols[row]: volume for row, volume in known.items() if volume is not None}

    def _closes(self, position: int) -> dict[str, Decimal]:
        closes = self._bars.close[:, position]
        return {
            symbol: Decimal(repr(float(close)))
            for symbol, close in zip(self._bars.symbols, closes, strict=True)
            if np.isfinite(close)
        }

    def _on_tick(self, price: float, position: int) -> Decimal:
        return nearest_tick(Decimal(repr(price)), self._settings.market, self.days[position])


def nearest_tick(price: Decimal, market: Market, day: date) -> Decimal:
    """Return the nearest price that can trade: adjusted ones lie between ticks."""
    tick = market.tick_size(price, day)
    return max(round_to_tick(price + tick / 2, tick, up=False), tick)


def opening_moment(session: Session) -> str:
    """Return the name of the first moment of a session that is played on its bars."""
    return _moment(session, "OPEN", 0)


def session_of(calendar: Calendar, day: date) -> Session:
    """Return the session of `day`; a bar on any other day is an error."""
    session = calendar.session(day)
    if session is None:
        raise DataError(f"there is a bar on {day}, but the calendar has no session then")
    return session


def _time_of(phase: str, session: Session) -> datetime:
    length = session.close - session.open
    return {
        "OPEN": session.open,
        "WINDOW": session.open + WINDOW,
        "WORST": session.open + length / 3,
        "TARGET": session.open + length / 2,
        "BEST": session.open + length * 2 / 3,
        "CLOSE": session.close,
    }[phase]


def _moment(session: Session, phase: str, turn: int) -> str:
    return f"{session.day}:{phase}:{turn}"
