"""Today's signals as an asset: what the permitted strategies want at the next open."""

from typing import Any

import dagster as dg

from assets.market import EVERY_EVENING, FORWARD
from assets.present import result, table
from assets.validation import APPROVALS
from resources.project import Project

SIGNALS = dg.AssetKey(["signals", "daily"])


@dg.asset(
    key=SIGNALS,
    deps=[FORWARD, APPROVALS],
    code_version="1",
    group_name="signals",
    freshness_policy=EVERY_EVENING,
)
def daily_signals(project: Project) -> dg.MaterializeResult[Any]:
    """Entries and exits decided on the last closed bar, with size, limit and protection."""
    from kasauti.operations.tables import signals_frame

    desk = project.desk()
    signals, day = desk.decided(), str(desk.last_day)
    frame = signals_frame(signals)
    version = project.workspace().lake.write("signals/daily", frame.assign(decided=day))
    return result(
        version,
        {
            "session": day,
            "orders": len(desk.intents(signals)),
            "signals": table(frame.to_dict("records")),
        },
        frame,
    )
