"""The same scores on any executor, bit for bit, and when a worker of a cluster is killed."""

import gc
import multiprocessing
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from kasauti.backtest import Backtester, spread
from kasauti.backtest.result import Scores
from kasauti.errors import UsageError
from kasauti.genome import Side
from kasauti.genome.breeding import random_genome
from kasauti.genome.codes import Population
from kasauti.workers import open_executor
from tests.backtest.cluster import cluster, fail, slow_scores, whereabouts
from tests.evolution.small import backtester

COUNT = 240
TESTED = backtester()


def population() -> Population:
    rng = random.Random(3)
    return Population.of(replace(random_genome(rng), side=Side.LONG) for _ in range(COUNT))


POPULATION = population()


def parts(size: int) -> list[Population]:
    return [POPULATION[first : first + size] for first in range(0, COUNT, size)]


def bits(scores: Scores) -> dict[str, bytes]:
    return {field.name: getattr(scores, field.name).tobytes() for field in fields(scores)}


@pytest.fixture(scope="module")
def serial() -> Scores:
    scores = TESTED.scores(POPULATION)
    assert len({score.total_return for score in scores}) > COUNT / 2  # they do trade
    return scores


def processes(method: str) -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method))


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with processes("forkserver") as executor:
        yield executor


P = ParamSpec("P")
T = TypeVar("T")


class Elsewhere(Executor):
    """An executor that nobody knows: every task in a thread of its own, by way of bytes."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        thread = threading.Thread(target=lambda: future.set_result(fn(*args, **kwargs)))
        thread.start()
        return future


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Executor | None]]] = {
    "none": nullcontext,
    **{f"{n} threads": partial(ThreadPoolExecutor, n) for n in (1, 2, 4)},
    "spawned processes": lambda: processes("spawn"),
    "unknown": Elsewhere,
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_scores_do_not_depend_on_the_executor(name: str, serial: Scores) -> None:
    with EXECUTORS[name]() as executor:
        assert bits(TESTED.scores(POPULATION, executor)) == bits(serial)
        spreads = spread.spread(executor, Backtester.scores, TESTED, parts(50))
        assert bits(Scores.join(list(spreads))) == bits(serial)


def test_scores_do_not_depend_on_a_pool_that_has_worked_before(
    pool: Executor, serial: Scores
) -> None:
    for _ in range(2):
        assert bits(TESTED.scores(POPULATION, pool)) == bits(serial)


def test_a_worker_of_a_cluster_is_killed_and_nothing_changes(
    tmp_path: Path, serial: Scores
) -> None:
    with cluster(tmp_path) as dask, open_executor(dask=dask.address) as executor:
        one_each(executor, {worker.pid for worker in dask.workers})
        victim = dask.workers[0]
        seen: list[int] = []
        scored: list[Scores] = []
        tasks = parts(4)
        for process, scores in spread.spread(executor, slow_scores, TESTED, tasks):
            seen.append(process)
            scored.append(scores)
            if victim.poll() is None and len(set(seen)) == 2:
                victim.kill()  # SIGKILL: it can say no goodbye
                victim.wait()
                killed_at = len(seen)
        assert set(seen) == {worker.pid for worker in dask.workers}
        assert killed_at < len(tasks) / 2
        assert victim.pid not in seen[-len(tasks) // 3 :]
        assert bits(Scores.join(scored)) == bits(serial)
        assert bits(TESTED.scores(POPULATION, executor)) == bits(serial)


def one_each(executor: Executor, workers: set[int] | None = None) -> set[tuple[int, int]]:
    shared = Shared()
    held: set[tuple[int, int]] = set()
    for _ in range(2):
        found = list(spread.spread(executor, whereabouts, shared, range(40)))
        assert [part for _, _, part in found] == list(range(40))
        held |= {(process, identity) for process, identity, _ in found}
    assert shared.pickled == 1
    assert len(held) == len({process for process, _ in held})
    assert workers is None or {process for process, _ in held} == workers
    return held


class Shared:
    """Counts how often it is pickled."""

    def __init__(self) -> None:
        self.pickled = 0

    def __reduce__(self) -> tuple[type["Shared"], tuple[()]]:
        self.pickled += 1
        return Shared, ()


def test_a_process_gets_the_object_once(pool: Executor) -> None:
    assert os.getpid() not in {process for process, _ in one_each(pool)}


def test_threads_share_the_object_itself() -> None:
    shared = Shared()
    with ThreadPoolExecutor(2) as executor:
        found = list(spread.spread(executor, whereabouts, shared, range(10)))
    assert found == [(os.getpid(), id(shared), part) for part in range(10)]
    assert shared.pickled == 0


def test_what_was_sent_is_deleted_with_the_object(pool: Executor) -> None:
    shared = Shared()
    path = spread._sent(shared).source_for(pool)
    assert path.parent.stat().st_mode & 0o077 == 0  # nobody else may look into the folder
    results = spread.spread(pool, whereabouts, shared, range(3))
    del shared
    assert len(list(results)) == 3  # a task that still runs has kept it
    gc.collect()
    assert not path.parent.exists()


@pytest.fixture
def emptied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    spread._received.clear()
    yield
    spread._received.clear()


@pytest.mark.usefixtures("emptied")
def test_bytes_that_were_changed_on_the_way_are_not_read(tmp_path: Path) -> None:
    sent = spread._Sent(Shared())
    changed = tmp_path / "changed"
    changed.write_bytes(sent.payload + b"\0")
    for source in (changed, changed.read_bytes()):
        with pytest.raises(UsageError, match="was changed on its way"):
            spread._receive(sent.key, source)


@pytest.mark.usefixtures("emptied")
def test_a_worker_keeps_the_last_few() -> None:
    sent = [spread._Sent(i) for i in range(spread.KEPT + 2)]
    for one in sent:
        spread._receive(one.key, one.payload)
    assert list(spread._received.values()) == list(range(2, spread.KEPT + 2))


def test_a_worker_with_other_code_refuses(pool: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "code_version", lambda: "0123456789ab")
    with pytest.raises(UsageError, match=r"a worker runs other code of Kasauti \(.*0123456789ab"):
        list(spread.spread(pool, whereabouts, Shared(), [1]))


@pytest.mark.parametrize("name", ["none", "2 threads"])
def test_an_error_in_a_part_is_raised_after_the_parts_before_it(name: str) -> None:
    with EXECUTORS[name]() as executor:
        results = spread.spread(executor, fail, Shared(), range(10))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError):
            next(results)
