"""Sensors: new signals are traded once a version, failures become alerts and still get a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.signals import SIGNALS
from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger, alert_of
from pipelines.jobs import TRADE_TAGS, daily_report, evening, trade
from resources.alerts import AlertDoor
from resources.project import Project

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
RUNS_A_TICK = 20  # a tick is killed after 60 s
LOOK_BACK = timedelta(days=7)  # a daemon that was off for longer tells of no older failure


@dataclass(frozen=True)
class Latest:
    """The newest signals, as far as a sensor needs to know them."""

    version: str
    orders: int


def next_action(latest: Latest | None) -> dg.RunRequest | dg.SkipReason:
    """Return the run that the newest signals ask for; the run key makes it one a version."""
    if latest is None:
        return dg.SkipReason("no signals have been made yet")
    if not latest.orders:
        return dg.SkipReason(f"the signals {latest.version[:12]} ask for no order")
    return dg.RunRequest(run_key=latest.version, tags={"kasauti/signals": latest.version[:12]})


def latest_signals(instance: dg.DagsterInstance) -> Latest | None:
    """Return version and number of orders of the newest signals."""
    event = instance.get_latest_materialization_event(SIGNALS)
    made = event.asset_materialization if event is not None else None
    if made is None or made.tags is None:
        return None
    orders = made.metadata["orders"].value
    return Latest(made.tags["dagster/data_version"], int(str(orders)))


@dg.sensor(job=trade, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def new_signals(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start the trade job once for each version of the signals."""
    return next_action(latest_signals(context.instance))


def failed_checks(
    instance: dg.DagsterInstance, run: dg.DagsterRun, url: str
) -> Iterator[tuple[str, Alert]]:
    """Return key and alert of each check of `run` that did not pass."""
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        found = event.asset_check_evaluation_data
        if found.passed:
            continue
        asset, check = found.asset_key.to_user_string(), found.check_name
        error = found.severity is dg.AssetCheckSeverity.ERROR
        figures = {name: it.value for name, it in found.metadata.items() if _is_figure(it)}
        alert = alert_of(
            Trigger.CHECK_FAILED if error else Trigger.CHECK_WARNED,
            asset,
            f"The check {check} failed",
            key=check,
            title=f"Check failed: {check} on {asset}",
            detail=found.description or "",
            figures={"check": check, "run": run.run_id, **figures},
            link=url,
        )
        yield f"check:{run.run_id}:{asset}:{check}", alert


def failure(instance: dg.DagsterInstance, run: dg.DagsterRun, url: str) -> tuple[str, Alert]:
    """Return key and alert of a failed run: what its first failed step said, else its end."""
    step, said = _first_failure(instance, run)
    trades = TRADE_TAGS.items() <= run.tags.items()
    where = f"It stopped at {step}" if step else ""
    alert = alert_of(
        Trigger.TRADE_RUN_FAILED if trades else Trigger.RUN_FAILED,
        run.job_name,
        where,
        key=f"{step}|{said.strip().partition(chr(10))[0]}",
        title=f"Run failed: {run.job_name}",
        detail=said,
        figures={"run": run.run_id},
        link=url,
    )
    return f"run:{run.run_id}", alert


def _first_failure(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE):
        error = event.step_failure_data.error
        said = (error.cause or error).message if error is not None else "no message"
        return event.step_key or "", said
    ends = [event.message for event in _events(instance, run, dg.DagsterEventType.RUN_FAILURE)]
    return "", next((message for message in ends if message), "no message")


def _events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType
) -> Iterator[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run.run_id, of_type={kind}).records:
        if record.event_log_entry.dagster_event is not None:
            yield record.event_log_entry.dagster_event


def _is_figure(value: object) -> bool:
    return isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue | dg.TextMetadataValue)


def ended_runs(instance: dg.DagsterInstance, since: datetime) -> Sequence[dg.RunRecord]:
    """Return the runs that ended after `since`, oldest first."""
    return instance.get_run_records(
        dg.RunsFilter(statuses=list(ENDED), updated_after=since),
        limit=RUNS_A_TICK,
        order_by="update_timestamp",
        ascending=True,
    )


@dg.sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(
    context: dg.SensorEvaluationContext, project: Project, alert_book: AlertDoor
) -> dg.SensorResult:
    """Commit failed checks and failed runs to the alert book; its service sends them.

    A failed check that does not block leaves its run a success, so every ended run is read. A tick
    may be evaluated twice: an alert's key, made of its run, keeps it one.
    """
    now = project.now()
    if context.cursor is None:
        return dg.SensorResult(
            skip_reason="alerts begin with the runs that end from now on", cursor=now.isoformat()
        )
    cursor = max(datetime.fromisoformat(context.cursor), now - LOOK_BACK)
    found: dict[str, Alert] = {}
    for record in ended_runs(context.instance, cursor.astimezone(UTC)):
        run = record.dagster_run
        url = alert_book.run_url(run.run_id)
        found |= failed_checks(context.instance, run, url)
        if run.status is dg.DagsterRunStatus.FAILURE:
            found |= [failure(context.instance, run, url)]
        cursor = record.update_timestamp.astimezone(now.tzinfo)
    new = alert_book.commit(found, now)
    said = f"{new} new: {'; '.join(alert.title for alert in found.values())}"
    return dg.SensorResult(
        skip_reason=said if found else "nothing failed", cursor=cursor.isoformat()
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    monitored_jobs=[evening],
    request_job=daily_report,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def report_of_a_failed_evening(context: dg.RunStatusSensorContext) -> dg.RunRequest:
    """Write the daily report all the same: a day on which something broke needs it most.

    In the evening's own run a failed step or blocking check holds back what comes after it.
    """
    return dg.RunRequest(run_key=f"daily-report-{context.dagster_run.run_id}")


SENSORS = [new_signals, alerts, report_of_a_failed_evening]
