"""Checks of ages against the calendar: feed, bars, the evening's run and what it makes.

Only what has to be new is judged: the sample gets no new bars, research repeats when it is wanted.
"""

from datetime import date, datetime, time, timedelta

from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Mode
from kasauti.health import dagster_records
from kasauti.health.model import Check, Figure, Health
from kasauti.health.surroundings import Surroundings
from kasauti.market.calendar import Calendar, nse_calendar
from kasauti.market.markets import get_market

MARKET = "nse"  # of bars of one's own
EVENING = time(18, 30)  # when the day's bars are taken in
GRACE = timedelta(minutes=30)
FEED_SILENT = timedelta(seconds=60)  # a liquid share trades several times a second
CALENDAR_LEFT = 30  # days; the exchange lists a year's holidays in early December
STORED = "market/bars"
NO_NEWS = "the sample gets no new bars: set KASAUTI_BARS to a folder of your own"
EVERY_EVENING = (
    "market/forward",
    "signals/daily",
    *("execution/orders", "execution/fills", "execution/positions", "execution/profit"),
)


def last_due(calendar: Calendar, now: datetime) -> date:
    """Return the last session whose bars have to be there: its evening and half an hour are over.

    Raises
    ------
    DataError
        If the calendar does not know the day.
    """
    today = calendar.session(now.date())
    if today is not None and now >= datetime.combine(today.day, EVENING, now.tzinfo) + GRACE:
        return today.day
    return calendar.previous_session(now.date()).day


def feed(around: Surroundings) -> list[Check]:
    """Look whether ticks come while the session is open and the desk trades on them."""
    name = "feed"
    beat = heartbeat.read(around.home.heartbeat)
    if beat is None or not beat.is_alive(around.now) or beat.mode is not Mode.TICKS:
        return [Check(name, Health.ABSENT, "no desk trades on ticks now")]
    session = get_market(MARKET).calendar.session(around.now.date())
    if session is None or around.now not in session:
        return [Check(name, Health.OK, "the exchange is closed")]
    since = max(beat.last_tick or session.open, session.open)
    age = around.now - since
    figures = {"seconds since the last tick": round(age.total_seconds(), 1)}
    if age > FEED_SILENT:
        said = f"no tick for {age.total_seconds():.0f} s: start what writes {around.home.feed}"
        return [Check(name, Health.RED, said, figures)]
    return [Check(name, Health.OK, f"last tick at {since:%H:%M:%S}", figures)]


def calendar(around: Surroundings) -> list[Check]:
    """Look how long the table of sessions still lasts: after it, nothing is traded."""
    return [judge_calendar(nse_calendar().last, around.now)]


def judge_calendar(last: date, now: datetime) -> Check:
    """Return the check of a calendar whose last known day is `last`."""
    left = (last - now.date()).days
    figures: dict[str, Figure] = {"last day": str(last), "days left": left}
    mend = "take the version of Kasauti that has the exchange's next list of holidays"
    if left < 0:
        said = f"the sessions after {last} are not known, nothing is traded: {mend}"
        return Check("calendar", Health.RED, said, figures)
    if left < CALENDAR_LEFT:
        said = f"the sessions are known for {left} more days, then nothing is traded: {mend}"
        return Check("calendar", Health.WARNING, said, figures)
    return Check("calendar", Health.OK, f"known up to {last}", figures)


def bars(around: Surroundings) -> list[Check]:
    """Look whether the bars of the last session that is due were taken in."""
    from kasauti.market.lake import Lake

    name = "bars"
    if not around.has_own_bars:
        return [Check(name, Health.ABSENT, NO_NEWS)]
    last = Lake(around.home.ingested).last_session(STORED)
    if last is None:
        return [Check(name, Health.RED, "none were taken in: run `kasauti ingest`")]
    calendar = get_market(MARKET).calendar
    due = last_due(calendar, around.now)
    missing = calendar.sessions(last + timedelta(days=1), due) if last < due else []
    figures: dict[str, Figure] = {"last session": str(last), "sessions missing": len(missing)}
    if missing:
        said = f"end at {last}, {due} has to be there: put the new rows into the folder"
        return [Check(name, Health.RED, f"{said} and run `kasauti ingest`", figures)]
    return [Check(name, Health.OK, f"up to {last}", figures)]


def evening(around: Surroundings) -> list[Check]:
    """Look whether the schedule of trading days ran for the last session that is due."""
    name = "evening run"
    if not around.has_own_bars:
        return [Check(name, Health.ABSENT, NO_NEWS)]
    runs = dagster_records.session_runs(around.home.dagster)
    if not runs:
        health = Health.RED if around.trades else Health.ABSENT
        return [Check(name, health, "never ran: keep `kasauti up` running over 18:30")]
    due = last_due(get_market(MARKET).calendar, around.now)
    became = runs.get(due, ())
    figures: dict[str, Figure] = {"session": str(due), "runs": len(became)}
    if not became:
        said = f"missed on {due}: start the job `evening` on Dagster's page"
        return [Check(name, Health.RED, said, figures)]
    if "SUCCESS" in became:
        return [Check(name, Health.OK, f"done for {due}", figures)]
    if became[-1] in ("FAILURE", "CANCELED"):
        said = f"failed for {due}: read why on Dagster's page and start the job `evening` again"
        return [Check(name, Health.RED, said, figures)]
    return [Check(name, Health.OK, f"under way for {due}", figures)]


def assets(around: Surroundings) -> list[Check]:
    """Look whether what is made every evening was made since the last session that is due."""
    name = "assets"
    made = dagster_records.made(around.home.dagster)
    if not made:
        return [Check(name, Health.ABSENT, "none was made yet: run `kasauti demo`")]
    hours = {key: round((around.now - at) / timedelta(hours=1), 1) for key, at in made.items()}
    figures: dict[str, Figure] = {f"hours since {key}": age for key, age in sorted(hours.items())}
    if not around.has_own_bars:
        return [Check(name, Health.OK, f"{len(made)} were made; none has to be new", figures)]
    due = last_due(get_market(MARKET).calendar, around.now)
    begins = datetime.combine(due, EVENING, around.now.tzinfo)
    old = [key for key in EVERY_EVENING if key in made and made[key] < begins]
    if old:
        said = f"older than the evening of {due}: {', '.join(old)}"
        return [Check(name, Health.RED, f"{said}: start the job `evening` again", figures)]
    return [Check(name, Health.OK, f"{len(made)} were made, the evening's on {due}", figures)]
