"""New genomes that were not tried before, from parents chosen by tournament."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from kasauti.evolution.selection import Living
from kasauti.genome import Side
from kasauti.genome.breeding import OPERATORS, Brood, Vocabulary, breed, random_population
from kasauti.genome.codes import Population
from kasauti.genome.identity import gene_texts
from kasauti.market.bars import PRICE_FIELDS, Bars

TRIES = 20
"""Broods without a new genome before newcomers are tried, and of newcomers before giving up."""


def vocabulary_of(bars: Bars, sides: tuple[Side, ...]) -> Vocabulary:
    """Return what may be bred for `bars`: the series that hold values, and the allowed sides."""
    series = list(PRICE_FIELDS)
    if bool(np.any(bars.volume > 0.0)):  # NaN compares false
        series.append("volume")
    series += [name for name in sorted(bars.series) if np.isfinite(bars.series[name]).any()]
    return Vocabulary(series=tuple(series), sides=sides)


@dataclass(frozen=True, eq=False)
class Children:
    """N new genomes.

    Attributes
    ----------
    population : Population
    hashes : list of str
    texts : list of bytes
        Canonical JSON of the genes, which the hashes are of.
    operators : list of str
        ``random``, ``mutation`` or ``crossover``.
    parents : list of tuple of str
        Hashes.
    """

    population: Population
    hashes: list[str]
    texts: list[bytes]
    operators: list[str]
    parents: list[tuple[str, ...]]

    def __len__(self) -> int:
        """Return the number of children."""
        return len(self.hashes)


@dataclass
class Breeder:
    """Breeds genomes that are neither tried nor dead.

    Attributes
    ----------
    rng : Generator
        The search's only source of chance.
    vocabulary : Vocabulary
    immigrants, crossover : float
        Share of random newcomers, and of children with two parents among the others.
    tried : set of str
        Hashes that must not be bred; every child is added.
    """

    rng: np.random.Generator
    vocabulary: Vocabulary
    immigrants: float
    crossover: float
    tried: set[str]

    def breed(self, living: Living, count: int) -> Children:
        """Return up to `count` children; fewer only if no new genome could be found.

        Without parents they are all newcomers.
        """
        parents = living.cohort.population.take(living.parents)
        names = living.cohort.hashes[living.parents]
        found = Children(Population.of([]), [], [], [], [])
        broods = [found.population]
        fruitless = 0
        while len(found) < count and fruitless < 2 * TRIES:
            newcomers_only = not len(parents) or fruitless >= TRIES
            brood = self._brood(parents, living, count - len(found), newcomers_only)
            texts = gene_texts(brood.population)
            bred = [hashlib.sha256(text).hexdigest() for text in texts]
            fresh = self._fresh(bred)
            fruitless = 0 if fresh else fruitless + 1
            self.tried.update(bred)
            broods.append(brood.population.take(fresh))
            found.hashes.extend(bred[i] for i in fresh)
            found.texts.extend(texts[i] for i in fresh)
            found.operators.extend(OPERATORS[i] for i in brood.operators[fresh].tolist())
            found.parents.extend(
                tuple(names[place] for place in pair if place >= 0)
                for pair in brood.parents[fresh].tolist()
            )
        return replace(found, population=Population.join(broods))

    def _brood(self, parents: Population, living: Living, count: int, newcomers: bool) -> Brood:
        if newcomers:
            population = random_population(self.rng, count, self.vocabulary)
            nobody = np.full((count, 2), -1, dtype=np.int64)
            return Brood(population, np.zeros(count, dtype=np.int8), nobody)
        return breed(
            self.rng,
            parents,
            living.ranks,
            living.crowding,
            count,
            self.vocabulary,
            immigrants=self.immigrants,
            crossover=self.crossover,
        )

    def _fresh(self, bred: list[str]) -> list[int]:
        """Return the places of the first of each genome that was not tried."""
        places = {name: place for place, name in reversed(list(enumerate(bred)))}
        return sorted(place for name, place in places.items() if name not in self.tried)
