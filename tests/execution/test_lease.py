"""Only one desk, and never one that has been overtaken."""

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from kasauti.errors import LeaseError
from kasauti.execution.lease import Lease, is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from tests.execution.world import OPEN


def make(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.sqlite", scope=Scope.PAPER, market="nse", at=OPEN)


def _hold(folder: Path, taken: Event) -> None:
    lease = Lease.take(make(folder), host="child", at=OPEN)
    taken.set()
    signal.pause()
    lease.release()


def test_a_second_desk_refuses_to_start_until_the_first_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    taken = context.Event()
    child = context.Process(target=_hold, args=(tmp_path, taken))
    child.start()
    assert taken.wait(30) and child.pid is not None
    ledger = make(tmp_path)
    assert is_taken(ledger.path)
    with pytest.raises(LeaseError, match="another desk"):
        Lease.take(ledger, host="second", at=OPEN)
    assert ledger.epoch() == 1, "a refused desk raises no epoch"
    os.kill(child.pid, signal.SIGKILL)
    child.join(10)
    with Lease.take(ledger, host="next", at=OPEN) as lease:
        assert lease.epoch == 2
        assert lease.is_held


def test_an_overtaken_desk_knows_it(tmp_path: Path) -> None:
    ledger = make(tmp_path)
    first = Lease.take(ledger, host="first", at=OPEN)
    ledger.raise_epoch(host="another", at=OPEN)
    assert not first.is_held
    first.release()
    assert not is_taken(ledger.path)


def test_a_released_lease_is_not_held(tmp_path: Path) -> None:
    lease = Lease.take(make(tmp_path), host="first", at=OPEN)
    lease.release()
    assert not lease.is_held
