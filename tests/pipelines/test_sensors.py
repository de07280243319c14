"""Sensors on a real instance: one trade run a version of the signals, and alerts that arrive."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.signals import SIGNALS
from pipelines.jobs import TRADE_TAGS
from pipelines.sensors import GIVE_UP, Latest, alerts, latest_signals, new_signals, next_action
from resources.slack import SlackAlerts
from tests.alerts.stand_in import OK_WEBHOOK, Answer, StandIn
from tests.pipelines.states import FRIDAY_EVENING, Clocked

DOWN = Answer(500, "no_service")


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
    """The sensor between ticks: its cursor, the stand-in of Slack and the clock."""

    def __init__(self, instance: dg.DagsterInstance, home: Path) -> None:
        self.instance = instance
        self.home = home
        # Just before every run of the test, on the machine's clock that Dagster stamps runs with.
        self.now = datetime.now(FRIDAY_EVENING.tzinfo) - timedelta(seconds=1)
        self.cursor: str | None = self.now.isoformat()

    def tick(self, later: timedelta = timedelta(0)) -> str:
        """Evaluate the sensor once and return what it says."""
        self.now += later
        project = Clocked(home=str(self.home), bars="sample", at=self.now.isoformat())
        slack = SlackAlerts(home=str(self.home))
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"project": project, "slack": slack},
        ) as context:
            found = alerts.evaluate_tick(context)
        assert not found.run_requests
        self.cursor = found.cursor
        return str(found.skip_message)


@pytest.fixture
def alarm(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Alarm:
    for name in ("SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "SLACK_CHANNEL", "KASAUTI_PAGE"):
        monkeypatch.delenv(name, raising=False)
    return Alarm(instance, tmp_path)


SECRET = "/services/T000/B000/verysecretpart"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(OK_WEBHOOK).running() as stand_in:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", stand_in.url + SECRET)
        yield stand_in


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


def said(slack: StandIn) -> list[str]:
    return [json.dumps(request.body, ensure_ascii=False) for request in slack.requests]


@pytest.mark.parametrize(
    ("severity", "blocking", "mark", "effect"),
    [
        pytest.param(dg.AssetCheckSeverity.ERROR, False, "🔴", "nothing is traded", id="error"),
        pytest.param(dg.AssetCheckSeverity.WARN, False, "🟠", "Work goes on", id="warning"),
    ],
)
def test_a_failed_check_arrives_with_its_figures(
    alarm: Alarm,
    slack: StandIn,
    severity: dg.AssetCheckSeverity,
    blocking: bool,
    mark: str,
    effect: str,
) -> None:
    """The run itself is a success: only its check tells."""
    result = run_with_check(alarm.instance, severity, blocking=blocking)
    assert result.success
    assert "sent" in alarm.tick()
    (text,) = said(slack)
    for word in ("market/bars", "prices_positive", "4321", "17", "0.5", "planted", mark, effect):
        assert word in text, word
    assert f"http://127.0.0.1:3000/runs/{result.run_id}" in text
    assert f"run {result.run_id}" in text
    assert slack.requests[0].path == SECRET


def test_a_check_that_passed_and_a_run_that_ended_well_say_nothing(
    alarm: Alarm, slack: StandIn
) -> None:
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR, passed=True)
    assert alarm.tick() == "nothing failed"
    assert slack.requests == []


def test_a_blocking_check_tells_what_it_held_back_and_that_the_run_failed(
    alarm: Alarm, slack: StandIn
) -> None:
    result = run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR, blocking=True)
    assert not result.success
    alarm.tick()
    check, run = said(slack)
    assert "Check failed: prices_positive on market/bars" in check
    assert "Run failed" in run and result.run_id in run


def test_a_failed_run_arrives_with_step_and_error(alarm: Alarm, slack: StandIn) -> None:
    result = failed_run(alarm.instance)
    alarm.tick()
    (text,) = said(slack)
    for word in ("execution__intents", "the ledger is &lt;locked&gt;", result.run_id, "🔴"):
        assert word in text, word
    assert "kasauti status" not in text


def test_a_failed_trade_run_says_not_to_start_it_again_blindly(
    alarm: Alarm, slack: StandIn
) -> None:
    failed_run(alarm.instance, TRADE_TAGS)
    alarm.tick()
    assert "Do not start it again by hand" in said(slack)[0]


def test_the_same_incident_is_posted_once_in_its_window(alarm: Alarm, slack: StandIn) -> None:
    for _ in range(3):
        run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert alarm.tick().count("repeated") == 2
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert "repeated" in alarm.tick(timedelta(hours=5))
    assert len(slack.requests) == 1
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert "sent" in alarm.tick(timedelta(hours=2))
    assert len(slack.requests) == 2


def test_a_run_is_read_once(alarm: Alarm, slack: StandIn) -> None:
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    alarm.tick()
    assert alarm.tick(timedelta(hours=7)) == "nothing failed"
    assert len(slack.requests) == 1


def test_what_slack_did_not_take_is_tried_again(
    alarm: Alarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn(OK_WEBHOOK, DOWN, OK_WEBHOOK).running() as slack:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.url + SECRET)
        run_with_check(alarm.instance, dg.AssetCheckSeverity.WARN)
        result = failed_run(alarm.instance)
        first = alarm.tick()
        assert "sent" in first and "failed" in first
        second = alarm.tick()
        assert result.run_id in said(slack)[-1] and "sent" in second
        assert alarm.tick() == "nothing failed"
        assert len(slack.requests) == 3, "what had arrived is not sent twice"


def test_slack_that_cannot_be_reached_fails_no_tick_and_leaks_no_secret(
    alarm: Alarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn(OK_WEBHOOK).running() as slack:
        url = slack.url + SECRET
    monkeypatch.setenv("SLACK_WEBHOOK_URL", url)  # nobody listens there any more
    failed_run(alarm.instance)
    text = alarm.tick()
    assert "could not be reached" in text
    assert "verysecretpart" not in text + str(alarm.cursor)
    assert not (alarm.home / "alerts.json").exists(), "it did not arrive, so it is not remembered"


def test_what_arrives_leaves_no_secret_behind(alarm: Alarm, slack: StandIn) -> None:
    failed_run(alarm.instance)
    text = alarm.tick()
    kept = (alarm.home / "alerts.json").read_text()
    assert "verysecretpart" not in text + str(alarm.cursor) + kept + "".join(said(slack))


def test_after_a_day_it_is_no_news(alarm: Alarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that Slack refuses for good must not hold back all later ones for ever."""
    with StandIn(DOWN).running() as refusing:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", refusing.url + SECRET)
        failed_run(alarm.instance)
        assert "failed" in alarm.tick()
        assert "failed" in alarm.tick(GIVE_UP / 2)
        assert alarm.tick(GIVE_UP) == "nothing failed"
        assert len(refusing.requests) == 2


def test_without_a_channel_it_says_what_to_set_and_goes_on(alarm: Alarm) -> None:
    failed_run(alarm.instance)
    text = alarm.tick()
    assert "not configured" in text and "SLACK_WEBHOOK_URL" in text
    assert alarm.tick() == "nothing failed"


def test_alerts_begin_with_the_first_tick(alarm: Alarm, slack: StandIn) -> None:
    """A new daemon does not tell last week's failures."""
    failed_run(alarm.instance)
    alarm.cursor, alarm.now = None, datetime.now(FRIDAY_EVENING.tzinfo)
    assert "from now on" in alarm.tick()
    assert slack.requests == []
    run_with_check(alarm.instance, dg.AssetCheckSeverity.ERROR)
    assert "sent" in alarm.tick()
    assert len(slack.requests) == 1


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
    assert SlackAlerts(page=field).run_url("abc") == url
