"""What is kept on disk to save time: where, how large, what its loss costs; and how to clear it.

Only what can be made again stands here. Ledgers, vault, trial register, verdicts, bars and backups
cannot, and nothing that lies in or around one of them is ever deleted.
"""

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kasauti.errors import UsageError
from kasauti.home import Home

STILL_WRITTEN = timedelta(days=1)
"""A run's log that changed since may belong to a run that goes on."""

_PREFIXES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True)
class Cache:
    """One cache.

    Attributes
    ----------
    name : str
    path : Path
        The folder.
    loss : str
        What it costs to lose it, one sentence.
    parts : callable
        Finds the files and folders in `path` that make it up.
    busy : callable
        Says why a part cannot be deleted now, empty if it can; holds it for the block.
    kept : str
        Why it is not to be cleared, empty if it may be.
    """

    name: str
    path: Path
    loss: str
    parts: Callable[[Path], Iterable[Path]]
    busy: Callable[[Path, datetime], Any]
    kept: str = ""


@dataclass(frozen=True)
class Measured:
    """How large and how old a cache is; `bytes` of its files, times of their last changes."""

    cache: Cache
    files: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return it as ``kasauti caches --json`` prints it."""
        return {
            "name": self.cache.name,
            "path": str(self.cache.path),
            "files": self.files,
            "bytes": self.bytes,
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
            "newest": None if self.newest is None else self.newest.isoformat(),
            "loss": self.cache.loss,
            "clearable": not self.cache.kept,
        }


@dataclass(frozen=True)
class Cleared:
    """What was deleted, and in words what was left."""

    name: str
    files: int
    bytes: int
    left: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``kasauti caches clear --json`` prints it."""
        return {"name": self.name, "files": self.files, "bytes": self.bytes, "left": [*self.left]}


def caches_of(home: Home) -> tuple[Cache, ...]:
    """Return every cache of this installation and state folder."""
    from kasauti.kernel_cache import cache_root

    root = cache_root()
    found = [] if root is None else [_kernels("kernels", root, _children)]
    if vectorbt := _vectorbt():
        found.append(_kernels("vectorbt", vectorbt, _numba_files))
    return (
        *found,
        Cache(
            "worlds",
            home.root / "noise",
            "`kasauti noise` and `kasauti calibrate` run all their worlds again: 200 take ten "
            "minutes.",
            _children,
            _free,
        ),
        Cache(
            "searches",
            home.searches,
            "A search that was interrupted begins anew, and one that ended is run again; what was "
            "tried stays in the trial register and counts once.",
            _children,
            _locked,
        ),
        Cache(
            "logs",
            home.dagster,
            "The output of Dagster's runs cannot be read any more; the runs themselves stay. The "
            "last day's logs are left.",
            lambda folder: folder.glob("*/compute_logs/*"),
            _recent,
        ),
        Cache(
            "lake",
            home.lake,
            "Not to be cleared: what orders were based on is read from here again.",
            _children,
            _free,
            "it holds what orders were based on",
        ),
    )


def measure(cache: Cache) -> Measured:
    """Look at every file of the cache; one that goes meanwhile is not counted."""
    count, total, times = 0, 0, []
    for part in _parts(cache):
        for file in _files(part):
            try:
                found = file.lstat()
            except FileNotFoundError:
                continue
            count, total = count + 1, total + found.st_size
            times.append(found.st_mtime)
    oldest = datetime.fromtimestamp(min(times)).astimezone() if times else None
    newest = datetime.fromtimestamp(max(times)).astimezone() if times else None
    return Measured(cache, count, total, oldest, newest)


def choose(caches: Sequence[Cache], names: Sequence[str], *, every: bool) -> tuple[Cache, ...]:
    """Return the caches that are to be cleared.

    Raises
    ------
    UsageError
        If none or both are named, or one that does not exist or is to be kept.
    """
    clearable = {cache.name: cache for cache in caches if not cache.kept}
    told = f"name some of {', '.join(clearable)}, or --all"
    if every == bool(names):
        raise UsageError(f"what is to be cleared? {told}")
    for cache in caches:
        if cache.kept and cache.name in names:
            raise UsageError(f"{cache.name} is not to be cleared, {cache.kept}: {told}")
    if unknown := [name for name in names if name not in clearable]:
        raise UsageError(f"there is no cache {', '.join(unknown)}: {told}")
    return tuple(cache for name, cache in clearable.items() if every or name in names)


def clear(cache: Cache, home: Home, now: datetime) -> Cleared:
    """Delete the cache's parts; what is in use, or a link out of the folder, is left.

    Raises
    ------
    UsageError
        If it is to be kept, or lies in or around what must not be lost.
    """
    if cache.kept:
        raise UsageError(f"{cache.name} is not to be cleared: {cache.kept}")
    files, freed, left = 0, 0, []
    for part in sorted(_parts(cache)):
        if part.is_symlink():
            left.append(f"{part} is a link: delete by hand what it points to")
            continue
        _protect(part, home)
        with cache.busy(part, now) as why:
            if why:
                left.append(why)
                continue
            sizes = [file.lstat().st_size for file in _files(part)]
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
            files, freed = files + len(sizes), freed + sum(sizes)
    return Cleared(cache.name, files, freed, tuple(left))


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    for name, unit in _PREFIXES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _protect(part: Path, home: Home) -> None:
    place = part.resolve()
    for kept in (
        home.ledger,
        home.replay,
        home.vault,
        home.register,
        home.verdicts,
        home.ingested,
        home.lake,
        home.reports,
        home.feed,
        home.alerts,
        home.health,
        home.backups,
    ):
        precious = kept.resolve()
        if place == precious or place in precious.parents or precious in place.parents:
            raise UsageError(f"{part} is not deleted: {kept} must not be lost; mend KASAUTI_HOME")


# -- where things lie ----------------------------------------------------------------------------


def _kernels(name: str, path: Path, parts: Callable[[Path], Iterable[Path]]) -> Cache:
    loss = "The next command that computes compiles again, as `kasauti compile` does: minutes."
    return Cache(name, path, loss, parts, _free)


def _vectorbt() -> Path | None:
    """Return where numba keeps vectorbt's kernels: beside its sources, unless told otherwise."""
    found = importlib.util.find_spec("vectorbt")
    if found is None or found.origin is None or os.environ.get("NUMBA_CACHE_DIR"):
        return None
    return Path(found.origin).parent


def _parts(cache: Cache) -> list[Path]:
    return list(cache.parts(cache.path)) if cache.path.is_dir() else []


def _children(folder: Path) -> Iterator[Path]:
    return folder.iterdir()


def _numba_files(folder: Path) -> Iterator[Path]:
    """Yield numba's index and code files: nothing else in the folder is a cache."""
    for pattern in ("*.nbi", "*.nbc"):
        yield from folder.rglob(f"__pycache__/{pattern}")


def _files(part: Path) -> Iterator[Path]:
    if part.is_symlink() or not part.is_dir():
        yield part
        return
    for folder, _, names in os.walk(part):  # does not follow links
        yield from (Path(folder, name) for name in names)


# -- what is in use ------------------------------------------------------------------------------


@contextmanager
def _free(part: Path, now: datetime) -> Iterator[str]:
    """Say that nobody minds: what is missing is made again."""
    del part, now
    yield ""


@contextmanager
def _recent(part: Path, now: datetime) -> Iterator[str]:
    age = now.timestamp() - part.lstat().st_mtime
    recent = age < STILL_WRITTEN.total_seconds()
    yield f"{part.name}, which changed within the last day" if recent else ""


@contextmanager
def _locked(part: Path, now: datetime) -> Iterator[str]:
    """Hold a search's own lock, so that nobody resumes what is being deleted."""
    del now
    lock = part / "lock"
    if not lock.exists():
        yield ""
        return
    with lock.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"{part.name}, which a search uses now"
            return
        yield ""
