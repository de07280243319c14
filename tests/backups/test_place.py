"""Places: a folder, a store in memory, one that is full; what is said of them holds no password."""

import errno
import uuid
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from kasauti.backups import history
from kasauti.backups.place import BackupPlace
from kasauti.errors import BackupError, UsageError
from kasauti.home import Home
from tests.backups.states import SECRET, back_up, contents, put_back


class Full(MemoryFileSystem):  # type: ignore[misc]
    """A store that takes no more than 2,000 bytes, and says its own address when it complains."""

    protocol = "full"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("full://").rpartition("@")[2].strip("/")

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        file = super()._open(path, mode, **more)
        if mode == "wb":
            file.__class__ = FullFile
        return file


class FullFile(MemoryFile):  # type: ignore[misc]
    def write(self, content: bytes) -> int:
        if self.tell() + len(content) > 2_000:
            raise OSError(errno.ENOSPC, "full is full://trader:canary-of-the-place@store/backups")
        written: int = super().write(content)
        return written


fsspec.register_implementation("full", Full, clobber=True)


@pytest.fixture
def memory() -> str:
    return f"memory://{uuid.uuid4().hex}/kasauti"


@pytest.mark.parametrize("secret", [None, SECRET], ids=["plain", "encrypted"])
def test_a_store_in_memory(home: Home, memory: str, secret: Any, tmp_path: Path) -> None:
    before = contents(home.root)
    taken = back_up(home, memory, secret=secret)
    assert taken.tried.ok and not taken.same_disk
    ((name, size),) = BackupPlace(memory).list()
    assert str(name) == taken.tried.name and size == taken.tried.bytes
    assert name.proved and name.encrypted == (secret is not None)
    fresh = Home(tmp_path / "new")
    assert put_back(fresh, memory, secret=secret).counts == taken.counts
    after = contents(fresh.root)
    assert {n: c for n, c in after.items() if not n.startswith("ledger.sqlite")} == {
        n: c for n, c in before.items() if not n.startswith("ledger.sqlite")
    }


def test_a_full_place_is_said_and_nothing_stays(home: Home) -> None:
    where = "full://trader:canary-of-the-place@store/backups"
    with pytest.raises(BackupError, match=r"full is \.\.\.; check the place") as told:
        back_up(home, where)
    assert "canary" not in str(told.value) and "trader" not in str(told.value)
    assert told.value.__suppress_context__, "a traceback would repeat the driver's words"
    assert not Full.store, "the part that fitted was taken away"
    (line,) = history.read(home)
    assert not line.ok and line.name == "" and "canary" not in str(line)


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("sftp://me:pass@host:22/backups", "sftp://host:22/backups"),
        ("s3://key:secret@bucket/kasauti?token=abc", "s3://bucket/kasauti"),
        ("memory://plain/kasauti", "memory://plain/kasauti"),
        ("filecache::s3://key:secret@bucket", "filecache://..."),
    ],
)
def test_what_is_shown_of_a_url(where: str, shown: str) -> None:
    from kasauti.backups.place import _secrets, _shown

    assert _shown(where) == shown
    hidden = " ".join(_secrets(where))
    assert ("pass" in hidden) == ("pass" in where) and ("secret" in hidden) == ("secret" in where)


def test_an_unknown_store_is_said_without_its_password() -> None:
    with pytest.raises(UsageError) as told:
        BackupPlace("nosuchstore://me:canary@host/backups")
    assert "canary" not in str(told.value) and "nosuchstore" in str(told.value)


def test_a_place_that_is_not_there_is_empty_and_one_that_cannot_be_read_is_said(
    tmp_path: Path,
) -> None:
    assert BackupPlace(str(tmp_path / "nowhere")).list() == []
    (tmp_path / "file").write_text("x")
    place = BackupPlace(str(tmp_path / "file"))
    with pytest.raises(BackupError, match="cannot be written"), place.writing("x.part"):
        pass


def test_what_an_interrupted_upload_left_is_ignored_and_cleaned(home: Home, memory: str) -> None:
    place = BackupPlace(memory)
    for name in ("kasauti-20261101-200000-17.part", "somebody-elses.txt"):
        with place.writing(name) as file:
            file.write(b"half of it")
    assert place.list() == []
    assert back_up(home, memory).tried.ok
    left = fsspec.filesystem("memory").ls(memory, detail=False)
    assert len(left) == 2 and any(name.endswith("somebody-elses.txt") for name in left)


def test_the_chosen_place(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert BackupPlace.chosen(None, home).text == str(home.backups)
    monkeypatch.setenv("KASAUTI_BACKUP_TO", str(tmp_path / "there"))
    assert BackupPlace.chosen(None, home).text == str(tmp_path / "there")
    assert BackupPlace.chosen(str(tmp_path / "mine"), home).text == str(tmp_path / "mine")


def test_only_its_owner_may_read_a_backup(home: Home, tmp_path: Path) -> None:
    back_up(home, tmp_path / "to")
    (archive,) = (tmp_path / "to").iterdir()
    assert archive.stat().st_mode & 0o777 == 0o600
