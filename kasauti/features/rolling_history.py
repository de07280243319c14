"""What a rolling function remembers between blocks; the functions themselves live beside it.

A history holds the last h inputs, oldest first, and zeros before the first one.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit

Floats = NDArray[np.float64]


@njit
def copy(source: Floats, target: Floats) -> None:
    """Write `source` into the beginning of `target`; a plain loop is faster than a slice here."""
    for i in range(len(source)):
        target[i] = source[i]


@njit
def remember(history: Floats, x: Floats) -> None:
    """Shift the block `x` into `history`, in place."""
    kept = max(len(history) - len(x), 0)
    gone = len(history) - kept
    copy(history[gone:], history)
    copy(x[len(x) - gone :], history[kept:])


@njit
def join(history: Floats, x: Floats, values: Floats) -> None:
    """Write `history` and the block `x` into `values`, and shift `x` into `history`."""
    copy(history, values)
    copy(x, values[len(history) :])
    copy(values[len(x) :][: len(history)], history)


@njit
def joined(history: Floats, x: Floats) -> Floats:
    """Return `history` and the block `x` as one array, and shift `x` into `history`."""
    values = np.empty(len(history) + len(x))
    join(history, x, values)
    return values


@njit
def begin(state: Floats, x: Floats, first: int, out: Floats) -> int:
    """Count the block `x` in ``state[0]`` and write NaN over the bars before bar `first`.

    Returns
    -------
    int
        The place in the block of bar `first` of the series, from 0 to ``len(x)``.
    """
    place = min(max(first - int(state[0]), 0), len(x))
    state[0] += len(x)
    for t in range(place):
        out[t] = np.nan
    return place
