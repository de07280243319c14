"""The search as an asset: one seeded evolution over the searched bars, every trial registered."""

from math import nan
from typing import Any

import dagster as dg

from assets.market import BARS
from assets.present import plot, result, table
from assets.regimes import LABELS
from kasauti.errors import KasautiError
from resources.project import Project

FRONT = dg.AssetKey(["evolution", "front"])


@dg.asset(key=FRONT, deps=[BARS, LABELS], kinds={"numba"}, code_version="1", group_name="evolution")
def front(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """The strategies that no other beat on return, consistency and simplicity together."""
    from kasauti import research
    from kasauti.operations.plots import Generation, pareto_front, search_progress
    from kasauti.operations.tables import front_frame, history_frame, search_frame

    space = project.workspace()
    found = research.search(
        space,
        project.searched(),
        project.search_settings(),
        project.now(),
        progress=lambda step: context.log.info(
            f"generation {step.generation}: {step.evaluations} of {step.budget} evaluations"
        ),
    )
    frame = front_frame(found)
    version = space.lake.write("evolution/front", frame)
    space.lake.write("evolution/history", history_frame(found))
    space.lake.write("evolution/search", search_frame(found, project.seed))
    points = frame.reindex(columns=["sharpe", "consistency", "simplicity"]).to_numpy("float64")
    steps = [
        Generation(
            step.evaluations,
            step.best.get("sharpe", nan),
            nan if step.median is None else step.median,
        )
        for step in found.history
    ]
    return result(
        version,
        {
            "search": found.search,
            "evaluations": found.evaluations,
            "strategies ever tried on these symbols": space.register.count(found.symbols),
            "front": table(frame.to_dict("records")),
            "pareto front": plot(pareto_front(points, title="The front of the search")),
            "progress": plot(search_progress(steps, title="Progress of the search")),
        },
        frame,
    )


@dg.asset_check(asset=FRONT, blocking=True)
def every_trial_is_registered(project: Project) -> dg.AssetCheckResult:
    """The register knows every strategy of the front and its chain of hashes is whole."""
    space = project.workspace()
    try:
        rows = space.register.verify()
    except KasautiError as error:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"problem": str(error)},
        )
    front = space.lake.read("evolution/front").to_dict("records")
    missing = sorted(space.register.never_tried(str(row["genome"]) for row in front))
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows in the register": rows, "missing": ", ".join(missing)},
    )
