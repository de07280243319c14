"""A whole run, tiny: the JSON has the promised shape, and its tables say what it says."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kasauti.bench import memory, run
from kasauti.bench.population import seeded_population
from kasauti.bench.report import Bench, ExecutionBench, read_report
from kasauti.bench.run import NO_RUST
from kasauti.bench.tables import to_markdown
from kasauti.cli import cli
from kasauti.errors import DataError, KasautiError

PROMISED = {
    "population": {
        *("strategies", "bars", "mean_nodes", "mean_trades", "exposure", "kasauti_per_s"),
        *("vectorbt_numba_per_s", "vectorbt_rust_per_s", "ratio_numba", "ratio_rust"),
        *("differing_genomes", "max_relative_difference"),
    },
    "expressions": {"kasauti_node_evals_per_s", "deap_numpy_node_evals_per_s", "ratio"},
    "search": {"evaluation_s", "breeding_s", "selection_s", "other_s"},
}


@pytest.fixture(scope="module")
def report(tiny: Bench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(tiny.to_json(), allow_nan=False))
    return found


def test_the_json_has_the_promised_shape(report: dict[str, Any]) -> None:
    for part, names in PROMISED.items():
        assert names <= set(report[part])
    assert {"floor", "growth", "memory", "workers"} <= set(report)
    points = [(one["strategies"], one["bars"]) for one in report["growth"]]
    assert points == [(20, 5023), (60, 5023), (20, 1_000), (20, 3_000)]


def test_nothing_differs_on_either_market(report: dict[str, Any]) -> None:
    for name in ("population", "intraday"):
        found = report[name]
        assert (found["differing_genomes"], found["compared_trades"] > 0) == (0, True)
        assert found["max_relative_difference"] < 1e-8
    assert report["workers"]["identical"]


def test_the_figures_belong_together(report: dict[str, Any]) -> None:
    found = report["population"]
    assert found["ratio_rust"] == pytest.approx(
        found["kasauti_per_s"] / found["vectorbt_rust_per_s"]
    )
    assert found["microseconds"]["engine"] == pytest.approx(1e6 / found["kasauti_per_s"])
    assert 15 < found["mean_nodes"] < 30
    assert 0.05 < found["exposure"] < 0.9
    expressions = report["expressions"]
    assert expressions["ratio"] == pytest.approx(
        expressions["kasauti_node_evals_per_s"] / expressions["deap_numpy_node_evals_per_s"]
    )
    peak = report["memory"][0]
    assert 50 < peak["imports_mb"] <= peak["population_mb"] <= peak["scored_mb"]


def test_markdown_holds_every_point_and_the_ratio(report: dict[str, Any]) -> None:
    text = to_markdown(report)
    assert text == to_markdown(report)
    for one in report["growth"]:
        assert re.search(rf"\| {one['strategies']:,} \| {one['bars']:,} \|", text)
    assert f"{report['population']['ratio_rust']:,.1f}" in text
    widths = [len(re.findall(r"\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert min(widths) >= 4


def test_without_rust_its_columns_are_null_and_a_note_says_what_to_install(tiny: Bench) -> None:
    names = ("vectorbt_rust_per_s", "vectorbt_rust_numpy_per_s", "ratio_rust", "ratio_rust_numpy")
    nothing: dict[str, Any] = dict.fromkeys(names)
    without = replace(
        tiny,
        population=replace(tiny.population, **nothing),
        intraday=replace(tiny.intraday, **nothing),
        notes=(NO_RUST,),
    )
    text = to_markdown(without.to_json())
    assert "not installed" in text
    assert "kasauti[bench]" in text


def test_the_command_measures_renders_and_draws(
    report: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Bench,
    tiny_execution: ExecutionBench,
) -> None:
    monkeypatch.setattr(run, "run_bench", lambda *_, **__: tiny)
    monkeypatch.setattr(run, "run_execution", lambda *_, **__: tiny_execution)
    engine = CliRunner().invoke(cli, ["bench", "--quick", "--only", "engine", "--json"])
    assert json.loads(engine.stdout) == report
    made = CliRunner().invoke(cli, ["bench", "--quick", "--json"])
    assert json.loads(made.stdout).keys() == {*report, "execution"}
    assert "expressions" in CliRunner().invoke(cli, ["bench", "--quick"]).stdout.lower()
    file, picture = tmp_path / "bench.json", tmp_path / "growth.png"
    file.write_text(made.stdout)
    shown = CliRunner().invoke(cli, ["bench", "--render", str(file), "--plot", str(picture)])
    assert shown.stdout == to_markdown(read_report(file))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 100_000


@pytest.mark.parametrize("text", ["nothing", "[]", '{"population": {}}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bench.json"
    file.write_text(text)
    with pytest.raises(DataError, match="bench --json"):
        read_report(file)


def test_a_process_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MODULE", "kasauti.bench.no_such_module")
    with pytest.raises(KasautiError, match="memory of 2 strategies was not measured"):
        memory.peak_of(seeded_population(2, 1))
