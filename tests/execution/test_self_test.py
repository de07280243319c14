"""A control that cannot refuse keeps the session shut."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kasauti.errors import LedgerError
from kasauti.execution import gate
from kasauti.execution import self_test as module
from kasauti.execution.controls import CONTROLS, Control, GateInput
from kasauti.execution.events import SelfTested
from kasauti.execution.gate import Passage, Ruling, judge
from kasauti.execution.model import Scope
from tests.execution.world import LIMITS, OPEN, TODAY, world


def _content(given: GateInput) -> tuple[bool, dict[str, str]]:
    return True, {}


def _sulking(given: GateInput) -> tuple[bool, dict[str, str]]:
    return False, {}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_an_inert_control_is_found(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    inert = tuple(replace(c, check=_content) if c is control else c for c in CONTROLS)
    monkeypatch.setattr(module, "CONTROLS", inert)
    with pytest.raises(LedgerError, match=f"{control.id} cannot be tripped"):
        module.trip_every_control()


@pytest.mark.parametrize("control", ["K01", "K13", "K26", "K33"])
def test_a_gate_that_does_not_ask_a_control_is_found(
    control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging the controls alone would not see it: the whole gate is tried, too."""

    def forgetful(controls: Sequence[Control], given: GateInput) -> Ruling:
        ruling = judge(controls, given)
        refused = [d for d in ruling.decisions if not d.passed]
        if [d.control for d in refused] == [control]:
            return Ruling(Passage.SENT, "", ruling.decisions)
        return ruling

    module.trip_every_control()
    monkeypatch.setattr(gate, "judge", forgetful)
    with pytest.raises(LedgerError, match=f"{control} let a bad order out"):
        module.self_test()


def test_a_gate_that_sends_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(controls: Sequence[Control], given: GateInput) -> Ruling:
        return Ruling(Passage.DENIED, "KILLED", judge(controls, given).decisions)

    monkeypatch.setattr(gate, "judge", deaf)
    with pytest.raises(LedgerError, match="healthy order back"):
        module.self_test()


def test_a_control_that_refuses_everything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sulking = (replace(CONTROLS[0], check=_sulking), *CONTROLS[1:])
    monkeypatch.setattr(module, "CONTROLS", sulking)
    with pytest.raises(LedgerError, match="healthy order"):
        module.trip_every_control()


def test_a_new_control_without_a_trip_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Control("K98", "NEW", _content)
    monkeypatch.setattr(module, "CONTROLS", (*CONTROLS, extra))
    with pytest.raises(LedgerError, match="K98"):
        module.trip_every_control()


@pytest.mark.parametrize("scope", list(Scope), ids=lambda scope: scope.value)
def test_the_session_opens_with_the_controls_it_tested(tmp_path: Path, scope: Scope) -> None:
    with world(tmp_path, scope=scope) as w:
        tested = [r.event for r in w.ledger.events() if isinstance(r.event, SelfTested)]
        assert tested == [SelfTested(TODAY, tuple(control.id for control in CONTROLS))]


def test_a_session_that_fails_its_self_test_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path) as w:
        w.desk.book.self_tested = None
        inert = (replace(CONTROLS[0], check=_content), *CONTROLS[1:])
        monkeypatch.setattr(module, "CONTROLS", inert)
        with pytest.raises(LedgerError, match="stays closed"):
            w.desk.open_session(OPEN, replace(LIMITS, trades_a_day=1))
        assert w.desk.book.limits == LIMITS
