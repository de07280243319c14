"""Bull and bear markets on month-ends by Pagan and Sossounov (2003); for scores, never a strategy.

"A simple framework for analysing bull and bear markets", Journal of Applied Econometrics 18(1).
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.regimes.dating import LEG, known_closes

Floats = NDArray[np.float64]

WINDOW = 8  # months on each side among which a turn is the highest or the lowest
CENSOR = 6  # months at either end in which no turn is dated
PHASE = 4  # months that a phase lasts at least, unless it moves more than `LEG`
CYCLE = 16  # months from peak to peak and from trough to trough


class Turn(StrEnum):
    """What a dated turn is."""

    PEAK = "peak"
    TROUGH = "trough"


Dated = tuple[int, Turn]


def date_months(closes: Floats) -> tuple[Dated, ...]:
    """Date the turns of month-end closes.

    Turns dominate the `WINDOW` months on both sides, alternate, keep `CENSOR` months from the ends,
    are not beaten between them and their end of the data, make cycles of at least `CYCLE` months,
    and phases of at least `PHASE` months or of more than `LEG`; a bear ends lower than it began.

    Parameters
    ----------
    closes : ndarray of shape (T,)
        One a month, none missing.

    Returns
    -------
    tuple of (int, Turn)
        Position and kind, alternating.

    Raises
    ------
    DataError
        A close is missing or not a positive number.
    """
    values = known_closes(closes)[1]
    if len(values) < len(closes):
        raise DataError(f"{len(closes) - len(values)} month-ends are missing: give all of them")
    turns = _alternating(_local_turns(values), values)
    turns = [turn for turn in turns if CENSOR <= turn[0] < len(values) - CENSOR]
    turns = _without_beaten_ends(turns, values)
    turns = _without(_short_cycle, turns, values)
    return tuple(_without(_weak_phase, turns, values))


def _is_beyond(close: float, other: float, kind: Turn) -> bool:
    return close > other if kind is Turn.PEAK else close < other


def _local_turns(closes: Floats) -> Iterable[Dated]:
    for month, close in enumerate(closes.tolist()):
        around = closes[max(month - WINDOW, 0) : month + WINDOW + 1]
        if close == around.max():
            yield month, Turn.PEAK
        elif close == around.min():
            yield month, Turn.TROUGH


def _alternating(turns: Iterable[Dated], closes: Floats) -> list[Dated]:
    """Keep the highest of successive peaks and the lowest of successive troughs."""
    kept: list[Dated] = []
    for month, kind in turns:
        if not kept or kept[-1][1] is not kind:
            kept.append((month, kind))
        elif _is_beyond(closes[month], closes[kept[-1][0]], kind):
            kept[-1] = (month, kind)
    return kept


def _without_beaten_ends(turns: list[Dated], closes: Floats) -> list[Dated]:
    """Drop first and last turns that a close between them and their end of the data beats."""

    def is_beaten(turn: Dated, towards_end: Floats) -> bool:
        return any(_is_beyond(close, closes[turn[0]], turn[1]) for close in towards_end.tolist())

    while turns and is_beaten(turns[0], closes[: turns[0][0]]):
        turns = turns[1:]
    while turns and is_beaten(turns[-1], closes[turns[-1][0] + 1 :]):
        turns = turns[:-1]
    return turns


def _without(
    fault: Callable[[list[Dated], Floats], int | None], turns: list[Dated], closes: Floats
) -> list[Dated]:
    """Drop the turn that `fault` names until it names none."""
    while (at := fault(turns, closes)) is not None:
        turns = _alternating(turns[:at] + turns[at + 1 :], closes)
    return turns


def _short_cycle(turns: list[Dated], closes: Floats) -> int | None:
    """Return the weaker of two peaks, or of two troughs, that are too close together."""
    for at in range(len(turns) - 2):
        (first, kind), (last, _) = turns[at], turns[at + 2]
        if last - first < CYCLE:
            return at if _is_beyond(closes[last], closes[first], kind) else at + 2
    return None


def _weak_phase(turns: list[Dated], closes: Floats) -> int | None:
    """Return the end of a phase that is short and small, or that moves the wrong way."""
    for at in range(len(turns) - 1):
        (first, kind), (last, _) = turns[at], turns[at + 1]
        is_short = last - first < PHASE and abs(closes[last] / closes[first] - 1.0) <= LEG
        if is_short or not _is_beyond(closes[first], closes[last], kind):
            return at + 1
    return None
