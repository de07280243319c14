"""From a bad bar file to the messages at Slack and in the mailbox, through every real part."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.features import DAILY
from assets.market import BARS
from kasauti.alerts.missed import SESSION_TAG, days_that_ran
from kasauti.home import Home
from kasauti.market.sources import load_sample
from pipelines.definitions import build_defs
from pipelines.sensors import alerts
from resources.alerts import AlertDoor
from tests.alerts.providers import MailServer, SlackServer, mail_environment, slack_environment
from tests.pipelines.states import FRIDAY_EVENING, QUIET, Clocked, checks, made

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = "http://127.0.0.1:3111"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def features_of_stored_bars(
    project: Clocked, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    """Run the checks of the stored bars and, if they pass, the features."""
    selection = dg.AssetSelection.checks_for_assets(BARS) | dg.AssetSelection.assets(DAILY)
    job = dg.define_asset_job("features", selection, executor_def=dg.in_process_executor)
    both = dg.Definitions.merge(build_defs({"project": project}), dg.Definitions(jobs=[job]))
    return both.resolve_job_def("features").execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False
    )


def tick(project: Clocked, instance: dg.DagsterInstance, cursor: str) -> str:
    door = AlertDoor(home=project.home, page=PAGE)
    resources = {"project": project, "alert_book": door}
    with dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context:
        return str(alerts.evaluate_tick(context).skip_message)


def test_a_bad_bar_file_is_told_with_the_link_to_its_run(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The loader mends what it reads; this file another tool has put into the lake."""
    begun = datetime.now(FRIDAY_EVENING.tzinfo) - timedelta(seconds=1)
    project = Clocked(home=str(tmp_path), bars="sample", at=begun.isoformat())
    good = load_sample().bars.select(("SP500", "AAPL")).between(-1_500, -900)
    high = good.high.copy()
    high[0, 9] = 0.01
    project.workspace().lake.write_bars("market/bars", replace(good, high=high))

    result = features_of_stored_bars(project, instance)
    failed = [name for name, found in checks(result).items() if not found.passed]
    assert failed == ["high_is_highest"], "Great Expectations has found it"
    assert not result.success and made(result) == set(), "nothing was computed from it"

    assert tick(project, instance, begun.isoformat()).startswith("2 new")
    with SlackServer().running() as slack, MailServer().running() as mail:
        assert isinstance(slack, SlackServer)
        environ = {
            **os.environ,
            **slack_environment(slack),
            **mail_environment(mail),
            "KASAUTI_HOME": str(tmp_path),
            "KASAUTI_ALERT_ROUTE": "error: slack + email",
        }
        command = [str(Path(sys.executable).parent / "kasauti"), "alerts", "run", "--once"]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=60)

    link = f"{PAGE}/runs/{result.run_id}"
    posted = [json.dumps(body, ensure_ascii=False) for body in slack.taken]
    mailed = []
    for found in mail.mails:
        body = found.get_body(("html",))
        assert body is not None
        mailed.append(f"{found['Subject']}\n{body.get_content()}")
    for arrived in (posted, mailed):
        (check,) = [text for text in arrived if "Check failed: high_is_highest" in text]
        assert "high_is_highest on market/bars" in check
        assert link in check and "Nothing that depends on this data was computed" in check
        assert "unexpected" in check, "with its figures"
        (run,) = [text for text in arrived if "Run failed: features" in text]
        assert link in run
    urls = [
        element["url"]
        for body in slack.taken
        for block in body["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]
    assert urls == [link, link]


def test_sound_bars_tell_nobody(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    begun = datetime.now(FRIDAY_EVENING.tzinfo) - timedelta(seconds=1)
    project = Clocked(home=str(tmp_path), bars="sample", at=begun.isoformat())
    good = load_sample().bars.select(("SP500", "AAPL")).between(-1_500, -900)
    project.workspace().lake.write_bars("market/bars", good)
    assert features_of_stored_bars(project, instance).success
    assert tick(project, instance, begun.isoformat()) == "nothing failed"


def test_dagster_keeps_a_sessions_run_where_the_watch_looks_for_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.dagster.mkdir()

    @dg.op
    def nothing() -> None:
        return

    @dg.job(tags={SESSION_TAG: "2026-11-20"})
    def evening() -> None:
        nothing()

    with dg.DagsterInstance.local_temp(str(home.dagster)) as instance:
        assert evening.execute_in_process(instance=instance).success
    assert days_that_ran(home.dagster) == frozenset({date(2026, 11, 20)})
