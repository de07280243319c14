"""Opens the executor that a search runs on: threads of this process, or a Dask cluster."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

from kasauti.errors import UsageError

ANSWER, START = 4, 10
"""Seconds in which a scheduler answers, and in which a worker that was just started is there."""


def open_executor(workers: int = 2, dask: str | None = None) -> AbstractContextManager[Executor]:
    """Return the executor to search with, closed at the end of its ``with`` block.

    Parameters
    ----------
    workers : int
        Threads, if `dask` is None.
    dask : str, optional
        Address of a Dask scheduler, ``tcp://127.0.0.1:8786``.

    Raises
    ------
    UsageError
        When entered: `distributed` is not installed, no scheduler answers within 4 s, or it has
        no worker after 10 s. Inside the block: the cluster went away.
    """
    return ThreadPoolExecutor(workers) if dask is None else _cluster(dask)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    _check_address(address)
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError(
            f"a Dask cluster needs the package {error.name}: install it with `pip install "
            "'kasauti[dask]'`, or leave out --dask"
        ) from error
    asyncio.run(_knock(address))
    with Client(address, timeout=START, set_as_default=False) as client:
        try:
            client.wait_for_workers(1, timeout=START)
        except TimeoutError as error:
            raise UsageError(
                f"the Dask scheduler at {address} has no workers: start two with `dask worker "
                f"{address} --nworkers 2 --nthreads 1`"
            ) from error
        try:
            yield client.get_executor(pure=False)
        except (CancelledError, KilledWorker) as error:
            raise UsageError(
                f"the Dask cluster at {address} went away ({type(error).__name__}): start it again "
                "and repeat the command, the search goes on where it stood"
            ) from error


def _check_address(address: str) -> None:
    place = urlsplit(address)
    try:
        complete = place.scheme in ("tcp", "tls") and place.hostname and place.port
    except ValueError:  # a port that is no port
        complete = None
    if not complete:
        raise UsageError(
            f"{address!r:.80} is no address of a Dask scheduler: give the one that `dask "
            "scheduler --host 127.0.0.1` prints, like tcp://127.0.0.1:8786"
        )


async def _knock(address: str) -> None:
    """Ask who is there: a `Client` waits without end for a server that speaks something else."""
    from distributed import Security
    from distributed.core import rpc

    secrets = Security().get_connection_args("client")
    if address.startswith("tls:") and secrets["ssl_context"] is None:
        raise UsageError(
            f"{address} needs certificates: name them in Dask's configuration "
            "(distributed.comm.tls), or give a tcp:// address of this machine"
        )
    try:
        async with asyncio.timeout(ANSWER), rpc(address, connection_args=secrets) as there:
            kind = (await there.identity())["type"]
    except (OSError, MemoryError):  # memory: another protocol's greeting, read as a length
        kind = None
    if kind != "Scheduler":
        raise UsageError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler --host "
            "127.0.0.1` and its workers with `dask worker tcp://127.0.0.1:8786 --nworkers 2 "
            "--nthreads 1`"
        )
