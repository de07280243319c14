"""What a desk process has to do now: one pure function of what it sees; it acts on nothing."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from kasauti.market.calendar import Session

STEP_EVERY = timedelta(seconds=1)  # windows end and stops are repriced without any news
GAP = timedelta(seconds=5)  # a longer silence of our own means that the machine slept


class Duty(StrEnum):
    """One thing to do; they are done in the order in which `due` gives them."""

    RECONCILE = "reconcile"
    FINISH = "end a session that is over"
    PLAY = "play sessions whose bars arrived"
    OPEN = "open the session"
    FEED = "take in ticks"
    STEP = "look at the orders"


@dataclass(frozen=True)
class Situation:
    """What there is to decide on.

    Attributes
    ----------
    now : datetime
        Exchange time.
    session : Session or None
        Of today; None on a day without one, or one that the calendar does not know.
    ticking : bool
        Whether ticks of today have been seen: then its prices are they, and not its bars.
    running : Session or None
        One that was opened on ticks and is not closed yet, today's or an older one.
    closed : date or None
        Last session that the ledger closed.
    ticks : bool
        Whether ticks are waiting.
    news : bool
        Whether the ledger has events that the desk has not looked at.
    asked : bool
        Whether somebody wants ledger and broker compared.
    waiting : bool
        Whether sessions can be played whose bars arrived.
    turned, stepped, reconciled : datetime
        When the process last looked at anything, at its orders, and at the broker.
    every : timedelta
        How often it reconciles without a reason.
    """

    now: datetime
    session: Session | None
    ticking: bool
    running: Session | None
    closed: date | None
    ticks: bool
    news: bool
    asked: bool
    waiting: bool
    turned: datetime
    stepped: datetime
    reconciled: datetime
    every: timedelta

    @property
    def is_trading(self) -> bool:
        """Whether today's session trades on ticks now."""
        return self.ticking and self.session is not None and self.now in self.session


def due(given: Situation) -> list[Duty]:
    """Return what is to be done now, in order.

    A session without ticks is left alone until its bars have arrived: releasing an intent on the
    machine's clock would send it into a market without prices, and expire it there.
    """
    duties: list[Duty] = []
    slept = given.now - given.turned > GAP
    if slept or given.asked or given.now - given.reconciled >= given.every:
        duties.append(Duty.RECONCILE)
    if given.running is not None and given.now >= given.running.close:
        return [*duties, Duty.FEED, Duty.FINISH] if given.ticks else [*duties, Duty.FINISH]
    if given.waiting and given.running is None:
        return [*duties, Duty.PLAY]
    if not given.is_trading:
        return duties
    if given.running is None:
        duties.append(Duty.OPEN)
    if given.ticks:
        duties.append(Duty.FEED)
    late = given.now - given.stepped >= STEP_EVERY
    if given.ticks or given.news or late or given.running is None:
        duties.append(Duty.STEP)
    return duties
