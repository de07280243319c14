"""What makes one genome better than another: objectives and constraints; no selection here."""

import math
from dataclasses import dataclass

import numpy as np

from kasauti.backtest.result import Scores
from kasauti.genome.codes import ALL_REGIMES, ATR, NO_DISTANCE, Places, Population
from kasauti.market.bars import Floats
from kasauti.regimes.model import REGIMES

TRADES_FOR_EVIDENCE = 10
"""A symbol or regime with fewer closed trades is no evidence of success."""

INFEASIBLE = -1000.0
"""Below every value that an objective can take, so a broken constraint is always dominated."""

OBJECTIVES = ("sharpe", "consistency", "simplicity")

FIGURES = (*OBJECTIVES, "trades", "total_return", "max_drawdown", "t")
"""What is kept of a backtest, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a genome must keep to be considered at all.

    Attributes
    ----------
    min_trades : int
        Closed trades on all symbols together.
    max_drawdown : float
        Of the panel, as a positive fraction.
    max_share : float
        Of the account in one position; 1 is no constraint, more cannot be bought.
    calm : float
        The quietest day's ATR as a share of the price: a stop of so many ATR is then as near as it
        gets, and the position as large.
    """

    min_trades: int
    max_drawdown: float
    max_share: float = 1.0
    calm: float = math.inf

    def violations(self, trades: Places, max_drawdown: Floats, shares: Floats) -> Floats:
        """Return how far each genome breaks the constraints, 0 where it keeps them."""
        missing = np.maximum(self.min_trades - trades, 0) / self.min_trades
        total: Floats = missing + np.maximum(-max_drawdown - self.max_drawdown, 0.0)
        total += np.maximum(shares - self.max_share, 0.0)
        return total

    def shares(self, population: Population) -> Floats:
        """Return the largest part of its account that each genome can put into one position."""
        genes = population.genes
        near = np.where(genes["stop_kind"] == ATR, self.calm, 1.0) * genes["stop"]
        shares: Floats = np.minimum(genes["risk"] / near, 1.0)
        return shares

    def flaws(self, trades: Places, max_drawdown: Floats, shares: Floats) -> list[str]:
        """Say for each genome which constraints it breaks; nothing where it keeps them."""
        few = {n: f"too few trades: {n} of {self.min_trades}" for n in range(self.min_trades)}
        allowed, most = f"{self.max_drawdown:.0%} allowed", f"{self.max_share:.0%}"
        excess = (-max_drawdown - self.max_drawdown).tolist()
        texts = []
        for count, depth, beyond, share in zip(
            trades.tolist(), max_drawdown.tolist(), excess, shares.tolist(), strict=True
        ):
            flaws = [few[count]] if count in few else []
            if beyond > 0.0:
                flaws.append(f"drawdown too deep: {-depth:.1%} with {allowed}")
            if share > self.max_share:
                flaws.append(f"position too large: {share:.0%} of the account, {most} allowed")
            texts.append("; ".join(flaws))
        return texts


@dataclass(frozen=True, eq=False)
class Assessments:
    """How N genomes did.

    Attributes
    ----------
    figures : ndarray of shape (N, len(FIGURES)), float64
        Among them ``sharpe``: annualised, of the panel, net of costs; ``consistency``: the lower
        quartile of the t-statistics over symbols and regimes; ``simplicity``: minus the base-2
        logarithm of the number of nodes, so that a tree of twice the size must earn it.
    objectives : ndarray of shape (N, 3), float64
        In the order of `OBJECTIVES`. Feasible genomes come first and infeasible ones are ordered
        by how far they miss: the constrained domination of Deb et al. 2002, section VI, written
        as plain values.
    """

    figures: Floats
    objectives: Floats


def assess(
    scores: Scores, population: Population, years: float, constraints: Constraints
) -> Assessments:
    """Judge genomes by their scores over `years` of bars."""
    columns = (
        *(scores.sharpe, _consistency(scores, population, years), _simplicity(population)),
        *(scores.trades, scores.total_return, scores.max_drawdown, scores.t),
    )
    figures = np.column_stack(columns).astype(np.float64)
    shares = constraints.shares(population)
    violations = constraints.violations(scores.trades, scores.max_drawdown, shares)[:, None]
    objectives = np.where(violations > 0.0, INFEASIBLE - violations, figures[:, : len(OBJECTIVES)])
    return Assessments(figures, objectives)


def complexity(population: Population) -> Places:
    """Return the nodes of both trees plus one for every optional gene that is in use."""
    genes = population.genes
    nodes: Places = population.bounds[2::2] - population.bounds[:-2:2]
    used = (genes["target_kind"] != NO_DISTANCE).astype(np.int64)
    used += genes["trail_kind"] != NO_DISTANCE
    used += genes["max_bars"] > 0
    used += genes["regimes"] != ALL_REGIMES
    complexities: Places = nodes + used
    return complexities


def lower_quartiles(values: Floats, counts: Places) -> Floats:
    """Return the first quartile of each row, interpolated linearly.

    Type 7 of Hyndman and Fan 1996, as ``numpy.quantile`` has it, for rows of unequal length.

    Parameters
    ----------
    values : ndarray of shape (N, K), float64
        Where a row has fewer than K values the others are infinite.
    counts : ndarray of shape (N,), int64
        Values in each row, at least 1.
    """
    ordered = np.sort(values, axis=1)
    place = (counts - 1) * 0.25
    below = place.astype(np.int64)
    rows = np.arange(len(values))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, counts - 1)]
    quartiles: Floats = low + (place - below) * (high - low)
    return quartiles


def _simplicity(population: Population) -> Floats:
    nodes = complexity(population)
    # From a table, since numpy's log2 is not the C library's to the last bit on every machine.
    table = np.array([0.0, *(-math.log2(n) for n in range(1, nodes.max(initial=0) + 1))])
    return table[nodes]


def _consistency(scores: Scores, population: Population, years: float) -> Floats:
    """Return the lower quartile over every symbol, and every regime that the genome enters in.

    Where there are too few trades a gain is no evidence and counts as 0; a loss counts in full.
    """
    t = np.concatenate([scores.symbol_sharpe * math.sqrt(years), scores.regime_t], axis=1)
    trades = np.concatenate([scores.symbol_trades, scores.regime_trades], axis=1)
    evidence = np.where(trades >= TRADES_FOR_EVIDENCE, t, np.minimum(t, 0.0))
    enters = population.genes["regimes"][:, None] >> np.arange(len(REGIMES)) & 1 == 1
    symbols = scores.symbol_sharpe.shape[1]
    evidence[:, symbols:][~enters] = np.inf
    return lower_quartiles(evidence, symbols + enters.sum(axis=1))
