"""Compiles every kernel of breeding and naming, so that no search waits for them."""

import numpy as np

from kasauti.genome.breeding import random_population
from kasauti.genome.identity import families, hashes


def compile_kernels() -> None:
    """Breed and name one genome; numba keeps what it compiled on disk."""
    population = random_population(np.random.default_rng(0), 1)
    hashes(population)
    families(population)
