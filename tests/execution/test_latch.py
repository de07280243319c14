"""Stop is a latch: anyone sets it, only a person lifts it, and doubt means stopped."""

from pathlib import Path

import pytest

from kasauti.errors import UsageError
from kasauti.execution.latch import Latch
from kasauti.execution.model import Outcome
from tests.execution.world import OPEN, entry, world


def test_it_survives_a_restart_and_is_recorded(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        assert not w.latch.is_set()
        w.latch.set(w.ledger, by="cron", reason="test", at=OPEN)
    with world(tmp_path) as w:
        assert w.latch.is_set() and w.desk.book.latched
        assert any("Kill switch set by cron" in message for _, message in w.ledger.outbox())


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("me", " "), ("  ", "")])
def test_nobody_lifts_it_without_name_and_reason(tmp_path: Path, by: str, reason: str) -> None:
    with world(tmp_path) as w:
        w.latch.set(w.ledger, by="x", reason="test", at=OPEN)
        with pytest.raises(UsageError, match="person"):
            w.latch.lift(w.ledger, by=by, reason=reason, at=OPEN)
        assert w.latch.is_set()


def test_once_lifted_trading_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.latch.set(w.ledger, by="x", reason="test", at=OPEN)
        w.latch.lift(w.ledger, by="me", reason="checked", at=OPEN)
        assert not w.latch.is_set() and not w.desk.book.latched
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.desk.outcome(entry().key) is Outcome.ACCEPTED


@pytest.mark.parametrize("remains", ["file", "record"])
def test_either_half_alone_stops(tmp_path: Path, remains: str) -> None:
    with world(tmp_path) as w:
        w.latch.set(w.ledger, by="x", reason="test", at=OPEN)
        if remains == "record":
            w.latch.path.unlink()
        else:
            w.latch.lift(w.ledger, by="me", reason="checked", at=OPEN)
            w.latch.path.touch()
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "KILLED"


def test_what_cannot_be_read_is_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Latch(tmp_path / "file" / "kill").is_set(), "its folder is no folder"
    assert Latch(tmp_path / "gone" / "kill").is_set(), "its folder is gone"
    assert Latch(tmp_path / ("x" * 300)).is_set(), "the name cannot exist"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert Latch(tmp_path / "link").is_set(), "a dangling link is a file that exists"
    assert not Latch(tmp_path / "kill").is_set()
