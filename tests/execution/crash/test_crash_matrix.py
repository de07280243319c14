"""A desk is killed at every step of an order's life; the next one loses and doubles nothing.

The whole matrix is ``python -m benchmarks.crash_matrix``; this is a seeded sample of it.
"""

import ast
import random
from pathlib import Path

import pytest

import kasauti
from kasauti.execution import failpoints
from kasauti.execution.brokers.faults import Fault
from tests.execution.crash import mutants
from tests.execution.crash.matrix import FAULTS, Case, Result, cases, run_case, run_cases

SEEDS = (1, 2, 3)
SAMPLE = (
    (1, None),
    (6, None),
    (2, Fault.TIMEOUT_AFTER),
    (3, Fault.DISCONNECT),
    (5, Fault.PARTIAL_BOOK),
)


def _steps_in_the_code() -> list[str]:
    return [
        ast.literal_eval(node.args[0])
        for file in sorted(Path(kasauti.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.reach"
    ]


def test_every_step_of_the_registry_is_in_the_code_once_and_no_other() -> None:
    called = _steps_in_the_code()
    assert sorted(called) == sorted(failpoints.STEPS | failpoints.ALERT_STEPS)


def test_an_unarmed_step_does_nothing_and_an_unknown_one_cannot_be_armed() -> None:
    failpoints.reach("gate.before_send")
    with pytest.raises(KeyError, match="does not exist"):
        failpoints.arm({failpoints.ENVIRONMENT: "gate.nowhere,1,3,4"})


def test_a_sample_of_the_matrix_holds_and_kills_at_every_step() -> None:
    rng = random.Random(5)
    wanted: list[Case] = []
    for seed, fault in SAMPLE:
        missing = set(failpoints.STEPS) - {case.step for case in wanted}
        all_of_it = list(cases(seed, fault, sessions=1))
        chosen = [case for case in all_of_it if case.step in missing and not case.paused]
        wanted += chosen + rng.sample(all_of_it, 1)
    results = list(run_cases(wanted))
    assert _bad(results) == {}
    assert {result.case.step for result in results if result.kills} == set(failpoints.STEPS)
    assert len(results) >= 35
    assert sum(result.kills for result in results) >= 0.9 * len(results)


def test_the_matrix_has_every_fault_of_the_broker() -> None:
    assert set(FAULTS) == {None, *Fault}


@pytest.mark.parametrize(
    ("mutant", "cases", "complaint"),
    [
        pytest.param(
            mutants.send_before_commit,
            [Case(seed, None, "gate.answered", 1, sessions=1) for seed in SEEDS],
            "its decision is not in the ledger",
            id="send before commit",
        ),
        pytest.param(
            mutants.retry_on_unknown,
            [Case(seed, Fault.TIMEOUT_AFTER, "desk.closed", 1, sessions=1) for seed in SEEDS],
            "was sent 2 times",
            id="retry on unknown",
        ),
        pytest.param(
            mutants.ignore_the_epoch,
            [Case(seed, None, "gate.recorded", 1, paused=True, sessions=1) for seed in SEEDS],
            "a desk that had lost its lease sent",
            id="ignore the epoch",
        ),
        pytest.param(
            mutants.drop_the_unique_key,
            [Case(seed, None, "gate.answer_recorded", 1, sessions=1) for seed in SEEDS],
            "in the ledger",
            id="drop the unique key",
        ),
    ],
)
def test_a_mutant_turns_the_matrix_red(
    mutant: mutants.Mutant, cases: list[Case], complaint: str
) -> None:
    found = [run_case(case, mutant=mutant) for case in cases]
    assert all(result.kills == 1 for result in found)
    assert any(complaint in problem for result in found for problem in result.problems)
    assert _bad([run_case(case) for case in cases]) == {}


def _bad(results: list[Result]) -> dict[Case, tuple[str, ...]]:
    return {result.case: result.problems for result in results if result.problems}
