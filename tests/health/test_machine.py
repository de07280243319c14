"""Disk and clock: real time servers on this machine, and limits to the byte."""

import socket
from pathlib import Path

import pytest

from kasauti.errors import DataError
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.health import clock
from kasauti.health.clock import Kernel, ask
from kasauti.health.machine import disk, judge_disk, skew
from kasauti.health.model import Health
from tests.health.surroundings import NOW, around, one
from tests.health.time_server import TimeServer

GB = 10**9


@pytest.mark.parametrize(
    ("free", "total", "health"),
    [
        pytest.param(500 * 10**6 - 1, 20 * GB, Health.RED, id="a byte below 500 MB"),
        pytest.param(500 * 10**6, 20 * GB, Health.WARNING, id="500 MB"),
        pytest.param(2 * GB - 1, 20 * GB, Health.WARNING, id="a byte below 2 GB"),
        pytest.param(2 * GB, 20 * GB, Health.OK, id="2 GB"),
        pytest.param(5 * GB - 1, 100 * GB, Health.WARNING, id="a byte below 5 %"),
        pytest.param(5 * GB, 100 * GB, Health.OK, id="5 %"),
    ],
)
def test_space_left(free: int, total: int, health: Health) -> None:
    found = judge_disk(free, total)
    assert (found.id, found.health) == ("disk", health)
    assert ("make room" in found.detail) == (health is not Health.OK)


def test_the_disk_of_a_folder_that_is_not_made_yet(tmp_path: Path) -> None:
    found = one(disk(around(tmp_path / "not" / "made")))
    assert found.figures["total bytes"] == one(disk(around(tmp_path))).figures["total bytes"]
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("ahead", [0.0, 0.8, -0.8, 90.0, -90.0])
def test_how_far_the_clock_is_off(tmp_path: Path, ahead: float) -> None:
    with TimeServer(ahead) as server:
        found = one(skew(around(tmp_path, environ={"KASAUTI_NTP_SERVER": server.address})))
    assert float(found.figures["seconds off"]) == pytest.approx(-ahead, abs=0.2)
    assert found.health is (Health.OK if abs(ahead) < 1 else Health.RED)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(TimeServer(stratum=16), id="not synchronised itself"),
        pytest.param(TimeServer(stratum=0), id="told to stay away"),
        pytest.param(TimeServer(forged=True), id="an answer to another question"),
        pytest.param(TimeServer(short=True), id="cut short"),
    ],
)
def test_an_answer_that_is_no_time_is_refused(server: TimeServer) -> None:
    with server, pytest.raises(DataError, match="name another one"):
        ask(server.address)


@pytest.mark.parametrize("address", ["127.0.0.1:x", "nowhere.invalid"])
def test_a_server_that_does_not_answer(address: str) -> None:
    with pytest.raises(DataError, match=f"{address} of KASAUTI_NTP_SERVER does not answer"):
        ask(address)


def test_a_silent_server_is_waited_for_no_longer_than_it_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "TIMEOUT", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(DataError, match="does not answer"):
            ask(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("trades", [False, True])
@pytest.mark.parametrize(
    "kernel", [Kernel(True, 0.02), Kernel(False, why="the kernel does not say")]
)
def test_without_a_server_the_kernel_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Kernel, trades: bool
) -> None:
    monkeypatch.setattr(clock, "kernel", lambda: kernel)  # this machine's is what it is
    place = around(tmp_path)
    if trades:
        Ledger(place.home.ledger, scope=Scope.PAPER, market="nse", at=NOW).close()
    found = one(skew(place))
    unknown = Health.RED if trades else Health.ABSENT
    assert found.health is (Health.OK if kernel.is_synchronised else unknown)
    assert ("KASAUTI_NTP_SERVER" in found.detail) == (not kernel.is_synchronised)


def test_the_real_kernel_gives_one_of_both_answers() -> None:
    found = clock.kernel()
    assert found.is_synchronised or found.why
    assert 0 <= found.at_most < 60
