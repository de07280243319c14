"""Takes one backup: copies, packs, uploads, proves it, and only then gives it its name.

A backup that cannot be proved is kept beside under another name: it may be all that there is.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kasauti.backups import archive, contents, history, proof, retention
from kasauti.backups.archive import Hashing, megabytes
from kasauti.backups.contents import Copied
from kasauti.backups.history import Tried
from kasauti.backups.manifest import Manifest
from kasauti.backups.names import DIGITS, PART, BackupName
from kasauti.backups.place import BackupPlace
from kasauti.errors import BackupError, KasautiError
from kasauti.execution.lease import FileLock
from kasauti.home import Home
from kasauti.operations.progress import Progress
from kasauti.plain import plain

SETTINGS = ("KASAUTI_", "SLACK_", "DAGSTER_")


@dataclass(frozen=True)
class Taken:
    """A backup that was taken.

    Attributes
    ----------
    tried : Tried
        As it stands in the record.
    problems : tuple of str
        What keeps it from being proved.
    counts : dict of str to int
    deleted : tuple of str
        Older backups that are not kept any more.
    encrypted, same_disk : bool
        Whether a key was given, and whether the state's own disk holds it.
    """

    tried: Tried
    problems: tuple[str, ...]
    counts: dict[str, int]
    deleted: tuple[str, ...]
    encrypted: bool
    same_disk: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        found: dict[str, Any] = plain({**vars(self), "tried": None, **vars(self.tried)})
        del found["tried"]
        return found


def take(
    home: Home,
    place: BackupPlace,
    *,
    secret: SecretStr | None,
    now: datetime,
    progress: Progress,
) -> Taken:
    """Take a backup of the state folder, prove it, and delete those that are not kept any more.

    Whatever comes of it is recorded.

    Parameters
    ----------
    home : Home
    place : BackupPlace
    secret : SecretStr or None
        Passphrase; without one it is not encrypted.
    now : datetime
        Exchange time.
    progress : Progress

    Raises
    ------
    BackupError
        If none could be taken: the place is full or gone, or another one is being taken.
    """
    if not contents.has_state(home.root):
        raise BackupError(f"{home.root} holds nothing yet: there is nothing to back up")
    with _alone(home) as scratch:
        try:
            return _taken(home, place, secret, now, progress, scratch)
        except (KasautiError, OSError) as error:
            said = _disk(error, scratch) if isinstance(error, OSError) else str(error)
            tried = Tried(now, place.text, "", False, said, _rounded(progress), 0)
            history.record(home, tried)
            raise BackupError(said) from None


def _taken(
    home: Home,
    place: BackupPlace,
    secret: SecretStr | None,
    now: datetime,
    progress: Progress,
    scratch: Path,
) -> Taken:
    place.clean()
    part = f"kasauti-{now:%Y%m%d-%H%M%S}-{os.getpid()}{PART}"
    with progress.stage("copy, pack and upload") as stage, place.writing(part) as file:
        target = Hashing(file)
        manifest = archive.write(
            target,  # type: ignore[arg-type]
            _copies(home, scratch / "copies", place.folder),
            at=now,
            settings=settings(),
            secret=secret,
            told=megabytes(stage),
        )
    name = BackupName(now, target.digest[:DIGITS], secret is not None, proved=True)
    try:
        problems = _prove(place, part, name, secret, scratch / "restored", manifest, progress)
    except BackupError as error:
        problems = (str(error),)
    if problems:
        name = BackupName(name.at, name.digest, name.encrypted, proved=False)
    place.move(part, str(name))
    counts = manifest.counts
    said = "; ".join(problems) or ", ".join(f"{count:,} {what}" for what, count in counts.items())
    seconds = _rounded(progress)
    tried = Tried(now, place.text, str(name), not problems, said, seconds, target.size)
    history.record(home, tried)
    deleted = retention.to_delete(known for known, _ in place.list())
    for old in sorted(deleted):
        place.delete(str(old))
    return Taken(
        tried,
        problems,
        counts,
        tuple(map(str, sorted(deleted))),
        secret is not None,
        place.is_on_disk_of(home),
    )


def _copies(home: Home, folder: Path, left_out: Path | None) -> Iterator[Copied]:
    folder.mkdir()
    return contents.copy(home, folder, left_out)


def _prove(
    place: BackupPlace,
    part: str,
    name: BackupName,
    secret: SecretStr | None,
    folder: Path,
    manifest: Manifest,
    progress: Progress,
) -> tuple[str, ...]:
    """Restore what lies at the place, not what was sent there, and verify it."""
    folder.mkdir()
    with progress.stage("restore into a scratch folder") as stage:
        told = megabytes(stage)
        found = proof.fetch(place, part, name, folder, secret=secret, told=told)
    with progress.stage("verify"):
        if found != manifest:
            return ("what was restored is not what was sent",)
        return tuple(proof.problems_of(folder, found))


def settings() -> tuple[str, ...]:
    """Return the names of the settings in the environment; their values may be secrets."""
    return tuple(sorted(name for name in os.environ if name.startswith(SETTINGS)))


@contextmanager
def _alone(home: Home) -> Iterator[Path]:
    """Yield an empty scratch folder for the only backup that is being taken."""
    home.backups.mkdir(parents=True, exist_ok=True)
    lock = FileLock.take(home.backups / "lock")
    if lock is None:
        raise BackupError("another backup is being taken: wait for its end")
    scratch = home.backups / "scratch"
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        scratch.mkdir(mode=0o700)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.release()


def _disk(error: OSError, folder: Path) -> str:
    return f"{error.filename or folder} cannot be read or written: {error.strerror}; check the disk"


def _rounded(progress: Progress) -> dict[str, float]:
    return {name: round(taken, 2) for name, taken in progress.seconds.items()}
