"""Sharpe ratios against luck by the revision of 2025; it disagrees with 2012, so both are named.

Lopez de Prado, Lipton and Zoonekynd, Sharpe Ratio Inference: A New Standard (SSRN 5520741). The
variance is taken at the null instead of the estimate, with T instead of T - 1, for returns with an
autocorrelation `rho` of the first order, and for the best of `trials` Sharpe ratios.
"""

import math
from typing import TypedDict, Unpack

from kasauti.errors import DataError
from kasauti.validation.statistics.sample import normal_cdf, normal_quantile
from kasauti.validation.statistics.trials import expected_max_sharpe, maximum_moments


class Circumstances(TypedDict, total=False):
    """What else bears on the error of a Sharpe ratio; see `sharpe_error_2025` for the defaults.

    `rho` is the autocorrelation of the returns, `trials` how many the Sharpe is the best of.
    """

    rho: float
    trials: float


def sharpe_error_2025(
    sharpe: float,
    periods: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    *,
    rho: float = 0.0,
    trials: float = 1.0,
) -> float:
    """Return the standard error that a Sharpe estimate has where the true one is `sharpe`.

    Raises
    ------
    DataError
        Where |rho| reaches 1 or no distribution has these moments.
    """
    if not -1.0 < rho < 1.0:
        raise DataError(f"rho {rho}: an autocorrelation lies between -1 and 1")
    linear = (1.0 + rho) / (1.0 - rho)
    mixed = (1.0 + rho + rho**2) / (1.0 - rho**2)
    squared = (1.0 + rho**2) / (1.0 - rho**2)
    spread = linear - mixed * skew * sharpe + squared * (kurtosis - 1.0) / 4.0 * sharpe**2
    if not spread > 0:
        raise DataError(
            f"Sharpe {sharpe:g}, skew {skew:g}, kurtosis {kurtosis:g}, rho {rho:g}: no returns "
            "have these; look at them"
        )
    return math.sqrt(spread / periods * maximum_moments(trials)[1])


def psr_2025(
    sharpe: float,
    periods: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    **circumstances: Unpack[Circumstances],
) -> float:
    """Return one minus the p-value of the Sharpe against a true one of `benchmark`."""
    error = sharpe_error_2025(benchmark, periods, skew, kurtosis, **circumstances)
    return normal_cdf((sharpe - benchmark) / error)


def deflated_sharpe_2025(
    sharpe: float,
    periods: float,
    skew: float,
    kurtosis: float,
    trials: float,
    variance: float,
    *,
    rho: float = 0.0,
    spread_of_maximum: bool = True,
) -> float:
    """Return `psr_2025` against the best of `trials` worthless ones: 1 - the family-wise error.

    `spread_of_maximum` also narrows the error to that of a maximum of so many.
    """
    benchmark = expected_max_sharpe(trials, variance)
    counted = trials if spread_of_maximum else 1.0
    return psr_2025(sharpe, periods, skew, kurtosis, benchmark, rho=rho, trials=counted)


def min_trl_2025(
    sharpe: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    significance: float = 0.05,
    **circumstances: Unpack[Circumstances],
) -> float:
    """Return the periods at which the Sharpe becomes significant; infinite if not above."""
    if sharpe <= benchmark:
        return math.inf
    error = sharpe_error_2025(benchmark, 1.0, skew, kurtosis, **circumstances)
    return (normal_quantile(1.0 - significance) * error / (sharpe - benchmark)) ** 2


def power_2025(
    benchmark: float,
    alternative: float,
    periods: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    significance: float = 0.05,
    **circumstances: Unpack[Circumstances],
) -> float:
    """Return how often a true Sharpe of `alternative` is found significant against `benchmark`."""
    null = sharpe_error_2025(benchmark, periods, skew, kurtosis, **circumstances)
    true = sharpe_error_2025(alternative, periods, skew, kurtosis, **circumstances)
    critical = benchmark + normal_quantile(1.0 - significance) * null
    return normal_cdf((alternative - critical) / true)


def planned_false_discovery_rate(prior: float, significance: float, power: float) -> float:
    """Return the share of false ones among all that a test approves (pFDR).

    `prior` is the share of strategies with an edge.
    """
    _check_prior(prior)
    false, true = significance * (1.0 - prior), power * prior
    return false / (false + true) if false + true > 0 else 0.0


def observed_false_discovery_rate(
    sharpe: float,
    benchmark: float,
    alternative: float,
    periods: float,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    prior: float = 0.05,
    **circumstances: Unpack[Circumstances],
) -> float:
    """Return the probability that a Sharpe at least this good comes from no edge (oFDR)."""
    moments = (periods, skew, kurtosis)
    by_luck = 1.0 - psr_2025(sharpe, *moments, benchmark, **circumstances)
    by_edge = 1.0 - psr_2025(sharpe, *moments, alternative, **circumstances)
    return planned_false_discovery_rate(prior, by_luck, by_edge)


def _check_prior(prior: float) -> None:
    if not 0.0 <= prior <= 1.0:
        raise DataError(f"prior {prior}: a share lies between 0 and 1")
