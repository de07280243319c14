"""Where backups lie: a folder or any URL that fsspec addresses; what is in them is not known here.

A URL may hold a password: `BackupPlace.text` is what may be shown of it, and drivers' errors are
repeated without it. Drivers read their other credentials from the environment themselves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from kasauti.backups.names import PART, BackupName
from kasauti.errors import BackupError, KasautiError, UsageError
from kasauti.home import Home

VARIABLE = "KASAUTI_BACKUP_TO"


class BackupPlace:
    """One place for the backups of one state folder.

    Parameters
    ----------
    where : str
        A folder, or a URL such as ``s3://bucket/kasauti``.

    Raises
    ------
    UsageError
        If no driver for the URL is installed.
    BackupError
        If a server does not answer.
    """

    def __init__(self, where: str) -> None:
        import fsspec.core

        self._secrets = _secrets(where)
        is_url = "://" in where or "::" in where
        self.text = _shown(where) if is_url else str(Path(where).expanduser().resolve())
        with self._trouble("reached"):  # some drivers connect at once
            try:
                self._driver, path = fsspec.core.url_to_fs(where if is_url else self.text)
            except (ImportError, ValueError) as error:
                said = self._said(error)
                raise UsageError(f"{self.text} cannot be used for backups: {said}") from None
        self._path = path.rstrip("/")
        local = self._driver.protocol
        self.folder = Path(self._path) if "file" in local or local == "file" else None

    @classmethod
    def chosen(cls, where: str | None, home: Home) -> "BackupPlace":
        """Return the place `where`, else ``KASAUTI_BACKUP_TO``, else one in the state folder."""
        return cls(where or os.environ.get(VARIABLE) or str(home.backups))

    def is_on_disk_of(self, home: Home) -> bool:
        """Whether a broken disk would take the state and its backups."""
        if self.folder is None or not self.folder.exists() or not home.root.exists():
            return False
        return self.folder.stat().st_dev == home.root.stat().st_dev

    def list(self) -> list[tuple[BackupName, int]]:
        """Return the backups that are whole with their bytes, oldest first.

        Raises
        ------
        BackupError
            If the place cannot be read.
        """
        found = [(BackupName.parse(name), size) for name, size in self._all().items()]
        return sorted((name, size) for name, size in found if name is not None)

    def clean(self) -> int:
        """Delete what interrupted uploads left behind; returns how many there were."""
        left = [name for name in self._all() if name.endswith(PART)]
        for name in left:
            self.delete(name)
        return len(left)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open the new file `name` for writing; if anything fails it is taken away again.

        Raises
        ------
        BackupError
            If it cannot be written, for instance because the place is full.
        """
        with self._trouble("written"):
            self._driver.makedirs(self._path, exist_ok=True)
            file = self._driver.open(self._full(name), "wb")
            if self.folder is not None:  # sealed bars are in it, in plain text where no key is set
                (self.folder / name).chmod(0o600)
        guarded: Any = _Guarded(file, self)
        try:
            yield guarded
            with self._trouble("written"):
                file.close()
                self._sync(name)
        except BaseException:
            self._abandon(file, name)
            raise

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Open the file `name`; raises BackupError where it cannot be read."""
        with self._trouble("read"):
            file = self._driver.open(self._full(name), "rb")
        guarded: Any = _Guarded(file, self)
        try:
            yield guarded
        finally:
            file.close()

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        with self._trouble("written"):
            self._driver.mv(self._full(name), self._full(to))
            if self.folder is not None:
                _sync(self.folder)

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._trouble("written"):
            self._driver.rm_file(self._full(name))

    def _all(self) -> dict[str, int]:
        with self._trouble("read"):
            self._driver.invalidate_cache()
            try:
                rows = self._driver.ls(self._path, detail=True)
            except FileNotFoundError:
                return {}
            return {row["name"].rpartition("/")[2]: row["size"] or 0 for row in rows}

    def _full(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _abandon(self, file: Any, name: str) -> None:
        """Take away what was written so far; where that fails, `clean` does it next time."""
        with suppress(Exception):  # the first error is the one that is told
            if self.folder is None:
                file.discard()
                file.closed = True  # a buffered upload would go on when it is collected
            else:
                file.close()
        with suppress(Exception):
            self._driver.rm_file(self._full(name))

    def _sync(self, name: str) -> None:
        if self.folder is not None:
            _sync(self.folder / name)
            _sync(self.folder)

    @contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        """Say what a driver said; their errors have no base of their own."""
        try:
            yield
        except KasautiError:
            raise
        except Exception as error:  # noqa: BLE001
            raise BackupError(
                f"{self.text} cannot be {what}: {self._said(error)}; check the place, its "
                "credentials and its room"
            ) from None  # a traceback would repeat the driver's words

    def _said(self, error: Exception) -> str:
        words = " ".join(str(error).split()) or type(error).__name__
        for secret in self._secrets:
            words = words.replace(secret, "...")
        return words


class _Guarded:
    """A driver's file whose errors are told as the place's."""

    def __init__(self, file: Any, place: BackupPlace) -> None:
        self._file = file
        self._place = place

    def write(self, content: bytes) -> int:
        with self._place._trouble("written"):
            self._file.write(content)
        return len(content)

    def read(self, count: int = -1) -> bytes:
        with self._place._trouble("read"):
            content: bytes = self._file.read(count)
        return content


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _shown(where: str) -> str:
    """Return a URL without user, password and query; of a chained one no more than its kind."""
    try:
        parts = urlsplit(where)
    except ValueError:
        parts = None
    if parts is None or "::" in where:
        return f"{where.partition(':')[0]}://..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _secrets(where: str) -> list[str]:
    """Return what of a URL must never be repeated, longest first."""
    found = {where} if "@" in where or "?" in where else set()
    for link in where.split("::"):
        _, _, rest = link.partition("://")
        user = rest.partition("/")[0].rpartition("@")[0]
        found |= {user, *user.split(":"), link.partition("?")[2]}
    return sorted({*found, *map(unquote, found)} - {""}, key=len, reverse=True)
