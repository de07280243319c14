"""Who lives, who dies and of what; breeding and evaluation stand elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kasauti.evolution.cohort import Cohort
from kasauti.evolution.fitness import Constraints
from kasauti.evolution.ranking import (
    Places,
    crowding_distances,
    first_dominators,
    is_on_front,
    pareto_ranks,
    survivors,
)
from kasauti.market.bars import Booleans, Floats


@dataclass(frozen=True, eq=False)
class Living:
    """Who takes part in a search between two generations.

    Attributes
    ----------
    cohort : Cohort
        The parents first, in the order of their selection, then who is only in the archive.
    ranks, crowding : ndarray of shape (P,)
        Front and crowding distance of the P parents.
    archive : ndarray of shape (A,), int64
        The places of the Pareto front of everything evaluated so far; those
        who joined it last come last.
    """

    cohort: Cohort
    ranks: Places
    crowding: Floats
    archive: Places

    @classmethod
    def nobody(cls) -> "Living":
        """Return how a search begins."""
        none = np.zeros(0, dtype=np.int64)
        return cls(Cohort.empty(), none, np.zeros(0), none)

    @property
    def parents(self) -> Places:
        """The places of the parents."""
        return np.arange(len(self.ranks))


@dataclass(frozen=True, eq=False)
class Deaths:
    """Who left a search, and why."""

    hashes: Sequence[str]
    causes: Sequence[str]

    def __add__(self, other: "Deaths") -> "Deaths":
        """Return these deaths and then those of `other`."""
        return Deaths([*self.hashes, *other.hashes], [*self.causes, *other.causes])


def select(
    living: Living, children: Cohort, size: int, generation: int, constraints: Constraints
) -> tuple[Living, Deaths]:
    """Return who lives on by NSGA-II (Deb et al. 2002), and the dead with their causes."""
    everyone = living.cohort.and_then(children)
    simplest = simplest_of_each_behaviour(everyone)
    original = simplest == np.arange(len(everyone))

    in_pool = original.copy()
    in_pool[len(living.ranks) : len(living.cohort)] = False  # only in the archive: no parents
    pool = np.flatnonzero(in_pool)
    ranks = pareto_ranks(everyone.objectives[pool], everyone.feasible[pool])
    crowding = crowding_distances(everyone.objectives[pool], ranks)
    chosen = survivors(ranks, crowding, size)

    candidates = np.flatnonzero(original & everyone.feasible)
    front = candidates[is_on_front(everyone.objectives[candidates])]

    parents = pool[chosen]
    archive_only = np.setdiff1d(front, parents, assume_unique=True)
    staying = np.concatenate([parents, archive_only])
    place = np.full(len(everyone), -1, dtype=np.int64)
    place[staying] = np.arange(len(staying))
    lives = Living(everyone.take(staying), ranks[chosen], crowding[chosen], place[front])

    leaving = np.flatnonzero(place < 0)
    return lives, _deaths(everyone, leaving, simplest, front, generation, constraints)


def final_front(living: Living, size: int) -> Places:
    """Return the places of at most `size` of the archive, evenly spread by crowding, best first."""
    objectives = living.cohort.objectives[living.archive]
    on_front = np.zeros(len(objectives), dtype=np.int64)
    chosen = survivors(on_front, crowding_distances(objectives, on_front), size)
    return in_order_of_merit(living.cohort, living.archive[chosen])


def final_deaths(
    living: Living, front: Places, generation: int, constraints: Constraints
) -> Deaths:
    """Return who is still alive at the search's end and not on its final front, with the cause."""
    everyone = np.arange(len(living.cohort))
    leaving = np.setdiff1d(everyone, front)
    return _deaths(living.cohort, leaving, everyone, living.archive, generation, constraints)


def in_order_of_merit(cohort: Cohort, places: Places) -> Places:
    """Return the places, best first.

    Consistent ones, then by Sharpe, then the simpler; the hash decides.
    """

    def merit(place: int) -> tuple[bool, float, float, str]:
        figures = cohort.fitness(place)
        return (
            figures["consistency"] <= 0.0,
            -figures["sharpe"],
            -figures["simplicity"],
            cohort.hashes[place],
        )

    return np.array(sorted(places.tolist(), key=merit), dtype=np.int64)


def simplest_of_each_behaviour(cohort: Cohort) -> Places:
    """Return for each place that of the simplest who trades exactly alike.

    The simplest of equals is the oldest, then the first by hash.
    """
    behaviour = np.column_stack(
        [cohort.column(name) for name in ("total_return", "max_drawdown", "sharpe", "trades")]
    )
    simplest = np.arange(len(cohort))
    order = np.lexsort(behaviour.T)
    alike = (behaviour[order][1:] == behaviour[order][:-1]).all(axis=1)
    edges = np.flatnonzero(np.diff(alike, prepend=False, append=False))
    simplicity, born, hashes = cohort.column("simplicity"), cohort.born, cohort.hashes
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        twins = order[first : last + 1]
        simplest[twins] = min(twins, key=lambda one: (-simplicity[one], born[one], hashes[one]))
    return simplest


def _deaths(
    cohort: Cohort,
    leaving: Places,
    simplest: Places,
    front: Places,
    generation: int,
    constraints: Constraints,
) -> Deaths:
    """Say why they died; what stands before the colon is the kind of cause."""
    causes = np.full(len(leaving), f"crowded out: in generation {generation}", dtype=np.object_)
    flawed: Booleans = ~cohort.feasible[leaving]
    broken = leaving[flawed]
    trades = cohort.column("trades")[broken].astype(np.int64)
    shares = constraints.shares(cohort.population.take(broken))
    causes[flawed] = constraints.flaws(trades, cohort.column("max_drawdown")[broken], shares)
    twin = ~flawed & (simplest[leaving] != leaving)
    causes[twin] = [
        f"twin: trades exactly like {name}, which is simpler or older"
        for name in cohort.hashes[simplest[leaving[twin]]]
    ]
    others = np.flatnonzero(~flawed & ~twin)
    killers = first_dominators(cohort.objectives[leaving[others]], cohort.objectives[front])
    killed = killers >= 0
    causes[others[killed]] = [
        f"dominated: in generation {generation} by {name}"
        for name in cohort.hashes[front[killers[killed]]]
    ]
    return Deaths(cohort.hashes[leaving].tolist(), causes.tolist())
