"""Rules of one expression as codes and back, for tests of kernels."""

from dataclasses import replace

import numpy as np

from kasauti.genome import Expression, genome_from_genes
from kasauti.genome.codes import Codes, Constants, Population
from tests.genome.test_genome import DESIGN_GENES

DESIGN = genome_from_genes(DESIGN_GENES)


def coded(expression: Expression) -> tuple[Codes, Constants]:
    """Return a rule's codes and the constants that they name."""
    population = Population.of([replace(DESIGN, entry=expression)])
    return population.codes[: population.bounds[1]].copy(), population.constants


def decoded(rule: Codes, constants: Constants) -> Expression:
    """Return the expression of a rule's codes."""
    bounds = np.array([0, len(rule), 2 * len(rule)], dtype=np.int64)
    genes = Population.of([DESIGN]).genes
    return Population(np.tile(rule, 2), bounds, constants, genes)[0].entry
