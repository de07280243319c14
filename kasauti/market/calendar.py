"""When a market trades: sessions and holidays; no clock and no data in it.

A calendar fails closed: a day outside its range raises, it is never guessed from the weekday.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from kasauti.errors import DataError
from kasauti.market.tables import read_table

INDIA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Session:
    """One trading session, in exchange time.

    Attributes
    ----------
    day : date
        The session date.
    open, close : datetime
        Aware; start and end of trading.
    auction : datetime or None
        Start of the closing auction, in which shares with derivatives do not trade continuously.
    """

    day: date
    open: datetime
    close: datetime
    auction: datetime | None = None

    def continuous_end(self, *, closing_auction: bool) -> datetime:
        """Return the end of continuous trading, for a share with or without a closing auction.

        Which of them it is, the exchange says share by share: ``is_cas_enabled`` in the broker's
        instrument master. A share of which nobody knows it has to be taken for one with an auction.
        """
        return self.auction if closing_auction and self.auction is not None else self.close

    def __contains__(self, moment: datetime) -> bool:
        """Whether `moment` (aware) lies in the session; the close itself does not."""
        return self.open <= moment < self.close


class Calendar(Protocol):
    """The sessions of one market over a known range of days."""

    def session(self, day: date) -> Session | None:
        """Return the session of `day`, None if the market is shut.

        Raises
        ------
        DataError
            If `day` is outside the calendar's range.
        """
        ...

    def sessions(self, start: date, end: date) -> list[Session]:
        """Return the sessions from `start` to `end`, both included; raises as `session`."""
        ...

    def next_session(self, after: date) -> Session:
        """Return the first session after the day `after`; raises as `session`."""
        ...

    def previous_session(self, before: date) -> Session:
        """Return the last session before the day `before`; raises as `session`."""
        ...


@dataclass(frozen=True)
class TableCalendar:
    """A calendar that lists every session of its range.

    Attributes
    ----------
    name : str
        For messages.
    first, last : date
        Range of days that the table knows, both included.
    table : tuple of Session
        All sessions in it, by day.
    """

    name: str
    first: date
    last: date
    table: tuple[Session, ...]

    @cached_property
    def _days(self) -> list[date]:
        return [session.day for session in self.table]

    @cached_property
    def _by_day(self) -> dict[date, Session]:
        return {session.day: session for session in self.table}

    def knows(self, day: date) -> bool:
        """Whether `day` is inside the calendar's range."""
        return self.first <= day <= self.last

    def session(self, day: date) -> Session | None:
        """Return the session of `day`, None if shut; raises DataError outside the range."""
        self._check(day)
        return self._by_day.get(day)

    def sessions(self, start: date, end: date) -> list[Session]:
        """Return the sessions from `start` to `end`, both included; raises as `session`."""
        self._check(start)
        self._check(end)
        return list(self.table[bisect_left(self._days, start) : bisect_right(self._days, end)])

    def next_session(self, after: date) -> Session:
        """Return the first session after the day `after`; raises as `session`."""
        self._check(after)
        position = bisect_right(self._days, after)
        if position == len(self.table):
            raise DataError(f"calendar {self.name} has no session after {after}: {self._extend}")
        return self.table[position]

    def previous_session(self, before: date) -> Session:
        """Return the last session before the day `before`; raises as `session`."""
        self._check(before)
        position = bisect_left(self._days, before)
        if position == 0:
            raise DataError(f"calendar {self.name} has no session before {before}: {self._extend}")
        return self.table[position - 1]

    @property
    def _extend(self) -> str:
        return f"it covers {self.first} to {self.last}, extend it before trading outside"

    def _check(self, day: date) -> None:
        if not self.knows(day):
            raise DataError(f"calendar {self.name} does not know {day}: {self._extend}")


def calendar_from_dates(
    days: Iterable[date], open: time, close: time, zone: ZoneInfo, name: str = "own dates"
) -> TableCalendar:
    """Return the calendar whose sessions are exactly `days`, all at the same hours.

    Parameters
    ----------
    days : iterable of date
        Session dates in any order, for instance those of a data set; the range is theirs.
    open, close : time
        Exchange-local hours of every session.

    Raises
    ------
    DataError
        If there is no day at all.
    """
    ordered = sorted(set(days))
    if not ordered:
        raise DataError(f"calendar {name} needs at least one session date")
    table = tuple(_session(day, open, close, zone) for day in ordered)
    return TableCalendar(name, ordered[0], ordered[-1], table)


@cache
def nse_calendar() -> TableCalendar:
    """Return the sessions of the NSE cash segment, from ``data/nse_sessions.toml``."""
    data = read_table("nse_sessions.toml")
    first, last = data["first"], data["last"]
    holidays = frozenset(data["holidays"])
    special = {entry["day"]: entry for entry in data["special"]}
    table = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day in special:
            table.append(_from_entry(day, special[day]))
        elif day.weekday() < 5 and day not in holidays:
            in_force = [entry for entry in data["hours"] if entry["from"] <= day][-1]
            table.append(_from_entry(day, in_force))
    return TableCalendar("nse", first, last, tuple(table))


def _from_entry(day: date, entry: Mapping[str, Any]) -> Session:
    return _session(day, entry["open"], entry["close"], INDIA, entry.get("auction"))


def _session(
    day: date, open: time, close: time, zone: ZoneInfo, auction: time | None = None
) -> Session:
    def at(hour: time) -> datetime:
        return datetime.combine(day, hour, tzinfo=zone)

    return Session(day, at(open), at(close), None if auction is None else at(auction))
