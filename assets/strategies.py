"""What is kept of every strategy: its family tree, its death, its tear sheet."""

from typing import Any

import dagster as dg

from assets.evolution import FRONT
from assets.market import BARS
from assets.present import plot, result, table
from assets.validation import VERDICTS
from resources.project import Project

FAMILY_TREE = dg.AssetKey(["validation", "family_tree"])
GRAVEYARD = dg.AssetKey(["validation", "graveyard"])
TEAR_SHEETS = dg.AssetKey(["validation", "tear_sheets"])

NAMES_SHOWN = 3


@dg.asset(
    key=FAMILY_TREE,
    deps=[BARS, VERDICTS],
    kinds={"sqlite"},
    code_version="1",
    group_name="validation",
)
def family_tree(project: Project) -> dg.MaterializeResult[Any]:
    """The ancestors of every strategy that went on trial, from the register of all trials."""
    from kasauti.evolution.lineage import family_of
    from kasauti.evolution.trials import DataSet
    from kasauti.operations.tables import family_frame
    from kasauti.operations.trial_plots import family_lines

    space = project.workspace()
    register, dataset = space.register, DataSet.of(project.searched()).id
    judged = space.lake.read("validation/verdicts")
    bred = judged.loc[~judged["reference"], "genome"].unique().tolist()
    families = {name: family_of(register, name, dataset) for name in bred}
    frame = family_frame(families)
    lines = frame[frame["on_line"]]
    return result(
        space.lake.write("validation/family_tree", frame),
        {
            "strategies": len(families),
            "ancestors": int(frame["genome"].nunique()) - len(families),
            "winning lines": table(lines.drop(columns="on_line").to_dict("records")),
            "family tree": plot(
                family_lines(
                    {name[:8]: kin for name, kin in families.items()},
                    "Where the judged strategies come from",
                )
            ),
        },
        frame,
    )


@dg.asset(
    key=GRAVEYARD,
    deps=[BARS, VERDICTS],
    kinds={"sqlite"},
    code_version="1",
    group_name="validation",
)
def graveyard(project: Project) -> dg.MaterializeResult[Any]:
    """Every strategy that died on these bars, with the stage and the cause of its death."""
    from kasauti.evolution.trials import DataSet
    from kasauti.operations.plots import funnel
    from kasauti.operations.tables import causes_frame, graveyard_frame

    space = project.workspace()
    frame = graveyard_frame(space.register.deaths(dataset=DataSet.of(project.searched()).id))
    causes = causes_frame(frame, NAMES_SHOWN)
    counted = [(str(row["cause"]), int(row["strategies"])) for row in causes.to_dict("records")]
    return result(
        space.lake.write("validation/graveyard", frame),
        {
            "dead": int(frame["genome"].nunique()),
            "causes of death": table(causes.to_dict("records")),
            "graveyard": plot(funnel(counted, "What strategies died of")),
        },
        frame,
    )


@dg.asset(
    key=TEAR_SHEETS,
    deps=[BARS, FRONT, VERDICTS],
    kinds={"html"},
    code_version="1",
    group_name="validation",
)
def tear_sheets(project: Project) -> dg.MaterializeResult[Any]:
    """One HTML page a strategy that went on trial: what it does, earned, lost, and why it fell."""
    from kasauti.operations.tear_sheets import write_tear_sheets

    space = project.workspace()
    made = write_tear_sheets(space, project.searched(), project.now())
    # No version of its own: each page carries the day of its making, its inputs decide the rest.
    return result(
        None,
        {
            "folder": dg.MetadataValue.path(space.home.reports / "strategies"),
            "pages": table(
                {"strategy": one.genome, "said": one.headline, "page": one.path.as_uri()}
                for one in made
            ),
            **{one.genome[:12]: dg.MetadataValue.url(one.path.as_uri()) for one in made},
        },
    )
