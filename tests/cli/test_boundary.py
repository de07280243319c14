"""The process boundary: exit codes, one line for the user's mistakes, a clean standard output."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest

from kasauti.cli import cli
from kasauti.home import Home
from kasauti.options import emit, json_option
from tests.cli.conftest import Ran, Run, written

COMMANDS = sorted(
    [
        "alerts",
        "arm",
        "backtest",
        "backup",
        "backups",
        "bench",
        "caches",
        "calibrate",
        "compile",
        "daily",
        "demo",
        "desk",
        "evolve",
        "ingest",
        "judge",
        "kill",
        "ledger",
        "limits",
        "noise",
        "profile",
        "prove",
        "reconcile",
        "report",
        "restore",
        "resume",
        "review",
        "signals",
        "sql",
        "status",
        "stress",
        "trial",
        "up",
        "weekly",
    ]
)
ROOT = Path(__file__).resolve().parent.parent.parent


def process(home: Home, *command: str) -> Ran:
    """Run a command in a process of its own."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "KASAUTI_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def kasauti(home: Home, *arguments: str) -> Ran:
    return process(home, str(Path(sys.executable).parent / "kasauti"), *arguments)


def program(home: Home, text: str) -> Ran:
    return process(home, sys.executable, "-c", text)


def test_help_lists_what_exists_and_nothing_else(run: Run) -> None:
    listed = run("--help").out.split("Commands:")[1].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(run: Run, name: str) -> None:
    told = run(name, "--help")
    assert told.code == 0
    assert f"Usage: kasauti {name}" in told.out
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.help
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not silent, "options without a word of help"


def test_help_and_kill_are_quick(home: Home) -> None:
    """Neither waits for the libraries that compute: a start with them costs seconds."""
    told = program(
        home,
        "import json, sys\n"
        "from kasauti.cli import main\n"
        "loaded = []\n"
        "for arguments in (['--help'], ['evolve', '--help'], ['kill', '--json']):\n"
        "    sys.argv = ['kasauti', *arguments]\n"
        "    try: main()\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "    heavy = {'numba', 'pandas', 'dagster', 'pyarrow', 'duckdb', 'talib', 'vectorbt'}\n"
        "    loaded.append(sorted(heavy & set(sys.modules)))\n"
        "print(json.dumps(loaded))\n",
    )
    assert told.code == 0, told.err
    assert json.loads(told.out.splitlines()[-1]) == [[], [], []]


def test_the_real_command_prints_one_object_and_nothing_else(home: Home, genome: Path) -> None:
    told = kasauti(home, "backtest", "--genome", str(genome), "--until", "2009-12-31", "--json")
    assert told.code == 0, told.err
    assert set(told.json) >= {"genome", "trades", "metrics"}
    assert "The look is recorded" in told.err
    refused = kasauti(home, "backtest", "--genome", str(genome), "--bars", "nowhere", "--json")
    assert refused.code == 2
    assert "nowhere is not a folder" in refused.complaint


def test_a_bug_is_no_answer(home: Home) -> None:
    """An unexpected exception keeps its traceback and exits with none of 0, 1 and 2."""
    told = program(
        home,
        "import sys\n"
        "from kasauti.cli import cli, main\n"
        "@cli.command()\n"
        "def broken(): raise ZeroDivisionError('by a bug')\n"
        "sys.argv = ['kasauti', 'broken']\n"
        "main()\n",
    )
    assert told.code == 70
    assert "Traceback" in told.err and "ZeroDivisionError: by a bug" in told.err
    assert "report it" in told.err.splitlines()[-1]


def test_what_libraries_print_does_not_reach_the_result(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    @json_option
    def noisy(as_json: bool) -> None:
        sys.stdout.write("a library talks\n")
        warnings.warn("a library warns", stacklevel=1)
        emit({"answer": 42}, as_json, lambda: click.echo("forty-two"))

    monkeypatch.setitem(cli.commands, "noisy", noisy)
    with pytest.warns(UserWarning, match="library"):
        told = run("noisy", "--json")
    assert told.json == {"answer": 42}
    assert "a library talks" in told.err
    with pytest.warns(UserWarning, match="library"):
        assert run("noisy").out == "a library talks\nforty-two\n"


def test_nan_never_reaches_the_result(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @json_option
    def undefined(as_json: bool) -> None:
        emit({"answer": float("nan")}, as_json, lambda: None)

    monkeypatch.setitem(cli.commands, "undefined", undefined)
    with pytest.raises(ValueError, match="JSON"):
        run("undefined", "--json")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gibberish"], "No such command 'gibberish' (see `kasauti --help`)"),
        (["nose"], "No such command 'nose'. Did you mean 'noise'? (see `kasauti --help`)"),
        (["backtest"], "Missing option '--genome' (see `kasauti backtest --help`)"),
        (["evolve", "--evaluations", "0"], "0 is not in the range x>=1"),
        (["evolve", "--seed", "-1"], "-1 is not in the range x>=0"),
        (["evolve", "--bars", "nowhere"], "nowhere is not a folder"),
        (["evolve", "--market", "bse"], "no market 'bse': use one of ['nse', 'sample']"),
        (["evolve", "--index", "NIFTY50"], "the sample names its own index"),
        (["ingest", "nowhere"], "'nowhere' does not exist"),
        (["resume", "--who", "me"], "Missing option '--reason'"),
        (["resume", "--reason", "fine"], "Missing option '--who'"),
        (["signals"], "run `kasauti demo` first"),
        (["report"], "run `kasauti demo` first"),
        (["sql"], "nothing is stored"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_users_mistake_is_one_line(run: Run, arguments: list[str], says: str) -> None:
    told = run(*arguments)
    assert told.code == 2
    assert says in told.complaint


def test_a_state_folder_that_is_none(run: Run, home: Home) -> None:
    written(home.root, "a file")
    told = run("evolve", "--evaluations", 10, "--population", 10)
    assert told.code == 2
    assert "KASAUTI_HOME" in told.complaint
