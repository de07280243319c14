"""Execution as assets: intents that were committed, then orders, fills, positions and profit."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.evolution import every_trial_is_registered
from assets.features import features_are_causal
from assets.market import bars_are_sound
from assets.present import plot, result, table
from assets.regimes import labels_are_causal
from assets.signals import SIGNALS
from assets.validation import (
    every_gate_is_a_stage,
    no_approval_without_every_gate,
    only_survivors_are_approved,
    stage_checks,
)
from resources.broker import GuardedBroker
from resources.project import Project

INTENTS = dg.AssetKey(["execution", "intents"])
ORDERS, FILLS, POSITIONS, PROFIT = BOOK = tuple(
    dg.AssetKey(["execution", name]) for name in ("orders", "fills", "positions", "profit")
)
ENTRY_CHECKS = [
    spec.key
    for checks in (
        *(bars_are_sound, labels_are_causal, features_are_causal, every_trial_is_registered),
        *(no_approval_without_every_gate, every_gate_is_a_stage, only_survivors_are_approved),
        *stage_checks,
    )
    for spec in checks.check_specs
]
"""What an approval rests on, besides the ledger itself."""
LOOKED_BACK = 50  # runs of a check, of which one has to have been evaluated


def red_checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> list[str]:
    """Return the names of the checks that did not pass when they were last evaluated.

    A run that is under way, failed or was killed leaves checks that were planned and not made: what
    was found before still counts, and a check of which nothing was ever found is red. One that no
    run has asked for is not.
    """
    asked = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return sorted(
        f"{key.name} on {key.asset_key.to_user_string()}"
        for key in asked
        if (seen := _last_evaluation(instance, key)) is None
        or (not seen.passed and seen.severity is dg.AssetCheckSeverity.ERROR)
    )


def _last_evaluation(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> dg.AssetCheckEvaluation | None:
    history = instance.event_log_storage.get_asset_check_execution_history(key, LOOKED_BACK)
    found = (record.evaluation for record in history)
    return next((one for one in found if isinstance(one, dg.AssetCheckEvaluation)), None)


@dg.asset(key=INTENTS, deps=[SIGNALS], code_version="2", group_name="execution", pool="orders")
def intents(
    context: dg.AssetExecutionContext, project: Project, broker: GuardedBroker
) -> dg.MaterializeResult[Any]:
    """Today's signals as intents in the ledger, with what the desk has made of them so far.

    Entries rest on checks that are read again here: the run may be started by hand, or days later.
    Exits rest on none, and go first.
    """
    from kasauti.execution.model import Purpose
    from kasauti.operations.tables import outcomes_frame

    desk = project.desk()
    wanted = desk.intents(desk.decided())
    exits = [intent for intent in wanted if intent.purpose is not Purpose.ENTRY]
    outcomes = broker.submit(exits)
    red = red_checks(context.instance, ENTRY_CHECKS)
    red += [f"the ledger: {problem}" for problem in desk.verify().problems]
    if red:
        context.log.error(f"only exits are committed, these are red: {', '.join(red)}")
        wanted = exits
    else:
        entries = [intent for intent in wanted if intent.purpose is Purpose.ENTRY]
        outcomes = {**outcomes, **broker.submit(entries)}
    frame = outcomes_frame(wanted, outcomes)
    version = project.workspace().lake.write("execution/intents", frame)
    shown = {"intents": len(frame), "outcomes": table(frame.to_dict("records"))}
    return result(version, {**shown, "entries withheld for": ", ".join(red) or "nothing"}, frame)


def _spec(key: dg.AssetKey, source: dg.AssetKey, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(key, deps=[source], description=description, code_version="1")


@dg.multi_asset(
    specs=[
        _spec(ORDERS, INTENTS, "Every intent and what became of it."),
        _spec(FILLS, ORDERS, "Executions with their charges."),
        _spec(POSITIONS, FILLS, "What is held, and its stop."),
        _spec(PROFIT, FILLS, "Equity and profit, net of charges."),
    ],
    group_name="execution",
    pool="orders",
)
def book(project: Project) -> Iterator[dg.MaterializeResult[Any]]:
    """The desk works the session that just ended; then the ledger is shown as tables."""
    from kasauti.execution import frames
    from kasauti.operations.plots import profit_curve

    desk = project.desk()
    traded = desk.trade_session()
    lake = project.workspace().lake
    days = frames.days_frame(traded)
    extra: dict[dg.AssetKey, dict[str, Any]] = {
        ORDERS: {
            "controls": table(frames.controls_frame(traded).to_dict("records")),
            "limits": table(frames.limits_frame(traded, desk.now()).to_dict("records")),
        },
        PROFIT: {
            "profit": plot(
                profit_curve(*frames.profit_so_far(traded), title="Profit of the replay")
            )
        },
    }
    for key, frame in (
        (ORDERS, frames.orders_frame(traded)),
        (FILLS, frames.fills_frame(traded)),
        (POSITIONS, frames.positions_frame(traded)),
        (PROFIT, days),
    ):
        version = lake.write(key.to_user_string(), frame)
        shown = {"rows": table(frame.to_dict("records")), "session": str(desk.now().date())}
        yield result(version, {**shown, **extra.get(key, {})}, frame, key)


@dg.asset_check(asset=ORDERS, blocking=True)
def ledger_is_whole(project: Project) -> dg.AssetCheckResult:
    """The ledger's chain of hashes has no edit, no gap and no other order."""
    found = project.desk().verify()
    return dg.AssetCheckResult(
        passed=found.ok,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"events": found.events, "problems": "; ".join(found.problems)},
    )


@dg.asset_check(asset=ORDERS, blocking=True)
def every_control_was_evaluated(project: Project) -> dg.AssetCheckResult:
    """A control that no order was held against is red, once there was an order."""
    from kasauti.execution import frames

    book = project.desk().book()
    frame = frames.controls_frame(book)
    red = frame[frame["red"]]
    return dg.AssetCheckResult(
        passed=red.empty or not book.evaluated,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"controls": len(frame), "red": ", ".join(red["control"])},
    )
