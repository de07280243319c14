"""Proof by trial that a function of bars never looks ahead; it knows nothing of what it computes.

Two trials at every cut t, both exact: the function of the first t bars must equal the first t
values of the function of all bars (truncation), and so must the function of bars whose future is
replaced by noise, by nothing, or by ten times itself (perturbation).

A third trial leaves out the *first* bars: how many bars later are the values the same again? That
is no leak, it is the warm-up that a user must grant. It is measured within a tolerance, because a
recursive average forgets its start only bit by bit.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError, KasautiError
from kasauti.market.bars import Bars

Floats = NDArray[np.float64]
Function = Callable[[Bars], NDArray[Any]]
NOISE = 0.1  # standard deviation of the log factor on a future bar: larger than any usual day
TOLERANCE = 1e-6  # of a value's size, below which an old start counts as forgotten


@dataclass(frozen=True)
class Leak:
    """One value that depended on bars after its own.

    Attributes
    ----------
    cut : int
        Number of bars that were left as they are.
    first_bad_position : int
        Earliest bar, before the cut, whose value changed.
    what : str
        The trial: ``truncation``, ``future noise``, ``future missing`` or ``future times ten``.
    """

    cut: int
    first_bad_position: int
    what: str


@dataclass(frozen=True)
class WarmUp:
    """How long values depend on where the data begin.

    Attributes
    ----------
    needed : int or None
        Bars after the start from which all values agree with those of the longer history; None
        where they do not settle within half of the bars.
    tolerance : float
    """

    needed: int | None
    tolerance: float


def choose_cuts(bars: Bars, rng: np.random.Generator, count: int = 20, moves: int = 3) -> list[int]:
    """Return where to cut: `count` random places, and just before and after the largest moves.

    Parameters
    ----------
    bars : Bars
    rng : numpy Generator
    count : int
    moves : int
        Number of largest close-to-close moves of the panel to cut around.

    Returns
    -------
    list of int
        Sorted, distinct, each from 1 to T - 1. A cut at t keeps bars 0 to t - 1.
    """
    last = len(bars.times) - 1
    if last < 1:
        raise DataError(f"{last + 1} bars cannot be cut: give at least two")
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.abs(np.log(bars.close[:, 1:] / bars.close[:, :-1]))
    largest = 1 + np.argsort(np.nan_to_num(sizes, posinf=0.0).max(axis=0))[::-1][:moves]
    cuts = {int(cut) for cut in rng.integers(1, last, size=count, endpoint=True)}
    for position in largest.tolist():
        cuts |= {position, position + 1}
    return sorted(cut for cut in cuts if 1 <= cut <= last)


def find_leaks(function: Function, bars: Bars, cuts: Iterable[int], seed: int = 0) -> list[Leak]:
    """Return every look-ahead that `function` shows at `cuts`; empty if it shows none.

    Parameters
    ----------
    function : callable
        Takes bars and returns an array whose last axis is their time, of any dtype. Values are
        equal if they are bit for bit, or both NaN.
    bars : Bars
    cuts : iterable of int
        From 1 to T - 1, see `choose_cuts`.
    seed : int
        Of the noise.

    Raises
    ------
    DataError
        If the function does not return one value a bar.
    """
    return find_all_leaks({"": function}, bars, cuts, seed)[""]


def find_all_leaks(
    functions: Mapping[str, Function], bars: Bars, cuts: Iterable[int], seed: int = 0
) -> dict[str, list[Leak]]:
    """Return what `find_leaks` finds for each of many functions, on the same changed bars."""
    whole = {name: _values(function, bars) for name, function in functions.items()}
    leaks: dict[str, list[Leak]] = {name: [] for name in functions}
    rng = np.random.default_rng(seed)
    for cut in cuts:
        for what, changed in _trials(bars, cut, rng).items():
            for name, function in functions.items():
                found = _values(function, changed)[..., :cut]
                position = _first_difference(whole[name][..., :cut], found)
                if position is not None:
                    leaks[name].append(Leak(cut, position, what))
    return leaks


def choose_starts(bars: Bars, rng: np.random.Generator, count: int = 3) -> list[int]:
    """Return `count` places in the first half of the bars to begin at instead, sorted."""
    half = len(bars.times) // 2
    if half < 1:
        raise DataError(f"{len(bars.times)} bars cannot begin later: give at least two")
    return sorted({int(start) for start in rng.integers(1, half, size=count, endpoint=True)})


def measure_warm_up(
    function: Function, bars: Bars, starts: Iterable[int], tolerance: float = TOLERANCE
) -> WarmUp:
    """Return how many bars `function` needs before it no longer matters where the data begin.

    Parameters
    ----------
    function : callable
        As for `find_leaks`.
    bars : Bars
    starts : iterable of int
        Bars left out at the beginning, see `choose_starts`; the longest warm-up counts.
    tolerance : float
        Values agree if they differ by no more than this share of their own size or of their row's
        median size, whichever is larger. Of anything but numbers every difference counts.
    """
    whole = _values(function, bars)
    needed = 0
    for start in starts:
        late = _values(function, bars.between(start))
        position = _last_difference(whole[..., start:], late, tolerance)
        if position is None:
            continue
        if position + 1 > late.shape[-1] // 2:
            return WarmUp(None, tolerance)
        needed = max(needed, position + 1)
    return WarmUp(needed, tolerance)


def assert_causal(function: Function, bars: Bars, cuts: Iterable[int], seed: int = 0) -> None:
    """Raise `KasautiError` with the first look-ahead that `find_leaks` finds, if there is one."""
    leaks = find_leaks(function, bars, cuts, seed)
    if leaks:
        first = leaks[0]
        raise KasautiError(
            f"look-ahead: the value at bar {first.first_bad_position} changed under"
            f" {first.what} from bar {first.cut} on ({len(leaks)} such findings): use only what is"
            " known at the bar's close"
        )


def _values(function: Function, bars: Bars) -> NDArray[Any]:
    values = np.asarray(function(bars))
    if values.ndim == 0 or values.shape[-1] != len(bars.times):
        raise DataError(
            f"the function returned shape {values.shape} for {len(bars.times)} bars: its last axis"
            " must be time"
        )
    return values


def _trials(bars: Bars, cut: int, rng: np.random.Generator) -> dict[str, Bars]:
    future = (bars.shape[0], bars.shape[1] - cut)
    # one factor a bar and symbol, so that the high stays the highest
    noise = np.exp(rng.normal(0.0, NOISE, future))
    return {
        "truncation": bars.between(0, cut),
        "future noise": _scaled(bars, cut, noise),
        "future missing": _scaled(bars, cut, np.full(future, np.nan)),
        "future times ten": _scaled(bars, cut, np.full(future, 10.0)),
    }


def _scaled(bars: Bars, cut: int, factors: Floats) -> Bars:
    """Return the bars with everything from `cut` on multiplied by `factors`, shape (S, T - cut)."""

    def scale(values: Floats, by: Floats) -> Floats:
        scaled = values.copy()
        scaled[..., cut:] *= by
        return scaled

    return replace(
        bars,
        open=scale(bars.open, factors),
        high=scale(bars.high, factors),
        low=scale(bars.low, factors),
        close=scale(bars.close, factors),
        volume=scale(bars.volume, factors),
        series={name: scale(values, factors[0]) for name, values in bars.series.items()},
    )


def _first_difference(left: NDArray[Any], right: NDArray[Any]) -> int | None:
    different = left != right
    if np.issubdtype(left.dtype, np.inexact):
        different &= ~(np.isnan(left) & np.isnan(right))
    positions = np.flatnonzero(different.reshape(-1, left.shape[-1]).any(axis=0))
    return int(positions[0]) if len(positions) else None


def _last_difference(long: NDArray[Any], late: NDArray[Any], tolerance: float) -> int | None:
    """Return the last position at which the values of both histories differ."""
    different = long != late
    if np.issubdtype(long.dtype, np.inexact):
        size = np.maximum(np.abs(long), _median_size(long))
        both = np.isfinite(long) & np.isfinite(late)
        with np.errstate(invalid="ignore"):
            different &= ~(both & (np.abs(long - late) <= tolerance * size))
        different &= ~(np.isnan(long) & np.isnan(late))
    positions = np.flatnonzero(different.reshape(-1, long.shape[-1]).any(axis=0))
    return int(positions[-1]) if len(positions) else None


def _median_size(values: NDArray[Any]) -> NDArray[Any]:
    """Return the median of the finite absolute values of every row, 0 for a row without one."""
    sizes = np.where(np.isfinite(values), np.abs(values), np.nan)
    empty = np.isnan(sizes).all(axis=-1, keepdims=True)
    return np.nanmedian(np.where(empty, 0.0, sizes), axis=-1, keepdims=True)
