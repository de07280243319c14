"""Whether the best of many strategies beats a benchmark: Reality Check, SPA, StepM."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.resampling import (
    long_run_variances,
    optimal_block_length,
    resampled_means,
)
from kasauti.validation.statistics.sample import checked_matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Snooping:
    """p-values of "none of these beats the benchmark".

    Attributes
    ----------
    reality_check : float
        White's (2000): mean returns as they are, every strategy at the edge of the hypothesis.
    spa_lower, spa, spa_upper : float
        Hansen's (2005): means over their standard errors; hopeless strategies count never, only
        where they are not clearly hopeless (the consistent one), or always.
    superior : tuple of int
        Strategies that beat the benchmark, with a probability of `size` that one of them does not
        (Romano and Wolf 2005, at the consistent SPA's critical values).
    block : float
        Mean block length of the resamples.
    """

    reality_check: float
    spa_lower: float
    spa: float
    spa_upper: float
    superior: tuple[int, ...]
    block: float


@dataclass(frozen=True, eq=False)
class Simulated:
    """Statistics of every strategy, and what they would be without an edge.

    Attributes
    ----------
    observed : ndarray
        (strategies,), means over the benchmark, divided by their errors if studentised.
    lower, consistent, upper : ndarray
        (reps, strategies), resampled, under the three hypotheses.
    """

    observed: Floats
    lower: Floats
    consistent: Floats
    upper: Floats


def data_snooping(
    excess: ArrayLike,
    rng: np.random.Generator,
    *,
    block: float | None = None,
    reps: int = 1_000,
    size: float = 0.05,
) -> Snooping:
    """Test whether any strategy beats the benchmark, allowing for how many were looked at.

    Parameters
    ----------
    excess : array_like
        (strategies, periods), returns less the benchmark's; for cash at a rate of 0 the returns.
    rng : numpy.random.Generator
    block : float or None
        Mean block length; None takes the optimal one of the best strategy.
    reps : int
        Resamples: p-values are multiples of one over it.
    size : float
        Of StepM.

    Raises
    ------
    DataError
        On values that are not finite or a strategy that never varies.
    """
    matrix = checked_matrix(excess, "returns of the strategies")
    length = optimal_block_length(matrix[matrix.mean(axis=1).argmax()]) if block is None else block
    means = resampled_means(matrix, length, reps, rng)
    plain = simulate(matrix, means, length, studentised=False)
    studentised = simulate(matrix, means, length, studentised=True)
    return Snooping(
        reality_check=_p_value(plain.upper, plain.observed),
        spa_lower=_p_value(studentised.lower, studentised.observed),
        spa=_p_value(studentised.consistent, studentised.observed),
        spa_upper=_p_value(studentised.upper, studentised.observed),
        superior=superior_strategies(studentised, size),
        block=length,
    )


def simulate(matrix: Floats, means: Floats, block: float, *, studentised: bool) -> Simulated:
    """Recentre the resampled means under the three hypotheses.

    Hansen divides by the standard errors; the package arch, whatever its `studentize`, does not:
    it takes them only to tell which strategies are hopeless.
    """
    periods = matrix.shape[1]
    average = matrix.mean(axis=1)
    error = np.sqrt(long_run_variances(matrix, block) / periods)
    if not (error > 0).all():
        row = int(np.flatnonzero(~(error > 0))[0])
        raise DataError(
            f"returns of the strategies: the mean of strategy {row} has no error in blocks of "
            f"{block:g}; leave it out or take another block length"
        )
    scale = error if studentised else np.ones_like(error)
    hopeless = average < -error * math.sqrt(2.0 * math.log(math.log(max(periods, 3))))
    return Simulated(
        observed=average / scale,
        lower=(means - np.maximum(average, 0.0)) / scale,
        consistent=(means - np.where(hopeless, 0.0, average)) / scale,
        upper=(means - average) / scale,
    )


def p_values(simulated: Simulated) -> tuple[float, float, float]:
    """Return the lower, consistent and upper p-value."""
    parts = (simulated.lower, simulated.consistent, simulated.upper)
    lower, consistent, upper = (_p_value(part, simulated.observed) for part in parts)
    return lower, consistent, upper


def superior_strategies(simulated: Simulated, size: float) -> tuple[int, ...]:
    """Return who beats the benchmark: reject the best, leave them out, and again until none."""
    if not 0.0 < size < 1.0:
        raise DataError(f"size {size}: a probability between 0 and 1, for instance 0.05")
    left = np.ones(len(simulated.observed), dtype=np.bool_)
    while left.any():
        critical = np.quantile(simulated.consistent[:, left].max(axis=1), 1.0 - size)
        found = left & (simulated.observed > critical)
        if not found.any():
            break
        left &= ~found
    return tuple(int(row) for row in np.flatnonzero(~left))


def _p_value(simulated: Floats, observed: Floats) -> float:
    return float(np.mean(simulated.max(axis=1) > observed.max()))
