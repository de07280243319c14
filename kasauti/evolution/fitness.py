"""What makes one genome better than another: objectives and constraints; no selection here."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deap import base

from kasauti.backtest.result import Score
from kasauti.genome.model import Genome
from kasauti.genome.tree import prefix
from kasauti.regimes.model import REGIMES

TRADES_FOR_EVIDENCE = 10
"""A symbol or regime with fewer closed trades is no evidence of success."""

INFEASIBLE = -1000.0
"""Below every value that an objective can take, so a broken constraint is always dominated."""


OBJECTIVES = ("sharpe", "consistency", "simplicity")


class Objectives(base.Fitness):  # type: ignore[misc]  # DEAP ships no types
    """Values in the order of `OBJECTIVES`, all maximised."""

    weights = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a genome must keep to be considered at all.

    Attributes
    ----------
    min_trades : int
        Closed trades on all symbols together.
    max_drawdown : float
        Of the panel, as a positive fraction.
    """

    min_trades: int
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """Objective values, and which constraint the genome breaks, if any.

    Attributes
    ----------
    sharpe : float
        Annualised, of the panel, net of costs.
    consistency : float
        Lower quartile of the t-statistics over symbols and regimes.
    simplicity : float
        Minus the base-2 logarithm of the number of nodes: a tree of twice the size must earn it.
    flaw : str or None
        The broken constraints in words.
    violation : float
        How far they are broken, 0 if none is.
    """

    sharpe: float
    consistency: float
    simplicity: float
    flaw: str | None
    violation: float

    @property
    def objectives(self) -> tuple[float, float, float]:
        """The values for the selection.

        Feasible genomes come first and infeasible ones are ordered by how far they miss: the
        constrained domination of Deb et al. 2002, section VI, written as plain values.
        """
        if self.flaw is not None:
            return (INFEASIBLE - self.violation,) * 3
        return (self.sharpe, self.consistency, self.simplicity)


def assess(score: Score, genome: Genome, years: float, constraints: Constraints) -> Assessment:
    """Judge one genome by its scores over `years` of bars."""
    flaw, violation = _violations(score, constraints)
    return Assessment(
        sharpe=score.sharpe,
        consistency=lower_quartile(list(_evidence(score, genome, years))),
        simplicity=-math.log2(complexity(genome)),
        flaw=flaw,
        violation=violation,
    )


def complexity(genome: Genome) -> int:
    """Return the nodes of both trees plus one for every optional gene that is in use."""
    optional = (genome.target, genome.trail, genome.max_bars)
    used = sum(gene is not None for gene in optional) + (len(genome.regimes) < len(REGIMES))
    return len(prefix(genome.entry)) + len(prefix(genome.exit)) + used


def lower_quartile(values: Sequence[float]) -> float:
    """Return the first quartile, interpolated linearly (type 7 of Hyndman and Fan 1996).

    Written out because ``numpy.quantile`` costs 50 times as much on six numbers. Nothing: 0.
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    place = (len(ordered) - 1) * 0.25
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _evidence(score: Score, genome: Genome, years: float) -> Iterator[float]:
    """Yield the t-statistic of every symbol, and of every regime that the genome enters in.

    Where there are too few trades a gain is no evidence and counts as 0; a loss counts in full.
    """
    cells = [
        (sharpe * math.sqrt(years), trades)
        for sharpe, trades in zip(score.symbol_sharpe, score.symbol_trades, strict=True)
    ]
    cells += [
        (t, trades)
        for regime, t, trades in zip(REGIMES, score.regime_t, score.regime_trades, strict=True)
        if regime in genome.regimes
    ]
    for t, trades in cells:
        yield t if trades >= TRADES_FOR_EVIDENCE else min(t, 0.0)


def _violations(score: Score, constraints: Constraints) -> tuple[str | None, float]:
    flaws, violation = [], 0.0
    missing = constraints.min_trades - score.trades
    if missing > 0:
        flaws.append(f"too few trades: {score.trades} of {constraints.min_trades}")
        violation += missing / constraints.min_trades
    excess = -score.max_drawdown - constraints.max_drawdown
    if excess > 0.0:
        allowed = f"{constraints.max_drawdown:.0%} allowed"
        flaws.append(f"drawdown too deep: {-score.max_drawdown:.1%} with {allowed}")
        violation += excess
    return ("; ".join(flaws) or None), violation
