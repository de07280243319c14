"""Which backups are kept: 7 daily, 4 weekly, 12 monthly; a pure function of their names."""

from collections.abc import Callable, Iterable
from typing import Any

from kasauti.backups.names import BackupName

DAILY, WEEKLY, MONTHLY = 7, 4, 12


def to_delete(names: Iterable[BackupName]) -> set[BackupName]:
    """Return those that are not kept.

    Of each of the last 7 days, 4 weeks and 12 months with a proved backup, the last one is kept;
    so the last proved one always is. An unproved one is kept until a later one is proved.
    """
    given = set(names)
    proved = sorted(name for name in given if name.proved)
    kept = {
        *_last_of_each(proved, lambda name: name.at.date(), DAILY),
        *_last_of_each(proved, lambda name: name.at.isocalendar()[:2], WEEKLY),
        *_last_of_each(proved, lambda name: (name.at.year, name.at.month), MONTHLY),
    }
    waiting = {name for name in given if not name.proved and (not proved or name > proved[-1])}
    return given - kept - waiting


def _last_of_each(
    names: list[BackupName], period: Callable[[BackupName], Any], count: int
) -> list[BackupName]:
    """Return the last of each period, of the last `count` periods that have one."""
    last = {period(name): name for name in names}  # sorted by time: a later one takes the place
    return list(last.values())[-count:]
