"""Whatever takes more than two seconds shows that it works; standard output stays the result's."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from kasauti.cli import cli
from kasauti.home import Home
from tests.cli.conftest import Run, written
from tests.execution.world import World

GENOME, FOLDER = "GENOME", "FOLDER"  # stand for what a test makes

LONG = [
    (("backtest", "--genome", GENOME), "backtest"),
    (("bench", "--quick"), ""),
    (("calibrate", "--worlds", "30", "--workers", "1"), "worlds"),
    (("compile",), "compile kernels"),
    (("demo",), ""),
    (("evolve",), "evolve"),
    (("ingest", FOLDER), "read and check the files"),
    (("judge", "--genome", GENOME), "judge"),
    (("ledger", "verify"), "verify ledgers"),
    (("limits",), "read the ledgers"),
    (("noise", "--worlds", "1", "--workers", "1"), "worlds"),
    (("prove", "--genome", GENOME), "prove"),
    (("report",), "write the report"),
    (("signals",), "decide signals"),
    (("status",), "look at everything"),
    (("stress", "--genome", GENOME), "replay crashes"),
    (("trial",), "read the paper ledger"),
]
"""Commands that may take more than two seconds, and the stage that each of them shows first."""

SHORT = {
    *("alerts", "arm", "backups", "caches", "daily", "kill", "reconcile", "resume", "review"),
    *("sql", "weekly"),
    "profile",  # shows what its command shows
    *("desk", "up"),  # run for ever
}


class Seen(KeyboardInterrupt):
    """The first sign of progress was there: the command need not go on."""


class Terminal(io.StringIO):
    """A plain terminal that ends the command, as Ctrl-C does, at the first line of a stage."""

    ended = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if not self.ended and any(line.startswith("· ") for line in text.splitlines()):
            self.ended = True
            raise Seen
        return written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"2024-{1 + k // 28:02d}-{1 + k % 28:02d},100,101,99,100.5,1000" for k in range(60)]
    made = tmp_path / "bars"
    made.mkdir()
    written(made / "TEST.csv", "\n".join(["date,open,high,low,close,volume", *rows]))
    return made


def filled(arguments: Sequence[str], genome: Path, folder: Path) -> list[str]:
    paths = {GENOME: str(genome), FOLDER: str(folder)}
    return [paths.get(argument, argument) for argument in arguments]


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "dumb")  # lines instead of a bar
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_every_command_is_known_to_be_long_or_short() -> None:
    names = cli.list_commands(click.Context(cli))
    assert sorted({arguments[0] for arguments, _ in LONG} | SHORT | {"backup", "restore"}) == names


@pytest.mark.parametrize(
    ("arguments", "stage"), LONG, ids=[" ".join(arguments[:2]) for arguments, _ in LONG]
)
def test_what_takes_long_says_so_on_a_terminal(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    genome: Path,
    folder: Path,
    arguments: Sequence[str],
    stage: str,
) -> None:
    terminal = watched(monkeypatch)
    told = run(*filled(arguments, genome, folder))
    assert terminal.ended, terminal.getvalue()
    assert told.code == 130
    assert f"· {stage}" in terminal.getvalue()
    assert told.out == ""


@pytest.mark.parametrize(
    "arguments",
    [("ledger", "verify"), ("limits",), ("trial",), ("ingest", FOLDER)],
    ids=lambda value: " ".join(value),
)
def test_short_work_is_quiet_without_a_terminal(
    run: Run, desk: World, genome: Path, folder: Path, arguments: Sequence[str]
) -> None:
    told = run(*filled(arguments, genome, folder), "--json")
    assert told.json
    assert not [line for line in told.err.splitlines() if line.startswith(("·", "✓"))]


def test_verifying_counts_the_events(
    home: Home, run: Run, desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kasauti.execution import audit
    from kasauti.execution.stop import ledgers_of

    told: list[str] = []
    monkeypatch.setattr(audit, "TOLD_EVERY", 2)
    places = ((scope.value, place) for scope, place in ledgers_of(home).items())
    audit.audits(places, told.append)
    events = desk.desk.book.seq
    assert f"replay: event 2 of {events}" in told
    assert told[-1] == "replay: making the book anew"


@pytest.mark.parametrize(
    ("command", "stage"), [("backup", "copy, pack and upload"), ("restore", "download and unpack")]
)
def test_a_backup_and_its_way_back_say_so_too(
    run: Run,
    desk: World,
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    stage: str,
) -> None:
    arguments = [command]
    if command == "restore":
        assert run("backup").code == 0
        arguments += ["--from", str(home.backups)]
        monkeypatch.setenv("KASAUTI_HOME", str(tmp_path / "other"))
    terminal = watched(monkeypatch)
    told = run(*arguments)
    assert (told.code, told.out) == (130, ""), terminal.getvalue()
    assert f"· {stage}" in terminal.getvalue()
