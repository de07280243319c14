"""The four market regimes and a series of them; how they are found lives beside it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Regime(StrEnum):
    """What the market is doing, as far as one could know on that day."""

    BULL = "bull"
    BEAR = "bear"
    SIDEWAYS = "sideways"
    VOLATILE = "volatile"


REGIMES: tuple[Regime, ...] = tuple(Regime)
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class OnlineLabels:
    """Labels that use nothing after their own bar; the only kind that a strategy may see.

    Attributes
    ----------
    codes : ndarray of shape (T,), int8
        Position in `REGIMES`, or `UNKNOWN` during warm-up.
    """

    codes: NDArray[np.int8]
