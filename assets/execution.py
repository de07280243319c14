"""Execution as assets: intents that were committed, then orders, fills, positions and profit."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.present import plot, result, table
from assets.signals import SIGNALS
from resources.broker import GuardedBroker
from resources.project import Project

INTENTS = dg.AssetKey(["execution", "intents"])
ORDERS, FILLS, POSITIONS, PROFIT = BOOK = tuple(
    dg.AssetKey(["execution", name]) for name in ("orders", "fills", "positions", "profit")
)


@dg.asset(key=INTENTS, deps=[SIGNALS], code_version="1", group_name="execution", pool="orders")
def intents(project: Project, broker: GuardedBroker) -> dg.MaterializeResult[Any]:
    """Today's signals as intents in the ledger, with what the desk has made of them so far."""
    from kasauti.operations.tables import outcomes_frame

    desk = project.desk()
    wanted = desk.intents(desk.decided())
    frame = outcomes_frame(wanted, broker.submit(wanted))
    version = project.workspace().lake.write("execution/intents", frame)
    return result(
        version, {"intents": len(frame), "outcomes": table(frame.to_dict("records"))}, frame
    )


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
