"""What a desk process asks of the account that it trades, and which sessions can be played."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from kasauti.execution.brokers.paper import has_seen
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.replay import opening_moment
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market


@dataclass(frozen=True, eq=False)
class Arrived:
    """The bars that the account has by now.

    Attributes
    ----------
    bars : Bars
        Daily, every session over; history for the first close before a session included.
    forward : date or None
        First session that is not history.
    """

    bars: Bars
    forward: date | None


class Account(Protocol):
    """What a desk process asks of the account that it trades; nothing is loaded before it asks."""

    @property
    def market(self) -> Market:
        """The market of the ledger."""
        ...

    @property
    def calendar(self) -> Calendar:
        """Its sessions."""
        ...

    @property
    def limits(self) -> Limits:
        """What is sealed at the open."""
        ...

    def version(self) -> str:
        """Return what bars and approvals are at; another text means that something arrived."""
        ...

    def arrived(self, now: datetime) -> Arrived | None:
        """Return the bars of the sessions that are over, None if there are none at all."""
        ...


def playable(ledger: Ledger, calendar: Calendar, arrived: Arrived | None) -> list[int]:
    """Return the positions of the bars whose sessions wait to be played, oldest first.

    A session counts from the ledger's first event on. One that was passed over is lost once a
    later one was opened: limits and orders do not go back.

    Raises
    ------
    DataError
        If the calendar does not know a day.
    """
    if arrived is None or arrived.forward is None:
        return []
    book, began = ledger.book(), next(ledger.events()).at
    closed = {result.day for result in book.days}
    opened = max([*closed, *([book.limits_day] if book.limits_day else [])], default=date.min)
    found = []
    for position, day in enumerate(days_of(arrived.bars)):
        if position == 0 or day < max(arrived.forward, began.date()) or day in closed:
            continue
        session = calendar.session(day)
        if session is None or session.open < began:
            continue
        if day > opened or has_seen(ledger.engine, opening_moment(session)):
            found.append(position)
    return found


def days_of(bars: Bars) -> list[date]:
    """Return the session dates of daily bars."""
    days: list[date] = bars.sessions.astype(object).tolist()
    return days
