"""Market data as assets: the searched bars, and what arrived after the sealing."""

from typing import Any

import dagster as dg

from assets.present import plot, result, table
from kasauti.market.expectations import EXPECTATIONS, check_bars
from kasauti.operations.plots import bars_overview
from resources.project import Project

BARS = dg.AssetKey(["market", "bars"])
FORWARD = dg.AssetKey(["market", "forward"])


@dg.asset(key=BARS, kinds={"parquet", "duckdb"}, code_version="1", group_name="market")
def bars(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that a search may read: the source's first four fifths, the last one sealed away."""
    workspace = project.workspace()
    loaded = workspace.load()
    admitted = workspace.admit(loaded, project.clock().now())
    workspace.lake.write_bars("market/bars", admitted.searched)
    searched = admitted.searched
    return result(
        searched.data_version,
        {
            "source": loaded.source,
            "symbols": len(searched.symbols),
            "bars": searched.shape[1],
            "first": str(searched.times[0]),
            "last": str(searched.times[-1]),
            "closes": plot(bars_overview(searched, title="Bars that a search may read")),
            "sealing": admitted.note,
            "findings": table(finding.to_row() for finding in loaded.findings),
            "notes": "\n".join(loaded.notes),
        },
    )


@dg.asset(
    key=FORWARD, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="market"
)
def forward(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that arrived after the sealing, up to the clock: for trading, never for a search."""
    workspace = project.workspace()
    arrived = workspace.arrived(project.clock().now())
    workspace.lake.write_bars("market/forward", arrived)
    return result(
        arrived.data_version,
        {
            "bars": arrived.shape[1],
            "last": str(arrived.times[-1]) if arrived.shape[1] else "none yet",
        },
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=BARS, blocking=True, description=meaning)
        for name, meaning in EXPECTATIONS.items()
    ]
)
def bars_are_sound(project: Project) -> Any:
    """Great Expectations on the stored bars; one that fails stops everything downstream."""
    stored = project.workspace().lake.read("market/bars")
    for found in check_bars(stored):
        yield dg.AssetCheckResult(
            check_name=found.name,
            asset_key=BARS,
            passed=found.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={**found.figures, "rows": table(found.sample)},
        )
