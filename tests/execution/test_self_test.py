"""A control that cannot refuse keeps the session shut."""

from dataclasses import replace
from pathlib import Path

import pytest

from kasauti.errors import LedgerError
from kasauti.execution import self_test as module
from kasauti.execution.controls import CONTROLS, Control, GateInput
from kasauti.execution.events import SelfTested
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


def test_the_session_opens_with_the_controls_it_tested(tmp_path: Path) -> None:
    assert module.self_test() == tuple(control.id for control in CONTROLS)
    with world(tmp_path) as w:
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
