"""What no event tells: a silent desk, a full disk, no backup, an approval that ended; pure rules.

`Watch.look` reads and the functions decide. Each occurrence has one key, so that looking again
raises nothing new.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

from kasauti.alerts import missed
from kasauti.alerts.book import Raised
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.backups.history import LastProof, last_proof
from kasauti.errors import KasautiError
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.health.ages import judge_calendar
from kasauti.health.machine import judge_disk
from kasauti.health.model import Health
from kasauti.home import Home
from kasauti.market.calendar import nse_calendar

DESK_SILENT = timedelta(seconds=60)  # a supervised one is back within one second
SAMPLE = "sample"


def desk_silent(beat: Heartbeat | None, since: datetime, now: datetime) -> list[Raised]:
    """Return the alert of a desk that ran and gives no sign of life.

    Parameters
    ----------
    beat : Heartbeat or None
        The last one, if any desk ever ran here.
    since : datetime
        When this watch began: a machine that was just started is given time.
    now : datetime
    """
    if beat is None or beat.mode is Mode.STOPPED:
        return []
    last = max(beat.at, since)
    if now - last < DESK_SILENT:
        return []
    said = f"The desk's last sign of life is of {beat.at:%d %b %H:%M:%S}; it was: {beat.doing}"
    alert = alert_of(Trigger.DESK_SILENT, "desk", said, detail=beat.problem)
    return [Raised(f"desk silent:{beat.at.isoformat()}", alert, now)]


def disk_low(total: int, free: int, now: datetime) -> list[Raised]:
    """Return the alert of a disk that health finds too full, once an hour."""
    found = judge_disk(free, total)
    if found.health is Health.OK:
        return []
    alert = alert_of(Trigger.DISK_LOW, "state folder", found.detail)
    return [Raised(f"disk low:{now:%Y-%m-%d %H}", alert, now)]


def calendar_ends(last: date, now: datetime) -> list[Raised]:
    """Return the alert of a table of sessions that ends soon, once a week."""
    found = judge_calendar(last, now)
    if found.health is Health.OK:
        return []
    year, week, _ = now.isocalendar()
    alert = alert_of(Trigger.CALENDAR_ENDS, "calendar", found.detail, key=str(last))
    return [Raised(f"calendar:{year}-{week}", alert, now)]


def backup_unproved(found: LastProof, has_ledger: bool, now: datetime) -> list[Raised]:
    """Return the alert of a paper ledger without a proved backup of the last two days."""
    if not has_ledger or found.is_fresh(now):
        return []
    last = "never" if found.proved is None else f"{found.proved.astimezone(now.tzinfo):%d %b %H:%M}"
    alert = alert_of(
        Trigger.BACKUP_NOT_PROVED, "backup", f"Last proved backup: {last}", detail=found.failed
    )
    return [Raised(f"backup:{now.date()}", alert, now)]


def approvals_ended(ends: Mapping[str, date], now: datetime) -> list[Raised]:
    """Return an alert for each approval whose last day was in the week before `now`."""
    found = []
    for genome, last in sorted(ends.items()):
        if timedelta(0) < now.date() - last <= timedelta(days=7):
            said = f"The approval of {genome[:12]} was valid until {last:%d %b %Y}"
            alert = alert_of(Trigger.APPROVAL_EXPIRED, genome[:12], said, key=str(last))
            found.append(Raised(f"approval:{genome}:{last}", alert, now))
    return found


class Watch:
    """Looks at one state folder; what cannot be looked at is said in `problems`."""

    def __init__(self, home: Home, since: datetime, environ: Mapping[str, str] = os.environ):
        self._home = home
        self._since = since
        self._environ = environ
        self.problems: tuple[str, ...] = ()

    def look(self, now: datetime) -> list[Raised]:
        """Return everything that is wrong at `now`."""
        problems: list[str] = []
        found: list[Raised] = []
        for looking in (
            *(self._desk, self._disk, self._backup, self._approvals, self._missed),
            self._calendar,
        ):
            try:
                found += looking(now)
            except (KasautiError, OSError, ValueError, KeyError, sqlite3.Error) as error:
                problems.append(f"{looking.__name__.strip('_')}: {error}")
        self.problems = tuple(problems)
        return found

    def _desk(self, now: datetime) -> Iterable[Raised]:
        return desk_silent(heartbeat.read(self._home.heartbeat), self._since, now)

    def _disk(self, now: datetime) -> Iterable[Raised]:
        usage = shutil.disk_usage(self._home.root)
        return disk_low(usage.total, usage.free, now)

    def _backup(self, now: datetime) -> Iterable[Raised]:
        has_ledger = self._home.ledger.exists() or self._home.ledger_url is not None
        found = last_proof(self._home)
        young = now - self._since < timedelta(days=1) and found.proved is None
        return [] if young else backup_unproved(found, has_ledger, now)

    def _calendar(self, now: datetime) -> Iterable[Raised]:
        return calendar_ends(nse_calendar().last, now)

    def _approvals(self, now: datetime) -> Iterable[Raised]:
        return approvals_ended(dict(_approval_ends(self._home.vault)), now)

    def _missed(self, now: datetime) -> Iterable[Raised]:
        if self._environ.get("KASAUTI_BARS", SAMPLE) == SAMPLE:
            return []  # the sample has no new bars
        ran = missed.days_that_ran(self._home.dagster)
        if ran is None:
            return []
        daily = missed.AFTER_THE_CLOSE
        since = min(ran, default=self._since.date())
        due = missed.expected(daily, nse_calendar(), since, now)
        if not ran:
            due = [moment for moment in due if moment >= self._since]
        return missed.missed(daily, due, ran, now)


def _approval_ends(vault: Path) -> Iterator[tuple[str, date]]:
    """Yield genome and last day of the newest approval of each strategy, as the vault has it."""
    file = vault / "vault.sqlite"
    if not file.exists():
        return
    # Read as it lies there: the vault's own module brings numpy and compiled kernels with it.
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as driver:
        bodies = driver.execute(
            "SELECT body FROM records WHERE kind = 'approval' ORDER BY number"
        ).fetchall()
    for (body,) in bodies:  # the newest of a strategy comes last and stands
        found = json.loads(body)
        if found["approval"]["scope"] == "paper":
            yield found["genome"], date.fromisoformat(found["approval"]["expires"])
