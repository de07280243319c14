"""kasauti trial and kasauti arm, from the first session to the phrase."""

import re
from contextlib import closing

import pytest

from kasauti.execution.events import ArmingAsked, Disarmed
from kasauti.execution.ledger import Ledger
from kasauti.execution.nightly import record
from kasauti.home import Home
from tests.cli.conftest import Run
from tests.execution.desks import told
from tests.execution.trials import DAYS, moment, passed, row

ASK = ("arm", "--who", "Asha", "--reason", "it went well", "--account", "A123")


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
    assert [r["kind"] for r in told.json["twin"]] == ["same", "same", "missed"]
    shown = run("trial").out
    assert "2 of 30 paper sessions passed." in shown
    assert "no order was wanted" in shown and "NO" in shown
    assert "Nothing is armed" in shown


def test_a_passed_trial_exits_with_success(run: Run, home: Home) -> None:
    prepared(home, 30)
    assert run("trial").code == 0


def test_arming_shows_a_phrase_that_is_not_taken_at_once(run: Run, home: Home) -> None:
    prepared(home, 30)
    asked = run(*ASK, "--json")
    assert asked.code == 0 and asked.json["armed"] is False
    phrase = asked.json["phrase"]
    assert re.fullmatch(r"arm A123 ultra-conservative losing 150 a day [A-Z2-7]{8}", phrase)
    assert "think it over" in run("arm", "--confirm", phrase).complaint
    assert "not the phrase" in run("arm", "--confirm", "yes").complaint
    again = run(*ASK)
    assert 'kasauti arm --confirm "arm A123' in again.out and phrase not in again.out
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
        pytest.param(("arm", "--confirm", "arm"), "nothing is to be confirmed", id="never-asked"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    given: tuple[str, ...], wrong: str, run: Run, home: Home
) -> None:
    prepared(home, 30)
    ran = run(*given)
    assert ran.code == 2 and wrong in ran.complaint


def test_an_unfinished_trial_is_not_armed(run: Run, home: Home) -> None:
    prepared(home, 3)
    assert "3 of 30 paper sessions have passed" in run(*ASK).complaint
