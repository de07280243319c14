"""Big arrays that are taken again once nobody holds them; what stands in them is not known here.

Memory that is new to a process costs a page fault every few kilobytes, which is a fifth of a large
population's time where the machine is virtual. A `Backtester` after another, and call after call,
therefore get the same memory again.
"""

import math
import weakref
from collections import deque
from contextlib import suppress
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from kasauti.market.bars import Floats

KEPT = 512 * 2**20
"""Bytes that are kept for others while nobody holds them, at most."""

LARGEST = 2
"""Times of what is asked for that an array may be long and still be given."""

LINE = 64
"""Bytes of a line of the cache, where every array begins."""

_idle: deque[NDArray[np.uint8]] = deque()
_taking = Lock()


def empty(*shape: int) -> Floats:
    """Return an array of `shape`, float64, unwritten, at the begin of a line of the cache.

    Its memory is given to others when neither it nor a view of it is held any more.
    """
    count = math.prod(shape)
    owner = _take(count * 8 + LINE)
    first = -owner.ctypes.data % LINE
    # of a memoryview: views of an array that views an array would hold the latter, not this one
    values = np.frombuffer(owner.data[first : first + count * 8], dtype=np.float64)
    weakref.finalize(values, _give_back, owner).atexit = False
    return values.reshape(shape)


def _take(size: int) -> NDArray[np.uint8]:
    with _taking:
        waiting = [_idle.popleft() for _ in range(len(_idle))]
        fitting = [one for one in waiting if size <= one.size <= LARGEST * size]
        taken = min(fitting, key=len, default=None)
        _idle.extend(one for one in waiting if one is not taken)
    return np.empty(size, dtype=np.uint8) if taken is None else taken


def _give_back(owner: NDArray[np.uint8]) -> None:
    """Keep it for others; without a lock, since it may run in the middle of anything."""
    _idle.append(owner)
    with suppress(IndexError):
        while sum(one.size for one in tuple(_idle)) > KEPT:
            _idle.popleft()
