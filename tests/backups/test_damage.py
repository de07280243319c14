"""An archive that is not exactly what was written: cut off, changed, or under another key."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kasauti.backups import encryption
from kasauti.backups.archive import extract
from kasauti.backups.names import ENCRYPTED
from kasauti.backups.place import BackupPlace
from kasauti.backups.restore import choose
from kasauti.errors import BackupError
from kasauti.home import Home
from tests.backups.states import SECRET, back_up, contents, filled, put_back

KINDS = ("plain", "encrypted")


@pytest.fixture(scope="module", autouse=True)
def quick_key() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encryption, "LOG_N", 4)
        yield


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, quick_key: object) -> dict[str, Path]:
    """One backup of each kind."""
    folder = tmp_path_factory.mktemp("archives")
    home = Home(folder / "var")
    filled(home)
    for kind, secret in zip(KINDS, (None, SECRET), strict=True):
        assert back_up(home, folder / kind, secret=secret).tried.ok
    return {kind: next((folder / kind).iterdir()) for kind in KINDS}


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, archives: dict[str, Path]) -> Path:
    return archives[request.param]


def refused(archive: Path, content: bytes, folder: Path, secret: SecretStr = SECRET) -> str:
    """Restore `content` in place of the archive and return the complaint; nothing may be there."""
    where, target = folder / "place", Home(folder / "var")
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    (where / archive.name).write_bytes(content)
    with pytest.raises(BackupError) as told:
        put_back(target, where, secret=secret)
    assert sorted(path.name for path in folder.iterdir()) == ["place"], "the target is untouched"
    return str(told.value)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(0, id="empty"),
        pytest.param(1, id="one byte"),
        pytest.param(16, id="within the header"),
        pytest.param(49, id="behind the salt"),
        pytest.param(65, id="behind the first chunk"),
        pytest.param(0.5, id="in the middle"),
        pytest.param(-512, id="within the manifest"),
        pytest.param(-20, id="within the last tag or padding"),
        pytest.param(-4, id="within the checksum"),
        pytest.param(-1, id="the last byte"),
    ],
)
def test_a_truncated_archive_is_refused(archive: Path, cut: float, tmp_path: Path) -> None:
    content = archive.read_bytes()
    end = int(len(content) * cut) if isinstance(cut, float) else cut
    assert "damaged" in refused(archive, content[:end], tmp_path)


def test_what_was_appended_is_refused(archive: Path, tmp_path: Path) -> None:
    assert "damaged" in refused(archive, archive.read_bytes() + b"\0", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_flipped_bit_anywhere_is_refused(
    archives: dict[str, Path], kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(archives[kind].read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused(archives[kind], bytes(content), tmp_path)


def test_another_key_and_no_key(archives: dict[str, Path], tmp_path: Path) -> None:
    archive = archives["encrypted"]
    content = archive.read_bytes()
    told = refused(archive, content, tmp_path, SecretStr("not this passphrase"))
    assert "KASAUTI_BACKUP_KEY is not the key" in told and "not this" not in told
    shutil.rmtree(tmp_path / "place")
    with pytest.raises(BackupError, match="set KASAUTI_BACKUP_KEY"):
        put_back(Home(tmp_path / "var"), archive.parent)


def test_an_encrypted_one_comes_back_and_shows_nothing(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    plain, sealed = (contents_of(archives[kind], tmp_path / kind) for kind in KINDS)
    assert plain == sealed
    raw = archives["encrypted"].read_bytes()
    assert b"ledger.sqlite" not in raw and not raw.startswith(archives["plain"].read_bytes()[:4])


def contents_of(archive: Path, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    with archive.open("rb") as file:
        extract(
            file,
            folder,
            secret=SECRET,
            encrypted=archive.name.endswith(ENCRYPTED),
            told=lambda count: None,
        )
    return contents(folder)


def test_without_a_key_common_tools_read_it(archives: dict[str, Path], tmp_path: Path) -> None:
    tar = tmp_path / "backup.tar"
    with archives["plain"].open("rb") as packed, tar.open("wb") as unpacked:
        zstandard.ZstdDecompressor().copy_stream(packed, unpacked)
    listed = subprocess.run(["tar", "tf", tar], capture_output=True, text=True, check=True).stdout
    assert "state/ledger.sqlite\n" in listed and listed.endswith("manifest.json\n")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "state/../../outside", "state//etc/passwd", "state/"]
)
def test_a_name_outside_of_the_state_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with pytest.raises(BackupError):
        extract(
            io.BytesIO(packed(tarfile.TarInfo(name))),
            tmp_path / "inside",
            secret=None,
            encrypted=False,
            told=lambda count: None,
        )
    assert list(tmp_path.rglob("*")) == [tmp_path / "inside"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("state/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    with pytest.raises(BackupError):
        extract(
            io.BytesIO(packed(link)),
            tmp_path,
            secret=None,
            encrypted=False,
            told=lambda count: None,
        )
    assert not list(tmp_path.iterdir())


def packed(header: tarfile.TarInfo) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.addfile(header)
    return zstandard.ZstdCompressor().compress(plain.getvalue())


def test_a_backup_of_a_later_version_says_so(archives: dict[str, Path], tmp_path: Path) -> None:
    content = b'{"format":2,"kasauti":"9.1","at":"2027-01-01T00:00:00Z","settings":[],"members":[]}'
    header = tarfile.TarInfo("manifest.json")
    header.size = len(content)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.addfile(header, io.BytesIO(content))
    archive = zstandard.ZstdCompressor().compress(plain.getvalue())
    with pytest.raises(BackupError, match=r"use Kasauti 9\.1"):
        extract(
            io.BytesIO(archive), tmp_path, secret=None, encrypted=False, told=lambda count: None
        )


def test_an_unproved_one_is_only_restored_by_its_name(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    where = tmp_path / "place"
    where.mkdir()
    unproved = archives["plain"].name + ".unproved"
    shutil.copy(archives["plain"], where / unproved)
    with pytest.raises(BackupError, match=f"--name {unproved}"):
        choose(BackupPlace(str(where)), None)
    assert str(choose(BackupPlace(str(where)), unproved)) == unproved
    with pytest.raises(BackupError, match="no backup nothing"):
        choose(BackupPlace(str(where)), "nothing")
