"""The demo as a whole: nothing is done twice, and killed anywhere it ends in the same state."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import UsageError
from kasauti.home import Home
from kasauti.operations.progress import Progress
from pipelines.demo import MARK, only_one, outcome, run_demo
from pipelines.instance import open_instance
from resources.project import Project

PROGRAM = """
import sys
from kasauti.operations.progress import Progress
from pipelines.demo import run_demo
from resources.project import Project
project = Project(home=sys.argv[1], bars="sample", evaluations=300, population=50)
run_demo(project, Progress(quiet=True))
"""
LONGEST = 300.0  # seconds; only against a hang


def ended(project: Project) -> dict[str, Any]:
    """Return the state without what names its folder."""
    return {name: value for name, value in outcome(project).items() if name != "report"}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "KASAUTI_DAGSTER"):
        monkeypatch.setenv(name, "")


def test_a_second_run_changes_no_version_and_starts_no_run(
    demo_home: Home, demo_project: Project
) -> None:
    first = ended(demo_project)
    with open_instance(demo_home) as instance:
        before = [run.run_id for run in instance.get_runs()]
        run_demo(demo_project, Progress(quiet=True))
        assert [run.run_id for run in instance.get_runs()] == before
    assert ended(demo_project) == first


def test_every_order_met_every_control(demo_home: Home, demo_project: Project) -> None:
    del demo_home
    replay = ended(demo_project)["replay"]
    assert replay["fills"]
    assert all(one["outcome"] == "accepted" for one in replay["orders"])
    assert {"K01", "K04", "K09", "K13", "K25", "K36"} <= set(replay["controls_evaluated"])


def test_nothing_is_approved_without_the_sealed_bars(
    demo_home: Home, demo_project: Project
) -> None:
    del demo_home
    for verdict in ended(demo_project)["verdicts"]:
        assert verdict["approved"] == all(gate["passed"] for gate in verdict["gates"])
        assert all(gate["reason"] for gate in verdict["gates"])


def test_killed_anywhere_it_ends_in_the_same_state(
    demo_home: Home, demo_project: Project, tmp_path: Path
) -> None:
    del demo_home
    moments = random.Random(7)
    kills = 0
    for _ in range(2):
        # From the imports on, through search, trial and replay; each start goes on further.
        process = start(tmp_path)
        try:
            process.wait(moments.uniform(5.0, 16.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and the log follower that Dagster starts
            kills += 1
        process.wait()
    last = start(tmp_path)
    assert last.wait(LONGEST) == 0
    assert kills > 0
    project = Project(home=str(tmp_path), bars="sample", evaluations=300, population=50)
    assert ended(project) == ended(demo_project)
    with open_instance(project.workspace().home) as instance:
        open_runs = [run for run in instance.get_runs() if not run.is_finished]
        assert not open_runs
        assert any(run.tags.get(MARK) for run in instance.get_runs())


def start(home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home)],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "KASAUTI_HOME": str(home)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_two_demos_at_once_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with only_one(home), pytest.raises(UsageError, match="another demo"), only_one(home):
        time.sleep(0)
