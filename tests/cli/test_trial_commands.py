"""kasauti trial and kasauti arm, from the first session to the phrase."""

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kasauti import trial_commands
from kasauti.execution.events import ArmingAsked, Disarmed
from kasauti.execution.ledger import Ledger
from kasauti.execution.nightly import record
from kasauti.home import Home
from tests.cli.conftest import Run
from tests.execution.desks import told
from tests.execution.trials import DAYS, after, moment, passed, row

ASK = ("arm", "--who", "Asha", "--reason", "it went well", "--account", "A123")


@pytest.fixture(autouse=True)
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The evening after the trial, and a person at the keyboard; another test takes both away."""
    monkeypatch.setattr(trial_commands, "_now", after)
    monkeypatch.setattr("sys.stdin", Terminal())


class Terminal(io.StringIO):
    """What a person typed."""

    def isatty(self) -> bool:
        return True


def prepared(home: Home, count: int) -> None:
    home.root.mkdir(parents=True)
    passed(home.root, count).close()


def test_before_any_session_the_trial_has_none(run: Run) -> None:
    told = run("trial", "--json")
    assert told.code == 1
    assert (told.json["passed"], told.json["needed"], told.json["sessions"]) == (0, 30, [])
    assert "no session has passed" in run(*ASK).complaint


def test_the_trial_counts_and_shows_the_table(run: Run, home: Home) -> None:
    prepared(home, 2)
    with closing(Ledger.existing(home.ledger)) as ledger:
        late = [row(DAYS[2], "h", within=False)]
        record(ledger, DAYS[2], ["h"], late, now=moment(DAYS[2], 20))
    told = run("trial", "--json")
    assert told.code == 1
    assert [s["passed"] for s in told.json["sessions"]] == [True, True]
    assert [r["kind"] for r in told.json["twin"]] == ["same"] * 4 + ["missed"]
    shown = run("trial").out
    assert "2 paper sessions passed. Live trading needs 30 a strategy" in shown
    assert "no order was wanted" in shown and "NO" in shown
    assert "Nothing is armed" in shown


def test_a_passed_trial_exits_with_success(run: Run, home: Home) -> None:
    prepared(home, 30)
    assert run("trial").code == 0


def test_arming_shows_a_phrase_that_is_not_taken_at_once(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(phrase: str) -> str:
        monkeypatch.setattr("sys.stdin", Terminal(f"{phrase}\n"))
        return run("arm", "--confirm").err

    prepared(home, 30)
    asked = run(*ASK, "--json")
    assert asked.code == 0 and asked.json["armed"] is False
    (phrase,) = re.findall(r"arm A123 ultra-conservative losing 150 a day [A-Z2-7]{8}", asked.err)
    assert phrase not in asked.out, "no program needs it"
    assert "think it over" in typed(phrase)
    assert "not the phrase" in typed("yes")
    again = run(*ASK)
    assert "kasauti arm --confirm, and type\n  arm A123" in again.out and phrase not in again.out
    assert run("arm", "--off", "--who", "Asha", "--reason", "not yet").out == "Disarmed.\n"
    with closing(Ledger.existing(home.ledger)) as ledger:
        assert len(told(ledger, ArmingAsked)) == 2
        assert told(ledger, Disarmed) == [Disarmed("Asha", "not yet")]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        pytest.param(("arm",), "needs an account", id="nothing"),
        pytest.param((*ASK, "--days", "31"), "1 to 30 days", id="too-long"),
        pytest.param(("arm", "--off"), "name and a reason", id="off-by-nobody"),
        pytest.param(("arm", "--confirm"), "nothing is to be confirmed", id="never-asked"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    given: tuple[str, ...], wrong: str, run: Run, home: Home
) -> None:
    prepared(home, 30)
    ran = run(*given)
    assert ran.code == 2 and wrong in ran.err


def test_an_unfinished_trial_is_not_armed(run: Run, home: Home) -> None:
    prepared(home, 3)
    assert "3 of 30 paper sessions have passed" in run(*ASK).complaint


def test_no_script_arms_anything(home: Home) -> None:
    """A real process: through a pipe it is refused, at a real terminal it asks for the phrase."""
    prepared(home, 30)
    command = [str(Path(sys.executable).with_name("kasauti")), "arm", "--confirm"]
    piped = subprocess.run(command, input="arm", capture_output=True, text=True, timeout=60)
    assert piped.returncode == 2 and "type it at a terminal" in piped.stderr
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"arm\n")
    person = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60)
    os.close(keyboard)
    os.close(terminal)
    assert person.returncode == 2 and "nothing is to be confirmed" in person.stderr
