"""Which files of the state folder are backed up, and how each is copied while others write to it.

Everything is in that is not known to be made anew: a file that a later version adds is not
forgotten. What vouches for something else (an anchor, a head, a manifest) is copied before it and
may then be older, never newer; databases are copied by SQLite itself, in one read transaction.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from kasauti.backups import ledger_copy
from kasauti.errors import BackupError
from kasauti.execution.place import paper_place
from kasauti.home import Home
from kasauti.market.lake import MANIFEST as CURRENT

BUSY_SECONDS = 60.0
# Told by name: whoever opens and closes a database's file beside SQLite drops SQLite's locks on it.
DATABASES = (".sqlite", ".sqlite3", ".db")
LINES = ".jsonl"
# Written after what they vouch for; a search's state counts on trials that the register has.
WITNESSES = ("*.anchor", "*.head", CURRENT, "state.bin")
REPLACED = ".replaced"  # a ledger file beside which a database holds the ledger
MADE_ANEW = ("kernels-*", "mypy")  # folders of caches
OF_A_PROCESS = (
    "*.lease",
    "*.setup",
    "*.lock",
    "*.pid",
    "*.tmp",
    "*.head-new",
    "*.reserve*",
    "desk.json*",
)
OF_A_DATABASE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Copied:
    """A file that can be read without haste.

    Attributes
    ----------
    name : str
        In the state folder, with slashes.
    path : Path
        Of the copy, or of the file itself where it only ever grows or is replaced as a whole.
    is_copy : bool
        Whether it is a copy of our own, to be deleted.
    """

    name: str
    path: Path
    is_copy: bool = False

    @property
    def only_lines(self) -> bool:
        """Whether it ends with its last whole line: somebody may be writing the next."""
        return self.name.endswith(LINES)


def names(root: Path, left_out: Path | None = None) -> list[str]:
    """Return the files of the state folder `root` that belong into a backup, sorted.

    Links are followed: a lake may lie on another disk.

    Parameters
    ----------
    root : Path
    left_out : Path or None
        A folder besides, where it lies in `root`: that of the backups.
    """
    return sorted(path.relative_to(root).as_posix() for path in _files(root, left_out))


def has_state(root: Path) -> bool:
    """Whether the folder holds anything that a restore would take the place of."""
    return next(_files(root, None), None) is not None


def _files(root: Path, left_out: Path | None) -> Iterator[Path]:
    seen: set[str] = set()
    own = Home(root).backups
    for folder, inner, files in os.walk(root, followlinks=True):
        real, here = os.path.realpath(folder), Path(folder)
        is_known = real in seen or here == own
        if is_known or (left_out is not None and real == os.path.realpath(left_out)):
            inner.clear()
            continue
        seen.add(real)
        inner[:] = [name for name in inner if here != root or not _fits(name, MADE_ANEW)]
        for name in files:
            path = here / name
            if path.is_file() and not _fits(name, OF_A_PROCESS) and not _is_beside(name):
                yield path


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _is_beside(name: str) -> bool:
    """Whether it is SQLite's own, beside a database."""
    return any(
        name.endswith(ending) and name.removesuffix(ending).endswith(DATABASES)
        for ending in OF_A_DATABASE
    )


def copy(home: Home, scratch: Path, left_out: Path | None) -> Iterator[Copied]:
    """Yield every file of the state folder, in an order in which no copy vouches for a later one.

    Parameters
    ----------
    home : Home
    scratch : Path
        Empty folder for the copies.
    left_out : Path or None
        See `names`.

    Raises
    ------
    BackupError
        If a database cannot be read.
    """
    first = names(home.root, left_out)
    witnesses = [name for name in first if _fits(name.rpartition("/")[2], WITNESSES)]
    held = [kept for name in witnesses if (kept := _kept(home.root, name, scratch)) is not None]
    databases = [name for name in first if name.endswith(DATABASES)]
    on_server = home.ledger_url is not None
    for name in databases:
        renamed = name + REPLACED if on_server and home.root / name == home.ledger else name
        path = _fresh(scratch, renamed)
        copy_database(home.root / name, path)
        yield Copied(renamed, path, is_copy=True)
    if on_server and paper_place(home).exists():
        path = _fresh(scratch, home.ledger.name)
        ledger_copy.dump(paper_place(home), path)
        yield Copied(home.ledger.name, path, is_copy=True)
    yield from held
    taken = {*witnesses, *databases}
    for name in names(home.root, left_out):  # again: what the databases speak of is there by now
        if name not in taken and not name.endswith(DATABASES):
            yield Copied(name, home.root / name)


def _kept(root: Path, name: str, scratch: Path) -> Copied | None:
    path = _fresh(scratch, name)
    try:
        shutil.copy2(root / name, path)
    except FileNotFoundError:  # it was replaced or taken back since the folder was listed
        return None
    return Copied(name, path, is_copy=True)


def _fresh(scratch: Path, name: str) -> Path:
    path = scratch / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database as of one moment; writers neither wait nor change the copy.

    Raises
    ------
    BackupError
        If it cannot be read.
    """
    uri = f"{source.resolve().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copied,
        ):
            live.backup(copied)  # all pages in one step: in several, each write would begin it anew
    except sqlite3.Error as error:
        raise BackupError(
            f"{source} cannot be copied: {error}; is it damaged, or the disk full?"
        ) from error
    facts = source.stat()
    target.chmod(facts.st_mode & 0o777)
    os.utime(target, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
