"""The seeded population that is measured, and what it is like; nothing is timed here."""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest.engine import Backtester
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.genome.model import Side

VOCABULARY = Vocabulary(sides=tuple(Side))


def seeded_population(count: int, seed: int) -> Population:
    """Return `count` random genomes of both sides, windows from the lattice of breeding."""
    return random_population(np.random.default_rng(seed), count, VOCABULARY)


@dataclass(frozen=True)
class Character:
    """What the genomes of a population are like on some bars, on average.

    `mean_nodes` counts both rules of a genome, constants and windows included; `exposure` is the
    share of bars that ends in a position.
    """

    mean_nodes: float
    mean_trades: float
    exposure: float


def character_of(tester: Backtester, population: Population, sample: Population) -> Character:
    """Return what `population` is like; `sample`, a part of it, is simulated one by one."""
    outcomes = [tester.passes(genome).outcomes for genome in sample]
    bars = tester.bars.shape[1]
    return Character(
        mean_nodes=len(population.codes) / len(population),
        mean_trades=float(np.mean([sum(one.trades for one in row) for row in outcomes])),
        exposure=float(np.mean([sum(one.held for one in row) for row in outcomes])) / bars,
    )
