"""Spreads parts of a job over an executor and gives the results back in order; no part is computed.

Threads share the object that all parts need. Other processes get it once: pickled under the sha256
of its bytes, by a file of this user's to a process pool, through the cluster's own memory to Dask,
and with the task to any other executor. A process keeps the last few that it was given.
"""

import hashlib
import pickle
import shutil
import sys
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cached_property
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

from kasauti.errors import UsageError
from kasauti.version import code_version

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")

KEPT = 4
"""Objects that a worker process keeps: a search needs one, walk-forward windows share theirs."""


def spread(
    executor: Executor | None, function: Callable[[S, P], R], shared: S, parts: Sequence[P]
) -> Iterator[R]:
    """Yield ``function(shared, part)`` for every part, in order, whatever the executor.

    Parameters
    ----------
    executor : Executor, optional
        Any; without one the parts are computed one by one, here and as they are asked for.
    function : callable
        Of a module or a class (or a `functools.partial` of one), so that another process finds it.
    shared : object
        What all parts need, never changed afterwards: it is sent to another process only once, so
        a later change would not arrive there. Safe to use from several threads.
    parts : sequence
        Small things, sent with their tasks.

    Raises
    ------
    UsageError
        A worker runs other code than this process: its results could differ.
    """
    if executor is None:
        return (function(shared, part) for part in parts)
    if isinstance(executor, ThreadPoolExecutor):
        return executor.map(function, repeat(shared), parts)
    sent = _sent(shared)
    task = (sent.key, sent.source_for(executor), code_version(), function)
    columns = ([one] * len(parts) for one in task)  # Dask maps over nothing without a length
    return _while_kept(shared, executor.map(_compute, *columns, parts))


def _while_kept(shared: object, results: Iterator[R]) -> Iterator[R]:
    """Keep `shared`, and with it what was sent, until the last result is there."""
    yield from results
    del shared


class _Sent:
    """One object as it is sent: its bytes, and where each kind of executor finds them."""

    def __init__(self, shared: object) -> None:
        self.payload = pickle.dumps(shared, protocol=pickle.HIGHEST_PROTOCOL)
        self.key = hashlib.sha256(self.payload).hexdigest()
        self._futures: weakref.WeakKeyDictionary[Executor, Any] = weakref.WeakKeyDictionary()

    def source_for(self, executor: Executor) -> Any:
        """Return a path, a Dask future or the bytes themselves."""
        if isinstance(executor, ProcessPoolExecutor):
            return self.path
        if not _is_dask(executor):
            return self.payload
        if executor not in self._futures:
            # A task, not scattered data: if every worker that holds the bytes dies, the scheduler
            # makes them anew. The client has no public name in its executor.
            client = cast(Any, executor)._client
            self._futures[executor] = client.submit(bytes, self.payload, key=f"sent-{self.key}")
        return self._futures[executor]

    @cached_property
    def path(self) -> Path:
        """A file that only this user can read, deleted with the object or at exit."""
        folder = Path(tempfile.mkdtemp(prefix="kasauti-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = folder / self.key
        path.write_bytes(self.payload)
        return path


def _is_dask(executor: Executor) -> bool:
    module = sys.modules.get("distributed.cfexecutor")
    return module is not None and isinstance(executor, module.ClientExecutor)


_all_sent: "weakref.WeakKeyDictionary[object, _Sent]" = weakref.WeakKeyDictionary()
_sending = Lock()


def _sent(shared: object) -> _Sent:
    with _sending:
        if shared not in _all_sent:
            _all_sent[shared] = _Sent(shared)
        return _all_sent[shared]


_received: OrderedDict[str, Any] = OrderedDict()
_receiving = Lock()


def _compute(
    key: str, source: Path | bytes, version: str, function: Callable[[Any, P], R], part: P
) -> R:
    """Compute one part in another process."""
    if version != code_version():
        raise UsageError(
            f"a worker runs other code of Kasauti ({code_version()}) than the search ({version}): "
            "install the same version there and start the worker again"
        )
    return function(_receive(key, source), part)


def _receive(key: str, source: Path | bytes) -> Any:
    with _receiving:
        if key not in _received:
            payload = source if isinstance(source, bytes) else source.read_bytes()
            if hashlib.sha256(payload).hexdigest() != key:
                raise UsageError(f"{source!s:.80} was changed on its way to a worker: start again")
            _received[key] = pickle.loads(payload)
            if len(_received) > KEPT:
                _received.popitem(last=False)
        _received.move_to_end(key)
        return _received[key]
