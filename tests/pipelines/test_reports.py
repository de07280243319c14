"""Daily report and weekly summary as Dagster makes them, on good evenings and on bad ones."""

from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.operations import DAILY_REPORT, WEEKLY_SUMMARY
from kasauti.alerts.book import AlertBook
from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger
from kasauti.execution.nightly import record
from kasauti.genome import genome_from_genes
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from kasauti.operations.daily import daily_report
from kasauti.operations.unread import Unread
from kasauti.operations.weekly import standing_on
from pipelines.schedules import on_saturday
from pipelines.sensors import report_of_a_failed_evening
from resources.project import Project
from tests.execution.trials import row
from tests.pipelines.states import made, run
from tests.pipelines.test_own_bars import (
    BUYS_NEARLY_ALWAYS,
    FRIDAY,
    MONDAY,
    MONDAY_EVENING,
    approve,
    cheap,
    monday,
    project,
)

GENOME = genome_from_genes(BUYS_NEARLY_ALWAYS)


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """Monday evening: what an approved strategy wanted on Friday waits in the ledger."""
    cheap(tmp_path / "bars", date(2026, 11, 19))
    before = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(before, GENOME, before.profile)
    cheap(tmp_path / "bars", FRIDAY)
    friday = before.desk()
    friday.submit(friday.intents(friday.signals()))
    return monday(before)


def metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def reports_told(home: Home) -> list[Alert]:
    """Return the reports that the alerts service is to send along."""
    with closing(AlertBook(home.alerts)) as book:
        alerts = [alert for _, alert in book.raised_on(MONDAY)]
    return [alert for alert in alerts if alert.trigger == Trigger.REPORT]


def test_the_evening_ends_with_the_report(own: Project) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        evening = run(own, instance, "evening")
        assert evening.success
        steps = [event.step_key for event in evening.get_step_success_events()]
        assert steps[-1] == "operations__daily_report"
        shown = metadata(instance, DAILY_REPORT)
    home = own.workspace().home
    path = home.reports / f"daily-{MONDAY}.html"
    assert (shown["file"], shown["day"]) == (str(path), str(MONDAY))
    page = path.read_text(encoding="utf-8")
    assert "Paper trading" in page and shown["headline"] in page
    assert "| NIFTY50 (long " in shown["Open positions"]
    assert "| NIFTY50 (entry) |" in shown["Against the backtest"]
    (told,) = reports_told(home)
    assert shown["headline"] in told.happened and told.attachment == path.name
    report = daily_report(home, None, own.now())
    assert report.day == MONDAY
    assert not isinstance(report.regime, Unread)
    assert report.regime.regime is not None and report.regime.last == MONDAY


def test_reading_the_regime_leaves_the_vault_as_it_was(own: Project) -> None:
    """The report reads the bars that the desk reads, and nothing sealed beyond them."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "evening").success
    vault = own.workspace().vault
    before = len(vault.records.find("history")), len(vault.records.find("opening"))
    daily_report(own.workspace().home, None, own.now())
    assert (len(vault.records.find("history")), len(vault.records.find("opening"))) == before


def test_an_evening_that_broke_gets_its_report_too(own: Project) -> None:
    """Over tolerance the twin's check holds back what comes after it: then a sensor asks."""
    home = own.workspace().home
    own.desk().trade_session()
    with closing(own.desk().ledger()) as ledger:
        rows = [row(MONDAY, GENOME.hash, within=False)]
        record(ledger, MONDAY, [GENOME.hash], rows, now=MONDAY_EVENING)
    with dg.DagsterInstance.ephemeral() as instance:
        evening = run(own, instance, "evening")
        assert not evening.success and "operations/daily_report" not in made(evening)
        context = dg.build_run_status_sensor_context(
            sensor_name="report_of_a_failed_evening",
            dagster_instance=instance,
            dagster_run=evening.dagster_run,
            dagster_event=evening.get_run_failure_event(),
        )
        wanted = report_of_a_failed_evening(context)
        assert isinstance(wanted, dg.RunRequest)
        assert wanted.run_key == f"daily-report-{evening.run_id}"
        assert run(own, instance, "daily_report").success
        assert run(own, instance, "daily_report").success
        assert "differs from the engine beyond tolerance" in (
            home.reports / f"daily-{MONDAY}.html"
        ).read_text(encoding="utf-8")
    (told,) = reports_told(home)
    assert "differs from the engine beyond tolerance" in told.detail


def test_an_approval_is_in_force_until_code_bars_or_a_person_end_it(own: Project) -> None:
    home, vault = own.workspace().home, own.workspace().vault
    own.desk()  # the bars of Monday are taken in
    (one,) = standing_on(home, own.now())
    assert (one.genome, one.counts, one.tier) == (GENOME.hash, True, "moderate")
    newest = vault.records.find("approval")[-1].body
    other = {**newest["approval"], "code_version": "another"}
    vault.records.append("approval", {**newest, "approval": other})
    (one,) = standing_on(home, own.now())
    assert not one.counts, "the newest was given by other code"
    revoked = {"genome": GENOME.hash, "why": "test", "who": "test", "when": own.now().isoformat()}
    vault.records.append("revocation", revoked)
    assert standing_on(home, own.now()) == ()


def test_the_week_is_summed_up_on_saturday(own: Project) -> None:
    moment = datetime(2026, 11, 28, 9, 0, tzinfo=INDIA)
    wanted = on_saturday(dg.build_schedule_context(scheduled_execution_time=moment))
    assert isinstance(wanted, dg.RunRequest) and wanted.run_key == "weekly-2026-11-28"
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "weekly_summary").success
        shown = metadata(instance, WEEKLY_SUMMARY)
    assert shown["day"] == str(MONDAY)
    assert GENOME.hash[:12] in shown["Approvals in force"]
    assert Path(shown["file"]).exists()
