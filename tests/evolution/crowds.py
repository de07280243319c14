"""Genomes made up for tests of selection and breeding: what they score is given by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kasauti.evolution.cohort import Cohort, names
from kasauti.evolution.fitness import FIGURES, INFEASIBLE
from kasauti.evolution.selection import Living
from kasauti.genome.codes import Population
from tests.evolution.test_fitness import CONSTRAINTS, GENOME


@dataclass(frozen=True)
class One:
    """A genome by name; its behaviour is its own unless one is given."""

    hash: str
    sharpe: float = 1.0
    consistency: float = 1.0
    simplicity: float = -3.0
    trades: int = 50
    behaviour: float | None = None
    generation: int = 0

    @property
    def feasible(self) -> bool:
        return self.trades >= CONSTRAINTS.min_trades

    @property
    def objectives(self) -> tuple[float, ...]:
        if self.feasible:
            return (self.sharpe, self.consistency, self.simplicity)
        return (INFEASIBLE - 1.0 + self.trades / CONSTRAINTS.min_trades,) * 3

    def dominates(self, other: "One") -> bool:
        mine, theirs = np.array(self.objectives), np.array(other.objectives)
        return bool((mine >= theirs).all() and (mine > theirs).any())

    def row(self) -> list[float]:
        own = float(int.from_bytes(self.hash.encode()))
        figures = {
            "sharpe": self.sharpe,
            "consistency": self.consistency,
            "simplicity": self.simplicity,
            "trades": self.trades,
            "total_return": own if self.behaviour is None else self.behaviour,
            "max_drawdown": -0.1,
            "t": 1.0,
        }
        return [figures[name] for name in FIGURES]


def cohort(crowd: Sequence[One]) -> Cohort:
    """Return the crowd in columns."""
    if not crowd:
        return Cohort.empty()
    return Cohort(
        Population.of([replace(GENOME, risk=0.01)] * len(crowd)),
        names([one.hash for one in crowd]),
        np.array([one.generation for one in crowd]),
        np.array([one.row() for one in crowd]),
        np.array([one.objectives for one in crowd]),
    )


def living(parents: Sequence[One], archive: Sequence[One] = ()) -> Living:
    """Return the parents, all of one front and equally lonely, and an archive."""
    everyone = list(dict.fromkeys([*parents, *archive]))
    places = np.array([everyone.index(one) for one in archive], dtype=np.int64)
    ranks = np.zeros(len(parents), dtype=np.int64)
    return Living(cohort(everyone), ranks, np.ones(len(parents)), places)
