"""The format of a backup: a tar stream through zstandard, its manifest last, encrypted with a key.

Without a key `zstd -d` and `tar` read it. What is in it and where it lies is not known here.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import zstandard
from pydantic import SecretStr

from kasauti.backups.contents import Copied
from kasauti.backups.encryption import CUT_OFF, Decrypting, Encrypting
from kasauti.backups.figures import figures_of
from kasauti.backups.manifest import FORMAT, Manifest, Member
from kasauti.errors import BackupError

if TYPE_CHECKING:
    from kasauti.operations.progress import Stage

MANIFEST = "manifest.json"
STATE = "state/"  # the folder of everything else
LEVEL = 3  # 10 gives a tenth less at five times the time
THREADS = 2
BLOCK = 1 << 20  # bytes
MOST_MANIFEST = 1 << 28  # bytes
# Without a key, bytes reach the tar reader before their checksum does.
DAMAGE = (
    *(zstandard.ZstdError, tarfile.TarError, EOFError),
    *(ValueError, LookupError, ArithmeticError, FileExistsError, NotADirectoryError),
)

Told = Callable[[int], None]
"""Is told the bytes that were just done."""


MEGABYTE = 1_000_000


def megabytes(stage: "Stage") -> Told:
    """Return what tells `stage` how many megabytes are done."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if done // MEGABYTE != before // MEGABYTE:
            stage.say(f"{done // MEGABYTE:,} MB")

    return told


class Hashing:
    """Passes bytes through to or from `stream` and keeps their sha256."""

    def __init__(self, stream: IO[bytes], told: Told | None = None) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._told = told
        self.size = 0

    @property
    def digest(self) -> str:
        """Of what went through so far."""
        return self._digest.hexdigest()

    def write(self, content: bytes) -> int:
        """Write to the stream."""
        self._stream.write(content)
        self._count(content)
        return len(content)

    def read(self, count: int = -1) -> bytes:
        """Read from the stream."""
        content = self._stream.read(count)
        self._count(content)
        return content

    def _count(self, content: bytes) -> None:
        self._digest.update(content)
        self.size += len(content)
        if self._told is not None:
            self._told(len(content))


def write(
    target: IO[bytes],
    files: Iterable[Copied],
    *,
    at: datetime,
    settings: tuple[str, ...],
    secret: SecretStr | None,
    told: Told,
) -> Manifest:
    """Write an archive of `files` and return its manifest; each copy of our own is deleted.

    Raises
    ------
    BackupError
        If a file is not what its name says.
    """
    encrypting = None if secret is None else Encrypting(target, secret)
    members: list[Member] = []
    packer = zstandard.ZstdCompressor(level=LEVEL, threads=THREADS, write_checksum=True)
    outer: Any = target if encrypting is None else encrypting
    with (
        packer.stream_writer(outer, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=BLOCK) as tar,
    ):
        tar.copybufsize = BLOCK  # type: ignore[attr-defined]
        for file in files:
            member = _add(tar, file, told)
            if member is not None:
                members.append(member)
        manifest = Manifest(
            format=FORMAT,
            kasauti=version("kasauti"),
            at=at,
            settings=settings,
            members=tuple(members),
        )
        content = manifest.model_dump_json().encode()
        tar.addfile(_header(MANIFEST, len(content), 0o600), io.BytesIO(content))
    if encrypting is not None:
        encrypting.finish()
    return manifest


def _add(tar: tarfile.TarFile, file: Copied, told: Told) -> Member | None:
    try:
        opened = file.path.open("rb")
    except FileNotFoundError:  # taken away since it was listed: it is not in the state any more
        return None
    with opened:
        facts = os.fstat(opened.fileno())
        size = _whole_lines(opened, facts.st_size) if file.only_lines else facts.st_size
        mode = facts.st_mode & 0o777
        hashed = Hashing(opened, told)
        # A figure of what may grow would be of another length; none of those has any.
        figures = figures_of(file.path)
        try:
            header = _header(STATE + file.name, size, mode)
            tar.addfile(header, hashed)
        except OSError as error:
            if error.errno is not None:
                raise
            raise BackupError(f"{file.path} became shorter while it was copied") from error
    if file.is_copy:
        file.path.unlink()
    return Member(
        name=file.name,
        size=size,
        sha256=hashed.digest,
        mode=mode,
        mtime_ns=facts.st_mtime_ns,
        figures=figures,
    )


def _header(name: str, size: int, mode: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, mode
    return header


def _whole_lines(file: IO[bytes], size: int) -> int:
    """Return the size of the file up to the end of its last whole line."""
    end = size
    while end:
        begin = max(end - BLOCK, 0)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    file.seek(0)
    return end


def extract(
    source: IO[bytes], folder: Path, *, secret: SecretStr | None, encrypted: bool, told: Told
) -> Manifest:
    """Write the files of an archive into `folder` and return its manifest.

    Every file is compared with what the manifest says of it.

    Raises
    ------
    BackupError
        If the archive is damaged, cut off or encrypted under another key. The folder then holds a
        part of it.
    OSError
        If `folder` cannot be written.
    """
    if encrypted and secret is None:
        raise BackupError("the backup is encrypted: set KASAUTI_BACKUP_KEY to its key")
    reader: Any = source
    if encrypted:
        assert secret is not None
        reader = io.BufferedReader(Decrypting(source, secret), BLOCK)
    found: dict[str, tuple[int, str]] = {}
    content = b""
    with _damage_is_said():
        unpacked = zstandard.ZstdDecompressor().stream_reader(
            reader, read_size=BLOCK, closefd=False
        )
        with tarfile.open(fileobj=unpacked, mode="r|", bufsize=BLOCK) as tar:
            for header in tar:
                stream = tar.extractfile(header)
                if stream is None:
                    raise BackupError(f"the backup holds {header.name}, which is no file")
                if header.name == MANIFEST:
                    content = stream.read(MOST_MANIFEST)
                    continue
                name = _safe(header.name)
                found[name] = _write(stream, folder / name, told)
        while unpacked.read(BLOCK):  # what tar pads with
            pass
        while reader.read(BLOCK):
            pass
    if not content:
        raise BackupError(CUT_OFF)
    manifest = Manifest.parse(content)
    _require_equal(manifest, found)
    for member in manifest.members:
        (folder / member.name).chmod(member.mode)
        os.utime(folder / member.name, ns=(member.mtime_ns, member.mtime_ns))
    return manifest


@contextmanager
def _damage_is_said() -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise BackupError(CUT_OFF) from error


def _safe(name: str) -> str:
    """Return a member's name in the state folder; an archive from elsewhere may hold any name."""
    inner = name.removeprefix(STATE)
    parts = PurePosixPath(inner).parts
    if inner == name or not parts or parts[0] == "/" or ".." in parts:
        raise BackupError(f"the backup holds {name}, which lies outside of a state folder")
    return inner


def _write(stream: IO[bytes], path: Path, told: Told) -> tuple[int, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed = Hashing(stream, told)
    with path.open("xb") as file:
        while block := hashed.read(BLOCK):
            file.write(block)
    return hashed.size, hashed.digest


def _require_equal(manifest: Manifest, found: dict[str, tuple[int, str]]) -> None:
    wanted = {member.name: (member.size, member.sha256) for member in manifest.members}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise BackupError(f"{name} in the backup is not what its manifest says: use another")
