"""The kernel that breeds a generation: which operator, which parents, which rule; nothing else."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.genome.chance import below, uniform, weighted
from kasauti.genome.codes import Codes
from kasauti.genome.genes import (
    change_gene,
    change_risk,
    copy_genes,
    exchange_genes,
    is_other,
    new_genes,
)
from kasauti.genome.grammar import Floats, Integers
from kasauti.genome.growing import Desk, Field, new_rule, will_do, write
from kasauti.genome.productions import CHANGES, ENTRY, EXIT
from kasauti.genome.soundness import Notes
from kasauti.genome.variation import OTHER_GENE, changed, cuts, splice

RANDOM, MUTATION, CROSSOVER = 0, 1, 2
_TRIES = 20
_IN_ENTRY = 0.6


class Parents(NamedTuple):
    """A population as kernels read it, with what tournaments are decided by."""

    codes: Codes
    bounds: Integers
    genes: Floats
    ranks: Integers
    crowding: Floats


class Litter(NamedTuple):
    """Room for the children, shaped as in `kasauti.genome.breeding.Brood`, and for one rule."""

    codes: Codes
    bounds: Integers
    genes: Floats
    operators: NDArray[np.int8]
    parents: Integers
    rule: Codes


@njit
def breed_all(
    desks: NDArray[np.void],
    grammars: NDArray[np.void],
    productions: NDArray[np.void],
    notes: NDArray[np.void],
    numbers: Floats,
    parents: Parents,
    litter: Litter,
) -> None:
    """Fill `litter` from records of one element each, two of the notes."""
    desk = desks[0]
    field = Field(desk, grammars[0], productions[0], notes[0], numbers)
    while desk.born < len(litter.operators):
        if len(parents.ranks) == 0 or uniform(desk) < desk.immigrants:
            _add_newcomer(field, litter)
        elif uniform(desk) < desk.crossover:
            _add_crossed(field, notes[1], parents, litter)
        else:
            _add_mutant(field, parents, litter)


@njit
def _winner(desk: Desk, parents: Parents) -> int:
    first, second = below(desk, len(parents.ranks)), below(desk, len(parents.ranks))
    if parents.ranks[first] != parents.ranks[second]:
        return first if parents.ranks[first] < parents.ranks[second] else second
    return second if parents.crowding[second] > parents.crowding[first] else first


@njit
def _add_newcomer(field: Field, litter: Litter) -> None:
    born = field.desk.born
    for k in range(2):
        first, last = ENTRY if k == 0 else EXIT
        size = new_rule(field, first, last, litter.rule)
        _put(litter, 2 * born + k, litter.rule[:size])
    new_genes(field, litter.genes[born])
    litter.operators[born] = RANDOM
    field.desk.born += 1


@njit
def _add_mutant(field: Field, parents: Parents, litter: Litter) -> None:
    """Add a child that differs from its parent in one place."""
    born, parent = field.desk.born, _winner(field.desk, parents)
    genes, before = litter.genes[born], parents.genes[parent]
    copy_genes(before, genes)
    place, size = 0, 0
    for _ in range(_TRIES):
        change = weighted(field.desk, field.productions.chances, *CHANGES) - CHANGES[0]
        if change == OTHER_GENE:
            change_gene(field, genes)
            if is_other(genes, before):
                break
        else:
            place = int(uniform(field.desk) >= _IN_ENTRY)
            size = changed(field, _rule(parents, 2 * parent + place), change, litter.rule)
            if size > 0:
                break
    else:
        change_risk(field, genes)
    for k in range(2):
        is_changed = size > 0 and place == k
        child = litter.rule[:size] if is_changed else _rule(parents, 2 * parent + k)
        _put(litter, 2 * born + k, child)
    litter.operators[born], litter.parents[born, 0] = MUTATION, parent
    field.desk.born += 1


@njit
def _add_crossed(field: Field, notes: Notes, parents: Parents, litter: Litter) -> None:
    """Add the two children of two parents, or only the first where there is room for one."""
    born = field.desk.born
    count = min(2, len(litter.operators) - born)
    pair = np.array([_winner(field.desk, parents), _winner(field.desk, parents)])
    genes = np.empty((2, parents.genes.shape[1]))
    cut = np.empty((2, 2, 2), np.int64)  # by parent and rule, first and last
    for k in range(2):
        copy_genes(parents.genes[pair[k]], genes[k])
        first, second = _rule(parents, 2 * pair[0] + k), _rule(parents, 2 * pair[1] + k)
        cuts(field, first, second, notes, cut[0, k], cut[1, k])
    exchange_genes(field, genes[0], genes[1])
    for one in range(count):
        other = 1 - one
        for k in range(2):
            rule, donor = _rule(parents, 2 * pair[one] + k), _rule(parents, 2 * pair[other] + k)
            part = donor[cut[other, k, 0] : cut[other, k, 1]]
            size = splice(rule, cut[one, k, 0], cut[one, k, 1], part, litter.rule)
            child = litter.rule[:size]
            _put(litter, 2 * (born + one) + k, child if will_do(field, child) else rule)
        copy_genes(genes[one], litter.genes[born + one])
        litter.operators[born + one] = CROSSOVER
        litter.parents[born + one, 0], litter.parents[born + one, 1] = pair[one], pair[other]
    field.desk.born += count


@njit
def _rule(parents: Parents, rule: int) -> Codes:
    return parents.codes[parents.bounds[rule] : parents.bounds[rule + 1]]


@njit
def _put(litter: Litter, rule: int, codes: Codes) -> None:
    litter.bounds[rule + 1] = write(codes, litter.codes, litter.bounds[rule])
