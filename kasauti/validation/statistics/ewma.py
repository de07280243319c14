"""The deviation of a return as its past tells it, exponentially weighted; no fitted model."""

import numpy as np
from scipy.signal import lfilter

from kasauti.market.bars import Floats

DECAY = 0.94
"""EWMA's weight of the past, RiskMetrics 1996 and SEBI's filtered historical simulation."""

CALMEST = 0.1
"""Of the whole history's deviation: without trades it falls to nothing, and shocks over it soar."""


def ewma_deviation(returns: Floats) -> Floats:
    """Return the standard deviation of each return as known before it.

    Parameters
    ----------
    returns : ndarray of shape (T,)
        None NaN. Deviations are from their mean; the first ones start at the whole history's.

    Returns
    -------
    ndarray of shape (T,)
        At least `CALMEST` of the whole history's.
    """
    squares = (returns - returns.mean()) ** 2
    start = squares.mean()
    after, _ = lfilter([1.0 - DECAY], [1.0, -DECAY], squares[:-1], zi=[DECAY * start])
    variance = np.concatenate([[start], after])
    deviation: Floats = np.maximum(np.sqrt(variance), CALMEST * np.sqrt(start))
    return deviation
