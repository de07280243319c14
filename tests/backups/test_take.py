"""Taking a backup: under writes, on a broken state, on a full disk, killed in the middle."""

import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from kasauti.backups import history
from kasauti.backups.place import BackupPlace
from kasauti.backups.take import settings
from kasauti.bench.execution_ledger import _intent
from kasauti.errors import BackupError
from kasauti.evolution.register import TrialRegister
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place, paper_place
from kasauti.home import Home
from tests.backups.states import NOW, back_up, ledger_of, put_back
from tests.evolution.small import dataset, trial
from tests.execution.world import OPEN

WRITERS = 8
LATER = OPEN + timedelta(hours=12)


def write(place: Place, home: Home, number: int, stopped: Event) -> None:
    """Append to the ledger, the register and a feed until told to stop."""
    ledger, register = Ledger.existing(place), TrialRegister(home.register)
    feed = home.feed / f"{number}.jsonl"
    count = 0
    with closing(ledger), feed.open("ab", buffering=0) as ticks:
        while not stopped.is_set():
            time.sleep(0.01)  # eight that never rest leave a backup of two cores nothing
            count += 1
            ledger.claim(_intent(f"{number}/{count}", LATER), at=LATER)
            ticks.write(json.dumps({"number": count}).encode())
            ticks.write(b"\n")
            if count % 4 == 0:
                names = [trial(f"g{number}-{count}")]
                register.record(dataset("d1"), names, at=NOW)


@contextmanager
def writers(home: Home) -> Iterator[None]:
    # Forked from here, a child would collect connections that the fixture left open, and closing
    # an inherited one breaks the child's own: 6 of 14 runs ended with a disk I/O error.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    stopped, place = context.Event(), paper_place(home)
    running = [
        context.Process(target=write, args=(place, home, number, stopped))
        for number in range(WRITERS)
    ]
    for process in running:
        process.start()
    try:
        yield
    finally:
        stopped.set()
        for process in running:
            process.join()
    assert [process.exitcode for process in running] == [0] * WRITERS


@pytest.fixture
def written(home: Home, place: Place, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A state whose paper ledger is on SQLite or on PostgreSQL."""
    if place.url is not None:
        from sqlalchemy import URL

        assert isinstance(place.url, URL)
        home.ledger.unlink()
        home.ledger.with_name("ledger.sqlite.anchor").unlink()
        text = place.url.render_as_string(hide_password=False)
        monkeypatch.setenv("KASAUTI_LEDGER_URL", text)
        Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=OPEN, url=text).close()
    return home


def grown(ledger: Ledger, beyond: int) -> int:
    """Wait until the writers have written on; return the number of the last event."""
    until = time.monotonic() + 60
    while (seq := ledger.seq()) <= beyond:
        assert time.monotonic() < until, f"no event after {beyond} in a minute"
        time.sleep(0.01)
    return seq


def test_eight_processes_write_meanwhile(written: Home, tmp_path: Path) -> None:
    """Every backup is of one moment, and the last has all that was written before it began."""
    where = tmp_path / "to"
    with closing(Ledger.existing(written.replay_ledger)) as replay:
        replayed = replay.seq()
    with closing(ledger_of(written)) as ledger:
        before = ledger.seq()
        with writers(written):
            for number in range(2):
                before = grown(ledger, beyond=before)
                taken = back_up(written, where, now=NOW + timedelta(minutes=number))
                assert taken.tried.ok, taken.problems
                assert before <= taken.counts["events"] - replayed <= ledger.seq()
    with closing(ledger_of(written)) as ledger:
        assert ledger.verify().ok
        whole = [tuple(row) for row in ledger.rows()]
    fresh = Home(tmp_path / "new")
    os.environ.pop("KASAUTI_LEDGER_URL", None)  # a new machine has none: it goes into a file
    put_back(fresh, where)
    with closing(Ledger.existing(fresh.ledger)) as ledger:
        rows = [tuple(row) for row in ledger.rows()]
        assert ledger.verify().ok
    *kept, _, _, _ = rows  # a restore adds an epoch, the closed entries and a request
    assert kept == whole[: len(kept)] and len(kept) >= before
    for feed in fresh.feed.glob("[0-9].jsonl"):
        numbers = [json.loads(line)["number"] for line in feed.read_text().splitlines()]
        assert numbers == list(range(1, len(numbers) + 1)), "no line is half a line"


def test_a_state_that_does_not_verify_is_kept_but_never_proved(home: Home, tmp_path: Path) -> None:
    where = tmp_path / "to"
    sound = back_up(home, where)
    with closing(sqlite3.connect(home.ledger)) as ledger:
        ledger.execute("DROP TRIGGER events_no_update")
        (payload,) = ledger.execute("SELECT payload FROM events WHERE seq = 3").fetchone()
        ledger.execute("UPDATE events SET payload = ? WHERE seq = 3", (payload + " ",))
        ledger.commit()
    broken = back_up(home, where, now=NOW + timedelta(days=1))
    assert not broken.tried.ok and broken.problems == ("ledger.sqlite: event 3 was changed",)
    names = {str(name): name.proved for name, _ in BackupPlace(str(where)).list()}
    assert names == {sound.tried.name: True, broken.tried.name: False}
    assert put_back(Home(tmp_path / "new"), where).name == sound.tried.name
    with pytest.raises(BackupError, match="event 3 was changed"):
        put_back(Home(tmp_path / "other"), where, wanted=broken.tried.name)
    assert not (tmp_path / "other").exists()
    oks = [(one.name, one.ok) for one in history.read(home)]
    assert oks == [(sound.tried.name, True), (broken.tried.name, False)]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param("register", "row 1 of trials was changed", id="register"),
        pytest.param("vault", "was changed: restore the vault", id="sealed bars"),
        pytest.param("lake", "is damaged", id="a table of the lake"),
        pytest.param("tail", "is not the one that was anchored", id="the ledger's tail is cut off"),
    ],
)
def test_every_part_is_verified(home: Home, tmp_path: Path, harm: str, said: str) -> None:
    if harm == "register":
        with closing(sqlite3.connect(home.register)) as register:
            register.execute("DROP TRIGGER trials_no_update")
            register.execute("UPDATE trials SET at = 'never'")
            register.commit()
    elif harm == "vault":
        sealed = next(home.vault.glob("*.sealed"))
        sealed.chmod(0o600)
        sealed.write_bytes(sealed.read_bytes()[::-1])
    elif harm == "lake":
        import pandas as pd

        table = next((home.lake / "signals" / "daily").glob("*.parquet"))
        pd.DataFrame({"symbol": ["OTHER"]}).to_parquet(table)
    else:
        with closing(sqlite3.connect(home.ledger)) as ledger:
            ledger.execute("DROP TRIGGER events_no_delete")
            ledger.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
            ledger.commit()
    taken = back_up(home, tmp_path / "to")
    assert not taken.tried.ok and said in " ".join(taken.problems)


def test_a_database_that_is_none_is_said(home: Home, tmp_path: Path) -> None:
    (home.root / "other.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(BackupError, match=r"other\.db cannot be copied"):
        back_up(home, tmp_path / "to")
    assert not any((tmp_path / "to").iterdir())
    (line,) = history.read(home)
    assert not line.ok and "other.db" in line.detail


def test_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds nothing yet"):
        back_up(Home(tmp_path / "var"), tmp_path / "to")
    assert not any(tmp_path.iterdir())


def test_only_one_at_a_time(home: Home, tmp_path: Path) -> None:
    from kasauti.execution.lease import FileLock

    home.backups.mkdir()
    lock = FileLock.take(home.backups / "lock")
    assert lock is not None
    with pytest.raises(BackupError, match="another backup is being taken"):
        back_up(home, tmp_path / "to")
    lock.release()
    assert back_up(home, tmp_path / "to").tried.ok


def test_old_ones_are_deleted_once_a_new_one_is_proved(home: Home, tmp_path: Path) -> None:
    where = tmp_path / "to"
    for hour in range(3):
        taken = back_up(home, where, now=NOW + timedelta(hours=hour))
    assert len(taken.deleted) == 1, "one of a day is kept: each deletes the one before"
    assert [str(name) for name, _ in BackupPlace(str(where)).list()] == [taken.tried.name]


def test_the_record_has_one_line_of_each_try(home: Home, tmp_path: Path) -> None:
    taken = back_up(home, tmp_path / "to")
    (line,) = (json.loads(row) for row in home.backup_proofs.read_text().splitlines())
    assert line["at"] == NOW.isoformat() and line["ok"] is True
    assert line["place"] == str(tmp_path / "to") and line["name"] == taken.tried.name
    assert line["bytes"] == (tmp_path / "to" / line["name"]).stat().st_size
    assert set(line["seconds"]) == {
        "copy, pack and upload",
        "restore into a scratch folder",
        "verify",
    }
    with home.backup_proofs.open("a") as file:
        file.write('{"at": "2026-')
    assert list(history.read(home)) == [taken.tried], "a line that broke off is left out"


def test_settings_are_named_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "canary")
    monkeypatch.setenv("KASAUTI_ANYTHING", "canary")
    found = settings()
    assert {"SLACK_BOT_TOKEN", "KASAUTI_ANYTHING"} <= set(found) and "canary" not in str(found)


# -- processes that end in the middle ------------------------------------------------------------

PROGRAM = "import sys; from kasauti.cli import main; sys.argv = ['kasauti', *sys.argv[1:]]; main()"


def kasauti(home: Home, *arguments: str, most_bytes: int | None = None) -> "subprocess.Popen[str]":
    def limit() -> None:
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "KASAUTI_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def noise(home: Home, megabytes: int) -> None:
    """Put something into the state that does not get smaller."""
    (home.root / "verdicts").mkdir(exist_ok=True)
    with (home.root / "verdicts" / "noise.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))


def test_a_full_disk_is_said_and_nothing_half_stays(home: Home, tmp_path: Path) -> None:
    noise(home, 3)
    where = tmp_path / "to"
    process = kasauti(home, "backup", "--to", str(where), most_bytes=2 << 20)
    out, err = process.communicate()
    assert process.returncode == 2 and out == ""
    assert "kasauti: " in err and "File too large" in err and "Traceback" not in err
    assert list(where.iterdir()) == []
    assert not (home.backups / "scratch").exists()
    (line,) = history.read(home)
    assert not line.ok and "File too large" in line.detail
    assert back_up(home, where).tried.ok


def test_a_backup_that_was_killed_leaves_nothing_that_counts(home: Home, tmp_path: Path) -> None:
    noise(home, 200)
    where = tmp_path / "to"
    process = kasauti(home, "backup", "--to", str(where))
    end = time.monotonic() + 20
    while not any(path.stat().st_size for path in where.glob("*.part")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert len(list(where.iterdir())) == 1
    assert BackupPlace(str(where)).list() == []
    noise(home, 1)
    assert back_up(home, where).tried.ok
    (only,) = where.iterdir()
    assert only.suffix == ".zst", "the next one has cleaned up"
