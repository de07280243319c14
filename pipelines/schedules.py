"""Schedules in exchange time. They start jobs on trading days and decide nothing else."""

from datetime import date

import dagster as dg

from kasauti.errors import DataError
from kasauti.market.calendar import INDIA, Calendar
from pipelines.jobs import evening, weekly_summary
from resources.project import Project

# Bars of the day are out by then; the session ends at 15:30, the closing auction at 15:35.
AFTER_THE_CLOSE = "30 18 * * *"
ON_SATURDAY = "0 9 * * 6"
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
    cron_schedule=AFTER_THE_CLOSE,
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
    return dg.RunRequest(run_key=f"evening-{day}", tags={"kasauti/session": str(day)})


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


SCHEDULES = [after_the_close, on_saturday]
