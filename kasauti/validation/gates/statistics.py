"""Gate 5: luck over all the trials must not explain the returns; and what the sealed bars add."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kasauti.backtest import Backtester
from kasauti.errors import DataError
from kasauti.evolution.effective import effective_number
from kasauti.evolution.register import DataSet, TrialRegister
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Floats
from kasauti.validation import statistics
from kasauti.validation.gates.model import Case, Gate
from kasauti.validation.plateau import index_returns
from kasauti.validation.threshold import joined_t, recorded

__all__ = [
    "examine",
    "holds_unseen",
    "peers_of",
    "threshold_after",
]

HOPED_SEALED_T = 3.0  # the best hold-out that may be counted on before it is opened
DENIED_T = -1.645  # the sealed bars alone say at 5 % that it loses: no search outweighs that
ALPHA_T = 1.645
DEFLATED = 0.95
PEERS = 64
"""Registered genomes, a random sample, that stand for all in the statistics of many strategies."""


def threshold_after(openings: int, trials: int = 0) -> float:
    """Return the threshold of the joined t after so many openings by others and so many trials."""
    return recorded().after(openings, trials)


def holds_unseen(searched: float, sealed: float, openings: int, trials: int = 0) -> bool:
    """Whether the sealed bars confirm: joined with the searched ones, and not against them."""
    return joined_t(searched, sealed) >= threshold_after(openings, trials) and sealed > DENIED_T


def peers_of(
    register: TrialRegister, backtester: Backtester, dataset: DataSet, size: int = PEERS
) -> Floats:
    """Return the returns of a fixed random sample of the registered genomes, shape (K, T).

    Those that never moved the account are left out.
    """
    genomes = [genome_from_genes(trial.genes) for trial in register.reservoir(dataset.id, size)]
    returns = [backtester.returns(genome) for genome in genomes]
    moving = [one for one in returns if np.ptp(one) > 0.0]
    return np.array(moving).reshape(len(moving), backtester.bars.shape[1])


def examine(case: Case) -> Gate:
    """Ask whether luck over all the trials could have made these returns."""
    try:
        sample = statistics.describe(case.returns)
        alpha = statistics.alpha_over_index(case.returns, index_returns(case.bars))
        searched = case.plateau_t
    except DataError as problem:
        return Gate("statistics", False, f"no statistic of these returns means anything: {problem}")
    trials = max(case.trials, 1)
    effective = float(trials if case.peers is None else effective_number(case.peers, trials))
    # Worthless strategies' Sharpe ratios scatter by one over the root of the periods.
    moments = (sample.sharpe, sample.periods, sample.skew, sample.kurtosis)
    deflated, registered = (
        statistics.deflated_sharpe(*moments, count, 1.0 / (sample.periods - 1))
        for count in (effective, trials)
    )
    threshold = threshold_after(case.openings, trials)
    reachable = joined_t(searched, HOPED_SEALED_T)
    findings = {
        f"beyond the index it and its neighbours have a t of {searched:.2f}; with a good hold-out "
        f"(t {HOPED_SEALED_T:.0f}) it would join to {reachable:.2f}, and {threshold:.2f} is "
        "needed, which the luckiest strategy of a search hardly ever reaches where there is no "
        "edge": reachable >= threshold,
        f"what holding the index does not explain has a t of {alpha.t:.2f}, and {ALPHA_T} is "
        "needed": alpha.t > ALPHA_T,
        f"of {trials:,} strategies tried {effective:,.0f} were really different; that it is better "
        f"than the luckiest of so many worthless ones has a probability of {deflated:.1%}, and "
        f"{DEFLATED:.0%} is needed": deflated >= DEFLATED,
    }
    figures = {
        "t": case.t,
        "plateau_t": searched,
        "reachable_t": reachable,
        "threshold": threshold,
        "calibration": recorded().name,
        "alpha_a_bar": alpha.alpha,
        "alpha_t": alpha.t,
        "beta": alpha.beta,
        "deflated_sharpe": deflated,
        "deflated_sharpe_registered": registered,
        "trials": trials,
        "effective_trials": effective,
        "psr": statistics.psr_2012(*moments),
        "skew": sample.skew,
        "kurtosis": sample.kurtosis,
        "min_track_record_bars": statistics.min_trl(sample.sharpe, sample.skew, sample.kurtosis),
        "openings_before": case.openings,
        "overfitting": _overfitting(case, trials, effective),
    }
    passed = all(findings.values())
    told = [text for text, good in findings.items() if passed or not good]
    return Gate("statistics", passed, "; ".join(told), figures)


def _overfitting(case: Case, trials: int, effective: float) -> Mapping[str, Any]:
    """Return every overfitting statistic with its meaning; they inform, and decide nothing."""
    if np.ptp(case.returns) == 0.0:
        return {}
    peers = np.empty((0, len(case.returns))) if case.peers is None else case.peers
    peers = peers[[not np.array_equal(one, case.returns) for one in peers]]
    report = statistics.overfitting_report(
        case.returns,
        peers,
        trials,
        effective,
        index_returns(case.bars),
        np.random.default_rng(case.seed),
    )
    meanings = report.meanings()
    return {
        name: {"value": value, "meaning": meanings[name]}
        for name, value in report.figures().items()
    }
