"""Which sessions count towards live trading."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import UsageError
from kasauti.execution.events import (
    Event,
    LimitsSealed,
    Reconciled,
    SelfTested,
    SignalsDecided,
    StrategyDemoted,
    TwinCompared,
)
from kasauti.execution.hosts import RECONCILE_COMMAND, REPLAY, SESSION_JOB, TRADE_JOB
from kasauti.execution.model import Scope
from kasauti.execution.paper_trial import RECENT, trial_of
from kasauti.execution.twin_rows import Leg, Tolerance
from tests.execution.trials import DAYS, leaving, ledger_of, moment, passed, row, session

DAY = DAYS[0]


def without(kind: type[Event]) -> list[Event]:
    return [event for event in session(DAY) if not isinstance(event, kind)]


def with_(event: Event) -> list[Event]:
    return [event if isinstance(old, type(event)) else old for old in session(DAY)]


def compared(**changes: Any) -> list[Event]:
    twin = session(DAY)[-1]
    assert isinstance(twin, TwinCompared)
    return with_(replace(twin, **changes))


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        pytest.param(without(SignalsDecided), "nobody decided what to trade", id="no-decision"),
        pytest.param(
            with_(SignalsDecided(DAY, moment(DAY, 8), ())), "hindsight", id="decided-after-the-open"
        ),
        pytest.param(
            compared(rows=(row(DAY, within=False, fault=True),)),
            "1 differences from the engine are over tolerance",
            id="kasauti-failed",
        ),
        pytest.param(without(LimitsSealed), "no limits were sealed", id="no-limits"),
        pytest.param(without(SelfTested), "controls were not tested", id="no-self-test"),
        pytest.param(without(Reconciled), "never reconciled", id="not-reconciled"),
        pytest.param(
            with_(Reconciled(("cash 5",))), "differed at its end: cash 5", id="differences"
        ),
        pytest.param(without(TwinCompared), "not compared with the engine yet", id="no-twin"),
        pytest.param(compared(genomes=(), rows=()), "no strategy was approved", id="no-strategy"),
        pytest.param(
            compared(rows=(row(DAY), row(DAY, within=False))),
            "1 differences from the engine are over tolerance",
            id="over-tolerance",
        ),
        pytest.param(
            compared(rows=(row(DAY, control="K27"),)), "refused by K27", id="feed-was-dead"
        ),
        pytest.param(
            compared(rows=(row(DAY, control="K09Q"),)), "refused by K09Q", id="quote-was-stale"
        ),
    ],
)
def test_a_session_that_lacks_something_does_not_count(
    events: list[Event], problem: str, tmp_path: Path
) -> None:
    ledger = ledger_of(tmp_path, [events, session(DAYS[1])])
    first, second = trial_of(ledger.events()).sessions
    assert [problem in said for said in first.problems] == [True]
    assert second.passed and trial_of(ledger.events()).passed == 1


def test_an_entry_that_a_limit_refused_does_not_speak_against_a_session(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [compared(rows=(row(DAY, control="K35"),))])
    assert trial_of(ledger.events()).passed == 1


@pytest.mark.parametrize("host", [TRADE_JOB, SESSION_JOB, RECONCILE_COMMAND, REPLAY])
def test_only_sessions_of_the_desk_process_count(host: str, tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [session(DAY)], host=host)
    (only,) = trial_of(ledger.events()).sessions
    assert only.hosts == (host,)
    assert only.problems == (f"hosted by {host}, not by the desk process",)


def test_another_host_in_the_middle_of_a_session_spoils_it(tmp_path: Path) -> None:
    """The desk process was down: somebody else took the lease between its seal and its close."""
    events = session(DAY)
    ledger = ledger_of(tmp_path, [events[:3]])
    epoch = ledger.raise_epoch(host=RECONCILE_COMMAND, at=moment(DAY, 12))
    ledger.append(Reconciled(()), at=moment(DAY, 12), epoch=epoch)
    epoch = ledger.raise_epoch(host="desk process", at=moment(DAY, 13))
    for event in events[3:]:
        ledger.append(event, at=moment(DAY, 16), epoch=epoch)
    (only,) = trial_of(ledger.events()).sessions
    assert only.hosts == ("desk process", RECONCILE_COMMAND) and not only.passed


def test_a_desk_process_that_was_restarted_in_a_session_still_counts(tmp_path: Path) -> None:
    events = session(DAY)
    ledger = ledger_of(tmp_path, [events[:3]])
    epoch = ledger.raise_epoch(host="desk process", at=moment(DAY, 12))
    for event in events[3:]:
        ledger.append(event, at=moment(DAY, 16), epoch=epoch)
    assert trial_of(ledger.events()).passed == 1


def test_a_replay_never_counts(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [session(day) for day in DAYS[:30]], scope=Scope.REPLAY)
    trial = trial_of(ledger.events())
    assert len(trial.sessions) == 30 and trial.passed == 0 and not trial.is_passed


@pytest.mark.parametrize(("count", "is_passed"), [(29, False), (30, True), (31, True)])
def test_thirty_sessions_have_to_pass(count: int, is_passed: bool, tmp_path: Path) -> None:
    trial = trial_of(passed(tmp_path, count).events())
    assert trial.passed == count and trial.is_passed is is_passed


def test_a_setting_asks_for_more_but_never_for_fewer(tmp_path: Path) -> None:
    records = list(passed(tmp_path).events())
    assert not trial_of(records, needed=40).is_passed
    with pytest.raises(UsageError, match="30 sessions at least, not 29"):
        trial_of(records, needed=29)


def test_an_open_session_is_not_counted(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [session(DAY)[:4]])
    assert trial_of(ledger.events()).sessions == ()


def demoted(count: int) -> list[list[Event]]:
    """Return sessions of which the last ends with the demotion of the strategy."""
    sessions = [session(day) for day in DAYS[:count]]
    sessions[-1].append(StrategyDemoted("g", DAYS[count - 1], "over tolerance"))
    return sessions


def test_a_demoted_strategy_begins_anew(tmp_path: Path) -> None:
    later = [session(day) for day in DAYS[30:35]]
    trial = trial_of(ledger_of(tmp_path, [*demoted(30), *later]).events())
    assert (trial.passed, trial.strategies, trial.is_passed) == (35, {"g": 5}, False)


def test_each_strategy_has_to_pass_its_own_sessions(tmp_path: Path) -> None:
    """Thirty sessions of fifteen days each with two strategies are no trial of either."""

    def of(day: date, genome: str) -> list[Event]:
        twin = TwinCompared(day, (genome,), Tolerance(), (row(day, genome),))
        return [*session(day)[:-1], twin]

    days = [of(day, "g" if n < 15 else "h") for n, day in enumerate(DAYS[:30])]
    trial = trial_of(ledger_of(tmp_path, days).events())
    assert (trial.passed, trial.strategies, trial.ready) == (30, {"g": 15, "h": 15}, ())


@pytest.mark.parametrize(
    ("traded", "is_passed"),
    [((), False), ((Leg.ENTRY,), False), ((Leg.ENTRY, Leg.EXIT), True)],
    ids=["nothing", "only bought", "bought and sold"],
)
def test_a_strategy_that_never_traded_has_shown_nothing(
    traded: tuple[Leg, ...], is_passed: bool, tmp_path: Path
) -> None:
    sessions = [
        [*session(day)[:-1], TwinCompared(day, ("g",), Tolerance(), ())] for day in DAYS[:30]
    ]
    rows = tuple(one for one in (row(DAY), leaving(DAY)) if one.leg in traded)
    sessions[0][-1] = TwinCompared(DAY, ("g",), Tolerance(), rows)
    trial = trial_of(ledger_of(tmp_path, sessions).events())
    assert (trial.strategies, trial.is_passed) == ({"g": 30}, is_passed)


def test_sessions_of_long_ago_do_not_count(tmp_path: Path) -> None:
    """Ninety days hold about sixty sessions; what came before them shows another market."""
    records = passed(tmp_path, len(DAYS)).events()
    trial = trial_of(records)
    recent = [day for day in DAYS if day > DAYS[-1] - RECENT]
    assert trial.strategies == {"g": len(recent)} and len(recent) < trial.passed == len(DAYS)
