"""Tiny certificates end to end: the same on any number of workers, and resumed where it was."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kasauti.market.sources import load_sample
from kasauti.noise import runs
from kasauti.noise.command import noise
from kasauti.noise.pipeline import Outcome, Spec, run_world
from kasauti.noise.planted import Plant, Rule
from kasauti.noise.runs import Run, bases_of, outcomes, plain_specs, planted_specs
from kasauti.noise.worlds import Generator
from tests.noise.small import nasdaq

TINY = 300  # evaluations


def run_in(folder: Path, workers: int = 1, *, evaluations: int = TINY, judged: bool = False) -> Run:
    return Run((nasdaq(),), folder, evaluations, judged, workers)


def content(found: list[Outcome]) -> list[Outcome]:
    return [replace(one, seconds={}) for one in found]


def test_the_result_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    one, two = run_in(tmp_path / "one"), run_in(tmp_path / "two", workers=2)
    specs = plain_specs(one, 3, seed=4, purpose=1)
    assert content(outcomes(one, specs)) == content(outcomes(two, specs))


def test_what_was_kept_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(tmp_path)
    specs = plain_specs(run, 2, seed=4, purpose=1)
    first = outcomes(run, specs[:1])
    with run.file.open("a") as handle:
        handle.write('\n{"world": "cut off')  # killed while writing
    calls: list[int] = []

    def counted(base: object, spec: Spec, *_: object, **__: object) -> Outcome:
        calls.append(spec.number)
        return replace(first[0], number=spec.number)

    monkeypatch.setattr(runs, "run_world", counted)
    told: list[int] = []
    both = outcomes(run, specs, lambda one: told.append(one.number))
    assert calls == [1]
    assert told == [0, 1]
    assert both[0] == first[0]
    calls.clear()
    assert outcomes(run, specs) == both
    assert calls == []


def test_other_settings_have_another_file(tmp_path: Path) -> None:
    others = (run_in(tmp_path, evaluations=301), run_in(tmp_path, judged=True))
    assert len({run_in(tmp_path).file, *(other.file for other in others)}) == 3
    assert run_in(tmp_path, workers=2).file == run_in(tmp_path).file


def test_every_generator_and_rule_has_its_turn(tmp_path: Path) -> None:
    run = replace(run_in(tmp_path), bases=(nasdaq(), replace(nasdaq(), name="TWIN")))
    specs = plain_specs(run, 6, seed=1, purpose=1)
    assert {(one.base, one.generator) for one in specs} == {
        (name, generator) for name in ("NASDAQ", "TWIN") for generator in Generator
    }
    lifts = {
        (name, generator, rule): 0.001
        for name in ("NASDAQ", "TWIN")
        for generator in Generator
        for rule in Rule
    }
    planted = planted_specs(run, 12, 1, 1, 1.5, lifts)
    assert {one.plant for one in planted} == {Plant(rule, 0.001) for rule in Rule}
    assert len({one.seed for one in (*specs, *planted)}) == 18


def test_certificate_and_calibration_never_share_a_world(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    first, second = (plain_specs(run, 1, 7, purpose)[0] for purpose in (1, 2))
    made = [spec.make(nasdaq(), sessions=300).data_version for spec in (first, second)]
    assert made[0] != made[1]


def test_bases_are_the_long_symbols() -> None:
    assert {base.name for base in bases_of(load_sample().bars)} >= {"NASDAQ", "SP500"}
    assert [base.name for base in bases_of(load_sample().bars, ["IBM"])] == ["IBM"]


def test_the_pipeline_judges_what_the_search_found() -> None:
    """The whole of it on one small world: every candidate has an end, none is approved."""
    spec = Spec(0, (1, 1, 0), "NASDAQ", Generator.BOOTSTRAP)
    found = run_world(nasdaq(), spec, TINY)
    assert found.evaluations == TINY
    assert len(found.stopped_by) == found.candidates <= 3
    assert not found.approved


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let one outcome stand for all: the command is tested here, not the pipeline."""

    def stand_in(base: object, spec: Spec, evaluations: int, *, judged: bool) -> Outcome:
        del base, judged
        approved = spec.plant is not None
        return Outcome(
            *(spec.number, spec.base, spec.generator.value, spec.sharpe, approved, 1),
            ("approved" if approved else "statistics",),
            None,
            *(spec.sharpe, 1.2 if approved else None, evaluations, {"search": 1.0}),
        )

    monkeypatch.setattr(runs, "run_world", stand_in)
    monkeypatch.setattr(runs, "find_lift", lambda *_: 0.001)
    yield


@pytest.mark.usefixtures("quick")
def test_noise_prints_the_certificate(tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    arguments = "--worlds 6 --seed 3 --evaluations 300 --planted 0.5,1.5 --workers 1 --json"
    answer = CliRunner().invoke(
        noise,
        [*arguments.split(), "--write", str(file)],
        env={"KASAUTI_HOME": str(tmp_path)},
        catch_exceptions=False,
    )
    assert answer.exit_code == 0
    found = json.loads(answer.stdout)
    assert list(found)[:6] == [
        "worlds",
        "approved_worlds",
        "rate",
        "interval",
        "planted",
        "seconds",
    ]
    assert (found["worlds"], found["approved_worlds"], found["rate"]) == (6, 0, 0.0)
    assert [(row["sharpe"], row["power"]) for row in found["planted"]] == [(0.5, 1.0), (1.5, 1.0)]
    assert found["evaluations"] == 300
    assert list((tmp_path / "noise").glob("*.jsonl"))
    assert json.loads(file.read_text("utf-8")) == found


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "each"), [("", 6), ("--planted-worlds 2", 2), ("--planted-worlds 7", 7)]
)
def test_planted_worlds_are_counted_apart(options: str, each: int, tmp_path: Path) -> None:
    arguments = f"--worlds 6 --evaluations 300 --planted 0.5,1.5 {options} --workers 1 --json"
    answer = CliRunner().invoke(
        noise, arguments.split(), env={"KASAUTI_HOME": str(tmp_path)}, catch_exceptions=False
    )
    found = json.loads(answer.stdout)
    assert (found["worlds"], found["approved_worlds"]) == (6, 0)
    assert [list(row)[:4] for row in found["planted"]] == [
        ["sharpe", "worlds", "approved_worlds", "power"]
    ] * 2
    assert [
        (row["sharpe"], row["worlds"], row["approved_worlds"], row["own_sharpe"])
        for row in found["planted"]
    ] == [(0.5, each, each, 0.5), (1.5, each, each, 1.5)]
    assert found["evaluations_done"] == 300 * (6 + 2 * each)


def test_planted_worlds_without_an_edge_are_refused() -> None:
    answer = CliRunner().invoke(noise, ["--planted-worlds", "100"])
    assert answer.exit_code == 2
    assert "name a Sharpe there" in answer.output


def test_a_planted_sharpe_that_is_none_is_refused() -> None:
    answer = CliRunner().invoke(noise, ["--planted", "high"])
    assert answer.exit_code == 2
    assert "give numbers like" in answer.output
