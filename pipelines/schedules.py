"""Schedules in exchange time: they start jobs when these are due and decide nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from assets.health import HEALTH, RED
from kasauti.alerts.missed import AFTER_THE_CLOSE, SESSION_TAG
from kasauti.errors import DataError
from kasauti.market.calendar import INDIA, Calendar, nse_calendar
from pipelines.jobs import backup, evening, health, weekly_summary
from resources.project import Project

# The evening job has ended by then; weekends too: research goes on.
EVERY_EVENING = "0 20 * * *"
ON_SATURDAY = "0 9 * * 6"
QUARTERLY = "*/15 9-19 * * *"
# A run costs 5 s and 0.3 MB of Dagster's storage for ever, 3 GB a year: only news is worth one.
SHOWN_ANEW = timedelta(hours=1)
NO_NEWS = (
    "the embedded sample gets no new bars, `kasauti demo` replays its last sessions: "
    "set KASAUTI_BARS to a folder of your own bars"
)


def reason_to_skip(calendar: Calendar, day: date) -> str | None:
    """Return why nothing is to be done on `day`, None on a trading day; fails closed."""
    try:
        return None if calendar.session(day) is not None else f"{day} is no trading day"
    except DataError as error:
        return str(error)


@dg.schedule(
    job=evening,
    cron_schedule=AFTER_THE_CLOSE.cron,
    execution_timezone=INDIA.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def after_the_close(
    context: dg.ScheduleEvaluationContext, project: Project
) -> dg.RunRequest | dg.SkipReason:
    """Take in the day's bars, trade them on paper, decide for the next session; no holidays."""
    if project.source().is_sample:
        return dg.SkipReason(NO_NEWS)
    day = context.scheduled_execution_time.astimezone(INDIA).date()
    skip = reason_to_skip(project.calendar(), day)
    if skip is not None:
        return dg.SkipReason(skip)
    return dg.RunRequest(run_key=f"evening-{day}", tags={SESSION_TAG: str(day)})


every_evening = dg.ScheduleDefinition(
    name="every_evening",
    job=backup,
    cron_schedule=EVERY_EVENING,
    execution_timezone=INDIA.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dataclass(frozen=True)
class Shown:
    """What the assets of health show: when they were made, and which checks are red there."""

    at: datetime
    red: frozenset[str]


def is_news(shown: Shown | None, red: Iterable[str], now: datetime) -> bool:
    """Whether a run would show something else than the assets do, or they are an hour old."""
    return shown is None or now - shown.at >= SHOWN_ANEW or shown.red != frozenset(red)


def shown_health(instance: dg.DagsterInstance) -> Shown | None:
    """Return what the assets of health show, None if one was never made."""
    times, red = [], set[str]()
    for key in HEALTH:
        event = instance.get_latest_materialization_event(key)
        made = event.asset_materialization if event is not None else None
        if event is None or made is None:
            return None
        times.append(datetime.fromtimestamp(event.timestamp, UTC))
        red.update(filter(None, str(made.metadata[RED].value).split(", ")))
    return Shown(min(times), frozenset(red))


@dg.schedule(
    job=health,
    cron_schedule=QUARTERLY,
    execution_timezone=INDIA.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def every_quarter_hour(
    context: dg.ScheduleEvaluationContext, project: Project
) -> dg.RunRequest | dg.SkipReason:
    """Look at everything on trading days; a run shows it where a check changed colour, or hourly.

    The look itself is recorded in the history of health each time.
    """
    from kasauti.health.look import red_checks, status_of

    now = project.now()
    day = context.scheduled_execution_time.astimezone(INDIA).date()
    calendar = nse_calendar()
    if calendar.knows(day) and calendar.session(day) is None:
        return dg.SkipReason(f"{day} is no trading day")
    red = [check.name for check in red_checks(status_of(project.workspace().home, now))]
    if not is_news(shown_health(context.instance), red, now):
        return dg.SkipReason(f"no check changed colour: {len(red)} red")
    return dg.RunRequest()


@dg.schedule(
    job=weekly_summary,
    cron_schedule=ON_SATURDAY,
    execution_timezone=INDIA.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def on_saturday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Sum the week's research up on Saturday morning, trading days or not."""
    day = context.scheduled_execution_time.astimezone(INDIA).date()
    return dg.RunRequest(run_key=f"weekly-{day}")


SCHEDULES = [after_the_close, every_evening, every_quarter_hour, on_saturday]
