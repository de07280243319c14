"""Random steps against the gate hold, are many-sided, and find each mistake that is put in.

A million of them: ``python -m benchmarks.stateful``.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from kasauti.execution import desk, records
from kasauti.execution.brokers.base import Answer, Reply
from kasauti.execution.controls import CONTROLS
from kasauti.execution.gate import Gate
from kasauti.execution.lease import Lease
from kasauti.execution.model import Intent
from tests.execution.laws import Broken
from tests.execution.stateful import play

STEPS = 4_000
HAPPENED = (
    *("sent", "filled", "partly filled", "adopted", "limits sealed"),
    *("moved: lose", "moved: reject", "moved: cancel", "moved: lapse", "moved: await trigger"),
    *("trading HALTED", "trading REDUCING", "positions held over a session's end"),
)


def test_nothing_breaks_and_everything_happens(tmp_path: Path) -> None:
    played = play(tmp_path, 5, STEPS)
    assert played.steps == STEPS
    rare = {rule for rule, count in played.done.items() if count < 10}
    assert not rare, "each rule has to be played"
    assert not [name for name in HAPPENED if not played.seen[name]]
    assert len([name for name in played.seen if name.startswith("denied: ")]) >= 15
    assert len(played.held) == 8
    assert min(played.held.values()) >= 10


@pytest.mark.parametrize(
    ("controls", "seed", "found"),
    [
        pytest.param({"K01", "K03"}, 1, "while trading is stopped", id="entries after a stop"),
        pytest.param({"K12"}, 2, "over the value limits", id="too much in open entries"),
        pytest.param({"K14"}, 2, "takes a slot that is taken", id="too many positions"),
        pytest.param({"K15"}, 2, "over the gross limit", id="too much altogether"),
        pytest.param({"K16"}, 5, "orders a second", id="too many orders a second"),
        pytest.param({"K30"}, 5, "sells more than is held", id="more sold than is held"),
        pytest.param({"K35"}, 1, "is trade 6 of 5", id="too many trades a day"),
        pytest.param({"K36"}, 2, "without a stop", id="no stop"),
        pytest.param({"K36"}, 7, "risks too much", id="too much risk"),
    ],
)
def test_a_control_that_is_missing_is_missed(
    tmp_path: Path, controls: set[str], seed: int, found: str
) -> None:
    kept = [control for control in CONTROLS if control.id not in controls]
    with pytest.raises(Broken, match=found):
        play(tmp_path, seed, STEPS, kept)


def loosen_limits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(desk, "tighter", lambda sealed, wanted: wanted)


def send_again(patch: pytest.MonkeyPatch) -> None:
    place = Gate._place

    def twice(self: Gate, intent: Intent, now: datetime) -> Reply:
        reply = place(self, intent, now)
        return place(self, intent, now) if reply.answer is Answer.LOST else reply

    patch.setattr(Gate, "_place", twice)


def ignore_the_epoch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records, "fence", lambda event, epoch, head: None)
    patch.setattr(Lease, "is_held", property(lambda self: True))


@pytest.mark.parametrize("mistake", [loosen_limits, send_again, ignore_the_epoch])
def test_a_mistake_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mistake(monkeypatch)
    with pytest.raises(Broken):
        play(tmp_path, 1, STEPS)
