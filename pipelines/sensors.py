"""Sensors: new signals start the trade job once a version; failed checks and runs become alerts."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.signals import SIGNALS
from kasauti.alerts.messages import Message, Severity, failed_check, failed_run
from pipelines.jobs import TRADE_TAGS, trade
from resources.project import Project
from resources.slack import SlackAlerts


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


def failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Message]:
    """Return one message for each check of `run` that did not pass."""
    events = instance.get_records_for_run(
        run.run_id, of_type={dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    ).records
    for record in events:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
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
            description=found.description or "",
        )


def _is_figure(value: object) -> bool:
    return isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue | dg.TextMetadataValue)


def _alert(
    context: dg.RunStatusSensorContext, project: Project, slack: SlackAlerts
) -> Iterator[str]:
    run = context.dagster_run
    messages = list(failed_checks(context.instance, run))
    if run.status is dg.DagsterRunStatus.FAILURE:
        trades = TRADE_TAGS.items() <= run.tags.items()
        text = context.dagster_event.message or "no message"
        messages.append(failed_run(run.job_name, text, run.run_id, trades=trades))
    for message in messages:
        delivery = slack.post(message, project.now())
        yield f"{message.text}: {delivery.status.value} {delivery.detail}"


def _alert_sensor(name: str, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=name,
        minimum_interval_seconds=15,
        monitor_all_code_locations=True,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Posts failed checks and failed runs to Slack, once an incident.",
    )
    def sensor(
        context: dg.RunStatusSensorContext, project: Project, slack: SlackAlerts
    ) -> dg.SkipReason:
        return dg.SkipReason("; ".join(_alert(context, project, slack)) or "nothing failed")

    return sensor


# A failed check that does not block leaves its run a success, so both ends are read.
SENSORS = [
    new_signals,
    _alert_sensor("alerts_of_finished_runs", dg.DagsterRunStatus.SUCCESS),
    _alert_sensor("alerts_of_failed_runs", dg.DagsterRunStatus.FAILURE),
]
