"""`kasauti profile` and `kasauti caches`, as a user runs them."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kasauti.home import Home
from tests.cli.conftest import Run, written


def test_the_result_and_the_exit_code_are_the_commands_own(run: Run, tmp_path: Path) -> None:
    """In a process of its own, where the libraries are not loaded yet."""
    page, plain = tmp_path / "tree.html", run("trial", "--json")
    kasauti = str(Path(sys.executable).parent / "kasauti")
    told = subprocess.run(
        [kasauti, "profile", "--html", str(page), "trial", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == plain.code == 1, told.stderr
    assert json.loads(told.stdout) == plain.json
    assert "kasauti trial took" in told.stderr
    assert "loading libraries" in told.stderr
    assert "What a compiled kernel does" in told.stderr
    assert page.read_text().lower().startswith("<!doctype html>")


def test_the_users_mistake_in_the_command_is_still_one_line(run: Run) -> None:
    told = run("profile", "ingest", "nowhere")
    assert told.code == 2
    assert "'nowhere' does not exist" in told.complaint
    assert "kasauti ingest took" in told.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing argument 'COMMAND...'"),
        (["gibberish"], "No such command 'gibberish'"),
        (["profile", "status"], "name another command"),
        (["up"], "runs until it is stopped"),
        (["desk", "--profile", "custom"], "runs until it is stopped"),
        (["--html", "no/where/x.html", "trial"], "there is no folder"),
    ],
    ids=["nothing", "unknown", "itself", "up", "desk", "no folder"],
)
def test_what_cannot_be_profiled_is_refused_before_it_runs(
    run: Run, arguments: list[str], says: str
) -> None:
    told = run("profile", *arguments)
    assert told.code == 2
    assert says in told.complaint
    assert "took" not in told.err


def test_caches_are_listed_and_cleared(run: Run, home: Home) -> None:
    written(folder(home.root / "noise") / "a.jsonl", "12345")
    rows = {row["name"]: row for row in run("caches", "--json").json["caches"]}
    assert rows["worlds"]["bytes"] == 5 and rows["worlds"]["clearable"]
    assert not rows["lake"]["clearable"]
    assert all(row["path"] and row["loss"] for row in rows.values())
    told = run("caches")
    assert all(name in told.out for name in rows)
    cleared = run("caches", "clear", "worlds", "--yes", "--json")
    assert cleared.json == {"cleared": [{"name": "worlds", "files": 1, "bytes": 5, "left": []}]}
    assert not (home.root / "noise" / "a.jsonl").exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("", 130), ("y\n", 0)])
def test_clearing_asks(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    file = written(folder(home.root / "noise") / "a.jsonl", "12345")
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert run("caches", "clear", "worlds").code == code
    assert file.exists() == bool(code)


@pytest.mark.parametrize("name", ["lake", "vault", "ledger", "backups"])
def test_what_must_not_be_lost_is_no_cache(run: Run, name: str) -> None:
    told = run("caches", "clear", name, "--yes")
    assert told.code == 2
    assert name in told.complaint


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
