"""What a desk process does next, for everything that it can find."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kasauti.execution.duties import Duty, Situation, due
from tests.execution.world import CALENDAR, TODAY, YESTERDAY, at

SESSION = CALENDAR.session(TODAY)
OLDER = CALENDAR.session(YESTERDAY)
NOON = at(12)
QUIET = Situation(
    now=NOON,
    session=SESSION,
    ticking=False,
    running=None,
    closed=YESTERDAY,
    ticks=False,
    news=False,
    asked=False,
    waiting=False,
    turned=NOON,
    stepped=NOON,
    reconciled=NOON,
    every=timedelta(seconds=60),
)
TICKING = replace(QUIET, ticking=True, running=SESSION)
SECOND = timedelta(seconds=1)
EVENING = {"now": at(18), "turned": at(18), "reconciled": at(18), "stepped": at(18)}
CHECK, END, PLAY, OPEN, FEED, STEP = (
    Duty.RECONCILE,
    Duty.FINISH,
    Duty.PLAY,
    Duty.OPEN,
    Duty.FEED,
    Duty.STEP,
)


@pytest.mark.parametrize(
    ("given", "changes", "expected"),
    [
        pytest.param(QUIET, {}, [], id="a session without ticks is left alone"),
        pytest.param(QUIET, {"news": True}, [], id="its news too: they wait for the bars"),
        pytest.param(QUIET, {"reconciled": NOON - 60 * SECOND}, [CHECK], id="the timer"),
        pytest.param(QUIET, {"reconciled": NOON - 59 * SECOND}, [], id="not before its time"),
        pytest.param(QUIET, {"turned": NOON - 6 * SECOND}, [CHECK], id="the machine slept"),
        pytest.param(QUIET, {"asked": True}, [CHECK], id="somebody asked"),
        pytest.param(QUIET, {"ticking": True, "ticks": True}, [OPEN, FEED, STEP], id="first tick"),
        pytest.param(QUIET, {"ticking": True, "now": at(9), "turned": at(9), "stepped": at(9),
                             "reconciled": at(9), "ticks": True}, [], id="before the open"),
        pytest.param(TICKING, {}, [], id="nothing new"),
        pytest.param(TICKING, {"news": True}, [STEP], id="news in the ledger"),
        pytest.param(TICKING, {"ticks": True}, [FEED, STEP], id="a price, then the orders"),
        pytest.param(TICKING, {"stepped": NOON - SECOND}, [STEP], id="time passes by itself"),
        pytest.param(TICKING, EVENING, [END], id="the session is over"),
        pytest.param(TICKING, EVENING | {"ticks": True}, [FEED, END], id="its last ticks count"),
        pytest.param(TICKING, {"running": OLDER}, [END], id="one that a dead desk left open"),
        pytest.param(QUIET, EVENING | {"waiting": True}, [PLAY], id="the bars have arrived"),
        pytest.param(QUIET, {"waiting": True, "ticking": True, "ticks": True}, [PLAY],
                     id="yesterday is played before today opens"),
        pytest.param(TICKING, {"waiting": True}, [], id="a running session is not interrupted"),
        pytest.param(QUIET, {"session": None, "ticking": True, "ticks": True, "news": True}, [],
                     id="a holiday"),
    ],
)  # fmt: skip
def test_what_is_due(given: Situation, changes: dict[str, Any], expected: list[Duty]) -> None:
    assert due(replace(given, **changes)) == expected
