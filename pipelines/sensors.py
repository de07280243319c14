"""Sensors: new signals are traded once a version, failures become alerts and still get a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.signals import SIGNALS
from kasauti.alerts.messages import Message, Severity, failed_check, failed_run
from kasauti.alerts.slack import DeliveryStatus
from pipelines.jobs import TRADE_TAGS, daily_report, evening, trade
from resources.project import Project
from resources.slack import SlackAlerts

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
RUNS_A_TICK = 20  # a tick is killed after 60 s
GIVE_UP = timedelta(days=1)  # what Slack did not take for a day is no news any more


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


def failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun, url: str) -> Iterator[Message]:
    """Return one message for each check of `run` that did not pass."""
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        found = event.asset_check_evaluation_data
        if found.passed:
            continue
        error = found.severity is dg.AssetCheckSeverity.ERROR
        yield failed_check(
            found.asset_key.to_user_string(),
            found.check_name,
            Severity.ERROR if error else Severity.WARNING,
            {name: value.value for name, value in found.metadata.items() if _is_figure(value)},
            run.run_id,
            url,
            description=found.description or "",
        )


def failure(instance: dg.DagsterInstance, run: dg.DagsterRun, url: str) -> Message:
    """Return the message about a failed run: what its first failed step said, else its end."""
    trades = TRADE_TAGS.items() <= run.tags.items()
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE):
        error = event.step_failure_data.error
        text = (error.cause or error).message if error is not None else "no message"
        return failed_run(run.job_name, text, run.run_id, url, event.step_key, trades=trades)
    ends = [event.message for event in _events(instance, run, dg.DagsterEventType.RUN_FAILURE)]
    text = next((message for message in ends if message), "no message")
    return failed_run(run.job_name, text, run.run_id, url, trades=trades)


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
    context: dg.SensorEvaluationContext, project: Project, slack: SlackAlerts
) -> dg.SensorResult:
    """Post failed checks and failed runs to Slack, once an incident.

    A failed check that does not block leaves its run a success, so every ended run is read. The
    cursor stands at the last run of which everything was taken: what Slack did not take is tried
    again on the next tick, for a day.
    """
    now = project.now()
    oldest = now - GIVE_UP
    if context.cursor is None:
        return dg.SensorResult(
            skip_reason="alerts begin with the runs that end from now on", cursor=now.isoformat()
        )
    cursor, said = max(datetime.fromisoformat(context.cursor), oldest), []
    for record in ended_runs(context.instance, cursor.astimezone(UTC)):
        run = record.dagster_run
        url = slack.run_url(run.run_id)
        messages = list(failed_checks(context.instance, run, url))
        if run.status is dg.DagsterRunStatus.FAILURE:
            messages.append(failure(context.instance, run, url))
        for message in messages:
            delivery = slack.post(message, now)
            said.append(f"{message.text}: {delivery.status.value}, {delivery.detail}")
            if delivery.status is DeliveryStatus.FAILED:
                return dg.SensorResult(skip_reason="; ".join(said), cursor=cursor.isoformat())
        cursor = record.update_timestamp.astimezone(now.tzinfo)
    return dg.SensorResult(
        skip_reason="; ".join(said) or "nothing failed", cursor=cursor.isoformat()
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
