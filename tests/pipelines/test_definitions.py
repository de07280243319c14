"""Everything that Dagster sees: its shape, that it loads, and that loading touches nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from kasauti.home import PROJECT_ROOT, Home
from kasauti.market.expectations import EXPECTATIONS
from kasauti.validation.stages import STAGES
from pipelines.definitions import build_defs, defs
from pipelines.instance import environment

HEALTH = ("processes", "data", "ledgers", "machine", "backups")
# asset: what it is made from
ASSETS = {
    "market/bars": [],
    "market/forward": ["market/bars"],
    "features/daily": ["market/bars"],
    "regimes/labels": ["market/bars"],
    "evolution/front": ["market/bars", "regimes/labels"],
    "validation/verdicts": ["evolution/front", "features/daily", "market/bars", "regimes/labels"],
    "validation/causality": ["validation/verdicts"],
    "validation/walk_forward": ["validation/causality", "validation/verdicts"],
    "validation/regimes": ["validation/verdicts", "validation/walk_forward"],
    "validation/stress": ["validation/regimes", "validation/verdicts"],
    "validation/statistics": ["validation/stress", "validation/verdicts"],
    "validation/testers": ["validation/statistics", "validation/verdicts"],
    "validation/second_opinion": ["validation/testers", "validation/verdicts"],
    "validation/sealed": ["validation/second_opinion", "validation/verdicts"],
    "validation/approvals": ["validation/sealed", "validation/verdicts"],
    "validation/family_tree": ["market/bars", "validation/verdicts"],
    "validation/graveyard": ["market/bars", "validation/verdicts"],
    "validation/tear_sheets": ["evolution/front", "market/bars", "validation/verdicts"],
    "signals/daily": ["market/forward", "validation/approvals"],
    "execution/intents": ["signals/daily"],
    "execution/orders": ["execution/intents"],
    "execution/fills": ["execution/orders"],
    "execution/positions": ["execution/fills"],
    "execution/profit": ["execution/fills"],
    "execution/twin": ["execution/fills", "execution/profit"],
    "execution/slippage": ["execution/fills"],
    "operations/backup": [],
    "operations/report": [
        "execution/fills",
        "execution/orders",
        "execution/positions",
        "execution/profit",
        "validation/verdicts",
    ],
    **{f"health/{name}": [] for name in HEALTH},
    "operations/daily_report": ["execution/slippage", "execution/twin", "signals/daily"],
    "operations/weekly_summary": ["validation/approvals", "validation/verdicts"],
}
# check: whether it blocks what comes after it
CHECKS = {
    ("market/bars", "columns_present"): True,
    ("market/bars", "columns_typed"): True,
    ("market/bars", "keys_not_null"): True,
    ("market/bars", "bars_unique"): True,
    ("market/bars", "times_increase"): True,
    ("market/bars", "symbols_have_bars"): True,
    ("market/bars", "close_present"): True,
    ("market/bars", "prices_positive"): True,
    ("market/bars", "high_is_highest"): True,
    ("market/bars", "low_is_lowest"): True,
    ("market/bars", "volume_not_negative"): True,
    ("market/bars", "moves_plausible"): True,  # but of severity WARN, which holds nothing back
    ("market/forward", "bars_are_fresh"): False,
    ("features/daily", "features_are_causal"): True,
    ("regimes/labels", "labels_are_causal"): True,
    ("evolution/front", "every_trial_is_registered"): True,
    ("validation/verdicts", "no_approval_without_every_gate"): True,
    ("validation/verdicts", "every_gate_is_a_stage"): True,
    ("validation/verdicts", "something_is_approved"): False,
    **{(f"validation/{name}", f"only_the_fit_reach_{name}"): True for name in STAGES},
    ("validation/approvals", "only_survivors_are_approved"): True,
    ("execution/orders", "ledger_is_whole"): True,
    ("execution/orders", "every_control_was_evaluated"): True,
    ("execution/twin", "twin_is_within_tolerance"): True,
    **{(f"health/{name}", "nothing_is_red"): False for name in HEALTH},
}
BOOK = {"execution/orders", "execution/fills", "execution/positions", "execution/profit"}
NIGHTLY = {"execution/twin", "execution/slippage"}
JOBS = {
    "research": {
        *("market/bars", "features/daily", "regimes/labels", "evolution/front"),
        *("validation/verdicts", "validation/approvals", "validation/family_tree"),
        *("validation/graveyard", "validation/tear_sheets"),
        *(f"validation/{name}" for name in STAGES),
    },
    "daily": {"market/forward", "signals/daily"},
    "trade": {"execution/intents"},
    "session": BOOK,
    "evening": {"market/forward", "signals/daily", *BOOK, *NIGHTLY, "operations/daily_report"},
    "nightly": NIGHTLY,
    "report": {"operations/report"},
    "backup": {"operations/backup"},
    "health": {f"health/{name}" for name in HEALTH},
    "daily_report": {"operations/daily_report"},
    "weekly_summary": {"operations/weekly_summary"},
}
ORDERS = {"kasauti/lane": "orders", "dagster/max_retries": "0"}
FRESH = {"market/bars", "market/forward", "signals/daily"}

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_they_are_loadable() -> None:
    dg.Definitions.validate_loadable(build_defs())


def test_the_graph_of_assets() -> None:
    found = {
        name: sorted(dep.asset_key.to_user_string() for dep in spec.deps)
        for name, spec in SPECS.items()
    }
    assert found == ASSETS


def test_the_checks_and_what_they_block() -> None:
    found = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking
        for check in (*(defs.asset_checks or ()), *(defs.assets or ()))
        if isinstance(check, dg.AssetsDefinition)
        for spec in check.check_specs
    }
    assert found == CHECKS
    assert {name for key, name in CHECKS if key == "market/bars"} == set(EXPECTATIONS)


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_is_named_grouped_versioned_and_described(name: str) -> None:
    spec = SPECS[name]
    group, noun = spec.key.path
    assert spec.group_name == group and noun
    assert spec.code_version
    assert spec.description and spec.description.endswith(".")


def test_nothing_depends_on_what_is_made_for_people() -> None:
    assert not {name for deps in ASSETS.values() for name in deps if name.startswith("operations/")}


def test_what_has_to_stay_fresh() -> None:
    assert {name for name, spec in SPECS.items() if spec.freshness_policy is not None} == FRESH


@pytest.mark.parametrize("name", JOBS)
def test_a_job_makes_its_assets_in_one_process_and_is_not_retried(name: str) -> None:
    job = defs.resolve_job_def(name)
    made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert made == JOBS[name]
    assert job.executor_def.name == "in_process"
    assert job.description
    expected = ORDERS if name in {"trade", "session", "evening"} else {"dagster/max_retries": "0"}
    assert {key: job.tags.get(key) for key in ORDERS} == {**dict.fromkeys(ORDERS), **expected}


def test_there_are_no_other_jobs() -> None:
    names = {job.name for job in defs.resolve_all_job_defs()}
    assert {name for name in names if not name.startswith("__")} == set(JOBS)


def test_schedules_run_in_exchange_time_and_sensors_from_the_start() -> None:
    assert [
        (s.name, s.cron_schedule, s.execution_timezone)
        for s in defs.schedules or ()
        if isinstance(s, dg.ScheduleDefinition)
    ] == [
        ("after_the_close", "30 18 * * *", "Asia/Kolkata"),
        ("every_evening", "0 20 * * *", "Asia/Kolkata"),
        ("every_quarter_hour", "*/15 9-19 * * *", "Asia/Kolkata"),
        ("on_saturday", "0 9 * * 6", "Asia/Kolkata"),
    ]
    assert {(s.name, s.default_status) for s in defs.sensors or ()} == {
        ("new_signals", dg.DefaultSensorStatus.RUNNING),
        ("alerts", dg.DefaultSensorStatus.RUNNING),
        ("report_of_a_failed_evening", dg.DefaultSensorStatus.RUNNING),
    }


def test_what_is_given_takes_the_place_of_a_resource() -> None:
    from resources.project import Project

    mine = Project(home="elsewhere")
    given = build_defs({"project": mine}).resources or {}
    assert given["project"] is mine
    assert given["broker"].project is mine, "the broker's door leads to the same ledger"


WATCH = """
import json, os, sys
import dagster  # what it does itself while it is imported is its own

seen = []
home = os.environ["KASAUTI_HOME"]

def watch(event, values):
    if any(str(value).endswith("__pycache__") for value in values[:1]):
        return  # numba tries whether its kernels' cache can be written
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen"):
        seen.append(f"{event} {values}")
    elif event in ("sqlite3.connect", "os.mkdir", "os.remove", "os.rename", "os.listdir"):
        if event != "os.listdir" or str(values[0]).startswith(home):
            seen.append(f"{event} {values}")
    elif event == "open":
        path, mode, flags = values
        wants = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if str(path).startswith(home) or (wants and str(path) != os.devnull):
            seen.append(f"open {path} {mode} {flags}")

sys.addaudithook(watch)

from kasauti.execution.clock import SystemClock
from kasauti.home import Home

def forbidden(*given):
    raise AssertionError("read while definitions load")

SystemClock.now = forbidden
Home.from_environment = classmethod(forbidden)

from pipelines.definitions import build_defs

dagster.Definitions.validate_loadable(build_defs())
open(os.path.join(home, "proof"), "w").close()
print(json.dumps(seen))
"""


def test_loading_opens_no_state_reads_no_clock_and_calls_nobody(tmp_path: Path) -> None:
    answer = _run([sys.executable, "-c", WATCH], KASAUTI_HOME=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    *seen, proof = json.loads(answer.stdout)
    assert str(tmp_path / "proof") in proof, "the watch does see what it looks for"
    assert seen == []


def test_dagster_takes_our_dagster_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert instance.root_directory == str(home.dagster)
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled, "the pop-up of a fresh instance covers every page"
        assert instance.run_monitoring_enabled
        assert (
            instance.run_retries_enabled and not instance.run_retries_retry_on_asset_or_op_failure
        )
        lanes = instance.get_concurrency_config().run_queue_config
        assert lanes is not None
        assert lanes.tag_concurrency_limits == [
            {"key": "kasauti/lane", "value": "orders", "limit": 1}
        ]


@pytest.mark.parametrize("place", ["ours", "none"])
def test_dagster_validates_the_project(place: str, tmp_path: Path) -> None:
    """Both with the environment of `kasauti up` and typed bare into a shell."""
    before = set(PROJECT_ROOT.iterdir())
    ours = environment(Home(tmp_path)) if place == "ours" else {}
    tool = str(Path(sys.executable).parent / "dagster")
    answer = _run([tool, "definitions", "validate"], **ours)
    assert answer.returncode == 0, answer.stderr
    assert "All code locations passed validation" in answer.stderr + answer.stdout
    assert set(PROJECT_ROOT.iterdir()) - before <= {PROJECT_ROOT / "var"}
    assert (tmp_path / "dagster").exists() == (place == "ours")


def _run(command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    ours = ("DAGSTER_", "KASAUTI_", "SLACK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
