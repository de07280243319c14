from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.evolution.fitness import INFEASIBLE
from kasauti.evolution.individual import Individual
from kasauti.evolution.selection import (
    dominators_of,
    final_deaths,
    final_front,
    merit,
    pareto_front,
    select,
)
from tests.evolution.test_fitness import GENOME


def one(
    name: str,
    sharpe: float = 1.0,
    consistency: float = 1.0,
    simplicity: float = -3.0,
    flaw: str | None = None,
    behaviour: float | None = None,
    generation: int = 0,
) -> Individual:
    """Return an individual whose behaviour is its own unless one is given."""
    individual = Individual(replace(GENOME, risk=0.01), name, generation, "random")
    individual.figures = {
        "sharpe": sharpe,
        "consistency": consistency,
        "simplicity": simplicity,
        "trades": 50.0,
        "total_return": float(int.from_bytes(name.encode())) if behaviour is None else behaviour,
        "max_drawdown": -0.1,
    }
    individual.flaw = flaw
    individual.fitness.values = (
        (sharpe, consistency, simplicity) if flaw is None else (INFEASIBLE - 0.5,) * 3
    )
    return individual


small = st.integers(0, 3).map(float)
crowds = st.lists(st.tuples(small, small, small, st.booleans()), min_size=1, max_size=40).map(
    lambda rows: [
        one(f"{i:03}", *row[:3], flaw="too few trades: 1 of 30" if row[3] else None)
        for i, row in enumerate(rows)
    ]
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(crowds)
def test_the_pareto_front_is_what_nobody_dominates(crowd: list[Individual]) -> None:
    expected = [a for a in crowd if not any(b.fitness.dominates(a.fitness) for b in crowd)]
    assert pareto_front(crowd) == expected


@settings(deadline=None, max_examples=60, derandomize=True)
@given(crowds, st.integers(1, 20))
def test_whoever_leaves_leaves_for_a_reason_that_holds(crowd: list[Individual], size: int) -> None:
    half = len(crowd) // 2
    chosen = select(crowd[:half], [], crowd[half:], size, 7)
    feasible = [a for a in crowd if a.flaw is None]
    assert list(chosen.archive) == pareto_front(feasible)
    assert len(chosen.population) == min(size, len(crowd))
    dead = {a.hash: cause for a, cause in chosen.deaths}
    alive = {a.hash for a in (*chosen.population, *chosen.archive)}
    assert dead.keys() | alive == {a.hash for a in crowd}
    assert not dead.keys() & alive
    by_name = {a.hash: a for a in crowd}
    for name, cause in dead.items():
        if by_name[name].flaw:
            assert cause == by_name[name].flaw
        else:
            kind, killer = cause.rsplit(" by ", 1)
            assert kind == "dominated: in generation 7"
            assert by_name[killer].fitness.dominates(by_name[name].fitness)
    worst_living = any(a.flaw for a in chosen.population)
    assert not (worst_living and any(by_name[name].flaw is None for name in dead))


@pytest.mark.parametrize(
    ("twins", "survivor"),
    [
        pytest.param((one("a", simplicity=-4.0), one("b", simplicity=-3.0)), "b", id="simpler"),
        pytest.param((one("a", generation=2), one("b", generation=1)), "b", id="older"),
        pytest.param((one("b"), one("a")), "a", id="by hash"),
    ],
)
def test_of_twins_one_lives(twins: tuple[Individual, Individual], survivor: str) -> None:
    for twin in twins:
        twin.figures["total_return"] = 0.25
    for order in (twins, twins[::-1]):
        chosen = select(order[:1], order[:1], order[1:], 10, 3)
        assert [a.hash for a in chosen.population] == [survivor]
        assert [a.hash for a in chosen.archive] == [survivor]
        ((dead, cause),) = chosen.deaths
        assert dead.hash != survivor
        assert cause == f"twin: trades exactly like {survivor}, which is simpler or older"


def test_who_is_on_the_front_lives_though_the_population_has_no_place() -> None:
    crowd = [one(str(i), sharpe=float(i), consistency=-float(i)) for i in range(9)]
    chosen = select([], [], crowd, 4, 0)
    assert len(chosen.population) == 4
    assert list(chosen.archive) == crowd
    assert chosen.deaths == ()
    front = final_front(chosen.archive, 5)
    assert len(front) == 5
    assert {"0", "8"} <= {a.hash for a in front}, "the ends of the front stay"
    assert front == sorted(front, key=merit)
    deaths = final_deaths(chosen.population, chosen.archive, front, 3)
    assert {cause for _, cause in deaths} == {"crowded out: in generation 3"}
    assert {a.hash for a, _ in deaths} | {a.hash for a in front} == {a.hash for a in crowd}


def test_the_last_population_dies_of_the_front() -> None:
    best, worse, flawed = one("b", 2.0), one("w", 1.0), one("f", flaw="too few trades: 1 of 30")
    deaths = final_deaths([best, worse, flawed], [best], [best], 9)
    assert [(a.hash, cause) for a, cause in deaths] == [
        ("w", "dominated: in generation 9 by b"),
        ("f", "too few trades: 1 of 30"),
    ]


def test_merit_puts_the_consistent_before_the_profitable() -> None:
    ranked = [
        one("consistent", sharpe=0.9),
        one("simpler", sharpe=0.5, simplicity=-2.0),
        one("less simple", sharpe=0.5),
        one("lucky", sharpe=3.0, consistency=-0.1),
    ]
    assert sorted([ranked[i] for i in (2, 0, 3, 1)], key=merit) == ranked


def test_an_empty_front() -> None:
    assert pareto_front([]) == []
    assert final_front([], 5) == []
    assert dominators_of([one("a")], []) == [None]
