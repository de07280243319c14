"""Schedules in exchange time. They start jobs on trading days and decide nothing else."""

from datetime import date

import dagster as dg

from kasauti.alerts.missed import AFTER_THE_CLOSE, SESSION_TAG
from kasauti.errors import DataError
from kasauti.market.calendar import INDIA, Calendar
from pipelines.jobs import evening
from resources.project import Project

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


SCHEDULES = [after_the_close]
