"""The commands that take, list and restore backups; what they do stands in `kasauti.backups`."""

from typing import TYPE_CHECKING

import click

from kasauti.home import Home
from kasauti.options import emit, json_option

if TYPE_CHECKING:
    from datetime import datetime

NOT_PROVED = 1
PLACE = "A folder, or a URL of a store; by default KASAUTI_BACKUP_TO, else `backups` in the state."


def _now() -> "datetime":
    from kasauti.execution.clock import SystemClock
    from kasauti.market.calendar import INDIA

    return SystemClock(INDIA).now()


@click.command()
@click.option("--to", "where", metavar="PLACE", help=PLACE)
@json_option
def backup(where: str | None, as_json: bool) -> int:
    """Back up the state folder and prove the backup.

    Everything may go on running meanwhile. What was stored is restored into a scratch folder and
    verified; only then does it count, and older backups beyond 7 daily, 4 weekly and 12 monthly
    ones are deleted. With KASAUTI_BACKUP_KEY set it is encrypted. Exit code 1 if it was taken and
    could not be proved.
    """
    from kasauti import show_backups
    from kasauti.backups.encryption import passphrase
    from kasauti.backups.place import BackupPlace
    from kasauti.backups.take import take
    from kasauti.operations.progress import Progress

    home, secret = Home.from_environment(), passphrase()
    place = BackupPlace.chosen(where, home)
    with Progress() as progress:
        taken = take(home, place, secret=secret, now=_now(), progress=progress)
    emit(taken.to_json(), as_json, lambda: show_backups.show_taken(taken))
    return 0 if taken.tried.ok else NOT_PROVED


@click.command()
@click.option("--from", "where", metavar="PLACE", help=PLACE)
@json_option
def backups(where: str | None, as_json: bool) -> int:
    """List the backups at a place.

    Exit code 1 if there is no proved one.
    """
    from kasauti import show_backups
    from kasauti.backups.place import BackupPlace

    place, now = BackupPlace.chosen(where, Home.from_environment()), _now()
    rows = [
        {
            "name": str(name),
            "at": name.at.isoformat(),
            "bytes": size,
            "age_hours": round((now - name.at).total_seconds() / 3600, 1),
            "encrypted": name.encrypted,
            "proved": name.proved,
        }
        for name, size in reversed(place.list())
    ]
    result = {"place": place.text, "backups": rows}
    emit(result, as_json, lambda: show_backups.show_list(place.text, rows))
    return 0 if any(row["proved"] for row in rows) else NOT_PROVED


@click.command()
@click.option("--from", "where", metavar="PLACE", help=PLACE)
@click.option("--name", metavar="NAME", help="Which backup; by default the newest proved one.")
@click.option("--force", is_flag=True, help="Move a state that is there aside; it is not deleted.")
@json_option
def restore(where: str | None, name: str | None, force: bool, as_json: bool) -> None:
    """Restore the state folder from a backup.

    It is verified before it is put in place; whatever goes wrong, the state folder stays as it was.
    A paper ledger takes no new entries afterwards until a person has looked: `kasauti reconcile`,
    then `kasauti resume`.
    """
    from kasauti import show_backups
    from kasauti.backups.encryption import passphrase
    from kasauti.backups.place import BackupPlace
    from kasauti.backups.restore import restore as put_back
    from kasauti.operations.progress import Progress

    home, secret = Home.from_environment(), passphrase()
    place = BackupPlace.chosen(where, home)
    with Progress() as progress:
        restored = put_back(
            home, place, wanted=name, secret=secret, now=_now(), force=force, progress=progress
        )
    emit(restored.to_json(home), as_json, lambda: show_backups.show_restored(restored, home))


COMMANDS = (backup, backups, restore)
