"""Dominance among rows of objectives, all maximised; what follows from it stands elsewhere."""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.market.bars import Booleans, Floats

Places = NDArray[np.int64]


def pareto_ranks(objectives: Floats, feasible: Booleans) -> Places:
    """Return the number of each row's front (Deb et al. 2002), 0 for what nobody dominates.

    Parameters
    ----------
    objectives : ndarray of shape (N, M), float64
    feasible : ndarray of shape (N,), bool
        The others hold one value each, M times over, below everything feasible: they form one
        front a value. Ranked one front at a time, 3,000 of them took 21 ms; sorted, 0.1 ms.
    """
    import moocore  # 0.1 s

    ranks = np.zeros(len(objectives), dtype=np.int64)
    if feasible.any():
        ranks[feasible] = moocore.pareto_rank(objectives[feasible], maximise=True)
    if not feasible.all():
        first = ranks[feasible].max(initial=-1) + 1
        ranks[~feasible] = first + np.unique(-objectives[~feasible, 0], return_inverse=True)[1]
    return ranks


def is_on_front(objectives: Floats) -> Booleans:
    """Return which rows no other one dominates; equal rows stay together."""
    import moocore

    if not len(objectives):
        return np.zeros(0, dtype=np.bool_)
    found = moocore.is_nondominated(objectives, maximise=True, keep_weakly=True)
    return np.asarray(found, dtype=np.bool_)


def crowding_distances(objectives: Floats, ranks: Places) -> Floats:
    """Return how lonely each row is on its own front (Deb et al. 2002, section III B).

    The sum over the objectives of the distance between the two neighbours on the front, as a share
    of M times the front's extent; infinite at both ends. Ties are taken in the order of the rows.
    """
    distances = np.zeros(len(objectives))
    order = np.argsort(ranks, kind="stable")
    if not len(order):
        return distances
    edge = np.flatnonzero(np.diff(ranks[order], prepend=-1, append=-1))
    first, last = edge[:-1], edge[1:] - 1
    front = np.repeat(np.arange(len(first)), last - first + 1)
    ends = np.concatenate([first, last])
    inner = np.ones(len(order), dtype=np.bool_)
    inner[ends] = False
    inside = np.flatnonzero(inner)
    for column in objectives.T:
        order = order[np.lexsort((column[order], ranks[order]))]
        values = column[order]
        extent = (values[last] - values[first])[front[inside]] * objectives.shape[1]
        gap = values[inside + 1] - values[inside - 1]
        distances[order[inside]] += np.divide(gap, extent, out=np.zeros_like(gap), where=extent > 0)
        distances[order[ends]] = np.inf
    return distances


def survivors(ranks: Places, crowding: Floats, size: int) -> Places:
    """Return the places of the `size` best: lower rank first, then the lonelier."""
    best: Places = np.lexsort((-crowding, ranks))[:size]
    return best


def first_dominators(losers: Floats, winners: Floats) -> Places:
    """Return for each loser the place of the first winner that dominates it, -1 without one."""
    return _first_dominators(np.ascontiguousarray(losers), np.ascontiguousarray(winners))


@njit
def _first_dominators(losers: Floats, winners: Floats) -> Places:
    found = np.full(len(losers), -1, dtype=np.int64)
    for loser in range(len(losers)):
        for winner in range(len(winners)):
            better = False
            for column in range(losers.shape[1]):
                difference = winners[winner, column] - losers[loser, column]
                if difference < 0.0:
                    better = False
                    break
                better = better or difference > 0.0
            if better:
                found[loser] = winner
                break
    return found
