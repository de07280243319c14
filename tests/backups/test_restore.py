"""Restoring: whole or not at all, never over a state, and a ledger that knows what it forgot."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from kasauti.backups import encryption, restore
from kasauti.backups.place import BackupPlace
from kasauti.errors import BackupError
from kasauti.execution.events import (
    EpochRaised,
    ReconciliationRequested,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.execution.heartbeat import write as beat
from kasauti.execution.hosts import RESTORE_COMMAND
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.projections import Book
from kasauti.home import Home
from tests.backups.states import NOW, back_up, contents, ledger_of, put_back
from tests.backups.test_take import kasauti, noise
from tests.cli.conftest import Run
from tests.execution.world import OPEN, at


@pytest.fixture
def where(home: Home, tmp_path: Path) -> Path:
    """A place with one backup of the home."""
    assert back_up(home, tmp_path / "to").tried.ok
    return tmp_path / "to"


def untouched(folder: Path, before: dict[str, bytes]) -> None:
    assert contents(folder) == before
    assert not list(folder.parent.glob(f".{folder.name}*"))


# -- the machine ---------------------------------------------------------------------------------


def test_an_empty_machine_by_one_command(home: Home, where: Path, tmp_path: Path, run: Run) -> None:
    """In processes of their own, from a folder that has nothing but the archive."""
    moved = tmp_path / "stick"
    shutil.copytree(where, moved)
    shutil.rmtree(home.root)
    shutil.rmtree(where)
    out, err = (process := kasauti(home, "restore", "--from", str(moved), "--json")).communicate()
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["home"] == str(home.root) and told["entries_closed"] and told["aside"] is None
    out, err = (process := kasauti(home, "ledger", "verify", "--json")).communicate()
    verified = json.loads(out)
    assert process.returncode == 0 and verified["ok"], err
    assert {one["ledger"] for one in verified["ledgers"]} == {"paper", "replay"}
    out, err = (process := kasauti(home, "status", "--json")).communicate()
    status = json.loads(out)
    assert process.returncode == 1, "red, because entries are closed"
    wrong = {check["name"] for check in status["checks"] if check["health"] == "red"}
    assert "paper trading" in wrong
    assert not wrong & {"paper ledger", "replay ledger", "vault", "trial register"}
    assert run("resume", "--who", "me", "--reason", "looked").code == 0
    with book_of(home) as book:
        assert book.trading_state is TradingState.ACTIVE


@contextmanager
def book_of(home: Home) -> Iterator[Book]:
    with closing(ledger_of(home)) as ledger:
        yield ledger.book()


def test_a_state_that_is_there_is_never_overwritten(home: Home, where: Path) -> None:
    before = contents(home.root)
    with pytest.raises(BackupError, match="holds a state already: --force"):
        put_back(home, where)
    untouched(home.root, before)


def test_force_moves_a_state_aside(home: Home, where: Path) -> None:
    (home.root / "verdicts").mkdir()
    (home.root / "verdicts" / "later.json").write_text("made after the backup")
    before = contents(home.root)
    restored = put_back(home, where, force=True)
    assert restored.aside is not None and contents(restored.aside) == before
    assert not (home.root / "verdicts").exists()
    assert (home.backups / "proofs.jsonl").exists(), "the backups stay with the home"


def test_a_home_with_nothing_but_its_backups_is_empty(home: Home) -> None:
    """The default place lies in the state folder itself."""
    assert back_up(home, home.backups).tried.ok
    for path in home.root.iterdir():
        if path != home.backups:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    restored = put_back(home, home.backups)
    assert restored.aside is None and home.ledger.exists()
    assert len(BackupPlace(str(home.backups)).list()) == 1
    assert not list(home.root.parent.glob("var.before*"))


@pytest.mark.parametrize("sign", ["lease", "heartbeat"])
def test_a_desk_that_runs_is_not_pulled_away(home: Home, where: Path, sign: str) -> None:
    before, now = contents(home.root), NOW + timedelta(hours=1)
    if sign == "heartbeat":
        beat(home.heartbeat, Heartbeat(1, 0, now, Mode.IDLE, "waiting"))
        with pytest.raises(BackupError, match="a desk runs in"):
            put_back(home, where, force=True, now=now)
    else:
        ledger = ledger_of(home)
        with Lease.take(ledger, host="test", at=now):
            before = contents(home.root)
            with pytest.raises(BackupError, match="a desk works on"):
                put_back(home, where, force=True, now=now)
        ledger.close()
    untouched(home.root, before)


@pytest.mark.parametrize("there", [False, True], ids=["no home", "a home that was there"])
def test_a_full_disk_leaves_all_as_it_was(home: Home, tmp_path: Path, there: bool) -> None:
    noise(home, 4)
    back_up(home, tmp_path / "to")
    target = home if there else Home(tmp_path / "new")
    before = contents(home.root)
    command = ["restore", "--from", str(tmp_path / "to"), "--force"]
    process = kasauti(target, *command, most_bytes=2 << 20)
    out, err = process.communicate()
    assert process.returncode == 2 and out == "" and "Traceback" not in err
    assert "File too large" in err and "nothing was restored" in err
    untouched(home.root, before)
    assert target.root.exists() == there
    assert not list(tmp_path.glob(".*")), "nothing half restored lies about"


def test_a_restore_that_was_killed_is_begun_anew(home: Home, where: Path, tmp_path: Path) -> None:
    leftover = tmp_path / ".new.restoring"
    (leftover / "ledger.sqlite").mkdir(parents=True)
    put_back(Home(tmp_path / "new"), where)
    assert (tmp_path / "new" / "ledger.sqlite").is_file() and not leftover.exists()


def test_a_mounted_home_is_said(
    home: Home, where: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses to rename a mount point; that needs root: its answer is given."""
    import errno

    (tmp_path / "mounted").mkdir()

    def busy(folder: Path, home: Home, now: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", str(home.root))

    monkeypatch.setattr(restore, "_put_in_place", busy)
    with pytest.raises(BackupError, match="is a mounted disk"):
        put_back(Home(tmp_path / "mounted"), where)
    assert list((tmp_path / "mounted").iterdir()) == []


def test_the_former_state_comes_back_if_the_last_step_fails(
    home: Home, where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = contents(home.root), Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == ".var.restoring":
            raise OSError(28, "No space left on device", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(BackupError, match="No space left"):
        put_back(home, where, force=True)
    untouched(home.root, before)


# -- the ledger ----------------------------------------------------------------------------------


def test_a_restored_ledger_says_so_and_takes_no_entries(
    home: Home, where: Path, tmp_path: Path
) -> None:
    with book_of(home) as book:
        epoch, seq = book.epoch, book.seq
    fresh = Home(tmp_path / "new")
    put_back(fresh, where)
    ledger = ledger_of(fresh)
    raised, closed, asked = [record.event for record in ledger.events(after=seq)]
    assert raised == EpochRaised(RESTORE_COMMAND) and ledger.epoch() == epoch + 1
    assert isinstance(closed, TradingStateChanged) and closed.state is TradingState.REDUCING
    assert "restored from kasauti-" in closed.reason
    assert asked == ReconciliationRequested(RESTORE_COMMAND)
    assert "Entries are closed" in ledger.outbox()[-1][1], "somebody is told"
    assert ledger.verify().ok
    ledger.close()


def test_a_stop_survives(home: Home, tmp_path: Path) -> None:
    from kasauti.execution import stop

    stop.kill(home, by="me", reason="test", now=NOW)
    back_up(home, tmp_path / "to")
    fresh = Home(tmp_path / "new")
    put_back(fresh, tmp_path / "to")
    with book_of(fresh) as book:
        assert book.latched
    assert fresh.ledger.with_name("ledger.sqlite.kill").exists()


def test_a_clock_before_the_backup_is_refused(home: Home, where: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="the clock was set back"):
        put_back(Home(tmp_path / "new"), where, now=OPEN - timedelta(days=1))
    assert not (tmp_path / "new").exists()


@pytest.fixture
def server(postgres: URL) -> str:
    return postgres.render_as_string(hide_password=False)


def test_from_a_file_to_postgres_and_back(
    home: Home, where: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_file = ledger_of(home)
    rows = [tuple(row) for row in with_file.rows()]
    with_file.close()
    monkeypatch.setenv("KASAUTI_LEDGER_URL", server)
    on_server = Home(tmp_path / "server")
    assert put_back(on_server, where).entries_closed
    assert not on_server.ledger.exists(), "the database holds it"
    ledger = ledger_of(on_server)
    assert [tuple(row) for row in ledger.rows()][: len(rows)] == rows
    assert ledger.verify().ok
    count = ledger.seq()
    ledger.close()
    taken = back_up(on_server, tmp_path / "again", now=NOW + timedelta(days=1))
    assert taken.tried.ok, taken.problems
    monkeypatch.delenv("KASAUTI_LEDGER_URL")
    in_file = Home(tmp_path / "file")
    put_back(in_file, tmp_path / "again", now=NOW + timedelta(days=2))
    ledger = ledger_of(in_file)
    assert ledger.verify().ok and ledger.seq() == count + 3
    ledger.close()


def test_a_server_that_outlived_the_machine_keeps_its_ledger(
    home: Home, where: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASAUTI_LEDGER_URL", server)
    first = Home(tmp_path / "first")
    put_back(first, where)
    back_up(first, tmp_path / "again", now=NOW + timedelta(days=1))
    ledger = ledger_of(first)
    ledger.append(ReconciliationRequested("after the backup"), at=NOW + timedelta(days=1))
    head = ledger.head()
    ledger.close()
    restored = put_back(Home(tmp_path / "second"), tmp_path / "again", now=NOW + timedelta(days=2))
    assert not restored.entries_closed, "nothing was forgotten"
    ledger = ledger_of(Home(tmp_path / "second"))
    assert ledger.head() == head
    ledger.close()


def test_another_ledger_on_the_server_is_never_touched(
    where: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASAUTI_LEDGER_URL", server)
    path = tmp_path / "other" / "ledger.sqlite"
    other = Ledger(path, scope=Scope.PAPER, market="nse", at=at(8), url=server)
    head = other.head()
    with pytest.raises(BackupError, match="holds another ledger"):
        put_back(Home(tmp_path / "new"), where, force=True)
    assert other.head() == head and not (tmp_path / "new").exists()
    other.close()


# -- secrets -------------------------------------------------------------------------------------

CANARY = "canary-7f3e9"
PLANTED = (
    *("KASAUTI_BACKUP_KEY", "KASAUTI_BARS", "KASAUTI_SLACK_API_URL", "KASAUTI_LIVE"),
    *("KASAUTI_ACCOUNT", "KASAUTI_PAGE", "KASAUTI_PROFILE_NOTE", "KASAUTI_SMTP_PASSWORD"),
    *("SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "SLACK_CHANNEL", "AWS_SECRET_ACCESS_KEY"),
)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_no_setting_leaks(
    home: Home,
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    encrypted: bool,
) -> None:
    """Backed up, listed, restored, and failing: no value of a setting is anywhere."""
    for name in PLANTED:
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    if not encrypted:
        monkeypatch.delenv("KASAUTI_BACKUP_KEY")
    home.ledger.unlink()
    home.ledger.with_name("ledger.sqlite.anchor").unlink()
    url = f"{server}&password={CANARY}-db" if "?" in server else f"{server}?password={CANARY}-db"
    monkeypatch.setenv("KASAUTI_LEDGER_URL", url)
    Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=OPEN, url=url).close()
    to = tmp_path / "to"
    commands = (
        ["backup", "--to", str(to)],
        ["backup", "--to", str(to), "--json"],
        ["backups", "--from", str(to)],
        ["restore", "--from", str(to)],
        ["restore", "--from", str(to), "--force"],
        ["backup", "--to", f"ftp://me:{CANARY}-place@127.0.0.1:1/x"],
    )
    said = [run(*arguments) for arguments in commands]
    assert [told.code for told in said] == [0, 0, 0, 2, 0, 2], said
    assert all(CANARY not in told.out + told.err for told in said), said
    secret = encryption.passphrase()
    place = BackupPlace(str(to))
    from kasauti.backups.proof import fetch

    for number, (found, _) in enumerate(place.list()):
        assert found.encrypted == encrypted
        folder = tmp_path / f"looked-{number}"
        folder.mkdir()
        manifest = fetch(place, str(found), found, folder, secret=secret, told=lambda count: None)
        assert CANARY not in manifest.model_dump_json()
        assert "SLACK_BOT_TOKEN" in manifest.settings, "it is named, for whoever restores"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def test_what_was_set_then_and_is_not_now_is_said(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", CANARY)
    back_up(home, tmp_path / "to")
    monkeypatch.delenv("SLACK_WEBHOOK_URL")
    restored = put_back(Home(tmp_path / "new"), tmp_path / "to")
    assert "SLACK_WEBHOOK_URL" in restored.settings
    assert "KASAUTI_HOME" not in restored.settings and os.environ["KASAUTI_HOME"]


def test_commands_say_what_is_wrong_in_one_line(home: Home, tmp_path: Path, run: Run) -> None:
    told = run("restore", "--from", tmp_path / "nowhere", "--force")
    assert told.code == 2 and "no proved backup" in told.err
    told = run("backup", "--to", "nosuchstore://x")
    assert told.code == 2 and "cannot be used for backups" in told.complaint
    told = run("backups", "--from", tmp_path / "nowhere")
    assert told.code == 1 and "`kasauti backup` takes one" in told.out


def test_the_commands_print_one_object(home: Home, tmp_path: Path, run: Run) -> None:
    to = tmp_path / "to"
    taken = run("backup", "--to", to, "--json")
    assert taken.code == 0 and taken.json["ok"] and taken.json["counts"]["events"] > 0
    assert taken.json["same_disk"] and "set KASAUTI_BACKUP_TO" in run("backup", "--to", to).out
    listed = run("backups", "--from", to, "--json")
    (row,) = listed.json["backups"]
    assert listed.code == 0 and row["proved"] and not row["encrypted"]
    restored = run("restore", "--from", to, "--force")
    assert restored.code == 0 and "New entries are closed" in restored.out
    assert "former state is in" in restored.out
