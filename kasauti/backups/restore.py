"""Restores a backup as a state folder: whole and verified in a sibling, then put in place at once.

A restored ledger has forgotten what happened since. So its desk begins with a new epoch, it is to
be compared with the broker, and entries stay closed until a person has looked.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.backups import contents, ledger_copy, proof
from kasauti.backups.archive import megabytes
from kasauti.backups.manifest import Manifest
from kasauti.backups.names import BackupName
from kasauti.backups.place import BackupPlace
from kasauti.errors import BackupError, KasautiError
from kasauti.execution import heartbeat
from kasauti.execution.events import (
    ReconciliationRequested,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.hosts import RESTORE_COMMAND
from kasauti.execution.lease import Lease, is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.stop import ledgers_of
from kasauti.home import Home
from kasauti.operations.progress import Progress
from kasauti.plain import plain

MOST_PROBLEMS = 3  # of those that one line of complaint names


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Attributes
    ----------
    name, place : str
    at : datetime
        When the backup was taken.
    counts : dict of str to int
    aside : Path or None
        Where the former state is.
    entries_closed : bool
        Whether there is a paper ledger, whose entries now wait for a person.
    settings : tuple of str
        Names of the settings that were in the environment then and are not now.
    """

    name: str
    place: str
    at: datetime
    counts: dict[str, int]
    aside: Path | None
    entries_closed: bool
    settings: tuple[str, ...]

    def to_json(self, home: Home) -> dict[str, Any]:
        """Return it as plain values."""
        found: dict[str, Any] = plain({"home": home.root, **vars(self)})
        return found


def choose(place: BackupPlace, wanted: str | None) -> BackupName:
    """Return the backup called `wanted`, else the newest proved one.

    Raises
    ------
    BackupError
        If there is none.
    """
    there = [name for name, _ in place.list()]
    if wanted is not None:
        for name in there:
            if str(name) == wanted:
                return name
        raise BackupError(f"there is no backup {wanted} at {place.text}: see `kasauti backups`")
    proved = [name for name in there if name.proved]
    if proved:
        return proved[-1]
    unproved = f"; one that is not proved is there: --name {there[-1]}" if there else ""
    raise BackupError(f"there is no proved backup at {place.text}{unproved}")


def restore(
    home: Home,
    place: BackupPlace,
    *,
    wanted: str | None,
    secret: SecretStr | None,
    now: datetime,
    force: bool,
    progress: Progress,
) -> Restored:
    """Restore a backup into the state folder, or change nothing.

    Parameters
    ----------
    home : Home
        Its folder may be missing.
    place : BackupPlace
    wanted : str or None
        Name of the backup; None: the newest proved one.
    secret : SecretStr or None
    now : datetime
        Exchange time.
    force : bool
        Move a state that is there aside; nothing is deleted.
    progress : Progress

    Raises
    ------
    BackupError
        If there is a state already, a desk runs on it, the backup is damaged or its key another,
        or the disk is full. The state folder is as it was.
    """
    _require_room(home, force, now)
    name = choose(place, wanted)
    with _staging(home) as folder:
        try:
            with progress.stage("download and unpack") as stage:
                manifest = proof.fetch(
                    place, str(name), name, folder, secret=secret, told=megabytes(stage)
                )
            with progress.stage("verify"):
                _require_sound(proof.problems_of(folder, manifest))
            closed = _close_entries(Home(folder), name, now)
            if home.ledger_url is not None and closed:
                with progress.stage("write the ledger to PostgreSQL"):
                    closed = _to_server(Home(folder), home.ledger_url, manifest)
            os.sync()  # before the name says that it is there
            aside = _put_in_place(folder, home, now)
        except OSError as error:
            raise BackupError(_said(error, home)) from None
    missing = tuple(one for one in manifest.settings if one not in os.environ)
    return Restored(str(name), place.text, manifest.at, manifest.counts, aside, closed, missing)


def _to_server(home: Home, url: str, manifest: Manifest) -> bool:
    """Move the restored paper ledger to its database; False if that has gone on from it."""
    (head,) = [m.figures for m in manifest.members if m.name == home.ledger.name]
    is_new = ledger_copy.load(home.ledger, Place(home.ledger, url), (head.events, head.head))
    home.ledger.unlink()
    return is_new


def _require_room(home: Home, force: bool, now: datetime) -> None:
    if not home.root.exists():
        return
    for ledger in ledgers_of(home).values():
        if ledger.path.exists() and ledger.url is None and is_taken(ledger.path):
            raise BackupError(
                f"a desk works on {ledger}: stop `kasauti up` or `kasauti desk` first"
            )
    beat = heartbeat.read(home.heartbeat)
    if beat is not None and beat.is_alive(now):
        raise BackupError(f"a desk runs in {home.root}: stop `kasauti up` or `kasauti desk` first")
    if contents.has_state(home.root) and not force:
        raise BackupError(
            f"{home.root} holds a state already: --force moves it aside, "
            "or set KASAUTI_HOME to another folder"
        )


def _require_sound(problems: list[str]) -> None:
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        said = "; ".join(problems[:MOST_PROBLEMS])
        raise BackupError(f"the backup does not verify: {said}{rest}. Use another one")


def _close_entries(home: Home, name: BackupName, now: datetime) -> bool:
    """Record in a paper ledger that it was restored; returns whether there is one.

    The limits of a day count what was traded on it, and trades since the backup are not here.
    """
    if not home.ledger.exists():
        return False
    try:
        with closing(Ledger.existing(Place(home.ledger))) as ledger:
            if ledger.scope is not Scope.PAPER:
                return False
            with Lease.take(ledger, host=RESTORE_COMMAND, at=now) as lease:
                reason = f"restored from {name}, what happened since is not known here"
                changed = TradingStateChanged(TradingState.REDUCING, RESTORE_COMMAND, reason)
                alert = alert_of(
                    Trigger.BREAKER, "restored ledger", f"Entries are closed: {reason}"
                )
                ledger.append(changed, at=now, epoch=lease.epoch, alert=alert)
            ledger.append(ReconciliationRequested(RESTORE_COMMAND), at=now)
    except KasautiError as error:
        raise BackupError(f"the restored ledger cannot be used: {error}") from error
    return True


@contextmanager
def _staging(home: Home) -> Iterator[Path]:
    """Yield an empty folder beside the state folder, for the only restore that runs there."""
    parent = home.root.parent
    folder = parent / f".{home.root.name}.restoring"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(parent, os.O_RDONLY)
    except OSError as error:
        raise BackupError(_said(error, home)) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            folder.mkdir(mode=0o700)
        except BlockingIOError:
            raise BackupError("another restore runs: wait for its end") from None
        except OSError as error:
            raise BackupError(_said(error, home)) from None
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _put_in_place(folder: Path, home: Home, now: datetime) -> Path | None:
    """Rename the restored folder to the state folder; returns where the former one is."""
    aside = None
    if home.root.exists():
        aside = home.root.with_name(f"{home.root.name}.before-{now:%Y%m%d-%H%M%S}")
        home.root.rename(aside)
    try:
        folder.chmod(0o755)
        folder.rename(home.root)
    except OSError:
        if aside is not None:
            aside.rename(home.root)
        raise
    if aside is None:
        return None
    if Home(aside).backups.exists():
        Home(aside).backups.rename(home.backups)
    if not contents.has_state(aside):
        shutil.rmtree(aside, ignore_errors=True)
        return None
    return aside


def _said(error: OSError, home: Home) -> str:
    if error.errno in (errno.EBUSY, errno.EXDEV):
        return (
            f"{home.root} is a mounted disk and cannot be replaced: "
            "set KASAUTI_HOME to a folder on it"
        )
    path = error.filename or home.root.parent
    return f"{path} cannot be written: {error.strerror}; nothing was restored, check the disk"
