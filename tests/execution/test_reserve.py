"""A disk that is full while shares are held: exits go out, entries do not, and it heals."""

import multiprocessing
import os
import resource
import shutil
from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import BrokerError, KasautiError
from kasauti.execution import heartbeat
from kasauti.execution.clock import ReplayClock
from kasauti.execution.desk_process import NO_ROOM
from kasauti.execution.host import reserve_of
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.reserve import SCARCE, SIZE, Reserve
from tests.execution.desks import Running, paper_ledger, process_in, write_tick
from tests.execution.world import OPEN, at, entry, world
from tests.execution.world import closing as leave

MORNING = at(8)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KILOBYTE = 1_000
Usage = namedtuple("Usage", "total used free")


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, free))


def turn(running: Running, when: Any) -> None:
    assert isinstance(running.clock, ReplayClock)
    running.clock.set(when)
    running.process.turn()


@pytest.mark.parametrize(
    ("kept", "free", "whole"),
    [
        pytest.param(False, SIZE + 2 * SCARCE, True, id="laid where there is room"),
        pytest.param(False, SIZE + 2 * SCARCE - 1, False, id="not where it would fill the disk"),
        pytest.param(True, SCARCE, True, id="kept while there is other room"),
        pytest.param(True, SCARCE - 1, False, id="given up where there is none"),
    ],
)
def test_it_is_laid_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool, free: int, whole: bool
) -> None:
    reserve = Reserve(tmp_path / "room")
    if kept:
        disk(monkeypatch, 10**12)
        assert reserve.mind()
    disk(monkeypatch, free)
    assert reserve.mind() is whole and reserve.is_whole() is whole
    assert [path.name for path in tmp_path.iterdir()] == ["room"] * whole


def test_it_takes_its_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "room")
    assert reserve.mind() and reserve.path.stat().st_blocks * 512 >= SIZE, "not a sparse file"
    assert reserve.give_up() and not reserve.is_whole()
    assert not reserve.give_up(), "there was none any more"


def test_what_was_given_up_is_not_laid_again_until_somebody_made_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "room")
    reserve.mind()
    disk(monkeypatch, SCARCE - 1)
    reserve.mind()
    disk(monkeypatch, SCARCE - 1 + SIZE)
    assert not reserve.mind()


def test_a_folder_that_cannot_be_read_keeps_no_room(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "missing" / "room")
    assert not reserve.mind() and not reserve.is_whole() and not reserve.give_up()


def test_a_desk_minds_it_closes_entries_without_it_and_opens_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        first, second = entry(), entry("OTHER")
        running.ledger.claim(first, at=MORNING)
        disk(monkeypatch, SCARCE - 1)
        turn(running, OPEN - MINUTE)
        write_tick(tmp_path, OPEN, "100.02")
        turn(running, OPEN)
        denied = running.ledger.book().order(first.key)
        assert denied is not None and denied.code == "NOT_RECORDED"
        beat = heartbeat.read(tmp_path / "desk.json")
        assert beat is not None and beat.problem == NO_ROOM
        monkeypatch.undo()
        turn(running, OPEN + 2 * SECOND)
        running.ledger.claim(second, at=OPEN + 2 * SECOND)
        write_tick(tmp_path, OPEN + 3 * SECOND, "100.02", "OTHER")
        turn(running, OPEN + 3 * SECOND)
        beat = heartbeat.read(tmp_path / "desk.json")
        assert beat is not None and beat.problem == ""
        assert "OTHER" in running.ledger.book().positions


@pytest.mark.parametrize(("scope", "needed"), [(Scope.PAPER, True), (Scope.REPLAY, False)])
def test_a_replay_needs_none(tmp_path: Path, scope: Scope, needed: bool) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", scope=scope, market="nse", at=MORNING)
    assert (reserve_of(ledger) is not None) is needed
    ledger.close()


# -- a disk that fills between two looks -----------------------------------------------------------


def fill(folder: Path) -> None:
    """Let no file of this process grow, until the reserve is given up."""
    size = max(path.stat().st_size for path in folder.glob("ledger.sqlite*") if not _room(path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    give_up = Reserve.give_up

    def makes_room(self: Reserve) -> bool:
        made = give_up(self)
        if made:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + SIZE, resource.RLIM_INFINITY))
        return made

    Reserve.give_up = makes_room  # type: ignore[method-assign]


def _room(path: Path) -> bool:
    return path.name.endswith(".reserve")


def exits_go_out(folder: Path) -> None:
    with process_in(folder, ReplayClock(MORNING)) as running:
        wanted = entry()
        running.ledger.claim(wanted, at=MORNING)
        turn(running, OPEN - MINUTE)
        write_tick(folder, OPEN, "100.02")
        turn(running, OPEN)
        held = running.ledger.book().positions["TEST"]
        assert held.quantity == 10
        now = OPEN + 2 * SECOND
        write_tick(folder, now, "100.02")
        write_tick(folder, now, "100.02", "OTHER")
        exit_of = leave(wanted, valid_from=now, valid_until=now + MINUTE)
        fill(folder)
        running.ledger.claim(exit_of, at=now)
        running.ledger.claim(entry("OTHER"), at=now)
        turn(running, now)
        turn(running, now + SECOND)
        book = running.ledger.book()
        assert not book.positions and not book.live_orders()
        orders = {order.intent.key: order for order in book.orders.values()}
        assert orders[exit_of.key].state is OrderState.FILLED
        assert orders[entry("OTHER").key].code == "NOT_RECORDED"
        assert running.ledger.verify().ok


def a_tick_is_refused_in_words(folder: Path) -> None:
    with process_in(folder, ReplayClock(MORNING)) as running:
        turn(running, OPEN - MINUTE)
        for number in range(200):
            write_tick(folder, OPEN + number * SECOND, "100.02")
        assert running.hosted.reserve is not None
        running.hosted.reserve.give_up()
        fill(folder)
        with pytest.raises(KasautiError, match=r"cannot be written|refused the append"):
            turn(running, OPEN + 200 * SECOND)


def a_lost_answer_is_no_crash(folder: Path) -> None:
    with world(folder, scope=Scope.PAPER) as w:
        order = entry().order()
        fill(folder)
        with pytest.raises(BrokerError, match="cannot be written"):
            for _ in range(100):
                w.broker.place(order, OPEN)
                w.broker.cancel(order.tag, OPEN)


@pytest.mark.parametrize(
    "work", [exits_go_out, a_tick_is_refused_in_words, a_lost_answer_is_no_crash]
)
def test_on_a_full_disk(tmp_path: Path, work: Callable[[Path], None]) -> None:
    paper_ledger(tmp_path, MORNING).close()

    def run() -> None:
        work(tmp_path)
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(60)
    assert child.exitcode == 0
