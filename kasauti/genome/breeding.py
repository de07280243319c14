"""Breeding a generation: newcomers, tournament, mutation, crossover; no fitness is worked out here.

Children depend on the passed generator alone, whatever other threads draw. Children of genomes
that pass `check_genome` pass it too; a changed rule keeps within the vocabulary's size and compares
nothing with itself. The work is done by kernels on flat arrays.
"""

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import GenomeError
from kasauti.genome.codes import Population
from kasauti.genome.generation import Litter, Parents, breed_all
from kasauti.genome.genes import COLUMNS, from_rows, to_rows
from kasauti.genome.grammar import Floats, Integers, grammar
from kasauti.genome.growing import DESK
from kasauti.genome.language import SERIES
from kasauti.genome.model import Genome, Side
from kasauti.genome.productions import lattice_values, productions
from kasauti.genome.soundness import NOTES, ROOM
from kasauti.genome.tree import MAX_NODES

OPERATORS = ("random", "mutation", "crossover")
"""How a child was made, by the code in `Brood.operators`."""


@dataclass(frozen=True)
class Vocabulary:
    """What breeding may use.

    Attributes
    ----------
    series : tuple of str
        Series that the data has; ``close`` among them. Leave out ``volume``, ``index`` or ``vix``
        where there are none: a rule over missing values is never true.
    sides : tuple of Side
        Short only where the product allows it.
    max_nodes : int
        Most nodes of one rule.
    """

    series: tuple[str, ...] = ("open", "high", "low", "close", "volume")
    sides: tuple[Side, ...] = (Side.LONG,)
    max_nodes: int = 30

    def __post_init__(self) -> None:
        unknown = [name for name in self.series if name not in SERIES]
        if unknown or "close" not in self.series:
            raise GenomeError(
                f"vocabulary: expected close and any of {', '.join(SERIES)}, found {self.series}"
            )
        if not self.sides or self.max_nodes < 10:
            raise GenomeError("vocabulary: expected at least one side and 10 nodes a rule")


DEFAULT_VOCABULARY = Vocabulary()


@dataclass(frozen=True, eq=False)
class Brood:
    """The children of one generation.

    Attributes
    ----------
    population : Population
        N children; some may be equal to each other or to a parent.
    operators : ndarray of shape (N,), int8
        Place in `OPERATORS`.
    parents : ndarray of shape (N, 2), int64
        Their places among the parents, -1 where there is none.
    """

    population: Population
    operators: NDArray[np.int8]
    parents: Integers


def random_genome(rng: random.Random, vocabulary: Vocabulary = DEFAULT_VOCABULARY) -> Genome:
    """Return a random genome: one to three conditions for entry, about one for exit."""
    return random_population(np.random.default_rng(rng.getrandbits(64)), 1, vocabulary)[0]


def random_population(
    rng: np.random.Generator, count: int, vocabulary: Vocabulary = DEFAULT_VOCABULARY
) -> Population:
    """Return `count` random genomes: one to three conditions for entry, about one for exit."""
    nobody, nothing = Population.of(()), np.empty(0)
    ranks = np.empty(0, dtype=np.int64)
    return breed(
        rng, nobody, ranks, nothing, count, vocabulary, immigrants=1.0, crossover=0.0
    ).population


def breed(
    rng: np.random.Generator,
    parents: Population,
    ranks: Integers,
    crowding: Floats,
    count: int,
    vocabulary: Vocabulary = DEFAULT_VOCABULARY,
    *,
    immigrants: float,
    crossover: float,
) -> Brood:
    """Return `count` children of `parents`; dropping duplicates is the caller's.

    A parent is the better of two drawn with replacement: of lower rank, then in the less crowded
    place (Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002). A
    mutant differs from its parent in one place: a new sub-tree, another function, operator or
    series, a smaller rule, a neighbouring constant or window, another value of one other gene.
    Two parents exchange sub-trees of one type in both rules, and each other gene with probability
    one half; a rule that would not do stays its parent's.

    Parameters
    ----------
    rng : numpy.random.Generator
        One draw is taken from it.
    parents : Population
        Genomes that pass `check_genome`; none makes all children newcomers.
    ranks : ndarray of shape (P,), int64
    crowding : ndarray of shape (P,)
    count : int
    vocabulary : Vocabulary
    immigrants : float
        Share of random newcomers.
    crossover : float
        Share of crossed pairs among the other draws; a pair gives two children.

    Raises
    ------
    GenomeError
        If `ranks` or `crowding` are not one a parent, or a parent cannot be a checked genome.
    """
    if not len(parents) == len(ranks) == len(crowding):
        raise GenomeError(
            f"breeding: expected a rank and a crowding distance for each of {len(parents)}"
            f" parents, found {len(ranks)} and {len(crowding)}"
        )
    tables = productions(vocabulary.series, vocabulary.sides).copy()
    parents = _with_constants(parents, lattice_values(tables))
    tables["codes"] = -1 - np.searchsorted(parents.constants, tables["values"])
    longest = int(np.diff(parents.bounds).max(initial=min(vocabulary.max_nodes, MAX_NODES)))
    if longest > MAX_NODES:
        raise GenomeError(f"breeding: a parent's rule has {longest} nodes: check the genome first")
    litter = _litter(count, longest)
    breed_all(
        _desk(rng, vocabulary.max_nodes, immigrants, crossover),
        grammar(),
        tables,
        np.empty(2, dtype=NOTES),
        parents.constants,
        Parents(
            parents.codes,
            parents.bounds,
            to_rows(parents.genes),
            np.array(ranks, dtype=np.int64),
            np.array(crowding, dtype=np.float64),
        ),
        litter,
    )
    children = Population(
        litter.codes[: litter.bounds[-1]].copy(),
        litter.bounds,
        parents.constants,
        from_rows(litter.genes),
    )
    return Brood(children, litter.operators, litter.parents)


def _with_constants(population: Population, values: Floats) -> Population:
    """Return `population` with its constants ascending and `values` among them."""
    empty = Population.of(())
    return Population.join([population, Population(empty.codes, empty.bounds, values, empty.genes)])


def _litter(count: int, longest: int) -> Litter:
    return Litter(
        np.empty(2 * count * longest, dtype=np.int32),
        np.zeros(2 * count + 1, dtype=np.int64),
        np.empty((count, COLUMNS)),
        np.empty(count, dtype=np.int8),
        np.full((count, 2), -1, dtype=np.int64),
        np.empty(ROOM, dtype=np.int32),
    )


def _desk(
    rng: np.random.Generator, most: int, immigrants: float, crossover: float
) -> NDArray[np.void]:
    desk = np.zeros(1, dtype=DESK)
    desk["state"] = rng.integers(2**64, dtype=np.uint64)
    desk["immigrants"], desk["crossover"], desk["most"] = immigrants, crossover, most
    return desk
