"""Market data as assets: the searched bars, and what arrived after the sealing."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.present import plot, result, table
from kasauti.errors import DataError
from kasauti.market.expectations import EXPECTATIONS, check_bars
from kasauti.validation.validity import VALID_FOR
from resources.project import Project

BARS = dg.AssetKey(["market", "bars"])
FORWARD = dg.AssetKey(["market", "forward"])
MISSING_SHOWN = 10

# The daily job runs at 18:30 on sessions. Dagster knows no holidays: the evening of one is overdue
# until the next session; `bars_are_fresh` asks the calendar.
EVERY_EVENING = dg.FreshnessPolicy.cron(
    deadline_cron="0 20 * * 1-5", lower_bound_delta=timedelta(hours=24), timezone="Asia/Kolkata"
)
# An approval is worth nothing after this long: research has to be repeated by then.
WHILE_APPROVALS_LAST = dg.FreshnessPolicy.time_window(
    fail_window=VALID_FOR, warn_window=VALID_FOR - timedelta(days=7)
)


@dg.asset(
    key=BARS,
    kinds={"parquet", "duckdb"},
    code_version="1",
    group_name="market",
    freshness_policy=WHILE_APPROVALS_LAST,
)
def bars(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that a search may read: the source's first four fifths, the last one sealed away."""
    import numpy as np

    from kasauti.operations.market_plots import bars_overview
    from kasauti.operations.tables import findings_frame

    space = project.workspace()
    gathered = space.gather()
    admitted = space.admit(gathered.bars, project.now())
    searched, seal = admitted.searched, admitted.seal
    findings = findings_frame(gathered.findings)
    space.lake.write_bars("market/bars", searched)
    space.lake.write("market/findings", findings)
    return result(
        searched.data_version,
        {
            "source": space.source.name,
            "symbols": ", ".join(searched.symbols),
            "bars": searched.shape[1],
            "first": str(searched.times[0]),
            "last": str(searched.times[-1]),
            "sealing": admitted.note,
            "closes": plot(
                bars_overview(
                    searched,
                    np.datetime64(seal.boundary) if seal else None,
                    np.datetime64(seal.last) if seal else None,
                    title="Bars that a search may read, and the sealed ones after them",
                )
            ),
            "findings": table(findings.to_dict("records")),
        },
    )


@dg.asset(
    key=FORWARD,
    deps=[BARS],
    kinds={"parquet"},
    code_version="1",
    group_name="market",
    freshness_policy=EVERY_EVENING,
)
def forward(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that arrived after the sealing, up to the clock: for trading, never for a search."""
    desk = project.desk()
    arrived = desk.arrived()
    project.workspace().lake.write_bars("market/forward", arrived)
    return result(arrived.data_version, {"bars": arrived.shape[1], "last": str(desk.last_day)})


@dg.asset_check(asset=FORWARD)
def bars_are_fresh(project: Project) -> dg.AssetCheckResult:
    """The bar of every session that is over has arrived; the calendar says which those are."""
    desk = project.desk()
    figures: dict[str, Any] = {"last bar": str(desk.last_day), "asked at": str(desk.now())}
    try:
        missing = desk.missing_sessions()
    except DataError as error:
        return _freshness(False, {**figures, "problem": str(error)})
    shown = {"sessions": len(missing), "missing": ", ".join(map(str, missing[-MISSING_SHOWN:]))}
    return _freshness(not missing, {**figures, **shown})


def _freshness(passed: bool, figures: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=figures)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=BARS, blocking=True, description=meaning)
        for name, (_, meaning) in EXPECTATIONS.items()
    ]
)
def bars_are_sound(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Great Expectations on the stored bars; one that fails stops everything downstream."""
    from kasauti.market.panel import long_frame

    for found in check_bars(long_frame(project.searched())):
        yield dg.AssetCheckResult(
            check_name=found.name,
            asset_key=BARS,
            passed=found.passed,
            severity=dg.AssetCheckSeverity[found.severity.name.replace("WARNING", "WARN")],
            metadata={**found.figures, "sample": table(found.sample)},
        )
