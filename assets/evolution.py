"""The search as an asset: one seeded evolution over the searched bars, every trial registered."""

from typing import Any

import dagster as dg

from assets.market import BARS
from assets.present import plot, result, table
from assets.regimes import LABELS
from kasauti.operations.search_report import front_frame, front_picture, progress_picture
from resources.project import Project

FRONT = dg.AssetKey(["evolution", "front"])


@dg.asset(
    key=FRONT, deps=[BARS, LABELS], kinds={"deap", "numba"}, code_version="1", group_name="evolution"
)
def front(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """The strategies that no other beat on return, consistency and simplicity together."""
    found = project.search(context.log.info)
    frame = front_frame(found)
    version = project.workspace().lake.write("evolution/front", frame)
    return result(
        version,
        {
            "evaluations": found.evaluations,
            "strategies ever tried": project.workspace().register.count(found.symbols),
            "front": table(frame.to_dict("records")),
            "pareto front": plot(front_picture(found)),
            "progress": plot(progress_picture(found)),
        },
        frame,
    )
