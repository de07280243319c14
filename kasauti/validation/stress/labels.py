"""Regimes of many worlds at once: `kasauti.regimes.online.label_closes`, row by row, in one pass.

The rule and its numbers are those of `online`; a test holds the two equal. It is here because a
thousand worlds one by one take a second.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features.indicators import highest, lag, sma, std
from kasauti.market.bars import Booleans, Floats
from kasauti.regimes.model import REGIMES, UNKNOWN, Regime
from kasauti.regimes.online import (
    CALM,
    CONFIRMED,
    DECLINE,
    SLOPE,
    TREND,
    TURMOIL,
    VOLATILITY,
    WARM_UP,
)

Codes = NDArray[np.int8]

_BULL, _BEAR, _SIDEWAYS, _VOLATILE = (
    REGIMES.index(regime) for regime in (Regime.BULL, Regime.BEAR, Regime.SIDEWAYS, Regime.VOLATILE)
)


def label_worlds(closes: Floats) -> Codes:
    """Return the label at every session close of every world, shape (W, N).

    Parameters
    ----------
    closes : ndarray of shape (W, N)
        NaN only before a row's first close.
    """
    average = sma(closes, TREND)
    rising = average > lag(average, SLOPE)
    declined = closes <= (1.0 - DECLINE) * highest(closes, TREND)
    volatility = std(closes / lag(closes, 1) - 1.0, VOLATILITY)
    labels = np.full(closes.shape, UNKNOWN, dtype=np.int8)
    _label(closes, average, rising, declined, volatility, labels)
    return labels


def compile_kernels() -> None:
    """Compile the kernel, so that no verdict waits for it."""
    label_worlds(np.ones((1, 2)))


@njit
def _label(
    closes: Floats,
    average: Floats,
    rising: Booleans,
    declined: Booleans,
    volatility: Floats,
    labels: Codes,
) -> None:
    worlds, sessions = closes.shape
    for world in range(worlds):
        history, known, seen = np.empty(sessions), 0, 0
        turmoil, label, candidate, lasted = False, UNKNOWN, UNKNOWN, 0
        for t in range(sessions):
            close, now = closes[world, t], volatility[world, t]
            if np.isnan(close):
                continue
            seen += 1
            if not np.isnan(now):
                place = np.searchsorted(history[:known], now, side="right")
                for after in range(known, place, -1):
                    history[after] = history[after - 1]
                history[place] = now
                known += 1
                median = (history[known // 2] + history[(known - 1) // 2]) / 2.0
                turmoil = now > (CALM if turmoil else TURMOIL) * median
            state = _SIDEWAYS
            if seen <= WARM_UP:
                state = UNKNOWN
            elif turmoil:
                state = _VOLATILE
            elif close < average[world, t] and declined[world, t]:
                state = _BEAR
            elif close > average[world, t] and rising[world, t]:
                state = _BULL
            lasted = lasted + 1 if state == candidate else 1
            candidate = state
            if label == UNKNOWN or lasted >= CONFIRMED:
                label = state
            labels[world, t] = label
