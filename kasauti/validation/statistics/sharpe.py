"""Sharpe ratios against luck by the formulas of 2012 and 2014; those of 2025 are a module apart."""

import math

from kasauti.errors import DataError
from kasauti.validation.statistics.sample import normal_cdf, normal_quantile
from kasauti.validation.statistics.trials import expected_max_sharpe


def sharpe_error(sharpe: float, periods: float, skew: float, kurtosis: float) -> float:
    """Return the standard error of a Sharpe ratio (Bailey and Lopez de Prado 2012)."""
    return math.sqrt(_spread(sharpe, skew, kurtosis) / (periods - 1))


def psr_2012(
    sharpe: float, periods: float, skew: float, kurtosis: float, benchmark: float = 0.0
) -> float:
    """Return the probability that the true Sharpe exceeds `benchmark`.

    Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012); the variance is taken
    at the estimate, with T - 1.
    """
    return normal_cdf((sharpe - benchmark) / sharpe_error(sharpe, periods, skew, kurtosis))


def min_trl(
    sharpe: float, skew: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Return the shortest track record, in periods, at which PSR reaches `confidence`.

    Infinite where the Sharpe does not exceed the benchmark (Bailey and Lopez de Prado 2012).
    """
    if sharpe <= benchmark:
        return math.inf
    needed = normal_quantile(confidence) / (sharpe - benchmark)
    return 1.0 + _spread(sharpe, skew, kurtosis) * needed**2


def deflated_sharpe(
    sharpe: float,
    periods: float,
    skew: float,
    kurtosis: float,
    trials: float,
    variance: float,
    *,
    exact: bool = False,
) -> float:
    """Return PSR against the best that `trials` worthless strategies would have shown (2014).

    `variance` is that of the trials' Sharpe ratios, per period; `exact` takes the expected maximum
    from its integral instead of the paper's closed form.
    """
    benchmark = expected_max_sharpe(trials, variance, exact=exact)
    return psr_2012(sharpe, periods, skew, kurtosis, benchmark)


def min_btl(trials: float, sharpe: float) -> float:
    """Return the years of data below which `trials` worthless ones reach `sharpe` by luck.

    Bailey, Borwein, Lopez de Prado and Zhu, Pseudo-Mathematics and Financial Charlatanism (2014);
    `sharpe` is annual. Infinite where it is not positive, 0 for a single trial.
    """
    if not sharpe > 0:
        return math.inf
    return (expected_max_sharpe(trials) / sharpe) ** 2


def min_btl_bound(trials: float, sharpe: float) -> float:
    """Return the paper's upper bound of `min_btl`, 2 ln(trials) over the squared annual Sharpe."""
    if not trials >= 1:
        raise DataError(f"{trials} trials: need at least 1")
    return 2.0 * math.log(trials) / sharpe**2 if sharpe > 0 else math.inf


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not spread > 0:
        raise DataError(
            f"Sharpe {sharpe:g}, skew {skew:g}, kurtosis {kurtosis:g}: no distribution has these, "
            "or one of two values only; look at the returns"
        )
    return spread
