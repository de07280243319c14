"""Live trading needs a passed trial, two confirmations apart in time, and the environment."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import UsageError
from kasauti.execution import arming
from kasauti.execution.arming import ANSWER, THINK
from kasauti.execution.events import (
    LimitsSealed,
    Reconciled,
    StrategyDemoted,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import profile
from kasauti.execution.live import live_keys
from kasauti.execution.model import Scope
from tests.execution.trials import DAYS, LIMITS, after, ledger_of, passed, session

NOW = after()
SECOND = timedelta(seconds=1)
LIVE = {"KASAUTI_LIVE": "A123"}


def ask(ledger: Ledger, now: datetime = NOW, **changes: Any) -> arming.Asked:
    given: dict[str, Any] = {
        "account": "A123",
        "by": "Asha",
        "reason": "the trial went well",
        "token": b"abcde",
    }
    return arming.ask(ledger, now=now, **(given | changes))


def armed(folder: Path) -> Ledger:
    ledger = passed(folder)
    asked = ask(ledger)
    arming.confirm(ledger, phrase=asked.phrase, now=NOW + THINK)
    return ledger


def test_two_confirmations_arm_and_the_phrase_says_what_is_at_stake(tmp_path: Path) -> None:
    ledger = passed(tmp_path)
    asked = ask(ledger)
    assert asked.phrase == "arm A123 ultra-conservative losing 150 a day MFRGGZDF"
    assert not live_keys(ledger.book(), LIVE, NOW).armed, "asking alone arms nothing"
    found = arming.confirm(ledger, phrase=asked.phrase, now=NOW + THINK)
    assert (found.by, found.account, found.most_loss) == ("Asha", "A123", Decimal(150))
    assert live_keys(ledger.book(), LIVE, NOW + THINK).agree
    said = [message for _, message in ledger.outbox()]
    assert "Asha asks to arm A123" in said[-2] and "ARMED for live trading" in said[-1]
    assert ledger.verify().ok
    assert asked.phrase not in ledger.path.read_bytes().decode("latin-1"), "only its digest"


@pytest.mark.parametrize(
    ("environment", "agree"),
    [
        pytest.param({"KASAUTI_LIVE": "A123"}, True, id="names-the-account"),
        pytest.param({}, False, id="unset"),
        pytest.param({"KASAUTI_LIVE": "1"}, False, id="only-true"),
        pytest.param({"KASAUTI_LIVE": "B999"}, False, id="another-account"),
    ],
)
def test_both_keys_have_to_agree(environment: dict[str, str], agree: bool, tmp_path: Path) -> None:
    ledger = armed(tmp_path)
    assert live_keys(ledger.book(), environment, NOW + THINK).agree is agree


def test_without_an_arming_the_environment_alone_is_nothing(tmp_path: Path) -> None:
    assert not live_keys(passed(tmp_path).book(), LIVE, NOW).agree


def test_an_arming_ends_by_itself(tmp_path: Path) -> None:
    ledger = armed(tmp_path)
    end = NOW + timedelta(days=30)
    assert live_keys(ledger.book(), LIVE, end - SECOND).agree
    assert not live_keys(ledger.book(), LIVE, end).agree


def test_an_arming_does_not_cover_larger_limits(tmp_path: Path) -> None:
    ledger = armed(tmp_path)
    larger = profile("moderate")
    sealed = LimitsSealed(DAYS[30], larger, larger.hash)
    ledger.append(sealed, at=NOW + timedelta(days=1), epoch=ledger.epoch())
    assert not live_keys(ledger.book(), LIVE, NOW + timedelta(days=1)).armed
    tighter = replace(LIMITS, daily_loss=Decimal(100), risk_per_trade=Decimal(100))
    sealed = LimitsSealed(DAYS[31], tighter, tighter.hash)
    ledger.append(sealed, at=NOW + timedelta(days=2), epoch=ledger.epoch())
    assert live_keys(ledger.book(), LIVE, NOW + timedelta(days=2)).armed


def test_an_arming_names_the_strategies_that_passed_and_a_demotion_ends_theirs(
    tmp_path: Path,
) -> None:
    ledger = armed(tmp_path)
    keys = live_keys(ledger.book(), LIVE, NOW + THINK)
    assert keys.agree and keys.genomes == ("g",)
    fell = StrategyDemoted("g", DAYS[30], "over tolerance")
    ledger.append(fell, at=NOW + timedelta(days=1))
    keys = live_keys(ledger.book(), LIVE, NOW + timedelta(days=1))
    assert not keys.armed and keys.genomes == ()


def test_a_trial_of_long_ago_arms_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the last paper session was on"):
        ask(passed(tmp_path), NOW + timedelta(days=8))


def test_disarming_ends_it_at_once(tmp_path: Path) -> None:
    ledger = armed(tmp_path)
    assert arming.disarm(ledger, by="Ravi", reason="enough", now=NOW + THINK)
    assert not live_keys(ledger.book(), LIVE, NOW + THINK).armed
    assert not arming.disarm(ledger, by="Ravi", reason="enough", now=NOW + THINK)
    with pytest.raises(UsageError, match="name and a reason"):
        arming.disarm(ledger, by="", reason="enough", now=NOW)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        pytest.param({"account": " "}, "an account, a person's name", id="no-account"),
        pytest.param({"by": ""}, "a person's name", id="nobody"),
        pytest.param({"reason": ""}, "a reason", id="no-reason"),
        pytest.param({"days": 31}, "1 to 30 days, not 31", id="too-long"),
        pytest.param({"days": 0}, "1 to 30 days, not 0", id="no-days"),
        pytest.param({"token": b""}, "random bytes", id="no-token"),
        pytest.param({"needed": 29}, "30 sessions at least", id="fewer-sessions"),
        pytest.param(
            {"needed": 31}, "30 of 31 paper sessions have passed with any one", id="more-sessions"
        ),
    ],
)
def test_asking_refuses_what_is_missing(
    changes: dict[str, Any], wrong: str, tmp_path: Path
) -> None:
    ledger = passed(tmp_path)
    before = ledger.seq()
    with pytest.raises(UsageError, match=wrong):
        ask(ledger, **changes)
    assert ledger.seq() == before


def test_a_replay_or_an_unfinished_trial_is_never_armed(tmp_path: Path) -> None:
    short, shown = tmp_path / "short", tmp_path / "replay"
    short.mkdir()
    shown.mkdir()
    with pytest.raises(UsageError, match="29 of 30 paper sessions"):
        ask(passed(short, 29))
    replayed = ledger_of(shown, [session(day) for day in DAYS[:30]], scope=Scope.REPLAY)
    with pytest.raises(UsageError, match="a replay ledger can never be armed"):
        ask(replayed)


def _kill(ledger: Ledger) -> None:
    Latch.beside(ledger.path).set(ledger, by="Asha", reason="stop", at=NOW)


def _reduce(ledger: Ledger) -> None:
    changed = TradingStateChanged(TradingState.REDUCING, "Asha", "careful")
    ledger.append(changed, at=NOW, epoch=ledger.epoch())


def _trip(ledger: Ledger) -> None:
    tripped = TradingStateChanged(TradingState.REDUCING, "K22", "lost 150", breaker="K22")
    ledger.append(tripped, at=NOW, epoch=ledger.epoch())


def _differ(ledger: Ledger) -> None:
    ledger.append(Reconciled(("cash",)), at=NOW, epoch=ledger.epoch())


@pytest.mark.parametrize(
    ("breaks", "wrong"),
    [
        pytest.param(_kill, "the kill switch is set", id="killed"),
        pytest.param(_reduce, "trading is REDUCING", id="reducing"),
        pytest.param(_trip, "the breaker K22 is open .lost 150.", id="daily-loss"),
        pytest.param(_differ, "ledger and broker differ", id="differences"),
    ],
)
def test_an_open_breaker_refuses_both_confirmations(
    breaks: Callable[[Ledger], None], wrong: str, tmp_path: Path
) -> None:
    ledger = passed(tmp_path)
    asked = ask(ledger)
    breaks(ledger)
    with pytest.raises(UsageError, match=wrong):
        ask(ledger)
    with pytest.raises(UsageError, match=wrong):
        arming.confirm(ledger, phrase=asked.phrase, now=NOW + THINK)
    assert ledger.book().armed is None


@pytest.mark.parametrize(
    ("phrase", "later", "wrong"),
    [
        pytest.param(None, THINK - SECOND, "think it over", id="too-soon"),
        pytest.param(None, ANSWER, "too old", id="too-late"),
        pytest.param("yes", THINK, "not the phrase", id="another-phrase"),
    ],
)
def test_the_second_confirmation_is_the_phrase_in_its_time(
    phrase: str | None, later: timedelta, wrong: str, tmp_path: Path
) -> None:
    ledger = passed(tmp_path)
    asked = ask(ledger)
    with pytest.raises(UsageError, match=wrong):
        arming.confirm(ledger, phrase=phrase or asked.phrase, now=NOW + later)
    assert ledger.book().armed is None


def test_a_phrase_counts_once_and_only_the_newest_one(tmp_path: Path) -> None:
    ledger = passed(tmp_path)
    with pytest.raises(UsageError, match="nothing is to be confirmed"):
        arming.confirm(ledger, phrase="arm", now=NOW)
    old = ask(ledger)
    new = ask(ledger, token=b"fghij")
    with pytest.raises(UsageError, match="not the phrase"):
        arming.confirm(ledger, phrase=old.phrase, now=NOW + THINK)
    arming.confirm(ledger, phrase=f"  {new.phrase.upper()} ", now=NOW + THINK)
    arming.disarm(ledger, by="Asha", reason="test", now=NOW + THINK)
    with pytest.raises(UsageError, match="nothing is to be confirmed"):
        arming.confirm(ledger, phrase=new.phrase, now=NOW + THINK)


def test_limits_that_grew_after_the_first_confirmation_end_it(tmp_path: Path) -> None:
    ledger = passed(tmp_path)
    asked = ask(ledger)
    larger = profile("conservative")
    ledger.append(LimitsSealed(DAYS[30], larger, larger.hash), at=NOW, epoch=ledger.epoch())
    with pytest.raises(UsageError, match="limits have changed"):
        arming.confirm(ledger, phrase=asked.phrase, now=NOW + THINK)
