"""Where walk-forward trains and where it trades; nothing is run here."""

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from kasauti.errors import VerdictRefused

WINDOWS = 8
FIRST_TRAINING = (
    0.4  # of the searched bars: 3 of 8 years are the least that a tuning can learn from
)
LEAST_TRAINING = 100  # bars; a tuning on fewer sees a handful of trades
EMBARGO = 0.01  # of the searched bars, after Lopez de Prado 2018, chapter 7


class Scheme(StrEnum):
    """Where training begins: always on the first bar, or so that it is always equally long."""

    ANCHORED = "anchored"
    ROLLING = "rolling"


@dataclass(frozen=True)
class Window:
    """Positions on the time axis: train on the first two, trade between the last two.

    Stops are exclusive. Between the two stretches lie the purged and the embargoed bars.
    """

    train_start: int
    train_stop: int
    test_start: int
    test_stop: int

    @property
    def train(self) -> tuple[int, int]:
        """The bars to tune on."""
        return self.train_start, self.train_stop

    @property
    def test(self) -> tuple[int, int]:
        """The bars to trade."""
        return self.test_start, self.test_stop


def embargo_of(bars: int) -> int:
    """Return how many bars are left out on top of the longest holding."""
    return math.ceil(EMBARGO * bars)


def windows_of(
    bars: int,
    horizon: int,
    scheme: Scheme = Scheme.ANCHORED,
    *,
    count: int = WINDOWS,
    first_training: float = FIRST_TRAINING,
) -> tuple[Window, ...]:
    """Return windows that trade everything after the first training stretch.

    Parameters
    ----------
    bars : int
        Number of searched bars.
    horizon : int
        Longest holding in bars: so many bars before each traded stretch are purged from training,
        because what was decided on them is settled inside the stretch. As many bars as `EMBARGO`
        says come on top.
    scheme : Scheme
    count : int
    first_training : float
        Share of the bars before the first traded stretch.

    Raises
    ------
    VerdictRefused
        Where the gap leaves too little to train on.
    """
    first = math.floor(bars * first_training)
    gap = horizon + embargo_of(bars)
    if first - gap < max(gap, LEAST_TRAINING):
        raise VerdictRefused(
            f"{bars} bars with a holding time of up to {horizon} leave {max(0, first - gap)} bars "
            "to train on: bring a longer history, or shorten max_bars"
        )
    edges = [first + math.floor(k * (bars - first) / count) for k in range(count + 1)]
    return tuple(
        Window(start - first if scheme is Scheme.ROLLING else 0, start - gap, start, stop)
        for start, stop in pairwise(edges)
    )
