"""Puts all checks together: what is whole, what is red; each look stands in its own module.

Not evaluated is red: a look that fails is a red check with the error's text, never an end.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.stop import ledgers_of
from kasauti.health import (
    ages,
    backups,
    dagster_daemons,
    history,
    ledgers,
    machine,
    processes,
    stores,
)
from kasauti.health.model import Account, Check, Health, Status, Subject
from kasauti.health.surroundings import Surroundings
from kasauti.home import Home

log = logging.getLogger(__name__)
HISTORY = "health history"


@dataclass(frozen=True)
class Look:
    """One look and the name that its check has where it fails."""

    subject: Subject
    name: str
    look: Callable[[Surroundings], list[Check]]


FOLDER = Look(Subject.MACHINE, "state folder", stores.folder)
LOOKS = (
    Look(Subject.LEDGERS, "vault", stores.vault),
    Look(Subject.LEDGERS, "trial register", stores.register),
    Look(Subject.LEDGERS, "report", stores.report),
    Look(Subject.PROCESSES, "Dagster storage", stores.dagster),
    Look(Subject.PROCESSES, "supervisor", processes.supervisor),
    Look(Subject.PROCESSES, "services", processes.services),
    Look(Subject.PROCESSES, "desk", processes.desk),
    Look(Subject.PROCESSES, "alerts", processes.alerts),
    Look(Subject.PROCESSES, dagster_daemons.NAME, dagster_daemons.look),
    Look(Subject.DATA, "feed", ages.feed),
    Look(Subject.DATA, "calendar", ages.calendar),
    Look(Subject.DATA, "bars", ages.bars),
    Look(Subject.DATA, "evening run", ages.evening),
    Look(Subject.DATA, "assets", ages.assets),
    Look(Subject.MACHINE, "disk", machine.disk),
    Look(Subject.MACHINE, "clock", machine.skew),
    Look(Subject.BACKUPS, "backup", backups.look),
)


def status_of(home: Home, now: datetime, environ: Mapping[str, str] | None = None) -> Status:
    """Look at everything in the state folder, and record what was found beside it.

    Parameters
    ----------
    home : Home
        Nothing is recorded where it does not exist: looking makes nothing.
    now : datetime
        The machine's time, aware.
    environ : mapping, optional
        The environment; the process's own where it is left out.
    """
    around = Surroundings(home, now, os.environ if environ is None else environ)
    accounts: list[Account] = []
    checks = [*_guarded(FOLDER, around), *_ledgers(around, accounts)]
    for one in LOOKS:
        checks += _guarded(one, around)
    status = Status(home.root, now, tuple(checks), tuple(accounts))
    recorded = Look(Subject.MACHINE, HISTORY, lambda around: _record(around, status))
    return replace(status, checks=(*checks, *_guarded(recorded, around)))


def red_checks(status: Status) -> tuple[Check, ...]:
    """Return the checks that are red; their ids are stable."""
    return status.red


def _guarded(one: Look, around: Surroundings) -> list[Check]:
    try:
        found = one.look(around)
    except Exception as error:  # a boundary: one look that fails must not hide the others
        log.warning("the health check %s failed", one.name, exc_info=True)
        said = f"not evaluated, {type(error).__name__}: {error}"
        found = [Check(one.name, Health.RED, said)]
    return list(_dated(found, one.subject, around.now))


def _dated(checks: Iterable[Check], subject: Subject, now: datetime) -> Iterable[Check]:
    return (replace(check, at=now, subject=subject) for check in checks)


def _ledgers(around: Surroundings, accounts: list[Account]) -> list[Check]:
    """Look at every ledger; `accounts` takes what they amount to."""
    checks: list[Check] = []
    for scope, path in ledgers_of(around.home).items():

        def look(around: Surroundings, scope: Scope = scope, path: Place = path) -> list[Check]:
            found, account = ledgers.look_at(around.home, scope, path, around.now)
            accounts.extend([] if account is None else [account])
            return found

        checks += _guarded(Look(Subject.LEDGERS, f"{scope.value} ledger", look), around)
    if all(check.health is Health.ABSENT for check in checks):
        none = Check("controls", Health.RED, "none was ever evaluated: run `kasauti demo`")
        checks += _dated([none], Subject.LEDGERS, around.now)
    return checks


def _record(around: Surroundings, status: Status) -> list[Check]:
    path = around.home.health
    if not around.home.root.is_dir():
        return [Check(HISTORY, Health.ABSENT, "not begun yet")]
    history.record(path, status)
    return [Check(HISTORY, Health.OK, f"recorded in {path.name}")]
