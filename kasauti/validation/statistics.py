"""Overfitting statistics as plain functions of numbers; thresholds and gates are set elsewhere.

Sharpe ratios are per period (a day's return over a day's deviation), kurtosis is raw (normal = 3).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError

Returns = NDArray[np.float64]
_NORMAL = NormalDist()
_MINIMUM = 3


@dataclass(frozen=True)
class Sample:
    """What the statistics need to know of a return series.

    Attributes
    ----------
    periods : int
    sharpe : float
        Mean over deviation (ddof 1), per period; 0 for constant returns.
    skew, kurtosis : float
        Biased moments as in Bailey and Lopez de Prado; 0 and 3 for constant returns.
    """

    periods: int
    sharpe: float
    skew: float
    kurtosis: float


def describe(returns: Returns) -> Sample:
    """Return the moments of `returns`.

    Raises
    ------
    DataError
        On fewer than three returns or one that is not finite: no statistic of those means anything.
    """
    values = _checked(returns)
    deviation = float(np.std(values, ddof=1))
    if deviation == 0.0 or np.ptp(values) == 0.0:
        return Sample(len(values), 0.0, 0.0, 3.0)
    standard = (values - values.mean()) / np.std(values)
    return Sample(
        len(values),
        float(values.mean()) / deviation,
        float(np.mean(standard**3)),
        float(np.mean(standard**4)),
    )


def t_statistic(returns: Returns) -> float:
    """Return the t of the mean return, Sharpe times the root of the number of periods."""
    sample = describe(returns)
    return sample.sharpe * math.sqrt(sample.periods)


def sharpe_error(sharpe: float, periods: int, skew: float, kurtosis: float) -> float:
    """Return the standard error of a Sharpe ratio (Bailey and Lopez de Prado 2012)."""
    return math.sqrt(_spread(sharpe, skew, kurtosis) / (periods - 1))


def psr_2012(
    sharpe: float, periods: int, skew: float, kurtosis: float, benchmark: float = 0.0
) -> float:
    """Return the probability that the true Sharpe exceeds `benchmark`.

    Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012); the variance is taken
    at the estimate, with T - 1.
    """
    return _NORMAL.cdf((sharpe - benchmark) / sharpe_error(sharpe, periods, skew, kurtosis))


def min_trl(
    sharpe: float, skew: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Return the shortest track record, in periods, at which PSR reaches `confidence`.

    Infinite where the Sharpe does not exceed the benchmark (Bailey and Lopez de Prado 2012).
    """
    if sharpe <= benchmark:
        return math.inf
    needed = _NORMAL.inv_cdf(confidence) / (sharpe - benchmark)
    return 1.0 + _spread(sharpe, skew, kurtosis) * needed**2


def expected_max_sharpe(trials: float, variance: float = 1.0) -> float:
    """Return the Sharpe that the best of `trials` worthless strategies is expected to show.

    Bailey and Lopez de Prado, The Deflated Sharpe Ratio (2014); 0 for a single trial. The closed
    form is within 3 % of the exact integral from five trials on.
    """
    if trials < 1 or variance < 0:
        raise DataError(f"{trials} trials with variance {variance}: need at least 1, and 0")
    if trials <= 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second)


def deflated_sharpe(
    sharpe: float, periods: int, skew: float, kurtosis: float, trials: float, variance: float
) -> float:
    """Return PSR against the best that `trials` worthless strategies would have shown (2014).

    `variance` is that of the trials' Sharpe ratios, per period.
    """
    benchmark = expected_max_sharpe(trials, variance)
    return psr_2012(sharpe, periods, skew, kurtosis, benchmark)


@dataclass(frozen=True)
class Alpha:
    """Intercept (a period), slope and the intercept's t of a regression on the index."""

    alpha: float
    beta: float
    t: float


def alpha_over_index(returns: Returns, index: Returns) -> Alpha:
    """Regress returns on the index's returns, both over cash at a rate of 0 (ordinary errors).

    Raises
    ------
    DataError
        On unequal lengths or a value that is not finite.
    """
    mine, market = _checked(returns), _checked(index)
    if len(mine) != len(market):
        raise DataError(f"{len(mine)} returns against {len(market)} of the index: align them")
    centred = market - market.mean()
    squares = float(centred @ centred)
    beta = float(centred @ mine) / squares if squares > 0 else 0.0
    alpha = float(mine.mean()) - beta * float(market.mean())
    residuals = mine - alpha - beta * market
    variance = float(residuals @ residuals) / (len(mine) - 2)
    level = 1.0 / len(mine) + (float(market.mean()) ** 2 / squares if squares > 0 else 0.0)
    error = math.sqrt(variance * level)
    # A residual at the rounding error of the returns is no noise to measure an intercept against.
    noise = error > 1e-12 * (float(np.abs(mine).max()) + 1e-300)
    return Alpha(alpha, beta, alpha / error if noise else 0.0)


def normal_quantile(probability: float) -> float:
    """Return the standard normal value below which `probability` lies."""
    return _NORMAL.inv_cdf(probability)


def normal_tail(value: float) -> float:
    """Return the probability that a standard normal exceeds `value`, exact far out."""
    return 0.5 * math.erfc(value / math.sqrt(2.0))


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    return 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2


def _checked(returns: Returns) -> Returns:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1 or len(values) < _MINIMUM:
        raise DataError(f"returns of shape {values.shape}: need one series of at least {_MINIMUM}")
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"return {first} is {values[first]}: a statistic of it would mean nothing")
    return values
