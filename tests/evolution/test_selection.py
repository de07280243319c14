import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.evolution.cohort import Cohort
from kasauti.evolution.ranking import Places
from kasauti.evolution.selection import (
    Deaths,
    Living,
    final_deaths,
    final_front,
    in_order_of_merit,
    select,
)
from tests.evolution.crowds import One, cohort, living
from tests.evolution.test_fitness import CONSTRAINTS


def chosen_from(
    parents: list[One], archive: list[One], children: list[One], size: int, generation: int
) -> tuple[Living, Deaths]:
    return select(living(parents, archive), cohort(children), size, generation, CONSTRAINTS)


def hashes(cohort: Cohort, places: Places) -> list[str]:
    found: list[str] = cohort.hashes[places].tolist()
    return found


small = st.integers(0, 3).map(float)
crowds = st.lists(st.tuples(small, small, small, st.booleans()), min_size=1, max_size=40).map(
    lambda rows: [
        One(f"{i:03}", *row[:3], trades=1 if row[3] else 50) for i, row in enumerate(rows)
    ]
)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(crowds, st.integers(1, 20))
def test_whoever_leaves_leaves_for_a_reason_that_holds(crowd: list[One], size: int) -> None:
    half = len(crowd) // 2
    lives, deaths = chosen_from(crowd[:half], [], crowd[half:], size, 7)
    feasible = [a for a in crowd if a.feasible]
    front = [a.hash for a in feasible if not any(b.dominates(a) for b in feasible)]
    assert hashes(lives.cohort, lives.archive) == front
    assert len(lives.parents) == len(lives.ranks) == len(lives.crowding) == min(size, len(crowd))
    dead = dict(zip(deaths.hashes, deaths.causes, strict=True))
    alive = lives.cohort.hashes.tolist()
    assert len(set(alive)) == len(alive)
    assert set(alive) == {*hashes(lives.cohort, lives.parents), *front}
    assert dead.keys() | set(alive) == {a.hash for a in crowd}
    assert not dead.keys() & set(alive)
    by_name = {a.hash: a for a in crowd}
    for name, cause in dead.items():
        if not by_name[name].feasible:
            assert cause == "too few trades: 1 of 30"
        else:
            kind, killer = cause.rsplit(" by ", 1)
            assert kind == "dominated: in generation 7"
            assert by_name[killer].dominates(by_name[name])
            assert killer in front
    worst_living = any(not by_name[name].feasible for name in alive)
    assert not (worst_living and any(by_name[name].feasible for name in dead))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(crowds, st.integers(1, 20))
def test_parents_come_by_front_then_by_loneliness(crowd: list[One], size: int) -> None:
    lives, _ = chosen_from([], [], crowd, size, 0)
    order = list(zip(lives.ranks, -lives.crowding, strict=True))
    assert order == sorted(order)
    by_name = {a.hash: a for a in crowd}
    parents = [by_name[name] for name in hashes(lives.cohort, lives.parents)]
    for place, parent in enumerate(parents):
        assert not any(later.dominates(parent) for later in parents[place:])


@pytest.mark.parametrize(
    ("twins", "survivor"),
    [
        pytest.param((One("a", simplicity=-4.0), One("b", simplicity=-3.0)), "b", id="simpler"),
        pytest.param((One("a", generation=2), One("b", generation=1)), "b", id="older"),
        pytest.param((One("b"), One("a")), "a", id="by hash"),
    ],
)
@pytest.mark.parametrize("trade", [0.25, 0.0, -0.0])
def test_of_twins_one_lives(twins: tuple[One, One], survivor: str, trade: float) -> None:
    pair = [One(**{**vars(twin), "behaviour": trade}) for twin in twins]
    other = One("c", sharpe=0.5, consistency=2.0)
    for first, second in (pair, pair[::-1]):
        lives, deaths = chosen_from([first], [first], [other, second], 10, 3)
        assert set(lives.cohort.hashes) == {survivor, "c"}
        assert survivor in hashes(lives.cohort, lives.archive)
        (dead,) = deaths.hashes
        assert dead not in (survivor, "c")
        (cause,) = deaths.causes
        assert cause == f"twin: trades exactly like {survivor}, which is simpler or older"


def test_a_twin_in_the_archive_alone_does_not_come_back_as_a_parent() -> None:
    old, new = One("a", behaviour=0.5), One("b", behaviour=0.5, generation=4)
    parent = One("p", sharpe=0.1, consistency=9.0)
    lives, deaths = chosen_from([parent], [old], [new], 10, 4)
    assert hashes(lives.cohort, lives.parents) == ["p"]
    assert set(hashes(lives.cohort, lives.archive)) == {"p", "a"}
    assert list(deaths.hashes) == ["b"]


def test_who_is_on_the_front_lives_though_the_population_has_no_place() -> None:
    crowd = [One(str(i), sharpe=float(i), consistency=-float(i)) for i in range(9)]
    lives, deaths = chosen_from([], [], crowd, 4, 0)
    assert len(lives.parents) == 4
    assert set(hashes(lives.cohort, lives.archive)) == {one.hash for one in crowd}
    assert deaths.hashes == []
    front = final_front(lives, 5)
    assert len(front) == 5
    assert {"0", "8"} <= set(hashes(lives.cohort, front)), "the ends of the front stay"
    assert front.tolist() == in_order_of_merit(lives.cohort, front).tolist()
    last = final_deaths(lives, front, 3, CONSTRAINTS)
    assert set(last.causes) == {"crowded out: in generation 3"}
    assert {*last.hashes, *hashes(lives.cohort, front)} == {one.hash for one in crowd}


def test_the_last_population_dies_of_the_front() -> None:
    best, worse, flawed = One("b", 2.0), One("w", 1.0), One("f", trades=1)
    lives = living([best, worse, flawed], [best])
    deaths = final_deaths(lives, np.array([0]), 9, CONSTRAINTS)
    assert deaths.hashes == ["w", "f"]
    assert deaths.causes == ["dominated: in generation 9 by b", "too few trades: 1 of 30"]


def test_merit_puts_the_consistent_before_the_profitable() -> None:
    ranked = [
        One("consistent", sharpe=0.9),
        One("simpler", sharpe=0.5, simplicity=-2.0),
        One("hash a", sharpe=0.5),
        One("hash b", sharpe=0.5),
        One("lucky", sharpe=3.0, consistency=-0.1),
    ]
    mixed = cohort([ranked[i] for i in (2, 0, 4, 3, 1)])
    assert hashes(mixed, in_order_of_merit(mixed, np.arange(5))) == [one.hash for one in ranked]


def test_an_empty_front() -> None:
    nobody = Living.nobody()
    assert final_front(nobody, 5).tolist() == []
    lives, deaths = select(nobody, Cohort.empty(), 10, 0, CONSTRAINTS)
    assert len(lives.cohort) == len(deaths.hashes) == 0
    assert final_deaths(lives, np.zeros(0, dtype=np.int64), 0, CONSTRAINTS).hashes == []
