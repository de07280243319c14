"""New genomes that were not tried before, from parents chosen by tournament."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kasauti.evolution.individual import Individual
from kasauti.genome import Genome, Side
from kasauti.genome.breeding import Vocabulary, mate, mutate, random_genome
from kasauti.market.bars import PRICE_FIELDS, Bars

TRIES = 20
"""Attempts at new children before a newcomer is tried, and at a newcomer before giving up."""

Brood = tuple[str, tuple[str, ...], tuple[Genome, ...]]
"""How they were made, their parents' hashes, and the children."""


def vocabulary_of(bars: Bars, sides: tuple[Side, ...]) -> Vocabulary:
    """Return what may be bred for `bars`: the series that hold values, and the allowed sides."""
    series = list(PRICE_FIELDS)
    if bool(np.any(bars.volume > 0.0)):  # NaN compares false
        series.append("volume")
    series += [name for name in sorted(bars.series) if np.isfinite(bars.series[name]).any()]
    return Vocabulary(series=tuple(series), sides=sides)


def fitter(rng: random.Random, population: Sequence[Individual]) -> Individual:
    """Return the better of two: who dominates, else who stands in the less crowded place.

    DEAP's ``selTournamentDCD`` draws on Python's global generator, which no seed of ours governs.
    """
    first, second = rng.choice(population), rng.choice(population)
    if first.fitness.dominates(second.fitness):
        return first
    if second.fitness.dominates(first.fitness):
        return second
    return max(first, second, key=lambda one: one.fitness.crowding_dist)


@dataclass
class Breeder:
    """Breeds genomes that are neither tried nor dead.

    Attributes
    ----------
    rng : random.Random
        The search's only source of chance.
    vocabulary : Vocabulary
    immigrants, crossover : float
        Share of random newcomers, and of children with two parents among the others.
    tried : set of str
        Hashes that must not be bred; every child is added.
    """

    rng: random.Random
    vocabulary: Vocabulary
    immigrants: float
    crossover: float
    tried: set[str]

    def breed(self, parents: Sequence[Individual], count: int, generation: int) -> list[Individual]:
        """Return up to `count` children; fewer only if no new genome could be found.

        Without parents they are all newcomers.
        """
        children: list[Individual] = []
        while len(children) < count:
            brood = self._new_children(parents, generation)[: count - len(children)]
            if not brood:
                break
            children.extend(brood)
            self.tried.update(child.hash for child in brood)
        return children

    def _new_children(self, parents: Sequence[Individual], generation: int) -> list[Individual]:
        newcomers_only = not parents or self.rng.random() < self.immigrants
        for attempt in range(2 * TRIES):
            make_newcomer = newcomers_only or attempt >= TRIES
            operator, names, genomes = (
                self._newcomer() if make_newcomer else self._offspring(parents)
            )
            named = {genome.hash: genome for genome in genomes}
            fresh = [
                Individual(genome, name, generation, operator, names)
                for name, genome in named.items()
                if name not in self.tried
            ]
            if fresh:
                return fresh
        return []

    def _newcomer(self) -> Brood:
        return "random", (), (random_genome(self.rng, self.vocabulary),)

    def _offspring(self, parents: Sequence[Individual]) -> Brood:
        first = fitter(self.rng, parents)
        if self.rng.random() >= self.crossover:
            return "mutation", (first.hash,), (mutate(first.genome, self.rng, self.vocabulary),)
        second = fitter(self.rng, parents)
        pair = mate(first.genome, second.genome, self.rng, self.vocabulary)
        return "crossover", (first.hash, second.hash), pair
