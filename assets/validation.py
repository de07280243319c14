"""The trial as assets: verdicts, the stages that a strategy passes or dies at, and approvals."""

from typing import Any

import dagster as dg

from assets.evolution import FRONT
from assets.features import DAILY
from assets.market import BARS
from assets.present import plot, result, table
from assets.regimes import LABELS
from kasauti.validation.stages import STAGES, entrants, unknown_gates
from resources.project import Project

VERDICTS = dg.AssetKey(["validation", "verdicts"])
APPROVALS = dg.AssetKey(["validation", "approvals"])
STAGE_KEYS = tuple(dg.AssetKey(["validation", name]) for name in STAGES)

MEANINGS = {
    "causality": "who decides the same whatever comes later; a strategy that peeks stops here",
    "walk_forward": "who still earns on the stretch after the one that it was tuned on",
    "regimes": "who earns in at least one kind of market that was seen often enough",
    "stress": "who loses at most a fifth in every crash, real or made",
    "statistics": "whose returns luck over all the trials does not explain",
    "testers": "whom none of the five testers refuses",
    "second_opinion": "whose trades vectorbt makes too, from the same rules",
    "sealed": "who was confirmed by prices that no search has seen",
}


@dg.asset(
    key=VERDICTS,
    deps=[BARS, DAILY, LABELS, FRONT],
    kinds={"optuna", "vectorbt"},
    code_version="2",
    group_name="validation",
)
def verdicts(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Every gate's finding on the search's best candidates and on the reference strategy."""
    from kasauti import research
    from kasauti.operations.gate_rows import regime_rows
    from kasauti.operations.tables import verdicts_frame
    from kasauti.operations.trial_plots import strategies_by_regime

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
    by_regime = {
        verdict.genome[:8]: regime_rows({gate.name: gate.figures for gate in verdict.gates})
        for verdict, _ in judged
    }
    return result(
        version,
        {
            "judged": len(judged),
            "approved": sum(verdict.approved for verdict, _ in judged),
            "gates": table(
                frame[["genome", "reference", "gate", "passed", "reason"]].to_dict("records")
            ),
            "strategies by regime": plot(strategies_by_regime(by_regime, "Mean return a bar")),
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


@dg.asset_check(asset=VERDICTS, blocking=True)
def every_gate_is_a_stage(project: Project) -> dg.AssetCheckResult:
    """A gate without a stage could stop nobody: it has to be named in kasauti.validation.stages."""
    rows = project.workspace().lake.read("validation/verdicts").to_dict("records")
    unknown = unknown_gates(rows)
    return dg.AssetCheckResult(
        passed=not unknown,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"unknown": ", ".join(unknown)},
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


def _stage(name: str, before: dg.AssetKey) -> dg.AssetsDefinition:
    @dg.asset(
        key=["validation", name],
        deps=dict.fromkeys([VERDICTS, before]),
        code_version="1",
        group_name="validation",
        description=f"Stage {STAGES.index(name) + 1} of {len(STAGES)}: {MEANINGS[name]}.",
    )
    def stage(project: Project) -> dg.MaterializeResult[Any]:
        from kasauti.operations.tables import entrants_frame

        lake = project.workspace().lake
        frame = entrants_frame(entrants(lake.read("validation/verdicts").to_dict("records"), name))
        return result(
            lake.write(f"validation/{name}", frame),
            {
                "came in": len(frame),
                "went on": int(frame["passed"].sum()),
                "answers": table(frame.drop(columns="figures").to_dict("records")),
            },
            frame,
        )

    return stage


def _stage_check(name: str, before: str | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=["validation", name], name=f"only_the_fit_reach_{name}", blocking=True)
    def check(project: Project) -> dg.AssetCheckResult:
        """Those that reached this stage passed the one before, and each has an answer."""
        lake = project.workspace().lake
        here = lake.read(f"validation/{name}")
        if before is None:
            fit = set(lake.read("validation/verdicts")["genome"])
        else:
            earlier = lake.read(f"validation/{before}")
            fit = set(earlier.loc[earlier["passed"], "genome"])
        smuggled = sorted(set(here["genome"]) - fit)
        lost = sorted(fit - set(here["genome"]))
        silent = sorted(here.loc[here["reason"].str.len() == 0, "genome"])
        return dg.AssetCheckResult(
            passed=not (smuggled or lost or silent),
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "did not pass before": ", ".join(smuggled),
                "passed and is missing": ", ".join(lost),
                "without an answer": ", ".join(silent),
            },
        )

    return check


stages = [
    _stage(name, before) for name, before in zip(STAGES, (VERDICTS, *STAGE_KEYS), strict=False)
]
stage_checks = [
    _stage_check(name, before) for name, before in zip(STAGES, (None, *STAGES), strict=False)
]


@dg.asset(key=APPROVALS, deps=[VERDICTS, STAGE_KEYS[-1]], code_version="2", group_name="validation")
def approvals(project: Project) -> dg.MaterializeResult[Any]:
    """What may be traded: approved strategies, or the reference with a permit for the replay."""
    from kasauti import research
    from kasauti.operations.tables import approvals_frame

    space = project.workspace()
    granted = research.permits(space, project.admitted(), project.desk().now())
    frame = approvals_frame([(approval, genome.to_genes()) for approval, genome in granted])
    version = space.lake.write("validation/approvals", frame)
    return result(version, {"granted": table(frame.to_dict("records"))}, frame)


@dg.asset_check(asset=APPROVALS, blocking=True)
def only_survivors_are_approved(project: Project) -> dg.AssetCheckResult:
    """An approval, other than a replay permit, belongs to a strategy that passed every stage."""
    from kasauti.validation.approvals import Scope

    lake = project.workspace().lake
    granted, last = lake.read("validation/approvals"), lake.read(f"validation/{STAGES[-1]}")
    survivors = set(last.loc[last["passed"], "genome"])
    mine = granted[granted["scope"] != Scope.REPLAY.value]
    wrong = sorted(set(mine["genome"]) - survivors)
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"not through every stage": ", ".join(wrong)},
    )
