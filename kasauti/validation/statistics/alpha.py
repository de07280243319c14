"""What holding the index does not explain: a regression over cash; nothing else."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.sample import Returns, checked_series


@dataclass(frozen=True)
class Alpha:
    """Intercept (a period), slope and the intercept's t of a regression on the index.

    Attributes
    ----------
    t : float
        With ordinary errors: the one that decides.
    t_newey_west : float
        With errors for autocorrelation and changing volatility, Bartlett weights over `lags`.
    """

    alpha: float
    beta: float
    t: float
    t_newey_west: float = 0.0
    lags: int = 0


def alpha_over_index(
    returns: Returns,
    index: Returns,
    *,
    weights: Returns | None = None,
    lags: int | None = None,
) -> Alpha:
    """Regress returns on the index's returns, both over cash at a rate of 0.

    Both t are 0 where the index explains everything.

    Parameters
    ----------
    returns, index : ndarray of shape (T,)
    weights : ndarray of shape (T,), optional
        What each squared error counts, over 0; all the same unless given (weighted least squares).
    lags : int, optional
        4 (T / 100)^(2/9) unless given (Newey and West 1994).

    Raises
    ------
    DataError
        On unequal lengths, a value that is not finite, or an index that never moves.
    """
    mine = checked_series(returns, "returns", may_be_constant=True)
    market = checked_series(index, "index returns")
    if len(mine) != len(market):
        raise DataError(f"{len(mine)} returns against {len(market)} of the index: align them")
    periods = len(mine)
    counts = np.full(periods, 1.0 / periods) if weights is None else weights / np.sum(weights)
    mean = float(counts @ market)
    centred = counts * (market - mean)
    squares = float(centred @ (market - mean))
    beta = float(centred @ mine) / squares
    alpha = float(counts @ mine) - beta * mean
    residuals = mine - alpha - beta * market
    # The intercept is this weighted sum of the returns, so these parts make its errors too.
    parts = counts - mean * centred / squares
    noise = float(counts @ residuals**2) / (periods - 2)
    variance = noise * float(parts @ (parts / counts))
    lags = int(4 * (periods / 100) ** (2 / 9)) if lags is None else lags
    robust = _newey_west(parts * residuals, lags)
    # A residual at the rounding error of the returns is no noise to measure an intercept against.
    noisy = math.sqrt(variance) > 1e-12 * (float(np.abs(mine).max()) + 1e-300)
    if not noisy or not robust > 0:
        return Alpha(alpha, beta, alpha / math.sqrt(variance) if noisy else 0.0, 0.0, lags)
    return Alpha(alpha, beta, alpha / math.sqrt(variance), alpha / math.sqrt(robust), lags)


def _newey_west(parts: NDArray[np.float64], lags: int) -> float:
    """Return the variance of the sum of `parts`, correlated over so many lags."""
    total = float(parts @ parts)
    for lag in range(1, min(lags, len(parts) - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1)) * float(parts[lag:] @ parts[:-lag])
    return total
