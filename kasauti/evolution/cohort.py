"""Genomes in a search as columns: what they are, when they were born and how they did."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.evolution.fitness import FIGURES, INFEASIBLE
from kasauti.genome.codes import Places, Population
from kasauti.market.bars import Booleans, Floats

Names = NDArray[np.object_]
"""Hashes as str: objects, so that picking some of them copies no text."""


def names(hashes: Sequence[str]) -> Names:
    """Return hashes as a column."""
    column: Names = np.empty(len(hashes), dtype=np.object_)
    column[:] = hashes
    return column


@dataclass(frozen=True, eq=False)
class Cohort:
    """N different genomes.

    Attributes
    ----------
    population : Population
    hashes : ndarray of shape (N,), str
    born : ndarray of shape (N,), int64
        In which generation.
    figures : ndarray of shape (N, len(FIGURES)), float64
        The objectives and what stands behind them, all finite.
    objectives : ndarray of shape (N, 3), float64
        What selection compares, more is better; below `INFEASIBLE` where a constraint is broken.
    """

    population: Population
    hashes: Names
    born: Places
    figures: Floats
    objectives: Floats

    def __len__(self) -> int:
        """Return the number of genomes."""
        return len(self.hashes)

    @classmethod
    def empty(cls) -> "Cohort":
        """Return a cohort of nobody."""
        none = np.zeros((0, len(FIGURES)))
        return cls(Population.of([]), names([]), np.zeros(0, np.int64), none, none[:, :3])

    def column(self, figure: str) -> Floats:
        """Return one of the figures."""
        values: Floats = self.figures[:, FIGURES.index(figure)]
        return values

    @property
    def feasible(self) -> Booleans:
        """Who keeps the constraints."""
        keeps: Booleans = self.objectives[:, 0] > INFEASIBLE
        return keeps

    def fitness(self, place: int) -> dict[str, float]:
        """Return the figures of one genome by name."""
        return dict(zip(FIGURES, self.figures[place].tolist(), strict=True))

    def take(self, places: Places) -> "Cohort":
        """Return the genomes at `places`, in that order."""
        return Cohort(
            self.population.take(places),
            self.hashes[places],
            self.born[places],
            self.figures[places],
            self.objectives[places],
        )

    def and_then(self, other: "Cohort") -> "Cohort":
        """Return these genomes and after them those of `other`."""
        return Cohort(
            Population.join([self.population, other.population]),
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.born, other.born]),
            np.concatenate([self.figures, other.figures]),
            np.concatenate([self.objectives, other.objectives]),
        )
