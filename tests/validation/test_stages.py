"""Who reaches which stage of the trial."""

from typing import Any

import pytest

from kasauti.validation.stages import STAGES, entrants, unknown_gates


def rows(genome: str, *failed: str, missing: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [
        {
            "genome": genome,
            "reference": genome == "ref",
            "gate": name,
            "passed": name not in failed,
            "reason": f"{name} said so",
            "figures": "{}",
        }
        for name in reversed(STAGES)  # the order of the rows must not matter
        if name not in missing
    ]


@pytest.mark.parametrize(("place", "stage"), list(enumerate(STAGES)))
def test_who_fails_a_stage_reaches_it_and_no_later_one(place: int, stage: str) -> None:
    judged = [*rows("dies", stage), *rows("lives")]
    for other in STAGES:
        reached = {one.genome: one.passed for one in entrants(judged, other)}
        expected = {"lives": True}
        if STAGES.index(other) <= place:
            expected["dies"] = other != stage
        assert reached == expected


def test_a_gate_that_gave_no_answer_is_no_pass() -> None:
    judged = rows("silent", missing=("stress",))
    (at,) = entrants(judged, "stress")
    assert (at.passed, at.reason) == (False, "")
    assert entrants(judged, "statistics") == []


def test_the_sealed_bars_are_the_last_stage() -> None:
    assert STAGES[0] == "causality" and STAGES[-1] == "sealed"


def test_a_gate_without_a_stage_is_named() -> None:
    odd = {**rows("a")[0], "gate": "horoscope"}
    assert unknown_gates([*rows("a"), odd]) == ["horoscope"]
    assert unknown_gates(rows("a")) == []


def test_the_reference_is_marked() -> None:
    assert [one.reference for one in entrants([*rows("ref"), *rows("a")], "causality")] == [
        True,
        False,
    ]
