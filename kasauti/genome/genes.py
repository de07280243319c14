"""Random and changed genes beside the rules, compiled: a row of numbers a genome.

A row holds the fields of `kasauti.genome.codes.GENES` in their order, all as float64.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.genome.chance import below, neighbour, uniform
from kasauti.genome.codes import ALL_REGIMES, ATR, FRACTION, GENES, NO_DISTANCE
from kasauti.genome.grammar import Floats
from kasauti.genome.growing import Field
from kasauti.genome.productions import LIMITS, RISK_VALUES, SIDES
from kasauti.regimes.model import REGIMES

SIDE, STOP, TARGET, TRAIL, MAX_BARS, RISK, REGIME = 0, 1, 3, 5, 7, 8, 9
"""Columns of a row; of a distance the kind, its value is the next one."""
_GENES = 7
_STARTS = (SIDE, STOP, TARGET, TRAIL, MAX_BARS, RISK, REGIME, REGIME + 1)
_REGIMES = len(REGIMES)
_NAMES = GENES.names or ()
COLUMNS = len(_NAMES)


def to_rows(genes: NDArray[np.void]) -> Floats:
    """Return one row a genome."""
    return np.column_stack([genes[name].astype(np.float64) for name in _NAMES])


def from_rows(rows: Floats) -> NDArray[np.void]:
    """Return the genes of the rows."""
    genes = np.empty(len(rows), dtype=GENES)
    for column, name in enumerate(_NAMES):
        genes[name] = rows[:, column]
    return genes


@njit
def copy_genes(row: Floats, out: Floats) -> None:
    """Copy `row` to `out`."""
    for column in range(len(row)):
        out[column] = row[column]


@njit
def is_other(row: Floats, before: Floats) -> bool:
    """Return whether any gene differs."""
    same = 0
    while same < len(row) and row[same] == before[same]:
        same += 1
    return same < len(row)


@njit
def new_genes(field: Field, row: Floats) -> None:
    """Fill `row` with random genes."""
    for column, lattice in ((SIDE, SIDES), (MAX_BARS, LIMITS), (RISK, RISK_VALUES)):
        row[column] = _drawn(field, lattice)
    if uniform(field.desk) < 0.5:
        row[MAX_BARS] = 0.0
    for k, share in enumerate((1.0, 0.4, 0.3)):
        row[STOP + 2 * k] = NO_DISTANCE
        row[STOP + 2 * k + 1] = 0.0
        if uniform(field.desk) < share:
            _new_distance(field, row, STOP + 2 * k)
    row[REGIME] = ALL_REGIMES
    if uniform(field.desk) < 0.5:
        row[REGIME] = _some_regimes(field)


@njit
def change_gene(field: Field, row: Floats) -> None:
    """Give one gene another value; it may come out the same."""
    gene = below(field.desk, _GENES)
    if gene == 0:
        row[SIDE] = _drawn(field, SIDES + gene)
    elif gene <= 3:
        _change_distance(field, row, _STARTS[gene])
    elif gene == 4:
        _change_limit(field, row)
    elif gene == 5:
        change_risk(field, row)
    else:
        regimes = int(row[REGIME]) ^ (1 << below(field.desk, _REGIMES))
        row[REGIME] = regimes or int(row[REGIME])


@njit
def change_risk(field: Field, row: Floats) -> None:
    """Give the risk a neighbouring value."""
    row[RISK] = _near(field, RISK_VALUES, row[RISK])


@njit
def exchange_genes(field: Field, one: Floats, other: Floats) -> None:
    """Exchange each gene with probability one half."""
    for gene in range(_GENES):
        if uniform(field.desk) < 0.5:
            for column in range(_STARTS[gene], _STARTS[gene + 1]):
                one[column], other[column] = other[column], one[column]


@njit
def _new_distance(field: Field, row: Floats, gene: int) -> None:
    kind = ATR if uniform(field.desk) < 0.6 else FRACTION
    row[gene], row[gene + 1] = kind, _drawn(field, kind)


@njit
def _change_distance(field: Field, row: Floats, gene: int) -> None:
    """Change a distance: none becomes any; a target or trail may go, a stop may not."""
    if row[gene] == NO_DISTANCE:
        _new_distance(field, row, gene)
    elif gene != STOP and uniform(field.desk) < 0.3:
        row[gene], row[gene + 1] = NO_DISTANCE, 0.0
    elif uniform(field.desk) < 0.25:
        _new_distance(field, row, gene)
    else:
        row[gene + 1] = _near(field, int(row[gene]), row[gene + 1])


@njit
def _change_limit(field: Field, row: Floats) -> None:
    """Change the time stop: none becomes any or stays, one becomes none or a neighbour."""
    first, last = field.productions.genes[LIMITS]
    if row[MAX_BARS] == 0.0:
        choice = below(field.desk, last - first + 1)
        row[MAX_BARS] = 0.0 if choice == 0 else field.productions.values[first + choice - 1]
    elif uniform(field.desk) < 0.5:
        row[MAX_BARS] = 0.0
    else:
        row[MAX_BARS] = _near(field, LIMITS, row[MAX_BARS])


@njit
def _drawn(field: Field, lattice: int) -> float:
    first, last = field.productions.genes[lattice]
    return float(field.productions.values[first + below(field.desk, last - first)])


@njit
def _near(field: Field, lattice: int, value: float) -> float:
    first, last = field.productions.genes[lattice]
    place = neighbour(field.desk, field.productions.values, first, last, value)
    return value if place < 0 else float(field.productions.values[place])


@njit
def _some_regimes(field: Field) -> int:
    regimes = 0
    for bit in range(_REGIMES):
        if uniform(field.desk) < 0.6:
            regimes |= 1 << bit
    return regimes or ALL_REGIMES
