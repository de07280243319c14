"""Schedules that were due and did not start; pure. It is looked at outside of Dagster.

Dagster cannot say that its own daemon is dead: the alerts service asks, what ran is read from
Dagster's records.
"""

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from kasauti.alerts.book import Raised
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.market.calendar import Calendar

GRACE = timedelta(minutes=30)
LOOK_BACK = timedelta(days=3)
SESSION_TAG = "kasauti/session"


@dataclass(frozen=True)
class Daily:
    """A schedule of trading days.

    Attributes
    ----------
    name : str
        As on Dagster's page.
    at : time
        Exchange time.
    """

    name: str
    at: time

    @property
    def cron(self) -> str:
        """The schedule as a cron line."""
        return f"{self.at.minute} {self.at.hour} * * *"


# Bars of the day are out by then; the session ends at 15:30, the closing auction at 15:35.
AFTER_THE_CLOSE = Daily("after_the_close", time(18, 30))


def expected(daily: Daily, calendar: Calendar, since: date, now: datetime) -> list[datetime]:
    """Return when the schedule was due from the day `since` on, up to `now`.

    Raises
    ------
    DataError
        If the calendar does not know these days.
    """
    first = max(since, (now - LOOK_BACK).date())
    if first > now.date():
        return []
    due = [
        datetime.combine(session.day, daily.at, now.tzinfo)
        for session in calendar.sessions(first, now.date())
    ]
    return [moment for moment in due if moment <= now]


def missed(
    daily: Daily, due: Sequence[datetime], ran: Collection[date], now: datetime
) -> list[Raised]:
    """Return an alert for each time that was due more than half an hour ago and has no run."""
    found = []
    for moment in due:
        if now - moment < GRACE or moment.date() in ran:
            continue
        said = f"{daily.name} was due on {moment:%d %b at %H:%M} and has no run"
        alert = alert_of(Trigger.MISSED_SCHEDULE, daily.name, said, key=str(moment.date()))
        found.append(Raised(f"missed:{daily.name}:{moment.date()}", alert, now))
    return found


def days_that_ran(dagster: Path) -> frozenset[date] | None:
    """Return the days for which Dagster has a run of a daily schedule, whatever became of it.

    Parameters
    ----------
    dagster : Path
        Folder of Dagster's storage.

    Returns
    -------
    frozenset of date, or None
        None where nobody can tell: no storage there, or one that is kept elsewhere.
    """
    file = dagster / "history" / "runs.db"
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as driver:
            query = "SELECT DISTINCT value FROM run_tags WHERE key = ?"
            rows = driver.execute(query, (SESSION_TAG,)).fetchall()
    except sqlite3.Error:
        return None
    return frozenset(date.fromisoformat(value) for (value,) in rows)
