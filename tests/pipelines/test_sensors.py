"""Sensors on a real instance: one trade run a version of the signals, and alerts in their book."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.signals import SIGNALS
from kasauti.alerts.model import Alert, Severity
from kasauti.alerts.triggers import Trigger
from kasauti.errors import AlertError
from kasauti.home import Home
from pipelines.jobs import TRADE_TAGS
from pipelines.sensors import LOOK_BACK, Latest, alerts, latest_signals, new_signals, next_action
from resources.alerts import AlertDoor
from tests.pipelines.states import FRIDAY_EVENING, Clocked


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


# -- new signals ---------------------------------------------------------------------------------


def show(instance: dg.DagsterInstance, version: str, orders: int) -> None:
    """Materialise signals as the asset does."""

    @dg.asset(key=SIGNALS)
    def signals() -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version), metadata={"orders": orders}
        )

    assert dg.materialize([signals], instance=instance).success


def ask(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    with dg.build_sensor_context(instance=instance) as context:
        found = new_signals(context)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


@pytest.mark.parametrize(
    ("latest", "key", "why"),
    [
        pytest.param(None, None, "no signals have been made yet", id="nothing was made"),
        pytest.param(Latest("a" * 64, 0), None, "ask for no order", id="nothing is wanted"),
        pytest.param(Latest("a" * 64, 1), "a" * 64, None, id="one order"),
        pytest.param(Latest("b" * 64, 7), "b" * 64, None, id="another version"),
    ],
)
def test_what_the_newest_signals_ask_for(
    latest: Latest | None, key: str | None, why: str | None
) -> None:
    found = next_action(latest)
    if isinstance(found, dg.RunRequest):
        assert found.run_key == key and why is None
        assert found.tags["kasauti/signals"] == str(key)[:12]
    else:
        assert why is not None and key is None
        assert why in str(found.skip_message)


def test_before_the_first_signals_nothing_is_traded(instance: dg.DagsterInstance) -> None:
    assert latest_signals(instance) is None
    assert isinstance(ask(instance), dg.SkipReason)


def test_signals_without_an_order_start_no_run(instance: dg.DagsterInstance) -> None:
    show(instance, "a" * 64, orders=0)
    assert isinstance(ask(instance), dg.SkipReason)


def test_every_tick_on_one_version_asks_for_the_same_run(instance: dg.DagsterInstance) -> None:
    show(instance, "a" * 64, orders=2)
    first, second = ask(instance), ask(instance)
    assert isinstance(first, dg.RunRequest) and isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key == "a" * 64
    show(instance, "a" * 64, orders=2)  # made again, with the same result
    again = ask(instance)
    assert isinstance(again, dg.RunRequest) and again.run_key == first.run_key


def test_a_new_version_asks_for_a_new_run(instance: dg.DagsterInstance) -> None:
    show(instance, "a" * 64, orders=2)
    show(instance, "b" * 64, orders=2)
    found = ask(instance)
    assert isinstance(found, dg.RunRequest) and found.run_key == "b" * 64


def test_orders_that_were_taken_back_start_no_run(instance: dg.DagsterInstance) -> None:
    show(instance, "a" * 64, orders=2)
    show(instance, "b" * 64, orders=0)
    assert isinstance(ask(instance), dg.SkipReason)


def test_dagster_evaluates_the_tick_as_the_daemon_does(instance: dg.DagsterInstance) -> None:
    show(instance, "a" * 64, orders=1)
    with dg.build_sensor_context(instance=instance) as context:
        data = new_signals.evaluate_tick(context)
    (request,) = data.run_requests or ()
    assert request.run_key == "a" * 64
    assert new_signals.job_name == "trade"


# -- alerts --------------------------------------------------------------------------------------


class Alarm:
    """The sensor between ticks: its cursor, the alert book and the clock."""

    def __init__(self, instance: dg.DagsterInstance, home: Path) -> None:
        self.instance = instance
        self.home = Home(home)
        # Just before every run of the test, on the machine's clock that Dagster stamps runs with.
        self.now = datetime.now(FRIDAY_EVENING.tzinfo) - timedelta(seconds=1)
        self.cursor: str | None = self.now.isoformat()

    def tick(self, later: timedelta = timedelta(0)) -> str:
        """Evaluate the sensor once and return what it says."""
        self.now += later
        project = Clocked(home=str(self.home.root), bars="sample", at=self.now.isoformat())
        door = AlertDoor(home=str(self.home.root))
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"project": project, "alert_book": door},
        ) as context:
            found = alerts.evaluate_tick(context)
        assert not found.run_requests
        self.cursor = found.cursor
        return str(found.skip_message)

    @property
    def raised(self) -> list[Alert]:
        """What stands in the book."""
        with closing(sqlite3.connect(self.home.alerts)) as book:
            rows = book.execute("SELECT alert FROM alerts ORDER BY id").fetchall()
        return [Alert.from_text(text) for (text,) in rows]


@pytest.fixture
def alarm(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Alarm:
    monkeypatch.delenv("KASAUTI_PAGE", raising=False)
    return Alarm(instance, tmp_path)


def run_with_check(
    instance: dg.DagsterInstance,
    severity: dg.AssetCheckSeverity,
    *,
    blocking: bool = False,
    passed: bool = False,
) -> dg.ExecuteInProcessResult:
    @dg.asset(key=["market", "bars"])
    def bars() -> None:
        return

    @dg.asset_check(asset=bars, blocking=blocking)
    def prices_positive() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            passed=passed,
            severity=severity,
            description="every price that is there is above zero",
            metadata={"rows": 4321, "unexpected": 17, "share": 0.5, "why": "planted"},
        )

    return dg.materialize([bars, prices_positive], instance=instance, raise_on_error=False)


def failed_run(
    instance: dg.DagsterInstance, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    @dg.asset(key=["execution", "intents"])
    def intents() -> None:
        raise RuntimeError("the ledger is <locked>")

    return dg.materialize([intents], instance=instance, raise_on_error=False, tags=tags)


@pytest.mark.parametrize(
    ("severity", "expected", "effect"),
    [
        pytest.param(dg.AssetCheckSeverity.ERROR, Severity.ERROR, "nothing is traded", id="error"),
        pytest.param(dg.AssetCheckSeverity.WARN, Severity.WARNING, "Work goes on", id="warning"),
    ],
)
def test_a_failed_check_is_raised_with_its_figures(
    alarm: Alarm, severity: dg.AssetCheckSeverity, expected: Severity, effect: str
) -> None:
    """The run itself is a success: only its check tells."""
    result = run_with_check(alarm.instance, severity)
    assert result.success
    assert alarm.tick().startswith("1 new")
    (alert,) = alarm.raised
    assert alert.title == "Check failed: prices_positive on market/bars"
    assert alert.severity is expected and effect in alert.happened
    assert alert.detail == "every price that is there is above zero"
    assert dict(alert.figures) == {
        "check": "prices_positive",
        "run": result.run_id,
        "rows": "4321",
        "unexpected": "17",
        "share": "0.5",
        "why": "planted",
    }
    assert alert.link == f"http://127.0.0.1:3000/runs/{result.run_id}"


def test_a_check_that_passed_and_a_run_that_ended_well_say_nothing(alarm: Alarm) -> None:
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR, passed=True)
    assert alarm.tick() == "nothing failed"
    assert not alarm.home.alerts.exists()


def test_a_blocking_check_tells_what_it_held_back_and_that_the_run_failed(alarm: Alarm) -> None:
    result = run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR, blocking=True)
    assert not result.success
    alarm.tick()
    check, run = alarm.raised
    assert check.title == "Check failed: prices_positive on market/bars"
    assert run.trigger == Trigger.RUN_FAILED and dict(run.figures)["run"] == result.run_id


def test_a_failed_run_is_raised_with_step_and_error(alarm: Alarm) -> None:
    failed_run(alarm.instance)
    alarm.tick()
    (alert,) = alarm.raised
    assert alert.trigger == Trigger.RUN_FAILED and alert.severity is Severity.ERROR
    assert "It stopped at execution__intents." in alert.happened
    assert "the ledger is <locked>" in alert.detail
    assert "kasauti status" not in alert.remedy


def test_a_failed_trade_run_says_not_to_start_it_again_blindly(alarm: Alarm) -> None:
    failed_run(alarm.instance, TRADE_TAGS)
    alarm.tick()
    (alert,) = alarm.raised
    assert alert.severity is Severity.CRITICAL
    assert "Do not start it again by hand" in alert.remedy


def test_the_same_failure_in_another_run_is_the_same_incident(alarm: Alarm) -> None:
    for _ in range(3):
        run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert alarm.tick().startswith("3 new")
    assert len(alarm.raised) == 3 and len({alert.incident for alert in alarm.raised}) == 1


def test_a_run_is_raised_once_even_if_its_tick_is_evaluated_again(alarm: Alarm) -> None:
    """A tick that was killed after the commit has saved no cursor."""
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    before = alarm.cursor
    alarm.tick()
    assert alarm.tick(timedelta(hours=7)) == "nothing failed"
    alarm.cursor = before
    assert alarm.tick().startswith("0 new")
    assert len(alarm.raised) == 1


def test_a_book_that_cannot_be_written_fails_the_tick_and_the_next_one_tells(
    alarm: Alarm,
) -> None:
    failed_run(alarm.instance)
    before = alarm.cursor
    alarm.home.alerts.mkdir()
    with pytest.raises(AlertError, match="cannot be used"):
        alarm.tick()
    alarm.home.alerts.rmdir()
    assert alarm.cursor == before
    assert alarm.tick().startswith("1 new")


def test_after_a_week_it_is_no_news(alarm: Alarm) -> None:
    failed_run(alarm.instance)
    assert alarm.tick(LOOK_BACK + timedelta(hours=1)) == "nothing failed"


def test_alerts_begin_with_the_first_tick(alarm: Alarm) -> None:
    """A new daemon does not tell last week's failures."""
    failed_run(alarm.instance)
    alarm.cursor, alarm.now = None, datetime.now(FRIDAY_EVENING.tzinfo)
    assert "from now on" in alarm.tick()
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert alarm.tick().startswith("1 new")


@pytest.mark.parametrize(
    ("field", "variable", "url"),
    [
        ("", None, "http://127.0.0.1:3000/runs/abc"),
        ("", "http://127.0.0.1:3111/", "http://127.0.0.1:3111/runs/abc"),
        ("https://desk.example/dagster", "http://x", "https://desk.example/dagster/runs/abc"),
    ],
    ids=["default", "environment", "configured"],
)
def test_where_a_run_is_looked_at(
    field: str, variable: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KASAUTI_PAGE", raising=False)
    if variable is not None:
        monkeypatch.setenv("KASAUTI_PAGE", variable)
    assert AlertDoor(page=field).run_url("abc") == url
