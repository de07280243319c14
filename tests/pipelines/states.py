"""Small state folders and a settable clock for the tests of jobs, sensors and schedules."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from kasauti.execution.events import Record
from kasauti.market.calendar import INDIA, nse_calendar
from kasauti.operations.tables import approvals_frame
from kasauti.trading import APPROVED, data_version
from kasauti.validation.approvals import Approvals
from kasauti.validation.reference_strategy import LABEL, reference_strategy
from kasauti.version import code_version
from pipelines.definitions import build_defs
from resources.project import Project
from tests.shared_data import NSE_INDEX

FRIDAY_EVENING = datetime(2026, 11, 20, 18, 30, tzinfo=INDIA)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Clocked(Project):
    """The project at a fixed moment."""

    at: str = FRIDAY_EVENING.isoformat()

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


def replay_project(home: Path) -> Project:
    """Return the sample with a replay permit of the reference strategy, as research leaves it."""
    project = Clocked(home=str(home), bars="sample")
    desk, genome = project.desk(), reference_strategy()
    permit = Approvals(project.workspace().vault).replay_permit(
        genome,
        code_version=code_version(),
        data_version=data_version(desk.admitted),
        now=desk.now(),
        who="test",
        label=LABEL,
    )
    frame = approvals_frame([(permit, genome.to_genes())])
    project.workspace().lake.write(APPROVED, frame)
    return project


def run(
    project: Project,
    instance: dg.DagsterInstance,
    job: str,
    keys: Sequence[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job as the daemon would, in this process."""
    return (
        build_defs({"project": project})
        .resolve_job_def(job)
        .execute_in_process(
            instance=instance,
            asset_selection=None if keys is None else list(keys),
            run_config=QUIET,
            raise_on_error=False,
        )
    )


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    """Return the assets that a run materialised."""
    return {
        event.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Return what every check of a run found, by its name."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


@contextmanager
def events(project: Project) -> Iterator[list[Record]]:
    """Yield all events of the replay ledger."""
    ledger = project.desk().ledger()
    try:
        yield list(ledger.events())
    finally:
        ledger.close()


# -- own bars ------------------------------------------------------------------------------------


def cut(
    folder: Path, until: date | None, symbols: Sequence[str] = ("NIFTY50", "BANKNIFTY")
) -> None:
    """Copy NSE's index files into `folder`, as they stood at the end of the day `until`."""
    folder.mkdir(exist_ok=True)
    for symbol in symbols:
        lines = (NSE_INDEX / f"{symbol}.csv").read_text().splitlines()
        kept = [row for row in lines[1:] if until is None or row[:10] <= until.isoformat()]
        (folder / f"{symbol}.csv").write_text("\n".join([lines[0], *kept]) + "\n")


def recent(folder: Path, last: date, symbol: str = "NIFTY50") -> list[date]:
    """Write the newest real bars under dates of sessions up to `last`; return those sessions.

    The shared files end before the calendar's first year, and freshness needs both.
    """
    with (NSE_INDEX / f"{symbol}.csv").open() as handle:
        rows: list[dict[str, Any]] = list(csv.DictReader(handle))
    calendar = nse_calendar()
    days = [session.day for session in calendar.table]
    earlier = calendar.first
    while len(days) < 1_200:
        earlier -= timedelta(days=1)
        if earlier.weekday() < 5:
            days.insert(0, earlier)
    folder.mkdir(exist_ok=True)
    with (folder / f"{symbol}.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        for day, row in zip(days, rows[-len(days) :], strict=True):
            if day <= last:
                writer.writerow({**row, "date": day.isoformat()})
    return [day for day in days if day <= last]
