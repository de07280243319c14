"""The stationary bootstrap: resampled means, intervals, block lengths; no test is here."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.blas import one_thread
from kasauti.validation.statistics.sample import checked_matrix, checked_series

Floats = NDArray[np.float64]
# Rows of counts made at a time: 128 of 5,000 bars are 5 MB, so memory does not grow with `reps`.
_BATCH = 128


class Statistic(StrEnum):
    """What an interval is of, per period."""

    MEAN = "mean"
    SHARPE = "sharpe"


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds between which the true value lies with probability `level`."""

    low: float
    estimate: float
    high: float
    level: float
    block: float


def stationary_bootstrap_interval(
    returns: ArrayLike,
    statistic: Statistic | str,
    level: float,
    rng: np.random.Generator,
    *,
    block: float | None = None,
    reps: int = 2_000,
) -> Interval:
    """Return the percentile interval of a mean or Sharpe ratio that autocorrelation does not fool.

    Politis and Romano, The Stationary Bootstrap (1994).

    Parameters
    ----------
    returns : array_like
        (periods,), finite, not all equal.
    statistic : Statistic or str
        "mean" or "sharpe", per period.
    level : float
        In (0, 1), for instance .95: two-sided.
    rng : numpy.random.Generator
    block : float or None
        Mean block length; None takes `optimal_block_length`.
    reps : int

    Raises
    ------
    DataError
        Naming what cannot be used.
    """
    series = checked_series(returns, "returns")
    if statistic not in list(Statistic):
        raise DataError(f"statistic {statistic!r}: one of {', '.join(Statistic)}")
    if not 0.0 < level < 1.0:
        raise DataError(f"level {level}: a probability between 0 and 1, for instance 0.95")
    length = optimal_block_length(series) if block is None else block
    # Centred first, so that the squares lose no digits; the mean comes back at the end.
    centred = series - series.mean()
    means = resampled_means(np.stack([centred, centred**2]), length, reps, rng)
    resampled, estimate = means[:, 0] + series.mean(), float(series.mean())
    if statistic == Statistic.SHARPE:
        periods = len(series)
        variance = (means[:, 1] - means[:, 0] ** 2) * periods / (periods - 1)
        # A resample of nothing but idle bars has no Sharpe; it counts as 0.
        moved = variance > 1e-12 * float(np.mean(centred**2))
        resampled = np.where(moved, resampled / np.sqrt(np.where(moved, variance, 1.0)), 0.0)
        estimate /= float(np.std(series, ddof=1))
    low, high = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), estimate, float(high), level, float(length))


def resampled_means(series: Floats, block: float, reps: int, rng: np.random.Generator) -> Floats:
    """Return (reps, rows): the mean of every row in every stationary bootstrap resample.

    A resample is how often it takes each period, so all means are one product of counts and
    returns; every row is resampled alike.
    """
    periods = series.shape[1]
    transposed = np.ascontiguousarray(series.T)
    with one_thread():
        parts = [
            resample_counts(periods, block, min(_BATCH, reps - start), rng) @ transposed
            for start in range(0, reps, _BATCH)
        ]
    return np.asarray(np.concatenate(parts) / periods)


def resample_counts(periods: int, block: float, reps: int, rng: np.random.Generator) -> Floats:
    """Return (reps, periods): how often each stationary bootstrap resample takes each period.

    Blocks start anywhere, wrap at the end and have geometric lengths of mean `block`.

    Raises
    ------
    DataError
        Where `block` is under 1 or there is nothing to resample.
    """
    if not block >= 1 or periods < 1 or reps < 1:
        raise DataError(f"{reps} resamples of {periods} periods in blocks of {block}: all from 1")
    few = math.ceil(periods / block + 4 * math.sqrt(periods / block)) + 4
    lengths = _geometric(block, (reps, few), rng)
    while (short := lengths.sum(axis=1).min()) < periods:
        more = math.ceil((periods - short) / block) + 4
        lengths = np.hstack([lengths, _geometric(block, (reps, more), rng)])
    ends = np.minimum(lengths.cumsum(axis=1), periods)
    lengths = np.diff(ends, axis=1, prepend=0)
    starts = rng.integers(0, periods, lengths.shape)
    ends = starts + lengths
    # A block is +1 where it starts and -1 after its end; one that wraps is also +1 at 0.
    rows = np.arange(reps)[:, None] * periods
    size = reps * periods
    edges = np.bincount((rows + starts).ravel(), minlength=size)
    edges -= np.bincount((rows + ends % periods).ravel(), minlength=size)
    edges = edges.reshape(reps, periods)
    edges[:, 0] += (ends >= periods).sum(axis=1)
    return edges.cumsum(axis=1).astype(np.float64)


def _geometric(block: float, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return lengths of mean `block`; whole parts of exponentials cost a fifth of numpy's own."""
    rate = -math.log1p(-1.0 / block) if block > 1.0 else math.inf
    return 1 + (rng.standard_exponential(shape) / rate).astype(np.int64)


def long_run_variances(matrix: Floats, block: float) -> Floats:
    """Return (strategies,): periods times the variance of each resampled mean, without resampling.

    Politis and Romano (1994), lemma 1: circular autocovariances weighted by
    (1 - i / T)(1 - 1 / block)^i, here on the frequencies.
    """
    periods = matrix.shape[1]
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, axis=1)) ** 2
    lags = np.arange(periods)
    weights = 2.0 * (1.0 - lags / periods) * (1.0 - 1.0 / block) ** lags
    weights[0] = 1.0
    response = np.fft.rfft(weights).real
    # The frequencies that rfft leaves out mirror the others.
    mirrored = np.full(len(response), 2.0)
    mirrored[0] = 1.0
    if periods % 2 == 0:
        mirrored[-1] = 1.0
    variances = power @ (response * mirrored) / periods**2
    return np.asarray(np.maximum(variances, 0.0))


def optimal_block_length(returns: ArrayLike) -> float:
    """Return the mean block length that resamples the mean of `returns` best, at least 1.

    Politis and White (2004) with the correction of Patton, Politis and White (2009), for the
    stationary bootstrap; autocovariances over all pairs of the sample.

    Raises
    ------
    DataError
        On returns that are not finite or do not vary.
    """
    series = checked_series(returns, "returns")
    periods = len(series)
    centred = series - series.mean()
    run = max(5, int(math.log10(periods)))
    most = min(math.ceil(math.sqrt(periods)) + run, periods - 2)
    covariance = np.array([centred[lag:] @ centred[: periods - lag] for lag in range(most + 1)])
    lag = _last_telling_lag(centred, covariance, run)
    bandwidth = most if lag is None else min(2 * max(lag, 1), most)
    covariance /= periods
    lags = np.arange(1, bandwidth + 1)
    window = 2.0 * np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth)) * covariance[1 : bandwidth + 1]
    slope = float(window @ lags)
    level = float(covariance[0] + window.sum())
    longest = math.ceil(min(3 * math.sqrt(periods), periods / 3))
    if level == 0.0:
        return float(longest)
    optimal = (slope / level) ** 2 * periods
    return float(min(max(optimal ** (1 / 3), 1.0), longest))


def _last_telling_lag(centred: Floats, covariance: Floats, run: int) -> int | None:
    """Return the lag after which `run` autocorrelations in a row tell nothing, if there is one."""
    periods = len(centred)
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    lags = np.arange(len(covariance))
    # Each over its own pairs, as in the code of the correction's author.
    late = squares[-1] - squares[lags + 1]
    early = squares[periods - lags - 1]
    scale = np.sqrt(late * early)
    correlation = np.abs(covariance) / np.where(scale > 0, scale, np.inf)
    quiet = correlation < 2.0 * math.sqrt(math.log10(periods) / periods)
    for first in range(len(covariance) - run):
        if quiet[first : first + run].all():
            return first
    return None


def autocorrelation(returns: ArrayLike) -> float:
    """Return the autocorrelation of the first order."""
    series = checked_series(returns, "returns")
    centred = series - series.mean()
    return float(centred[1:] @ centred[:-1] / (centred @ centred))


def mean_correlation(matrix: ArrayLike) -> float:
    """Return the mean correlation of all pairs of strategies, from (strategies, periods)."""
    rows = checked_matrix(matrix, "returns of the strategies", fewest=2)
    standard = rows - rows.mean(axis=1, keepdims=True)
    standard /= np.sqrt((standard**2).sum(axis=1, keepdims=True))
    # The sum of all correlations is the squared length of the sum of all rows.
    total = float(np.square(standard.sum(axis=0)).sum())
    return (total - len(rows)) / (len(rows) * (len(rows) - 1))
