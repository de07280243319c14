"""Bear markets dated in hindsight, to score labels by; nothing here may reach a strategy.

A turn is known only long after it. The results have a type of their own, `HindsightLabels`, which
the engine and the bars refuse: what a strategy sees is `kasauti.regimes.model.OnlineLabels`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError

Floats = NDArray[np.float64]
LEG = 0.2  # a fifth: the size of a bear market that everybody uses
HINDSIGHT = (
    "hindsight labels know the future: score with them, and give a strategy the labels of "
    "kasauti.regimes.online.label_online"
)


@dataclass(frozen=True)
class Leg:
    """One fall: positions of its peak and its trough, and what was lost, a negative fraction."""

    peak: int
    trough: int
    fall: float


@dataclass(frozen=True, eq=False)
class HindsightLabels:
    """Which bars lay in a bear market, as was known long after; only scores may use it.

    Whatever takes it for the labels or for a series of a strategy gets an error, not a leak.

    Attributes
    ----------
    is_bear : ndarray of shape (T,), bool
        True from the bar after a peak to the trough.
    legs : tuple of Leg
        In order.
    """

    is_bear: NDArray[np.bool_]
    legs: tuple[Leg, ...]

    @property
    def codes(self) -> NoReturn:
        """Refuse to be taken for `OnlineLabels`."""
        raise DataError(HINDSIGHT)

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise DataError(HINDSIGHT)


def date_legs(closes: Floats, size: float = LEG) -> HindsightLabels:
    """Date every fall of `size` or more, peak to trough, as the published tables do.

    The peaks are those of `filter_turns`; the trough is the lowest close before the next one. So a
    rise of `size` that is undone by a new low, without another fall of `size`, ended nothing: the
    S&P 500 rose 20.7 % in August 2002, and the bear market of that year still ends in October
    (table of Ned Davis Research).

    Parameters
    ----------
    closes : ndarray of shape (T,)
        A NaN close belongs to the phase around it.
    size : float
        Fraction in (0, 1), to the last digit: a fall of 19.99 % is none of 20 %.

    Returns
    -------
    HindsightLabels
        An unfinished last fall counts, down to its lowest close so far.

    Raises
    ------
    DataError
        The size is no fraction, or the closes are not one positive number or NaN a bar.
    """
    peaks = filter_turns(closes, size, size)[0::2]
    legs = pairwise([*peaks, len(closes)])
    return _labels(closes, [(top, top + int(np.nanargmin(closes[top:end]))) for top, end in legs])


def filter_turns(closes: Floats, up: float = LEG, down: float = LEG) -> tuple[int, ...]:
    """Return the turns of the Lunde-Timmermann filter: peak, trough, peak, in order.

    A peak is the highest close before a fall of `down`, a trough the lowest before a rise of `up`.
    Unlike `date_legs`, a rise that is undone later counts all the same (Lunde and Timmermann 2004).

    Parameters
    ----------
    closes : ndarray of shape (T,)
        The first phase is taken for a bull; no turn falls on a NaN.
    up, down : float
        Fractions in (0, 1).

    Returns
    -------
    tuple of int
        Positions; there is one phase more than turns.

    Raises
    ------
    DataError
        As for `date_legs`.
    """
    positions, known = known_closes(closes)
    _check_sizes(up, down)
    turns: list[int] = []
    extreme, falling = 0, False
    for bar, close in enumerate(known.tolist()):
        best = known[extreme]
        if (close < best) if falling else (close > best):
            extreme = bar
        elif (close >= (1.0 + up) * best) if falling else (close <= (1.0 - down) * best):
            turns.append(extreme)
            extreme, falling = bar, not falling
    return tuple(positions[turns].tolist())


def between_turns(closes: Floats, turns: Sequence[int]) -> HindsightLabels:
    """Return the labels that turns mean: bear from each peak to the trough after it, or to the end.

    Parameters
    ----------
    closes : ndarray of shape (T,)
    turns : sequence of int
        Positions, a peak first.
    """
    ends = [*turns, len(closes) - 1] if len(turns) % 2 else list(turns)
    return _labels(closes, list(zip(ends[0::2], ends[1::2], strict=True)))


def known_closes(closes: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the positions and values of the closes that are not NaN.

    Raises
    ------
    DataError
        The closes are not one positive number or NaN a bar.
    """
    values = np.asarray(closes, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"closes have {values.ndim} dimensions: give one market's, one a bar")
    positions = np.flatnonzero(~np.isnan(values))
    known = values[positions]
    wrong = ~((known > 0.0) & (known < np.inf))
    if wrong.any():
        at = int(positions[wrong.argmax()])
        raise DataError(f"close {at} is {values[at]}: give positive numbers, NaN where none is")
    return positions, known


def _check_sizes(*sizes: float) -> None:
    for size in sizes:
        if not 0.0 < size < 1.0:
            raise DataError(f"a leg of size {size}: give a fraction between 0 and 1, like {LEG}")


def _labels(closes: Floats, ends: Sequence[tuple[int, int]]) -> HindsightLabels:
    is_bear = np.zeros(len(closes), dtype=np.bool_)
    legs = []
    for peak, trough in ends:
        is_bear[peak + 1 : trough + 1] = True
        fall = float(closes[trough] / closes[peak] - 1.0)
        legs.append(Leg(int(peak), int(trough), fall))
    is_bear.flags.writeable = False
    return HindsightLabels(is_bear, tuple(legs))
