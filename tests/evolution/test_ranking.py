"""Ranks, crowding and survivors against DEAP's, on fronts with and without ties."""

import numpy as np
from deap import base, tools

from kasauti.evolution.ranking import (
    crowding_distances,
    first_dominators,
    is_on_front,
    pareto_ranks,
    survivors,
)
from kasauti.market.bars import Booleans, Floats

Fitness = type("Fitness", (base.Fitness,), {"weights": (1.0, 1.0, 1.0)})


class Individual:
    """What DEAP selects."""

    def __init__(self, place: int, values: Floats) -> None:
        self.place = place
        self.fitness = Fitness(values.tolist())


def crowd(seed: int) -> tuple[Floats, Booleans]:
    """Return the objectives of up to 60 genomes, some of them infeasible, every other with ties."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    values = rng.normal(size=(count, 3))
    if seed % 2:
        values = np.round(values * 2.0)
    feasible = rng.random(count) < 0.8
    values[~feasible] = -1000.0 - np.round(
        rng.random((int((~feasible).sum()), 1)), 1 + 9 * (seed % 3 > 0)
    )
    return values, feasible


def by_deap(values: Floats) -> list[Individual]:
    return [Individual(place, row) for place, row in enumerate(values)]


SEEDS = range(300)


def test_ranks_are_deaps() -> None:
    for seed in SEEDS:
        values, feasible = crowd(seed)
        fronts = tools.sortNondominated(by_deap(values), len(values))
        expected = np.empty(len(values), dtype=np.int64)
        for rank, front in enumerate(fronts):
            expected[[one.place for one in front]] = rank
        assert pareto_ranks(values, feasible).tolist() == expected.tolist(), seed
        assert is_on_front(values).tolist() == (expected == 0).tolist(), seed


def test_crowding_is_deaps_to_the_last_bit() -> None:
    for seed in SEEDS:
        values, feasible = crowd(seed)
        ranks = pareto_ranks(values, feasible)
        found = crowding_distances(values, ranks)
        everyone = by_deap(values)
        for rank in range(ranks.max() + 1):
            front = [one for one in everyone if ranks[one.place] == rank]
            tools.emo.assignCrowdingDist(front)
            for one in front:
                assert found[one.place] == one.fitness.crowding_dist, (seed, one.place)


def test_survivors_are_deaps_up_to_ties() -> None:
    same = 0
    for seed in SEEDS:
        values, feasible = crowd(seed)
        size = 1 + seed % len(values)
        ranks = pareto_ranks(values, feasible)
        crowding = crowding_distances(values, ranks)
        ours = survivors(ranks, crowding, size).tolist()
        theirs = [one.place for one in tools.selNSGA2(by_deap(values), size)]
        assert len(set(ours)) == size
        assert sorted(ranks[ours]) == sorted(ranks[theirs]), seed
        if seed % 2 == 0:  # where values are equal DEAP's crowding follows an order of its own
            keys = [sorted(zip(ranks[i], crowding[i], strict=True)) for i in (ours, theirs)]
            assert keys[0] == keys[1], seed
            same += set(ours) == set(theirs)
    assert same > 120, "of 150; the others cut between two ends of a front, both infinitely far"


def test_the_first_dominator_is_found() -> None:
    for seed in SEEDS:
        winners, losers = crowd(seed)[0], crowd(seed + 1)[0]
        dominates = (winners[:, None] >= losers).all(2) & (winners[:, None] > losers).any(2)
        expected = np.where(dominates.any(0), dominates.argmax(0), -1)
        assert first_dominators(losers, winners).tolist() == expected.tolist(), seed


def test_nobody_is_no_trouble() -> None:
    nobody = np.zeros((0, 3))
    none = np.zeros(0, dtype=np.bool_)
    assert pareto_ranks(nobody, none).tolist() == []
    assert is_on_front(nobody).tolist() == []
    assert crowding_distances(nobody, np.zeros(0, dtype=np.int64)).tolist() == []
    assert first_dominators(np.ones((1, 3)), nobody).tolist() == [-1]
