"""`kasauti evolve --dask`: the same search on a real cluster, or one line on why not."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from kasauti import workers
from kasauti.errors import UsageError
from kasauti.home import Home
from tests.backtest.cluster import cluster, steps_taken
from tests.cli.conftest import Run
from tests.shared_data import NSE_INDEX

EVOLVE = ("evolve", "--bars", NSE_INDEX, "--index", "NIFTY50", "--json")
SMALL = (*EVOLVE, "--evaluations", 60, "--population", 20)
SPREAD = (*EVOLVE, "--evaluations", 1_500, "--population", 150)


def test_the_search_finds_the_same_front_on_a_cluster(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run(*SPREAD).json
    monkeypatch.setenv("KASAUTI_HOME", str(tmp_path / "another home"))
    with cluster(tmp_path) as dask:
        there = run(*SPREAD, "--dask", dask.address)
        with Client(dask.address) as client:
            assert client.run_on_scheduler(steps_taken) > 100  # it was the cluster that worked
    assert there.code == 0
    assert there.json["front"] == here["front"]
    assert there.json["evaluations"] == here["evaluations"] == 1_500


@pytest.fixture
def foreign() -> Iterator[str]:
    """A server that greets with something that is no Dask message."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection = server.accept()[0]
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1024)
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("server", ["foreign", "mute", "nobody"])
def test_where_no_scheduler_answers(
    server: str, run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ANSWER", 0.5)
    address = request.getfixturevalue(server)
    told = run(*EVOLVE, "--dask", address)
    assert told.code == 2
    assert f"no Dask scheduler answers at {address}: start one with `dask scheduler" in (
        told.complaint
    )


@pytest.mark.parametrize(
    "address", ["", "here", "127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://x:99999", "tcp://:1"]
)
def test_what_is_no_address(address: str, run: Run) -> None:
    told = run(*EVOLVE, "--dask", address)
    assert told.code == 2
    assert f"'{address}' is no address of a Dask scheduler: give the one" in told.complaint


def test_tls_without_certificates(run: Run) -> None:
    told = run(*EVOLVE, "--dask", "tls://127.0.0.1:8786")
    assert told.code == 2
    assert "needs certificates: name them in Dask's configuration" in told.complaint


def test_a_cluster_without_workers(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "START", 1)
    with cluster(tmp_path, workers=0) as dask:
        told = run(*EVOLVE, "--dask", dask.address)
    assert told.code == 2
    assert f"the Dask scheduler at {dask.address} has no workers: start two" in told.complaint


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = run(*EVOLVE, "--dask", "tcp://127.0.0.1:8786")
    assert told.code == 2
    assert "needs the package distributed: install it with `pip install" in told.complaint


def test_a_cluster_that_goes_away(tmp_path: Path) -> None:
    with (
        cluster(tmp_path, workers=1) as dask,
        pytest.raises(UsageError, match=r"went away .*the search goes on where it stood"),
        workers.open_executor(dask=dask.address) as executor,
    ):
        waiting = executor.submit(_sleep(), 60)
        dask.scheduler.kill()
        waiting.result(timeout=30)


def _sleep() -> Callable[[float], Any]:
    from time import sleep

    return sleep
