"""Every blocking check fails when it should, and stops what comes after it in its run."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from assets import evolution, execution, features, market, regimes, validation
from assets.evolution import FRONT
from assets.features import DAILY
from assets.market import BARS
from assets.regimes import LABELS
from assets.validation import APPROVALS, VERDICTS
from kasauti import workspace
from kasauti.execution import frames
from kasauti.execution.controls import CONTROLS
from kasauti.features import table as feature_table
from kasauti.market import panel
from kasauti.market.bars import Bars, Floats
from kasauti.market.expectations import EXPECTATIONS
from kasauti.market.findings import Severity
from kasauti.market.panel import long_frame
from kasauti.market.sources import Loaded, load_sample
from kasauti.regimes import online
from kasauti.regimes.model import OnlineLabels
from kasauti.regimes.online import label_online
from resources.project import Project
from tests.evolution.small import AT, dataset, trial
from tests.pipelines.states import checks, made, replay_project, run

SYMBOLS = ("SP500", "AAPL")


def small_sample(last: int = 600) -> Bars:
    return load_sample().bars.select(SYMBOLS).between(-last - 900, -900)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose lake holds a piece of the sample as its searched bars."""
    found = Project(home=str(tmp_path), bars="sample")
    found.workspace().lake.write_bars("market/bars", small_sample())
    return found


def only(found: Any) -> dg.AssetCheckResult:
    """Return the answer of a check that was called directly."""
    assert isinstance(found, dg.AssetCheckResult)
    return found


def is_red(found: Any) -> bool:
    result = only(found)
    return not result.passed and result.severity is dg.AssetCheckSeverity.ERROR


# -- market/bars ---------------------------------------------------------------------------------


def at(row: int, **values: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Overwrite values of one row."""
    return lambda frame: frame.assign(
        **{
            name: np.where(np.arange(len(frame)) == row, value, frame[name])
            for name, value in values.items()
        }
    )


def closeless(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(close=frame["close"].mask(frame["symbol"] == SYMBOLS[1]))


DAMAGE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "columns_present": lambda frame: frame.drop(columns="volume"),
    "columns_typed": lambda frame: frame.assign(close=frame["close"].astype(str)),
    "keys_not_null": lambda frame: frame.assign(symbol=frame["symbol"].mask(frame.index == 7)),
    "bars_unique": lambda frame: pd.concat([frame, frame.tail(1)], ignore_index=True),
    "times_increase": lambda frame: frame.iloc[::-1].reset_index(drop=True),
    "symbols_have_bars": closeless,
    "close_present": lambda frame: frame.assign(close=frame["close"].mask(frame.index % 40 == 0)),
    "prices_positive": at(9, low=-1.0),
    "high_is_highest": at(9, high=0.01),
    "low_is_lowest": at(9, low=1e9),
    "volume_not_negative": at(9, volume=-5.0),
    "moves_plausible": at(9, close=1e6, high=1e6),
}


def expectations(project: Project) -> dict[str, dg.AssetCheckResult]:
    """Return the answers of Great Expectations by their names."""
    found = market.bars_are_sound(project=project)
    assert isinstance(found, Iterator)
    return {str(result.check_name): result for result in found}


def test_every_expectation_is_damaged_by_one_row_of_the_table() -> None:
    assert set(DAMAGE) == set(EXPECTATIONS)


@pytest.mark.parametrize("name", DAMAGE)
def test_bars_that_came_round_the_loader_are_caught(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoilt = DAMAGE[name]
    monkeypatch.setattr(panel, "long_frame", lambda bars: spoilt(long_frame(bars)))
    found = expectations(project)
    assert not found[name].passed
    is_error = EXPECTATIONS[name][0] is Severity.ERROR
    expected = dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN
    assert found[name].severity is expected


def test_sound_bars_pass(project: Project) -> None:
    assert all(result.passed for result in expectations(project).values())


# -- features, regimes ---------------------------------------------------------------------------


def tomorrow(bars: Bars) -> Floats:
    """Return the next bar's close, the classic leak of ``shift(-1)``."""
    return np.concatenate([bars.close[:, 1:], np.full((len(bars.symbols), 1), np.nan)], axis=1)


def scaled_by_everything(bars: Bars) -> Floats:
    """Return closes over their mean of all times: a leak in every bar, however small."""
    mean: Floats = np.nanmean(bars.close, axis=1, keepdims=True)
    return bars.close / mean


@pytest.mark.parametrize("leak", [tomorrow, scaled_by_everything])
def test_a_feature_that_sees_the_future_is_caught(
    project: Project, monkeypatch: pytest.MonkeyPatch, leak: Callable[[Bars], Floats]
) -> None:
    assert only(features.features_are_causal(project=project)).passed
    monkeypatch.setattr(feature_table, "feature_values", leak)
    assert is_red(features.features_are_causal(project=project))


def test_a_label_that_sees_the_future_is_caught(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def smoothed(bars: Bars) -> OnlineLabels:
        return OnlineLabels(np.roll(label_online(bars).codes, -5))

    assert only(regimes.labels_are_causal(project=project)).passed
    monkeypatch.setattr(online, "label_online", smoothed)
    assert is_red(regimes.labels_are_causal(project=project))


# -- evolution -----------------------------------------------------------------------------------


@pytest.fixture
def registered(project: Project) -> Project:
    for name in ("aaa", "bbb"):  # each is a row of its own
        project.workspace().register.record(dataset(), [trial(name)], at=AT)
    front(project, "aaa", "bbb")
    return project


def front(project: Project, *genomes: str) -> None:
    project.workspace().lake.write("evolution/front", pd.DataFrame({"genome": list(genomes)}))


def test_a_front_whose_trials_are_registered_passes(registered: Project) -> None:
    found = only(evolution.every_trial_is_registered(project=registered))
    assert found.passed and found.metadata["missing"].value == ""


def test_a_search_that_found_nothing_has_nothing_to_register(registered: Project) -> None:
    registered.workspace().lake.write("evolution/front", pd.DataFrame([]))
    assert only(evolution.every_trial_is_registered(project=registered)).passed


def test_a_strategy_that_was_never_registered_is_caught(registered: Project) -> None:
    front(registered, "aaa", "smuggled")
    found = evolution.every_trial_is_registered(project=registered)
    assert is_red(found)
    assert only(found).metadata["missing"].value == "smuggled"


@pytest.mark.parametrize(
    "statement",
    ["UPDATE trials SET at = 'then' WHERE position = 1", "DELETE FROM trials WHERE position = 1"],
    ids=["changed", "removed"],
)
def test_a_register_that_was_tampered_with_is_caught(registered: Project, statement: str) -> None:
    """As a finding: a check that raises leaves no red mark on the asset."""
    tamper(registered.workspace().register.path, "trials", statement)
    found = evolution.every_trial_is_registered(project=registered)
    assert is_red(found)
    assert "was changed or removed" in str(only(found).metadata["problem"].value)


def tamper(path: Path, table: str, statement: str) -> None:
    """Change an append-only table behind its triggers."""
    with sqlite3.connect(path) as connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_no_{verb}")
        connection.execute(statement)


# -- validation ----------------------------------------------------------------------------------


def verdicts(project: Project, *rows: tuple[str, bool, bool, str]) -> None:
    columns = ["gate", "approved", "passed", "reason"]
    frame = pd.DataFrame(list(rows), columns=columns).assign(genome="aaa", reference=False)
    project.workspace().lake.write("validation/verdicts", frame)


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        pytest.param([("causal", True, True, "no leak")], True, id="approved, all passed"),
        pytest.param([("causal", False, False, "a leak")], True, id="refused"),
        pytest.param(
            [("causal", True, True, "no leak"), ("stress", True, False, "lost 30 %")],
            False,
            id="approved with a failed gate",
        ),
        pytest.param([("causal", True, True, "")], False, id="a gate without a reason"),
    ],
)
def test_no_approval_without_every_gate(
    project: Project, rows: list[tuple[str, bool, bool, str]], passed: bool
) -> None:
    verdicts(project, *rows)
    found = validation.no_approval_without_every_gate(project=project)
    assert only(found).passed == passed
    assert passed or is_red(found)


def test_that_nothing_was_approved_is_said_and_holds_nothing_back(project: Project) -> None:
    verdicts(project, ("causal", False, False, "a leak"))
    found = only(validation.something_is_approved(project=project))
    assert not found.passed and found.severity is dg.AssetCheckSeverity.WARN


# -- execution -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def traded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state folder in which one order went through the gate."""
    home = tmp_path_factory.mktemp("traded")
    desk = replay_project(home).desk()
    desk.submit(desk.intents(desk.signals()))
    desk.move_to(desk.days[1])
    assert desk.trade_session().evaluated
    return home


@pytest.fixture
def traded(traded_once: Path, tmp_path: Path) -> Project:
    home = tmp_path / "home"
    shutil.copytree(traded_once, home)
    return Project(home=str(home), bars="sample")


def test_a_ledger_that_is_as_it_was_written_passes(traded: Project) -> None:
    assert only(execution.ledger_is_whole(project=traded)).passed
    assert only(execution.every_control_was_evaluated(project=traded)).passed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = replace(payload, '\"quantity\":1', '\"quantity\":9')",
        "DELETE FROM events WHERE seq = 3",
    ],
    ids=["changed", "removed"],
)
def test_a_ledger_that_was_tampered_with_is_caught(traded: Project, statement: str) -> None:
    tamper(traded.desk().ledger_path, "events", statement)
    found = execution.ledger_is_whole(project=traded)
    assert is_red(found)
    assert "event" in str(only(found).metadata["problems"].value)


def test_a_control_that_no_order_was_held_against_is_red(
    traded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = replace(CONTROLS[0], id="K99", code="NEVER_ASKED")
    monkeypatch.setattr(frames, "CONTROLS", (*CONTROLS, added))
    found = execution.every_control_was_evaluated(project=traded)
    assert is_red(found)
    assert only(found).metadata["red"].value == "K99"


# -- in a run ------------------------------------------------------------------------------------


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_bad_bars_stop_the_run_and_everything_after_them(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar whose high lies below its close gets past the loader; nothing is computed from it."""
    good = small_sample()
    high = good.high.copy()
    high[0, 100] = good.close[0, 100] * 0.5
    bad = replace(good, high=high)
    monkeypatch.setattr(workspace, "load_sample", lambda: Loaded(bad, (), "planted"))
    project = Project(home=str(tmp_path), bars="sample")
    result = run(project, instance, "research", [BARS, DAILY, LABELS, FRONT, VERDICTS, APPROVALS])
    assert not result.success
    assert made(result) == {"market/bars"}
    red = {name for name, found in checks(result).items() if not found.passed}
    assert red == {"high_is_highest"}
    assert instance.get_runs()[0].status is dg.DagsterRunStatus.FAILURE


def test_a_leaky_feature_stops_the_trial(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "load_sample", lambda: Loaded(small_sample(), (), "a piece"))
    monkeypatch.setattr(feature_table, "feature_values", tomorrow)
    project = Project(home=str(tmp_path), bars="sample", population=8, evaluations=16)
    result = run(project, instance, "research", [BARS, DAILY, LABELS, VERDICTS, APPROVALS])
    assert not result.success
    assert made(result) == {"market/bars", "features/daily", "regimes/labels"}
    assert not checks(result)["features_are_causal"].passed
