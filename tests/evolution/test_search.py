import json
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import Account, Backtester
from kasauti.backtest.result import Scores
from kasauti.errors import DataError, UsageError
from kasauti.evolution.checkpoint import Checkpoint
from kasauti.evolution.register import DataSet, Death, TrialRegister
from kasauti.evolution.search import Progress, SearchResult, SearchSettings, evolve, search_id
from kasauti.evolution.timing import PARTS, Stopwatch
from kasauti.genome import genome_from_genes
from kasauti.genome.codes import Population
from kasauti.regimes.model import OnlineLabels
from tests.evolution.small import AT, SETTINGS, backtester

BACKTESTER = backtester()


def search(
    folder: Path,
    settings: SearchSettings = SETTINGS,
    tested: Backtester = BACKTESTER,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    return evolve(
        tested,
        settings,
        TrialRegister(folder / "register.sqlite"),
        folder / "searches",
        at=AT,
        progress=progress,
        executor=executor,
    )


def told(result: SearchResult) -> dict[str, Any]:
    """Return the result without the time that it took."""
    answer = result.to_json()
    del answer["seconds"], answer["seconds_by_part"], answer["history"]
    return answer


def records(folder: Path) -> tuple[list[Any], list[Any]]:
    register = TrialRegister(folder / "register.sqlite")
    return [vars(one) for one in register.trials()], [vars(one) for one in register.deaths()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    """Return the folder and the result of one finished search."""
    folder = tmp_path_factory.mktemp("done")
    return folder, search(folder)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_result_does_not_depend_on_the_number_of_threads(
    done: tuple[Path, SearchResult], tmp_path: Path, workers: int
) -> None:
    with ThreadPoolExecutor(workers) as executor:
        result = search(tmp_path, tested=backtester(), executor=executor)
    assert told(result) == told(done[1])
    assert records(tmp_path) == records(done[0])


def test_the_result_does_not_depend_on_processes(
    done: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as executor:
        result = search(tmp_path, executor=executor)
    assert told(result) == told(done[1])
    assert records(tmp_path) == records(done[0])


def test_a_search_of_which_nothing_is_kept_finds_the_same(
    done: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    register = TrialRegister(tmp_path / "register.sqlite")
    result = evolve(BACKTESTER, SETTINGS, register, None, at=AT)
    assert told(result) == told(done[1])
    assert records(tmp_path) == records(done[0])
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"register.sqlite"}


def test_another_seed_finds_others(done: tuple[Path, SearchResult], tmp_path: Path) -> None:
    search(tmp_path, replace(SETTINGS, seed=12, evaluations=40))
    ours = {one["genome"] for one in records(done[0])[0]}
    assert len(ours & {one["genome"] for one in records(tmp_path)[0]}) < 10


@pytest.mark.parametrize("evaluations", [1, 39, 40, 97])
def test_the_budget_is_met_exactly(tmp_path: Path, evaluations: int) -> None:
    steps: list[Progress] = []
    settings = replace(SETTINGS, evaluations=evaluations)
    result = search(tmp_path, settings, progress=steps.append)
    trials, _ = records(tmp_path)
    assert result.evaluations == evaluations == len(trials)
    assert len({one["genome"] for one in trials}) == evaluations
    assert not result.exhausted
    assert [step.evaluations for step in steps] == [*range(40, evaluations, 40), evaluations]
    assert result.history == tuple(steps)
    assert all(step.budget == evaluations for step in steps)
    assert result.seconds >= steps[-1].seconds > 0.0


def test_the_seconds_are_told_by_part(done: tuple[Path, SearchResult]) -> None:
    result = done[1]
    assert tuple(result.seconds_by_part) == PARTS
    assert all(seconds > 0.0 for seconds in result.seconds_by_part.values())
    assert sum(result.seconds_by_part.values()) == pytest.approx(result.seconds)


def test_the_seconds_go_on_in_another_process() -> None:
    """A second stopwatch stands for it: the one of the killed search is gone."""
    spent = {"evaluation": 100.0, "breeding": 20.0, "selection": 3.0, "register": 4.0, "other": 5.0}
    watch = Stopwatch()
    watch.resume(spent)
    with watch.part("selection"):
        time.sleep(0.01)
    parts = watch.seconds_by_part
    assert 132.01 <= watch.seconds < 140.0
    assert sum(parts.values()) == pytest.approx(watch.seconds, abs=0.01)
    assert (parts["evaluation"], parts["register"]) == (100.0, 4.0)
    assert parts["selection"] >= 3.01


def test_every_genome_tried_is_on_the_front_or_died_of_something(
    done: tuple[Path, SearchResult],
) -> None:
    folder, result = done
    trials, deaths = records(folder)
    front = {one.hash for one in result.front}
    dead = [one["genome"] for one in deaths]
    assert len(dead) == len(set(dead))
    assert set(dead) | front == {one["genome"] for one in trials}
    assert not set(dead) & front
    register = TrialRegister(folder / "register.sqlite")
    assert set(register.causes(result.search)) <= {
        "too few trades",
        "drawdown too deep",
        "position too large",
        "twin",
        "dominated",
    }
    assert register.verify() > 250


def test_the_front_is_the_pareto_front_of_all_that_was_tried(
    done: tuple[Path, SearchResult],
) -> None:
    folder, result = done
    trials, deaths = records(folder)
    large = {one["genome"] for one in deaths if "position too large" in one["cause"]}
    values = {
        one["genome"]: np.array(
            [one["figures"][n] for n in ("sharpe", "consistency", "simplicity")]
        )
        for one in trials
        if one["figures"]["trades"] >= 5 and one["figures"]["max_drawdown"] >= -0.2
        if one["genome"] not in large
    }
    best = {
        name
        for name, mine in values.items()
        if not any((other >= mine).all() and (other > mine).any() for other in values.values())
    }
    front = {one.hash for one in result.front}
    assert front
    assert front <= best
    behaviours = {tuple(values[name][:2]) for name in best}
    assert {tuple(values[name][:2]) for name in front} == behaviours, "only twins are left out"
    steps = [step.front for step in result.history]
    assert steps[-1] == len(front)


def test_the_figures_are_the_backtesters(done: tuple[Path, SearchResult]) -> None:
    for one in done[1].front:
        score = BACKTESTER.score(one.genome)
        assert one.hash == one.genome.hash
        assert one.fitness["sharpe"] == score.sharpe
        assert one.fitness["trades"] == score.trades >= SETTINGS.min_trades
        assert one.fitness["max_drawdown"] == score.max_drawdown >= -SETTINGS.max_drawdown


def test_the_family_tree_leads_back_to_founders(done: tuple[Path, SearchResult]) -> None:
    folder, result = done
    register = TrialRegister(folder / "register.sqlite")
    dataset = BACKTESTER.bars.data_version
    bred = [one for one in register.trials(search=result.search) if one.parents]
    assert bred
    generation = {one.genome: one.generation or 0 for one in register.trials()}
    for one in bred:
        assert all(generation[parent] < generation[one.genome] for parent in one.parents)
    line = register.ancestry(bred[-1].genome, dataset)
    assert line[0].genome == bred[-1].genome
    assert line[-1].generation is not None
    assert all(one.parents or one.operator == "random" for one in line)


def test_the_front_is_bounded(tmp_path: Path, done: tuple[Path, SearchResult]) -> None:
    assert len(done[1].front) > 2
    result = search(tmp_path, replace(SETTINGS, front=2))
    assert len(result.front) == 2
    register = TrialRegister(tmp_path / "register.sqlite")
    assert register.causes(result.search)["crowded out"] == len(done[1].front) - 2


def test_the_front_comes_best_first(done: tuple[Path, SearchResult]) -> None:
    order = [(one.fitness["consistency"] > 0.0, one.fitness["sharpe"]) for one in done[1].front]
    assert order == sorted(order, reverse=True)


def test_if_nothing_is_feasible_the_front_is_empty(tmp_path: Path) -> None:
    steps: list[Progress] = []
    settings = replace(SETTINGS, evaluations=50, min_trades=10_000)
    result = search(tmp_path, settings, progress=steps.append)
    assert result.front == ()
    assert steps[-1].best == {}
    assert steps[-1].median is None
    assert set(TrialRegister(tmp_path / "register.sqlite").causes(result.search)) == {
        "too few trades"
    }


class Deaf(Backtester):
    """Refuses to score, for searches that must not need it."""

    def scores(self, population: Population, executor: Executor | None = None) -> Scores:
        raise AssertionError(f"{len(population)} genomes were evaluated again")


def test_a_finished_search_is_answered_without_evaluating(
    done: tuple[Path, SearchResult],
) -> None:
    folder, result = done
    before = records(folder)
    deaf = Deaf(BACKTESTER.bars, labels=BACKTESTER.labels)
    assert search(folder, tested=deaf).to_json() == result.to_json()
    assert records(folder) == before


def test_a_checkpoint_is_nothing_to_a_register_that_never_saw_the_search(tmp_path: Path) -> None:
    settings = replace(SETTINGS, evaluations=50)
    first = search(tmp_path, settings)
    for file in tmp_path.glob("register.sqlite*"):
        file.unlink()
    assert told(search(tmp_path, settings)) == told(first)
    assert len(records(tmp_path)[0]) == 50


def test_the_dead_of_an_earlier_search_are_not_tried_again(
    done: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    founders = [one["genome"] for one in records(done[0])[0][:20]]
    register = TrialRegister(tmp_path / "register.sqlite")
    dataset = DataSet.of(BACKTESTER.bars)
    register.record(dataset, deaths=[Death(g, "stress", "stress: 31 %") for g in founders], at=AT)
    assert search(tmp_path).evaluations == SETTINGS.evaluations
    assert not set(founders) & {one.genome for one in register.trials()}


def test_a_longer_search_with_the_same_seed_goes_on_to_others(tmp_path: Path) -> None:
    """The same draws would name only the dead: it once ended with an empty first generation."""
    first = search(tmp_path)
    longer = replace(SETTINGS, evaluations=SETTINGS.evaluations + 10)
    assert search(tmp_path, longer).evaluations == longer.evaluations
    assert first.evaluations == SETTINGS.evaluations


def test_deaths_on_other_data_do_not_count(done: tuple[Path, SearchResult], tmp_path: Path) -> None:
    founders = [one["genome"] for one in records(done[0])[0][:20]]
    register = TrialRegister(tmp_path / "register.sqlite")
    other = DataSet("other", ("AAA",), "", "")
    register.record(other, deaths=[Death(g, "stress", "stress: 31 %") for g in founders], at=AT)
    assert told(search(tmp_path)) == told(done[1])


def test_the_result_survives_json(done: tuple[Path, SearchResult]) -> None:
    text = json.dumps(done[1].to_json(), allow_nan=False)
    assert SearchResult.from_json(json.loads(text)) == done[1]
    member = json.loads(text)["front"][0]
    assert genome_from_genes(member["genome"]).hash == member["hash"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: (BACKTESTER, replace(SETTINGS, seed=12)), id="seed"),
        pytest.param(lambda: (BACKTESTER, replace(SETTINGS, evaluations=151)), id="budget"),
        pytest.param(lambda: (backtester(499), SETTINGS), id="bars"),
        pytest.param(
            lambda: (
                Backtester(
                    BACKTESTER.bars, labels=BACKTESTER.labels, account=Account(capital=5_000.0)
                ),
                SETTINGS,
            ),
            id="account",
        ),
        pytest.param(
            lambda: (
                Backtester(BACKTESTER.bars, labels=OnlineLabels(np.zeros(500, dtype=np.int8))),
                SETTINGS,
            ),
            id="labels",
        ),
    ],
)
def test_a_search_is_known_by_all_that_decides_it(
    other: Callable[[], tuple[Backtester, SearchSettings]],
) -> None:
    def name(tested: Backtester, settings: SearchSettings) -> str:
        return search_id(tested, settings, DataSet.of(tested.bars))

    assert name(backtester(), SETTINGS) == name(BACKTESTER, SETTINGS)
    assert name(*other()) != name(BACKTESTER, SETTINGS)


def test_one_search_runs_once_at_a_time(tmp_path: Path) -> None:
    name = search_id(BACKTESTER, SETTINGS, DataSet.of(BACKTESTER.bars))
    running = Checkpoint(tmp_path / "searches" / name)
    with running.locked(), pytest.raises(UsageError, match="another process runs this very search"):
        search(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("state.bin", b""),
        ("state.bin", b"{" * 99),
        ("state.bin", None),
        ("tried.bin", b""),
        ("tried.bin", None),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_a_remedy(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    class Killed(Exception):
        pass

    def kill(step: Progress) -> None:
        raise Killed

    with pytest.raises(Killed):
        search(tmp_path, progress=kill)
    (damaged,) = tmp_path.glob(f"searches/*/{file}")
    whole = damaged.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    damaged.write_bytes(flipped if content is None else content)
    with pytest.raises(DataError, match="delete this folder and the search starts again"):
        search(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"evaluations": 0},
        {"population": 0},
        {"min_trades": 0},
        {"front": 0},
        {"immigrants": 1.1},
        {"crossover": -0.1},
        {"max_drawdown": float("nan")},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        replace(SETTINGS, **wrong)
