"""How many independent trials the registered ones are worth; what follows from it stands elsewhere.

Twenty thousand bred genomes are not twenty thousand independent attempts: most are relatives that
trade alike. Deflating a Sharpe ratio by their raw number would kill every real edge, so the
statistics use the effective number, estimated from the correlations of a fixed random sample.
"""

import numpy as np

from kasauti.backtest import Backtester
from kasauti.evolution.register import DataSet, TrialRegister
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Floats

RESERVOIR = 64
SAME_BEHAVIOUR = 0.5**0.5
"""Correlation from which two series share more than half of their variance."""


def effective_trials(
    register: TrialRegister, backtester: Backtester, dataset: DataSet, size: int = RESERVOIR
) -> float:
    """Return the effective number of the trials registered for the data set, at least 1.

    The return series are simulated again from the registered genes of the reservoir, which costs
    about 1 ms each and keeps the register small.

    Parameters
    ----------
    register : TrialRegister
    backtester : Backtester
        Over the data set's searched bars.
    dataset : DataSet
    size : int
        Genomes in the reservoir.
    """
    genomes = [genome_from_genes(trial.genes) for trial in register.reservoir(dataset.id, size)]
    if not genomes:
        return 1.0
    returns = np.array([backtester.returns(genome) for genome in genomes])
    return effective_number(returns, register.count(dataset.symbols))


def effective_number(returns: Floats, trials: int) -> float:
    """Return the effective number of `trials` trials of which `returns` are a random sample.

    The participation ratio of the eigenvalues of a correlation matrix, (Σλ)² / Σλ², counts the
    degrees of freedom of a set of series (Bretherton et al. 1999, J. Climate 12, eq. 5). Written
    with the mean squared correlation r² of two different series it is N / (1 + (N - 1) r²), so
    r² from the sample gives it for all N trials. Independent series of T returns have an r² of
    1 / (T - 1) by chance alone, which is taken off. The result is never below the number of
    behavioural clusters in the sample, never above `trials`, and at least 1.

    Parameters
    ----------
    returns : ndarray of shape (K, T), float64
        Without NaN. Series without variance never traded: they are no trials and are left out.
    trials : int
        Number of registered trials.
    """
    moving = returns[np.ptp(returns, axis=1) > 0.0] if returns.size else returns
    if len(moving) < 2 or trials < 2:
        return 1.0
    correlations: Floats = np.asarray(np.corrcoef(moving), dtype=np.float64)
    squared = np.square(correlations[np.triu_indices(len(moving), k=1)])
    by_chance = 1.0 / (moving.shape[1] - 1)
    shared = max(float(squared.mean()) - by_chance, 0.0)
    independent = trials / (1.0 + (trials - 1) * shared)
    return float(min(max(independent, clusters(correlations), 1.0), trials))


def clusters(correlations: Floats) -> int:
    """Return the number of behavioural clusters by the leader rule (Hartigan 1975, chapter 3).

    Each series in turn joins the first leader that it shares more than half of its variance with,
    or becomes a leader.

    Parameters
    ----------
    correlations : ndarray of shape (K, K), float64
    """
    leaders: list[int] = []
    for series, row in enumerate(correlations):
        if not any(row[leader] > SAME_BEHAVIOUR for leader in leaders):
            leaders.append(series)
    return len(leaders)
