"""Runs a hosted desk by the clock: what is due says `duties`, done it is here; it decides nothing.

Prices come from ticks or, where none arrive, from a session's bars once they are there. Then the
session is played on its own clock with the intents that were committed before it opened: one that
came later is never sent. That is what makes it paper trading and not hindsight.
"""

import gc
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from kasauti.errors import DataError, LeaseError, SealedDataError, UsageError
from kasauti.execution import heartbeat
from kasauti.execution.account import Account, Arrived, playable
from kasauti.execution.brokers.matching import Quote
from kasauti.execution.brokers.paper import has_seen, last_moment
from kasauti.execution.clock import Clock
from kasauti.execution.duties import Duty, Situation, due
from kasauti.execution.events import CancelAsked, ReconciliationRequested
from kasauti.execution.heartbeat import BEAT, Heartbeat, Mode
from kasauti.execution.host import Hosted
from kasauti.execution.ledger import Ledger
from kasauti.execution.listing import morning_file
from kasauti.execution.references import BarReferences, last_completed
from kasauti.execution.replay import (
    MovingReferences,
    Player,
    ReplaySettings,
    nearest_tick,
    opening_moment,
)
from kasauti.execution.spool import Moment, Spool
from kasauti.market.calendar import Session

POLL = timedelta(milliseconds=5)
SET_BACK = timedelta(seconds=1)  # a clock that goes back further is wrong, less is being adjusted
FEED_GAP = timedelta(seconds=30)  # after a longer silence a price has jumped, not moved
RECONCILE_EVERY = timedelta(seconds=60)
NO_ROOM = "the disk is full: exits and stops go on, entries are closed until there is room again"


class DeskProcess:
    """A hosted desk, turned again and again.

    Parameters
    ----------
    hosted : Hosted
        Of `ledger`; it was started, and so has reconciled.
    ledger : Ledger
    account : Account
    references : MovingReferences
        Those of the hosted desk.
    clock : Clock
    spool : Spool
        See `spool_of`.
    beat : Path or None
        Where the heartbeat goes; None for a host of one turn.
    every : timedelta
        How often it reconciles without a reason.
    """

    def __init__(
        self,
        hosted: Hosted,
        ledger: Ledger,
        account: Account,
        references: MovingReferences,
        *,
        clock: Clock,
        spool: Spool,
        beat: Path | None = None,
        every: timedelta = RECONCILE_EVERY,
    ) -> None:
        self._hosted = hosted
        self._ledger = ledger
        self._account = account
        self._references = references
        self._clock = clock
        self._spool = spool
        self._beat = beat
        self._every = every
        now = clock.now()
        self._seq = hosted.since
        self._epoch = hosted.epoch
        self._turned = self._reconciled = now
        self._stepped = self._beaten = self._looked = now - BEAT
        self._known_running: tuple[date | None, date | None, Session | None] = (None, None, None)
        self._moments: list[Moment] = []
        self._last_tick: datetime | None = None
        self._arrived: Arrived | None = None
        self._loaded: tuple[str, date, bool] | None = None
        self._waiting: list[int] = []
        self._problem = ""
        self._scarce = ""

    def run(self, stopped: Callable[[], bool]) -> None:
        """Turn until told to stop.

        Raises
        ------
        LeaseError
            If another desk has taken over; this one has sent nothing since.
        LedgerError
            If the ledger cannot be read or written.
        """
        gc.freeze()  # what is loaded now stays: going over it again would hold up an order by 10 ms
        try:
            while not stopped():
                self.turn(stopped)
                self._clock.wait(POLL)
        finally:
            self._tell(replace(self._heartbeat(self._turned, None), mode=Mode.STOPPED))

    def step(self, now: datetime) -> bool:
        """Do all that is due now, once, for a host of the moment; raises as `run`."""
        del now
        self.turn()
        return False

    def turn(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Do all that is due now; raises as `run`."""
        now = self._clock.now()
        if now < self._turned - SET_BACK:
            self._problem = f"the clock was set back from {self._turned}: waiting until then"
            self._tell(self._heartbeat(now, None))
            return
        now = max(now, self._turned)
        session = self._session(now)
        asked, news = self._news()
        self._load(now, session)
        self._moments += self._spool.read(now)
        given = self._situation(now, session, asked=asked, news=news)
        for duty in due(given):
            self._do(duty, given, stopped)
        self._turned = now
        if now - self._beaten >= BEAT:
            self._beaten = now
            self._mind_room()
            self._hold()
            self._tighten(now, given)
            if session is not None and now in session:
                self._hosted.desk.tell_undecided(now)
            self._tell(self._heartbeat(now, session))

    # -- looking ---------------------------------------------------------------------------------

    def _situation(
        self, now: datetime, session: Session | None, *, asked: bool, news: bool
    ) -> Situation:
        book = self._hosted.desk.book
        closed = book.days[-1].day if book.days else None
        # One of before the open is none of this session's prices, and is not taken in.
        ticking = any(session is not None and moment.at in session for moment in self._moments)
        if ticking or (self._last_tick is not None and self._last_tick.date() == now.date()):
            ticking = True
        return Situation(
            now=now,
            session=session,
            ticking=ticking,
            running=self._running(book.limits_day, closed),
            closed=closed,
            ticks=bool(self._moments),
            news=news,
            asked=asked,
            waiting=bool(self._waiting),
            turned=self._turned,
            stepped=self._stepped,
            reconciled=self._reconciled,
            every=self._every,
        )

    def _running(self, sealed: date | None, closed: date | None) -> Session | None:
        """Return the session that was opened on ticks and is not closed; bars play theirs whole."""
        if sealed is None or (closed is not None and sealed <= closed):
            return None
        if self._known_running[:2] != (sealed, closed):
            session = self._account.calendar.session(sealed)
            if session is not None and has_seen(self._ledger.engine, opening_moment(session)):
                session = None
            self._known_running = (sealed, closed, session)
        return self._known_running[2]

    def _session(self, now: datetime) -> Session | None:
        try:
            return self._account.calendar.session(now.date())
        except DataError as error:  # fail closed: no session, no order
            self._problem = str(error)
            return None

    def _news(self) -> tuple[bool, bool]:
        """Return whether somebody wants a reconciliation, and whether anything is new.

        A cancel that the broker refuses is no news: the desk would ask again with every turn.
        """
        seq = self._ledger.seq()
        if seq == self._seq:
            return False, False
        asked = news = False
        for record in self._ledger.events(self._seq):
            if record.epoch != self._epoch:
                self._hold()
            asked = asked or isinstance(record.event, ReconciliationRequested)
            news = news or not isinstance(record.event, CancelAsked)
        self._seq = seq
        return asked, news

    def _mind_room(self) -> None:
        reserve = self._hosted.reserve
        self._scarce = "" if reserve is None or reserve.mind() else NO_ROOM

    def _hold(self) -> None:
        if not self._hosted.desk.holds_lease:
            raise LeaseError(
                f"another desk has taken over from epoch {self._epoch}: this one ends, "
                "it has sent nothing since"
            )

    def _load(self, now: datetime, session: Session | None) -> None:
        """Take over bars that arrived, or whose session is over now."""
        if now - self._looked < BEAT:
            return
        self._looked = now
        key = (self._account.version(), now.date(), session is not None and now >= session.close)
        if key == self._loaded:
            return
        self._loaded = key
        try:
            self._arrived = self._account.arrived(now)
            self._waiting = playable(self._ledger, self._account.calendar, self._arrived)
            self._problem = ""
        except (DataError, SealedDataError, UsageError) as error:
            self._problem = str(error)
            return
        if self._arrived is not None:
            self._references.now = BarReferences(self._arrived.bars)

    # -- doing -----------------------------------------------------------------------------------

    def _do(self, duty: Duty, given: Situation, stopped: Callable[[], bool]) -> None:
        desk, now = self._hosted.desk, given.now
        match duty:
            case Duty.RECONCILE:
                desk.reconcile(now, always_record=given.asked)
                self._reconciled = now
            case Duty.OPEN:
                self._open(now)
            case Duty.FEED:
                self._take_in(given)
            case Duty.STEP:
                desk.step(now, self._clock.now)
                self._stepped = self._reconciled = now
            case Duty.FINISH:
                assert given.running is not None
                self._finish(given.running)
            case Duty.PLAY:
                self._play(stopped)

    def _take_in(self, given: Situation) -> None:
        """Feed the waiting ticks of the session that runs; others are of no use any more."""
        session = given.running or given.session
        waiting, self._moments = self._moments, []
        for moment in waiting:
            if session is None or moment.at not in session:
                continue
            last = self._last_tick
            jumped = last is None or moment.at - last > FEED_GAP
            if jumped and last is not None:
                self._hosted.desk.reconcile(given.now)
            self._hosted.feed.quote(moment.name, moment.at, self._quotes(moment), jumped=jumped)
            self._last_tick = moment.at

    def _quotes(self, moment: Moment) -> dict[str, Quote]:
        market, day = self._account.market, moment.at.date()

        def on_tick(price: Decimal | None) -> Decimal | None:
            return None if price is None else nearest_tick(price, market, day)

        return {
            tick.symbol: Quote(
                nearest_tick(tick.last, market, day),
                on_tick(tick.bid),
                on_tick(tick.ask),
                None if tick.volume is None else Decimal(tick.volume),
            )
            for tick in moment.ticks
        }

    def _open(self, now: datetime) -> None:
        """Tell the venue the bands of the day, then seal the limits."""
        symbols = () if self._arrived is None else self._arrived.bars.symbols
        completed = last_completed(self._account.calendar, now)
        listed = morning_file(symbols, self._references, completed)
        self._hosted.feed.list_instruments(now.date(), listed)
        self._hosted.desk.open_session(now, self._account.limits)

    def _tighten(self, now: datetime, given: Situation) -> None:
        """Seal tighter limits that somebody has set while the session runs; looser ones wait."""
        if given.running is None or given.session is None or now not in given.session:
            return
        try:
            self._hosted.desk.open_session(now, self._account.limits)
        except UsageError as error:  # the session goes on under what was sealed
            self._problem = str(error)

    def _finish(self, session: Session) -> None:
        """Let what still rests lapse, and mark the positions at the last prices."""
        desk, feed = self._hosted.desk, self._hosted.feed
        with self._ledger.session_time():  # a session that a dead desk left open is over for long
            feed.end_session(session.close)
            desk.reconcile(session.close)
            desk.close_session(session.close, feed.last_prices(session.day))
        self._loaded, self._looked = None, session.open

    def _play(self, stopped: Callable[[], bool]) -> None:
        assert self._arrived is not None
        account = self._account
        settings = ReplaySettings((), _nobody, account.limits, account.market, account.calendar)
        player = Player(self._ledger, self._arrived.bars, settings, self._references)
        while self._waiting and not stopped():
            position = self._waiting[0]
            player.trade(self._hosted, position)
            del self._waiting[0]
            self._stepped = now = self._clock.now()
            self._tell(self._heartbeat(now, self._session(now)))
        self._references.now = BarReferences(self._arrived.bars)

    # -- saying ----------------------------------------------------------------------------------

    def _heartbeat(self, now: datetime, session: Session | None) -> Heartbeat:
        ticking = self._last_tick is not None and self._last_tick.date() == now.date()
        return Heartbeat(
            os.getpid(),
            self._epoch,
            now,
            Mode.TICKS if ticking else Mode.BARS,
            self._doing(now, session, ticking),
            self._stepped,
            self._reconciled,
            self._last_tick,
            self._spool.refused,
            self._scarce or self._problem or self._spool.refusal,
        )

    def _doing(self, now: datetime, session: Session | None, ticking: bool) -> str:
        days = self._hosted.desk.book.days
        if self._waiting:
            return f"{len(self._waiting)} sessions to play"
        if session is None:
            return "no session today"
        if days and days[-1].day == session.day:
            return f"the session of {session.day} is closed"
        if now < session.open:
            return f"waits for the open at {session.open:%H:%M}"
        if ticking and now < session.close:
            return "trades on ticks"
        return f"waits for the bars of {session.day}, or for ticks"

    def _tell(self, found: Heartbeat) -> None:
        if self._beat is not None:
            heartbeat.write(self._beat, found)


def spool_of(folder: Path, ledger: Ledger) -> Spool:
    """Return the spool in `folder`, read as far as the ledger's paper account has taken it in."""
    return Spool(folder, lambda prefix: last_moment(ledger.engine, prefix))


def _nobody(genome_hash: str) -> None:
    """Permit nothing: the hosted gate asks the account, the player decides no signals."""
    del genome_hash
