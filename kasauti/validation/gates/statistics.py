"""Gate 5: luck over all the trials must not explain the returns; and what the sealed bars add."""

import numpy as np

from kasauti.market.bars import Bars, Floats
from kasauti.regimes.online import panel_index
from kasauti.validation import statistics
from kasauti.validation.gates.model import Case, Gate

SEARCHED_WEIGHT, SEALED_WEIGHT = 0.9, 0.436  # of the two t; about the roots of .8 and .2
THRESHOLD = 4.5  # of the joined t, until it is calibrated on edge-free worlds
HOPED_SEALED_T = 3.0  # the best hold-out that may be counted on before it is opened
ALPHA_T = 1.645
# Alone, on bars that no search has seen: whatever luck went into t searched, a strategy without an
# edge gets here once in 20. Without it two strategies of the sample were approved whose sealed t
# was -0.71 and -0.31, on the strength of a t searched of 5.8 on shares that were picked because
# they survived. It goes when the joined threshold is calibrated.
SEALED_T = 1.645
DEFLATED = 0.95


def threshold_after(openings: int) -> float:
    """Return the threshold of the joined t when `openings` others have had their chance.

    k openings divide the error rate by k.
    """
    return -statistics.normal_quantile(statistics.normal_tail(THRESHOLD) / (openings + 1))


def joined_t(searched: float, sealed: float) -> float:
    """Return the one statistic that decides."""
    return SEARCHED_WEIGHT * searched + SEALED_WEIGHT * sealed


def holds_unseen(searched: float, sealed: float, openings: int) -> bool:
    """Whether the sealed bars confirm, joined with the searched ones and by themselves."""
    return joined_t(searched, sealed) >= threshold_after(openings) and sealed > SEALED_T


def examine(case: Case) -> Gate:
    """Ask whether luck over all the trials could have made these returns."""
    sample = statistics.describe(case.returns)
    alpha = statistics.alpha_over_index(case.returns, _index_returns(case.bars))
    # Worthless strategies' Sharpe ratios scatter by one over the root of the periods.
    variance = 1.0 / (sample.periods - 1)
    trials = max(case.trials, 1)
    moments = (sample.sharpe, sample.periods, sample.skew, sample.kurtosis)
    deflated = statistics.deflated_sharpe(*moments, trials, variance)
    threshold = threshold_after(case.openings)
    reachable = joined_t(case.t, HOPED_SEALED_T)
    findings = {
        f"t is {case.t:.2f}; with a good hold-out (t {HOPED_SEALED_T:.0f}) it would join to "
        f"{reachable:.2f}, and {threshold:.2f} is needed": reachable >= threshold,
        f"what holding the index does not explain has a t of {alpha.t:.2f}, and {ALPHA_T} is "
        "needed": alpha.t > ALPHA_T,
        f"after {trials} trials the chance that it is better than the luckiest worthless one is "
        f"{deflated:.1%}, and {DEFLATED:.0%} is needed": deflated >= DEFLATED,
    }
    figures = {
        "t": case.t,
        "reachable_t": reachable,
        "threshold": threshold,
        "alpha_a_bar": alpha.alpha,
        "alpha_t": alpha.t,
        "beta": alpha.beta,
        "deflated_sharpe": deflated,
        "psr": statistics.psr_2012(*moments),
        "trials": trials,
        "skew": sample.skew,
        "kurtosis": sample.kurtosis,
        "min_track_record_bars": statistics.min_trl(sample.sharpe, sample.skew, sample.kurtosis),
        "openings_before": case.openings,
    }
    passed = all(findings.values())
    told = [text for text, good in findings.items() if passed or not good]
    return Gate("statistics", passed, "; ".join(told), figures)


def _index_returns(bars: Bars) -> Floats:
    """Return the index's returns: the named one, else the equal-weight panel; 0 where missing."""
    index = bars.series.get("index")
    levels = panel_index(bars.close) if index is None else index
    known = np.isfinite(levels)
    if not known.any():
        return np.zeros(len(levels))
    carried = levels[np.maximum.accumulate(np.where(known, np.arange(len(levels)), 0))]
    carried = np.where(np.isfinite(carried), carried, levels[known][0])
    return np.concatenate([[0.0], carried[1:] / carried[:-1] - 1.0])
