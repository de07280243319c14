"""Random draws inside kernels: splitmix64 and what is drawn with it; no genome is known here.

Steele, Lea & Flood, Fast splittable pseudorandom number generators (2014): passes BigCrush, and
costs a nanosecond in a kernel.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit

Floats = NDArray[np.float64]


class Source(Protocol):
    """A record with the state of the generator."""

    state: np.uint64


@njit
def uniform(source: Source) -> float:
    """Draw from [0, 1), 53 bits."""
    source.state += np.uint64(0x9E3779B97F4A7C15)
    mixed = source.state
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return float(mixed >> np.uint64(11)) * 2.0**-53


@njit
def below(source: Source, count: int) -> int:
    """Draw one of 0 .. count - 1; `count` is far below 2**53, so none is favoured."""
    return int(uniform(source) * count)


@njit
def weighted(source: Source, cumulative: Floats, first: int, last: int) -> int:
    """Draw a place of the run ``cumulative[first:last]`` of running sums of weights."""
    wanted = uniform(source) * cumulative[last - 1]
    last -= 1
    while first < last:
        middle = (first + last) // 2
        if wanted < cumulative[middle]:
            last = middle
        else:
            first = middle + 1
    return first


@njit
def neighbour(source: Source, values: Floats, first: int, last: int, value: float) -> int:
    """Draw the place of another value one or two from `value` in a run of ascending `values`.

    Returns
    -------
    int
        -1 if there is no other value.
    """
    place = first
    while place < last and values[place] < value:
        place += 1
    first, last = max(first, place - 2), min(last, place + 3)
    others = 0
    for k in range(first, last):
        others += values[k] != value
    if others == 0:
        return -1
    wanted = below(source, others)
    while values[first] == value or wanted > 0:
        wanted -= values[first] != value
        first += 1
    return first
