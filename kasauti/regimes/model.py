"""The four market regimes and a series of them; how they are found lives beside it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError


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

    Raises
    ------
    DataError
        The codes have another type, shape or value.
    """

    codes: NDArray[np.int8]

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        if codes.ndim != 1 or codes.dtype != np.int8:
            raise DataError(
                f"regime labels have type {codes.dtype} and {codes.ndim} dimensions: give one int8 "
                "code a bar"
            )
        wrong = (codes < UNKNOWN) | (codes >= len(REGIMES))
        if wrong.any():
            at = int(wrong.argmax())
            raise DataError(
                f"regime label {at} is {codes[at]}: give a position in REGIMES, 0 to "
                f"{len(REGIMES) - 1}, or {UNKNOWN} where it is unknown"
            )
