"""The jobs: which assets are made together. Everything runs in one process: a step costs 4 s else."""

import dagster as dg

from assets.execution import BOOK, INTENTS
from assets.market import FORWARD
from assets.operations import REPORT
from assets.signals import SIGNALS
from assets.validation import APPROVALS

# A worker may die after the order went out: the ledger's claim makes an order single, a retry not.
TRADE_TAGS = {"kasauti/lane": "orders", "dagster/max_retries": "0"}


def _job(name: str, selection: dg.AssetSelection, description: str, trades: bool = False) -> dg.UnresolvedAssetJobDefinition:  # fmt: skip
    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        executor_def=dg.in_process_executor,
        tags=TRADE_TAGS if trades else {"dagster/max_retries": "0"},
    )


research = _job(
    "research",
    dg.AssetSelection.assets(APPROVALS).upstream(),
    "Bars to verdict: ingest, check, label, evolve, judge, approve.",
)
daily = _job(
    "daily",
    dg.AssetSelection.assets(FORWARD, SIGNALS),
    "After the close: take in what arrived and decide today's signals.",
)
trade = _job(
    "trade",
    dg.AssetSelection.assets(INTENTS),
    "Commit today's signals as intents in the ledger; the desk releases them through the gate.",
    trades=True,
)
session = _job(
    "session",
    dg.AssetSelection.assets(*BOOK),
    "Let the desk work one session and show orders, fills, positions and profit.",
    trades=True,
)
report = _job("report", dg.AssetSelection.assets(REPORT), "Write the report.")

JOBS = [research, daily, trade, session, report]
