"""What keeps the whole going: the reports for people, and the backup."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.execution import BOOK
from assets.present import plot, result
from assets.signals import SIGNALS
from assets.twin import NIGHTLY
from assets.validation import APPROVALS, VERDICTS
from resources.project import Project

if TYPE_CHECKING:
    from kasauti.home import Home
    from kasauti.operations.letter import Letter

REPORT, DAILY_REPORT, WEEKLY_SUMMARY = (
    dg.AssetKey(["operations", name]) for name in ("report", "daily_report", "weekly_summary")
)
BACKUP = dg.AssetKey(["operations", "backup"])


@dg.asset(
    key=REPORT, deps=[VERDICTS, *BOOK], kinds={"html"}, code_version="1", group_name="operations"
)
def report(project: Project) -> dg.MaterializeResult[Any]:
    """One HTML file: what was tried, what survived, why the rest died, what was traded."""
    from kasauti.operations.collect import make_report

    made = make_report(project.desk(), project.now())
    # No version of its own: the page carries the time of its making, its inputs decide the rest.
    return result(None, {"file": dg.MetadataValue.path(made.path), "headline": made.headline})


@dg.asset(key=BACKUP, kinds={"file"}, code_version="1", group_name="operations")
def backup(project: Project) -> dg.MaterializeResult[Any]:
    """The state folder at its place for backups, proved by restoring it."""
    from kasauti.backups.encryption import passphrase
    from kasauti.backups.place import BackupPlace
    from kasauti.backups.take import take
    from kasauti.operations.progress import Progress

    home = project.workspace().home
    place, progress = BackupPlace.chosen(None, home), Progress(quiet=True)
    taken = take(home, place, secret=passphrase(), now=project.now(), progress=progress)
    if taken.problems:
        raise dg.Failure(f"the backup is not proved: {'; '.join(taken.problems)}")
    told = taken.tried
    shown = {"place": told.place, "name": told.name, "bytes": told.bytes, "holds": told.detail}
    seconds = {f"seconds to {stage}": spent for stage, spent in told.seconds.items()}
    return result(None, {**shown, **seconds, "encrypted": taken.encrypted})


@dg.asset(
    key=DAILY_REPORT,
    deps=[*NIGHTLY, SIGNALS],
    kinds={"html"},
    code_version="1",
    group_name="operations",
)
def daily_report(project: Project) -> dg.MaterializeResult[Any]:
    """What the day brought, what it cost against the backtest, and what needs a person."""
    from kasauti.execution.model import Scope
    from kasauti.operations import daily, daily_page

    home = project.workspace().home
    report = daily.daily_report(home, None, project.now())
    letter, path = daily_page.letter_of(report), daily_page.write_daily(report, home)
    if report.scope is Scope.PAPER:  # what a replay trades counts for nothing and is told to nobody
        _announce(home, letter, path, report.made_at, daily_page.attention(report))
    return _made(letter, path, str(report.day))


@dg.asset(
    key=WEEKLY_SUMMARY,
    deps=[VERDICTS, APPROVALS],
    kinds={"html"},
    code_version="1",
    group_name="operations",
)
def weekly_summary(project: Project) -> dg.MaterializeResult[Any]:
    """What a week's research tried, found and judged, and what may still be traded."""
    from kasauti.operations import weekly, weekly_page

    home = project.workspace().home
    summary = weekly.weekly_summary(home, project.now())
    letter, path = weekly_page.letter_of(summary), weekly_page.write_weekly(summary, home)
    _announce(home, letter, path, summary.made_at)
    return _made(letter, path, str(summary.last))


def _announce(
    home: "Home", letter: "Letter", path: Path, now: datetime, needs: tuple[str, ...] = ()
) -> None:
    """Have a report told and sent along, once; making it again tells nothing."""
    from kasauti.alerts.raising import tell
    from kasauti.operations.announce import announcement

    tell(home.alerts, announcement(letter, path, needs), f"report:{path.stem}", now)


def _made(letter: "Letter", path: Path, day: str) -> dg.MaterializeResult[Any]:
    """Return a written letter as Dagster shows it; it has no version, as the report has none."""
    from kasauti.operations.letter import to_markdown

    tables = {
        section.title: dg.MetadataValue.md(to_markdown(section.table))
        for section in letter.sections
        if section.table is not None
    }
    picture = {} if letter.picture is None else {"picture": plot(letter.picture)}
    told = {"headline": letter.headline, "day": day, "file": dg.MetadataValue.path(path)}
    return result(None, {**told, **picture, **tables})
