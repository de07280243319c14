"""What keeps the whole going: the report for people, and the backup."""

from typing import Any

import dagster as dg

from assets.execution import BOOK
from assets.present import result
from assets.validation import VERDICTS
from resources.project import Project

REPORT = dg.AssetKey(["operations", "report"])
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
