"""The trial as assets: verdicts on the search's candidates, and what may be traded after them."""

from typing import Any

import dagster as dg

from assets.evolution import FRONT
from assets.features import DAILY
from assets.market import BARS
from assets.present import result, table
from assets.regimes import LABELS
from resources.project import Project

VERDICTS = dg.AssetKey(["validation", "verdicts"])
APPROVALS = dg.AssetKey(["validation", "approvals"])


@dg.asset(
    key=VERDICTS,
    deps=[BARS, DAILY, LABELS, FRONT],
    kinds={"optuna", "vectorbt"},
    code_version="1",
    group_name="validation",
)
def verdicts(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Every gate's finding on the search's best candidates and on the reference strategy."""
    from kasauti import research
    from kasauti.operations.tables import verdicts_frame

    space, gathered = project.workspace(), project.gathered()
    judged = research.try_candidates(
        space,
        space.admit(gathered.bars, project.now()),
        project.now(),
        gathered.notes,
        context.log.info,
    )
    frame = verdicts_frame(judged)
    version = space.lake.write("validation/verdicts", frame)
    return result(
        version,
        {
            "judged": len(judged),
            "approved": sum(verdict.approved for verdict, _ in judged),
            "gates": table(frame.drop(columns="figures").to_dict("records")),
        },
        frame,
    )


@dg.asset_check(asset=VERDICTS, blocking=True)
def no_approval_without_every_gate(project: Project) -> dg.AssetCheckResult:
    """A strategy counts as approved only where each of its gates passed and says why."""
    frame = project.workspace().lake.read("validation/verdicts")
    bad = frame[(frame["approved"] & ~frame["passed"]) | (frame["reason"].str.len() == 0)]
    return dg.AssetCheckResult(
        passed=bad.empty,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"wrong": table(bad.to_dict("records"))},
    )


@dg.asset_check(asset=VERDICTS)
def something_is_approved(project: Project) -> dg.AssetCheckResult:
    """Whether any candidate was approved; usually none is, and then nothing of theirs is traded."""
    frame = project.workspace().lake.read("validation/verdicts")
    mine = frame[~frame["reference"]]
    return dg.AssetCheckResult(
        passed=bool(mine["approved"].any()),
        severity=dg.AssetCheckSeverity.WARN,
        description="Nothing was good enough. That is the usual answer.",
        metadata={"candidates": int(mine["genome"].nunique())},
    )


@dg.asset(key=APPROVALS, deps=[VERDICTS], code_version="1", group_name="validation")
def approvals(project: Project) -> dg.MaterializeResult[Any]:
    """What may be traded: approved strategies, or the reference with a permit for the replay."""
    from kasauti import research
    from kasauti.operations.tables import approvals_frame

    space = project.workspace()
    granted = research.permits(space, project.admitted(), project.desk().now())
    frame = approvals_frame([(approval, genome.to_genes()) for approval, genome in granted])
    version = space.lake.write("validation/approvals", frame)
    return result(version, {"granted": table(frame.to_dict("records"))}, frame)
