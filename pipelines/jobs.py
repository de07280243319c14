"""The jobs: which assets are made together, in one process each: a new one costs 4 s a step."""

import dagster as dg

from assets.execution import BOOK, INTENTS
from assets.health import HEALTH
from assets.market import FORWARD
from assets.operations import BACKUP, DAILY_REPORT, REPORT, WEEKLY_SUMMARY
from assets.signals import SIGNALS
from assets.strategies import FAMILY_TREE, GRAVEYARD, TEAR_SHEETS
from assets.twin import NIGHTLY
from assets.validation import APPROVALS

# A worker may die after the order went out: the ledger's claim makes an order single, a retry not.
TRADE_TAGS = {"kasauti/lane": "orders", "dagster/max_retries": "0"}


NO_RETRY = {"dagster/max_retries": "0"}
IN_PROCESS = dg.in_process_executor

research = dg.define_asset_job(
    "research",
    selection=dg.AssetSelection.assets(APPROVALS, FAMILY_TREE, GRAVEYARD, TEAR_SHEETS).upstream(),
    description="Bars to verdict: ingest, check, label, evolve, judge, approve.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
daily = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.assets(FORWARD, SIGNALS),
    description="After the close: take in what arrived and decide the next session's signals.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
trade = dg.define_asset_job(
    "trade",
    selection=dg.AssetSelection.assets(INTENTS),
    description="Commit the signals as intents in the ledger; the desk releases them to the gate.",
    executor_def=IN_PROCESS,
    tags=TRADE_TAGS,
)
session = dg.define_asset_job(
    "session",
    selection=dg.AssetSelection.assets(*BOOK),
    description="Let the desk work one session; show orders, fills, positions and profit.",
    executor_def=IN_PROCESS,
    tags=TRADE_TAGS,
)
evening = dg.define_asset_job(
    "evening",
    selection=dg.AssetSelection.assets(FORWARD, *BOOK, *NIGHTLY, SIGNALS, DAILY_REPORT),
    description="Own bars after the close: session, twin, the next one's signals, the report.",
    executor_def=IN_PROCESS,
    tags=TRADE_TAGS,
)
nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.assets(*NIGHTLY),
    description="Run closed sessions again by the engine and explain every difference.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
report = dg.define_asset_job(
    "report",
    selection=dg.AssetSelection.assets(REPORT),
    description="Write the report.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
daily_report = dg.define_asset_job(
    "daily_report",
    selection=dg.AssetSelection.assets(DAILY_REPORT),
    description="Write the daily report, whatever became of the evening.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
weekly_summary = dg.define_asset_job(
    "weekly_summary",
    selection=dg.AssetSelection.assets(WEEKLY_SUMMARY),
    description="Write the summary of the week's research.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)
health = dg.define_asset_job(
    "health",
    selection=dg.AssetSelection.assets(*HEALTH),
    description="Look whether everything works and show what is red.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)

backup = dg.define_asset_job(
    "backup",
    selection=dg.AssetSelection.assets(BACKUP),
    description="Back up the state folder and prove the backup.",
    executor_def=IN_PROCESS,
    tags=NO_RETRY,
)

JOBS = [
    *(research, daily, trade, session, evening, nightly),
    *(report, daily_report, weekly_summary, backup, health),
]
