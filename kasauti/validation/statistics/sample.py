"""What every statistic needs of returns: moments, checks, the normal law; no test is here."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    values = checked_series(returns, "returns", may_be_constant=True)
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


def normal_cdf(value: float) -> float:
    """Return the probability that a standard normal stays below `value`."""
    return _NORMAL.cdf(value)


def normal_quantile(probability: float) -> float:
    """Return the standard normal value below which `probability` lies."""
    return _NORMAL.inv_cdf(probability)


def normal_tail(value: float) -> float:
    """Return the probability that a standard normal exceeds `value`, exact far out."""
    return 0.5 * math.erfc(value / math.sqrt(2.0))


def checked_series(values: ArrayLike, field: str, *, may_be_constant: bool = False) -> Returns:
    """Return `values` as one finite series that varies.

    Raises
    ------
    DataError
        Naming `field`: another shape, under three values, one that is not finite, or all equal.
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or len(series) < _MINIMUM:
        raise DataError(f"{field} of shape {series.shape}: need one series of at least {_MINIMUM}")
    if not np.isfinite(series).all():
        first = int(np.flatnonzero(~np.isfinite(series))[0])
        raise DataError(
            f"{field}: return {first} is {series[first]}; a statistic of it would mean nothing"
        )
    if not may_be_constant and np.ptp(series) == 0.0:
        raise DataError(f"{field}: every return is {series[0] + 0.0:g}; give returns that vary")
    return series


def checked_matrix(values: ArrayLike, field: str, *, fewest: int = 1) -> Returns:
    """Return `values` as (strategies, periods), every row finite and varying.

    Raises
    ------
    DataError
        Naming `field` and the row.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < fewest or matrix.shape[1] < _MINIMUM:
        raise DataError(
            f"{field} of shape {matrix.shape}: need (strategies, periods), at least {fewest} "
            f"strategies and {_MINIMUM} periods"
        )
    if not np.isfinite(matrix).all():
        row, column = (int(at) for at in np.argwhere(~np.isfinite(matrix))[0])
        raise DataError(
            f"{field}: strategy {row}, return {column} is {matrix[row, column]}; leave the "
            "strategy out or mend its returns"
        )
    constant = np.flatnonzero(np.ptp(matrix, axis=1) == 0.0)
    if len(constant):
        row = int(constant[0])
        raise DataError(
            f"{field}: strategy {row} returns {matrix[row, 0] + 0.0:g} in every period, as "
            "one that never trades; leave it out"
        )
    return np.ascontiguousarray(matrix)
