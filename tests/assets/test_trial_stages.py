"""The stages of the trial as assets: who goes on, what each check catches, what is kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from assets import strategies, validation
from assets.validation import APPROVALS, STAGE_KEYS, VERDICTS
from kasauti.evolution.register import Death
from kasauti.evolution.trials import DataSet
from kasauti.genome import genome_from_genes
from kasauti.market.sources import load_sample
from kasauti.operations.tables import verdicts_frame, verdicts_from
from kasauti.validation.reference_strategy import reference_strategy
from kasauti.validation.stages import STAGES
from kasauti.validation.verdict import Verdict
from resources.project import Project
from tests.evolution.small import AT, trial
from tests.operations.sheets import GENES, verdict
from tests.pipelines.states import checks, run
from tests.pipelines.states import made as all_made

MINE = genome_from_genes(GENES)
CHECKS = dict(zip(STAGES, validation.stage_checks, strict=True))
ASSETS = dict(zip(STAGES, validation.stages, strict=True))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose last trial judged one candidate and the reference."""
    found = Project(home=str(tmp_path), bars="sample")
    lake = found.workspace().lake
    lake.write_bars("market/bars", load_sample().bars.select(("SP500", "AAPL")).between(0, 900))
    genes = pd.DataFrame(
        [{"genome": MINE.hash, "sharpe": 1.0, "genes": json.dumps(MINE.to_genes())}]
    )
    lake.write("evolution/front", genes)
    judge(found, "stress", "sealed")
    return found


def judge(project: Project, *failed: str) -> None:
    """Store verdicts: the candidate fails at `failed`, the reference at walk-forward."""
    frame = verdicts_frame(
        [
            (known(verdict(MINE, *failed)), False),
            (known(verdict(reference_strategy(), "walk_forward", "sealed")), True),
        ]
    )
    project.workspace().lake.write("validation/verdicts", frame)


def known(found: Verdict) -> Verdict:
    """Return the verdict with the gates that are stages."""
    return replace(found, gates=tuple(gate for gate in found.gates if gate.name in STAGES))


def make(project: Project, *names: str) -> dict[str, dg.MaterializeResult[Any]]:
    return {name: made(ASSETS[name](project=project)) for name in names or STAGES}


def made(found: Any) -> dg.MaterializeResult[Any]:
    assert isinstance(found, dg.MaterializeResult)
    return found


def is_red(name: str, project: Project) -> bool:
    found = CHECKS[name](project=project)
    assert isinstance(found, dg.AssetCheckResult)
    assert found.severity is dg.AssetCheckSeverity.ERROR
    return not found.passed


def values(found: dg.MaterializeResult[Any]) -> dict[str, Any]:
    return dict(found.metadata or {})


def test_a_strategy_that_fails_goes_no_further(project: Project) -> None:
    went = {name: (found["came in"], found["went on"]) for name, found in counts(project).items()}
    expected = dict.fromkeys(STAGES, (0, 0))
    expected |= {"causality": (2, 2), "walk_forward": (2, 1), "regimes": (1, 1), "stress": (1, 0)}
    assert went == expected


def counts(project: Project) -> dict[str, dict[str, Any]]:
    return {name: values(found) for name, found in make(project).items()}


def test_the_stages_of_a_sound_trial_pass_their_checks(project: Project) -> None:
    make(project)
    assert [name for name in STAGES if is_red(name, project)] == []


@pytest.mark.parametrize("place", range(1, len(STAGES)), ids=STAGES[1:])
def test_who_failed_before_cannot_be_smuggled_in(project: Project, place: int) -> None:
    make(project)
    lake, name = project.workspace().lake, STAGES[place]
    here = lake.read(f"validation/{name}")
    stranger = pd.DataFrame(
        [{"genome": "f" * 64, "reference": False, "passed": True, "reason": "x", "figures": "{}"}]
    )
    lake.write(f"validation/{name}", pd.concat([here, stranger], ignore_index=True))
    assert is_red(name, project)


def test_who_passed_cannot_be_lost(project: Project) -> None:
    make(project)
    lake = project.workspace().lake
    lake.write("validation/regimes", lake.read("validation/regimes").iloc[:0])
    assert is_red("regimes", project)


def test_a_stage_that_gave_no_answer_is_red(project: Project) -> None:
    lake = project.workspace().lake
    frame = lake.read("validation/verdicts")
    lake.write("validation/verdicts", frame[frame["gate"] != "regimes"])
    make(project)
    assert is_red("regimes", project)
    assert not is_red("walk_forward", project)


def test_a_gate_that_is_no_stage_is_red(project: Project) -> None:
    check = validation.every_gate_is_a_stage
    good = check(project=project)
    assert isinstance(good, dg.AssetCheckResult) and good.passed
    lake = project.workspace().lake
    frame = lake.read("validation/verdicts")
    lake.write("validation/verdicts", frame.replace({"gate": {"stress": "horoscope"}}))
    bad = check(project=project)
    assert isinstance(bad, dg.AssetCheckResult) and not bad.passed
    assert bad.severity is dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(
    ("failed", "scope", "passed"),
    [
        pytest.param((), "paper", True, id="passed every stage"),
        pytest.param(("stress", "sealed"), "paper", False, id="died at a stage"),
        pytest.param(("stress", "sealed"), "replay", True, id="a replay permit approves nothing"),
    ],
)
def test_only_survivors_are_approved(
    project: Project, failed: tuple[str, ...], scope: str, passed: bool
) -> None:
    judge(project, *failed)
    make(project)
    granted = pd.DataFrame([{"genome": MINE.hash, "scope": scope}])
    project.workspace().lake.write("validation/approvals", granted)
    found = validation.only_survivors_are_approved(project=project)
    assert isinstance(found, dg.AssetCheckResult)
    assert found.passed == passed
    assert found.severity is dg.AssetCheckSeverity.ERROR


def test_a_red_stage_stops_the_run_and_everything_after_it(project: Project) -> None:
    lake = project.workspace().lake
    frame = lake.read("validation/verdicts")
    lake.write("validation/verdicts", frame[frame["gate"] != "regimes"])
    with dg.DagsterInstance.ephemeral() as instance:
        found = run(project, instance, "research", [*STAGE_KEYS, APPROVALS])
    assert not found.success
    assert all_made(found) == {f"validation/{name}" for name in STAGES[:3]}
    assert [name for name, one in checks(found).items() if not one.passed] == [
        "only_the_fit_reach_regimes"
    ]


def test_every_stage_waits_for_the_one_before() -> None:
    for before, name in zip((None, *STAGE_KEYS), STAGE_KEYS, strict=False):
        (spec,) = ASSETS[name.path[-1]].specs
        deps = {dep.asset_key for dep in spec.deps}
        assert deps == {VERDICTS, before or VERDICTS}
    (last,) = validation.approvals.specs
    assert STAGE_KEYS[-1] in {dep.asset_key for dep in last.deps}
    assert last.key == APPROVALS


def test_verdicts_come_back_from_their_table_as_they_were() -> None:
    judged = [(verdict(MINE, "stress"), False), (verdict(reference_strategy()), True)]
    assert verdicts_from(verdicts_frame(judged)) == judged


# -- what is kept of a strategy --------------------------------------------------------------------


@pytest.fixture
def registered(project: Project) -> Project:
    dataset = DataSet.of(project.searched())
    register = project.workspace().register
    register.record(dataset, [replace(trial("father"), figures={"sharpe": 0.5})], at=AT)
    child = replace(trial(MINE.hash), generation=1, parents=("father",), figures={"sharpe": 0.9})
    deaths = [
        Death("father", "evolution", "dominated: by another"),
        Death("uncle", "evolution", "dominated: by the same"),
        Death(MINE.hash, "stress", "stress: loses more than 20 % in 2008"),
    ]
    register.record(dataset, [child], deaths, at=AT)
    return project


def test_the_family_tree_holds_the_candidates_ancestors(registered: Project) -> None:
    found = values(made(strategies.family_tree(project=registered)))
    assert (found["strategies"], found["ancestors"]) == (1, 1)
    line = [record.data for record in found["winning lines"].records]
    assert [row["genome"] for row in line] == [MINE.hash, "father"]
    assert "data:image/png" in found["family tree"].value


def test_the_graveyard_counts_causes_and_names_the_dead(registered: Project) -> None:
    found = values(made(strategies.graveyard(project=registered)))
    assert found["dead"] == 3
    rows = [record.data for record in found["causes of death"].records]
    assert [(row["cause"], row["strategies"], row["for example"]) for row in rows] == [
        ("dominated", 2, "father, uncle"),
        ("stress", 1, MINE.hash[:12]),
    ]
    assert rows[1]["in full"] == "stress: loses more than 20 % in 2008"


def test_an_empty_graveyard_is_a_table_too(project: Project) -> None:
    assert values(made(strategies.graveyard(project=project)))["dead"] == 0


def test_every_judged_strategy_has_its_tear_sheet(project: Project) -> None:
    found = values(made(strategies.tear_sheets(project=project)))
    rows = [record.data for record in found["pages"].records]
    assert [row["strategy"] for row in rows] == [MINE.hash, reference_strategy().hash]
    assert rows[0]["said"] == "Not approved: it failed the crash test."
    for row in rows:
        name = str(row["strategy"])[:12]
        assert found[name].url == row["page"]
        page = project.workspace().home.reports / "strategies" / f"{name}.html"
        assert page.as_uri() == row["page"]
        assert str(row["said"]) in page.read_text(encoding="utf-8")
