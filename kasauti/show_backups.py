"""How backups look on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kasauti.home import Home
from kasauti.show import say, table

if TYPE_CHECKING:
    from kasauti.backups.restore import Restored
    from kasauti.backups.take import Taken

MEGABYTE = 1_000_000


def show_taken(taken: "Taken") -> None:
    """Print what was taken and whether it is proved."""
    tried = taken.tried
    say(f"{tried.place}: {tried.name}, {tried.bytes / MEGABYTE:,.1f} MB")
    if tried.ok:
        say(f"Proved: it was restored and verified, {_counted(taken.counts)}.")
    for problem in taken.problems:
        say(f"NOT PROVED: {problem}")
    if taken.problems:
        say("It is kept until a later one is proved. Look at `kasauti status` for what is wrong.")
    for name in taken.deleted:
        say(f"Deleted, a later one takes its place: {name}")
    if not taken.encrypted:
        say("It is not encrypted: set KASAUTI_BACKUP_KEY where others can read the place.")
    if taken.same_disk:
        say("It lies on the disk of the state and is lost with it: set KASAUTI_BACKUP_TO.")


def show_list(place: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the backups at a place, newest first."""
    if not rows:
        say(f"No backup at {place}: `kasauti backup` takes one.")
        return
    table(
        f"Backups at {place}",
        ("name", ">MB", ">hours old", "proved", "encrypted"),
        [
            (
                row["name"],
                f"{row['bytes'] / MEGABYTE:,.1f}",
                f"{row['age_hours']:,.1f}",
                _yes(row["proved"]),
                _yes(row["encrypted"]),
            )
            for row in rows
        ],
    )


def show_restored(restored: "Restored", home: Home) -> None:
    """Print what was restored and what is left to do."""
    say(f"{home.root} is restored as of {restored.at:%Y-%m-%d %H:%M}: {_counted(restored.counts)}.")
    if restored.aside is not None:
        say(f"The former state is in {restored.aside}.")
    if restored.entries_closed:
        say(
            "New entries are closed, because what was traded since is not known here: run "
            "`kasauti reconcile`, look at it, then `kasauti resume --who NAME --reason TEXT`."
        )
    if restored.settings:
        say(f"Set when the backup was taken, and not now: {', '.join(restored.settings)}.")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "NO"
