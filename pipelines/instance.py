"""Dagster's instance for commands: where it lives, and what in it is up to date."""

import os
from collections.abc import Sequence

import dagster as dg

from assets.present import CODE_TAG
from kasauti.home import PROJECT_ROOT, Home
from kasauti.version import EVERYTHING, code_version
from pipelines.definitions import defs

EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


def environment(home: Home) -> dict[str, str]:
    """Return the environment in which Dagster finds its configuration and its state."""
    return {"DAGSTER_HOME": str(PROJECT_ROOT), "KASAUTI_DAGSTER": str(home.dagster)}


def open_instance(home: Home) -> dg.DagsterInstance:
    """Open the instance of the state folder `home`, made if missing."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(home))
    return dg.DagsterInstance.get()


def made(instance: dg.DagsterInstance, key: dg.AssetKey) -> dg.AssetMaterialization | None:
    """Return the asset's newest materialisation."""
    event = instance.get_latest_materialization_event(key)
    return event.asset_materialization if event is not None else None


def version_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """Return the data version of the asset's newest materialisation."""
    newest = made(instance, key)
    return (newest.tags or {}).get("dagster/data_version") if newest is not None else None


def is_current(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    """Whether making the asset again would repeat the same work.

    It was made by this code from the present versions of its inputs, and all of its blocking checks
    passed on just that materialisation.
    """
    newest = made(instance, key)
    if newest is None or newest.tags is None:
        return False
    spec = next(spec for spec in defs.resolve_all_asset_specs() if spec.key == key)
    inputs = all(
        newest.tags.get(f"dagster/input_data_version/{dep.asset_key.to_user_string()}")
        == version_of(instance, dep.asset_key)
        for dep in spec.deps
    )
    same_code = newest.tags.get(CODE_TAG) == code_version(EVERYTHING)
    return inputs and same_code and _checks_passed(instance, key)


def _checks_passed(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    event = instance.get_latest_materialization_event(key)
    for check in _blocking_checks(key):
        record = instance.get_latest_asset_check_evaluation_record(check)
        entry = record.event if record is not None else None
        evaluated = entry.dagster_event if entry is not None else None
        if event is None or evaluated is None or evaluated.event_type is not EVALUATED:
            return False  # a killed run leaves a check that was planned and never made
        found = evaluated.asset_check_evaluation_data
        on = found.target_materialization_data
        harmless = found.passed or found.severity is dg.AssetCheckSeverity.WARN
        if not harmless or on is None or on.run_id != event.run_id:
            return False
    return True


def _blocking_checks(key: dg.AssetKey) -> Sequence[dg.AssetCheckKey]:
    return [
        spec.key
        for checks in defs.asset_checks or ()
        for spec in checks.check_specs
        if spec.asset_key == key and spec.blocking
    ]


def end_abandoned_runs(instance: dg.DagsterInstance, tag: str) -> int:
    """Mark the runs of a command that was killed as canceled; nobody works on them any more."""
    abandoned = [
        run
        for run in instance.get_runs(dg.RunsFilter(tags={tag: "true"}))
        if run.status not in ENDED
    ]
    for run in abandoned:
        instance.report_run_canceled(run, "the command that made this run was killed")
    return len(abandoned)
