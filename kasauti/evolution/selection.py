"""Who lives, who dies and of what; breeding and evaluation stand elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from deap import tools

from kasauti.evolution.individual import Individual
from kasauti.market.bars import Booleans, Floats


@dataclass(frozen=True)
class Selection:
    """The outcome of one generation.

    Attributes
    ----------
    population : tuple of Individual
        The next parents.
    archive : tuple of Individual
        The Pareto front of everything evaluated so far.
    deaths : tuple of (Individual, str)
        Who left both, and why.
    """

    population: tuple[Individual, ...]
    archive: tuple[Individual, ...]
    deaths: tuple[tuple[Individual, str], ...]


def select(
    population: Sequence[Individual],
    archive: Sequence[Individual],
    children: Sequence[Individual],
    size: int,
    generation: int,
) -> Selection:
    """Return the survivors by NSGA-II (Deb et al. 2002), and the dead with their causes."""
    everyone = unique((*population, *archive, *children))
    simplest = simplest_of_each_behaviour(everyone)
    originals = [one for one in everyone if simplest[one.behaviour] is one]
    pool = unique((*population, *children))
    unalike = [one for one in pool if simplest[one.behaviour] is one]
    survivors = tools.selNSGA2(unalike, size, "log") if unalike else []  # DEAP fails on none
    front = pareto_front([one for one in originals if one.flaw is None])
    alive = {one.hash for one in (*survivors, *front)}
    leaving = [one for one in everyone if one.hash not in alive]
    dominators = dominators_of(leaving, front)
    deaths = tuple(
        (one, cause_of_death(one, simplest[one.behaviour], dominator, generation))
        for one, dominator in zip(leaving, dominators, strict=True)
    )
    return Selection(tuple(survivors), tuple(front), deaths)


def final_front(archive: Sequence[Individual], size: int) -> list[Individual]:
    """Return at most `size` of the Pareto front, evenly spread by crowding, best first."""
    return sorted(tools.selNSGA2(list(archive), size, "log") if archive else [], key=merit)


def final_deaths(
    population: Sequence[Individual],
    archive: Sequence[Individual],
    front: Sequence[Individual],
    generation: int,
) -> list[tuple[Individual, str]]:
    """Return who is still alive at the search's end and not on its final front, with the cause."""
    on_front = {one.hash for one in front}
    leaving = [one for one in unique((*population, *archive)) if one.hash not in on_front]
    return [
        (one, cause_of_death(one, one, dominator, generation))
        for one, dominator in zip(leaving, dominators_of(leaving, archive), strict=True)
    ]


def merit(individual: Individual) -> tuple[bool, float, float, str]:
    """Sort key, best first: consistent ones, then by Sharpe, then the simpler; the hash decides."""
    figures = individual.figures
    return (
        figures["consistency"] <= 0.0,
        -figures["sharpe"],
        -figures["simplicity"],
        individual.hash,
    )


def unique(individuals: Iterable[Individual]) -> list[Individual]:
    """Return each individual once, in order of its first appearance."""
    return list({individual.hash: individual for individual in individuals}.values())


def simplest_of_each_behaviour(
    individuals: Iterable[Individual],
) -> dict[tuple[float, ...], Individual]:
    """Return, of those that trade exactly alike, the simplest, then the oldest, then by hash."""

    def rank(one: Individual) -> tuple[float, int, str]:
        return (-one.figures["simplicity"], one.generation, one.hash)

    best: dict[tuple[float, ...], Individual] = {}
    for individual in individuals:
        rival = best.get(individual.behaviour)
        if rival is None or rank(individual) < rank(rival):
            best[individual.behaviour] = individual
    return best


def pareto_front(individuals: Sequence[Individual]) -> list[Individual]:
    """Return those that no other one dominates, in their order."""
    values = _values(individuals)
    beaten: list[bool] = np.any(_dominance(values, values), axis=0).tolist()
    return [one for one, is_beaten in zip(individuals, beaten, strict=True) if not is_beaten]


def dominators_of(
    individuals: Sequence[Individual], front: Sequence[Individual]
) -> list[Individual | None]:
    """Return for each individual the first of `front` that dominates it, or None."""
    if not front:
        return [None] * len(individuals)
    matrix = _dominance(_values(front), _values(individuals))
    first: list[int] = np.argmax(matrix, axis=0).tolist()
    return [front[row] if matrix[row, column] else None for column, row in enumerate(first)]


def cause_of_death(
    one: Individual, simplest: Individual, dominator: Individual | None, generation: int
) -> str:
    """Say why it died; what stands before the colon is the kind of cause."""
    if one.flaw is not None:
        return one.flaw
    if simplest is not one:
        return f"twin: trades exactly like {simplest.hash}, which is simpler or older"
    if dominator is not None:
        return f"dominated: in generation {generation} by {dominator.hash}"
    return f"crowded out: in generation {generation}"


def _values(individuals: Sequence[Individual]) -> Floats:
    return np.array([one.fitness.wvalues for one in individuals]).reshape(len(individuals), 3)


def _dominance(winners: Floats, losers: Floats) -> Booleans:
    """Return whether winner i dominates loser j, shape (len(winners), len(losers))."""
    at_least = np.ones((len(winners), len(losers)), dtype=np.bool_)
    better = np.zeros_like(at_least)
    for winner, loser in zip(winners.T, losers.T, strict=True):
        at_least &= winner[:, None] >= loser
        better |= winner[:, None] > loser
    return at_least & better
