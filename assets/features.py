"""Features as assets: the standard indicators of every symbol, proved to be causal."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.market import BARS
from assets.present import result, table
from resources.project import Project

DAILY = dg.AssetKey(["features", "daily"])
CUTS, MOVES = 6, 2  # a proof on every run; the tests cut at 200 places


@dg.asset(key=DAILY, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="features")
def daily(project: Project) -> dg.MaterializeResult[Any]:
    """Indicators a person would look up: one row a symbol and bar, from searched bars only."""
    from kasauti.features.table import COLUMNS, feature_table

    frame = feature_table(project.searched())
    version = project.workspace().lake.write("features/daily", frame)
    columns = ({"column": name, "is": text} for name, text in COLUMNS.items())
    return result(version, {"columns": table(columns)}, frame)


@dg.asset_check(asset=DAILY, blocking=True)
def features_are_causal(project: Project) -> dg.AssetCheckResult:
    """Cutting the data, or changing all that follows, changes no feature before."""
    from kasauti.features.causality import (
        choose_cuts,
        choose_starts,
        find_leaks,
        measure_warm_up,
    )
    from kasauti.features.table import feature_values

    bars, generator = project.searched(), project.generator()
    cuts = choose_cuts(bars, generator, CUTS, MOVES)
    leaks = find_leaks(feature_values, bars, cuts)
    warm_up = measure_warm_up(feature_values, bars, choose_starts(bars, generator))
    return dg.AssetCheckResult(
        passed=not leaks,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "cuts": len(cuts),
            "leaks": table(asdict(leak) for leak in leaks),
            # bars of history after which no feature depends on where the data begin
            "warm_up": "all history" if warm_up.needed is None else warm_up.needed,
        },
    )
