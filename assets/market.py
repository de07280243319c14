"""Market data as assets: the searched bars, and what arrived after the sealing."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np

from assets.present import plot, result, table
from kasauti.market.expectations import EXPECTATIONS, check_bars
from kasauti.market.panel import long_frame
from kasauti.operations.market_plots import bars_overview
from kasauti.operations.tables import findings_frame
from resources.project import Project

BARS = dg.AssetKey(["market", "bars"])
FORWARD = dg.AssetKey(["market", "forward"])


@dg.asset(key=BARS, kinds={"parquet", "duckdb"}, code_version="1", group_name="market")
def bars(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that a search may read: the source's first four fifths, the last one sealed away."""
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
                    seal and np.datetime64(seal.boundary),
                    seal and np.datetime64(seal.last),
                    title="Bars that a search may read, and the sealed ones after them",
                )
            ),
            "findings": table(findings.to_dict("records")),
        },
    )


@dg.asset(key=FORWARD, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="market")
def forward(project: Project) -> dg.MaterializeResult[Any]:
    """Bars that arrived after the sealing, up to the clock: for trading, never for a search."""
    arrived = project.desk().arrived()
    project.workspace().lake.write_bars("market/forward", arrived)
    last = str(arrived.times[-1])
    return result(arrived.data_version, {"bars": arrived.shape[1], "last": last})


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=BARS, blocking=True, description=meaning)
        for name, (_, meaning) in EXPECTATIONS.items()
    ]
)
def bars_are_sound(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Great Expectations on the stored bars; one that fails stops everything downstream."""
    for found in check_bars(long_frame(project.searched())):
        yield dg.AssetCheckResult(
            check_name=found.name,
            asset_key=BARS,
            passed=found.passed,
            severity=dg.AssetCheckSeverity[found.severity.name.replace("WARNING", "WARN")],
            metadata={**found.figures, "sample": table(found.sample)},
        )
