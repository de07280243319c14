"""Everything Dagster sees, composed by one pure function; nothing is opened while this loads."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets import (
    evolution,
    execution,
    features,
    health,
    market,
    operations,
    regimes,
    signals,
    strategies,
    twin,
    validation,
)
from pipelines.jobs import JOBS
from pipelines.schedules import SCHEDULES
from pipelines.sensors import SENSORS
from resources.alerts import AlertDoor
from resources.broker import GuardedBroker
from resources.project import Project

STAGES = [
    *(market, features, regimes, evolution, validation, strategies),
    *(signals, execution, twin, operations, health),
]


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions, with `resources` in place of those that they name."""
    given = dict(resources or {})
    project = given.get("project", Project())
    return dg.Definitions(
        assets=dg.load_assets_from_modules(STAGES),
        asset_checks=dg.load_asset_checks_from_modules(STAGES),
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={
            "project": project,
            "broker": GuardedBroker(project=project),
            "alert_book": AlertDoor(),
            **given,
        },
        executor=dg.in_process_executor,
    )


defs = build_defs()
