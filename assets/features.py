"""Features as assets: the standard indicators of every symbol, proved to be causal."""

from typing import Any

import dagster as dg

from assets.market import BARS
from assets.present import result, table
from kasauti.features.table import COLUMNS, feature_table, feature_values
from kasauti.features.causality import find_leaks
from resources.project import Project

DAILY = dg.AssetKey(["features", "daily"])


@dg.asset(key=DAILY, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="features")
def daily(project: Project) -> dg.MaterializeResult[Any]:
    """Indicators a person would look up: one row a symbol and bar, from searched bars only."""
    lake = project.workspace().lake
    frame = feature_table(lake.read_bars("market/bars"))
    version = lake.write("features/daily", frame)
    return result(
        version,
        {"columns": table({"column": name, "meaning": text} for name, text in COLUMNS.items())},
        frame,
    )


@dg.asset_check(asset=DAILY, blocking=True)
def features_are_causal(project: Project) -> dg.AssetCheckResult:
    """Cutting the data at random points changes no feature before the cut."""
    bars = project.workspace().lake.read_bars("market/bars")
    leaks = find_leaks(feature_values, bars, project.generator())
    return dg.AssetCheckResult(
        passed=not leaks,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"leaks": table(leak.to_row() for leak in leaks)},
    )
