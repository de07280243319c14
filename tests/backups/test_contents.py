"""Which files are in a backup, and that a copy is of one moment."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kasauti.backups.contents import copy, has_state, names
from kasauti.backups.manifest import Manifest
from kasauti.backups.proof import fetch, problems_of
from kasauti.backups.restore import choose
from kasauti.home import Home
from tests.backups.states import back_up, contents, put_back


@pytest.mark.parametrize(
    ("name", "is_in"),
    [
        pytest.param("ledger.sqlite", True, id="ledger"),
        pytest.param("ledger.sqlite.kill", True, id="a stop survives the restore"),
        pytest.param("ledger.sqlite.anchor", True, id="anchor"),
        pytest.param("limits.toml", True, id="limits"),
        pytest.param("verdicts/abc.json", True, id="verdicts"),
        pytest.param("something/that/a/later/version.adds", True, id="unknown"),
        pytest.param("feed/ticks.jsonl", True, id="feed"),
        pytest.param("ledger.sqlite-wal", False, id="what is SQLite's own"),
        pytest.param("ledger.sqlite.lease", False, id="a lock"),
        pytest.param("desk.json", False, id="a heartbeat"),
        pytest.param("kernels-12345678/rolling-1/x.nbi", False, id="compiled kernels"),
        pytest.param("mypy/3.11/x.json", False, id="a cache of tools"),
        pytest.param("backups/proofs.jsonl", False, id="the backups themselves"),
        pytest.param("lake/kernels-of-mine/x", True, id="the name of a cache elsewhere"),
        pytest.param("notes-wal", True, id="no database's file"),
    ],
)
def test_what_is_in(tmp_path: Path, name: str, is_in: bool) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x")
    assert names(tmp_path) == ([name] if is_in else [])
    assert has_state(tmp_path) == is_in


def test_a_folder_on_another_disk_is_followed_once(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "var", tmp_path / "disk"
    root.mkdir()
    elsewhere.mkdir()
    (elsewhere / "bars").write_text("x")
    (root / "lake").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(root)
    assert names(root) == ["lake/bars"]


def test_the_folder_of_the_backups_is_left_out_wherever_it_is(home: Home) -> None:
    mine = home.root / "mine"
    first, second = back_up(home, mine), back_up(home, mine)
    assert first.tried.ok and second.tried.ok
    assert first.counts == second.counts


def test_what_vouches_for_others_is_copied_before_them(home: Home, tmp_path: Path) -> None:
    """Copied after, an anchor could name an event that the copied ledger does not have yet."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    files = copy(home, scratch, None)
    next(files)
    there = {path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file()}
    assert there >= {"ledger.sqlite.anchor", "vault/vault.head", "lake/signals/daily/current.json"}
    order = [file.name for file in files]
    assert order.index("vault/vault.sqlite") < order.index("vault/vault.head")
    sealed = next(name for name in order if name.endswith(".sealed"))
    assert order.index("vault/vault.sqlite") < order.index(sealed), "what records speak of is there"


def test_an_append_only_file_is_copied_up_to_its_last_whole_line(
    home: Home, tmp_path: Path
) -> None:
    ticks = home.feed / "ticks.jsonl"
    whole = ticks.read_bytes()
    with ticks.open("ab") as file:
        file.write(b'{"last": ' + b"9" * 3_000_000)
    back_up(home, tmp_path / "to")
    put_back(Home(tmp_path / "new"), tmp_path / "to")
    assert (tmp_path / "new" / "feed" / "ticks.jsonl").read_bytes() == whole


def test_everything_comes_back_as_it_was(home: Home, tmp_path: Path) -> None:
    before = contents(home.root)
    assert len(before) > 12
    old = home.lake / "signals" / "daily" / "current.json"
    os.utime(old, ns=(1_700_000_000_123_456_789,) * 2)
    taken = back_up(home, tmp_path / "to")
    assert taken.tried.ok, taken.problems
    fresh = Home(tmp_path / "new")
    fetched(fresh, tmp_path / "to")
    assert contents(fresh.root) == before
    sealed = next(fresh.vault.glob("*.sealed"))
    assert sealed.stat().st_mode & 0o777 == 0o400, "nobody may write a sealed file"
    copied = fresh.lake / "signals" / "daily" / "current.json"
    assert copied.stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert taken.counts["events"] == sum(
        rows(home, name) for name in ("ledger.sqlite", "replay/ledger.sqlite")
    )
    assert taken.counts["rows of bars and tables"] == 2 * 7 + 1
    assert taken.counts["sealed openings"] == 0 and taken.counts["register rows"] > 0


def test_counts_that_differ_are_a_problem(home: Home, tmp_path: Path) -> None:
    """Whatever the hashes say: the counts are taken anew from what was restored."""
    back_up(home, tmp_path / "to")
    fresh = Home(tmp_path / "new")
    manifest = fetched(fresh, tmp_path / "to")
    assert problems_of(fresh.root, manifest) == []
    shutil.rmtree(fresh.root)
    manifest = fetched(fresh, tmp_path / "to")
    members = [
        m.model_copy(update={"figures": m.figures.model_copy(update={"events": 1_000})})
        if m.name == "ledger.sqlite"
        else m
        for m in manifest.members
    ]
    wrong = manifest.model_copy(update={"members": tuple(members)})
    assert problems_of(fresh.root, wrong) == [
        "ledger.sqlite holds other rows than when it was copied"
    ]


def rows(home: Home, name: str) -> int:
    with closing(sqlite3.connect(home.root / name)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM events").fetchone()[0])


def fetched(home: Home, where: Path) -> Manifest:
    """Unpack the newest backup without what a restore adds."""
    from kasauti.backups.place import BackupPlace

    place = BackupPlace(str(where))
    name = choose(place, None)
    home.root.mkdir()
    return fetch(place, str(name), name, home.root, secret=None, told=lambda count: None)
