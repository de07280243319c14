"""The nightly twin as assets: the account's sessions against the engine on the same bars."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.execution import FILLS, PROFIT
from assets.present import result, table
from resources.project import Project

TWIN, SLIPPAGE = NIGHTLY = tuple(dg.AssetKey(["execution", name]) for name in ("twin", "slippage"))


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            TWIN,
            deps=[FILLS, PROFIT],
            description="Every leg that paper and engine traded, how they differ, and why.",
            code_version="1",
        ),
        dg.AssetSpec(
            SLIPPAGE,
            deps=[FILLS],
            description="What fills cost against the backtest's, in money and basis points.",
            code_version="1",
        ),
    ],
    group_name="execution",
    pool="orders",
)
def twin(project: Project) -> Iterator[dg.MaterializeResult[Any]]:
    """Sessions that were not compared yet are run again by the engine; over tolerance demotes."""
    from kasauti.execution import frames
    from kasauti.nightly_twin import compare_sessions, comparisons

    desk = project.desk()
    night = compare_sessions(desk, now=desk.now())
    compared = comparisons(desk)
    lake = project.workspace().lake
    counts = {"sessions": len(compared), "compared now": len(night.compared)}
    for key, frame in (
        (TWIN, frames.twin_frame(compared)),
        (SLIPPAGE, frames.slippage_frame(compared)),
    ):
        version = lake.write(key.to_user_string(), frame)
        yield result(
            version,
            {**counts, "rows": table(frame.tail(50).to_dict("records"))},
            frame,
            key,
        )


@dg.asset_check(asset=TWIN, blocking=True)
def twin_is_within_tolerance(project: Project) -> dg.AssetCheckResult:
    """The last session on paper is what the engine makes of its bars, or the difference is told."""
    from kasauti.nightly_twin import comparisons

    last = comparisons(project.desk())[-1:]
    over = [row for one in last for row in one.rows if not row.within]
    return dg.AssetCheckResult(
        passed=not over,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "session": str(last[0].day) if last else "none yet",
            "over tolerance": len(over),
            "why": "; ".join(f"{row.symbol} {row.leg.value}: {row.explanation}" for row in over),
        },
    )
