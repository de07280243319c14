"""`kasauti alerts`: what is open, who looks after it, and does a channel work."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from kasauti.alerts import pulse
from kasauti.alerts.book import AlertBook
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from tests.alerts.providers import SlackServer, slack_environment
from tests.alerts.stand_in import Answer
from tests.cli.conftest import Run

NOW = datetime.now(INDIA)
ALERT = alert_of(Trigger.DIFFERENCE, "ledger", "Ledger and broker differ")


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    for name in list(os.environ):
        if name.startswith(("SLACK_", "KASAUTI_ALERT", "KASAUTI_SMTP", "KASAUTI_MAIL")):
            monkeypatch.delenv(name)
    with SlackServer().running() as server:
        assert isinstance(server, SlackServer)
        for name, value in slack_environment(server).items():
            monkeypatch.setenv(name, value)
        yield server


def raised(home: Home) -> None:
    with closing(AlertBook(home.alerts)) as book:
        book.raise_alert(ALERT, "run 1", NOW)


def test_without_a_book_the_listing_says_what_is_missing(run: Run, home: Home) -> None:
    told = run("alerts")
    assert told.code == 0 and "No incident is open." in told.out
    assert "does not run" in told.out and "SLACK_BOT_TOKEN" in told.out
    assert not home.alerts.exists()


def test_once_sends_what_waits_and_lists_it_and_ack_makes_it_silent(
    run: Run, home: Home, slack: SlackServer
) -> None:
    raised(home)
    told = json.loads(run("alerts", "run", "--once", "--json").out)
    assert slack.incidents() == [ALERT.incident]
    assert [one["id"] for one in told["incidents"]] == [ALERT.incident]
    assert told["incidents"][0]["severity"] == "error" and told["waiting"] == []
    shown = run("alerts")
    assert ALERT.incident in shown.out and "Reconciliation difference" in shown.out
    done = json.loads(run("alerts", "ack", ALERT.incident, "--who", "Asha", "--json").out)
    assert (done["incident"], done["by"]) == (ALERT.incident, "Asha")
    assert json.loads(run("alerts", "--json").out)["incidents"] == []


def test_an_incident_that_is_none_is_bad_input(run: Run, home: Home) -> None:
    told = run("alerts", "ack", "nothing", "--who", "Asha")
    assert told.code == 2 and "there is no incident nothing" in told.err


def test_a_test_message_says_whether_it_arrived(run: Run, home: Home, slack: SlackServer) -> None:
    told = run("alerts", "test")
    assert told.code == 0 and "slack: sent" in told.out and len(slack.taken) == 1
    slack.instead = Answer(200, '{"ok": false, "error": "channel_not_found"}')
    told = run("alerts", "test", "--channel", "slack", "--json")
    (row,) = json.loads(told.out)["channels"]
    assert told.code == 1 and not row["sent"] and "channel_not_found" in row["says"]


def test_a_channel_that_is_not_set_up_says_what_to_set(run: Run, home: Home) -> None:
    told = run("alerts", "test", "--channel", "whatsapp")
    assert told.code == 1 and "KASAUTI_WHATSAPP_TOKEN" in told.out


def test_the_service_runs_until_it_is_told_to_end_and_only_once(
    home: Home, slack: SlackServer, tmp_path: Path
) -> None:
    command = [str(Path(sys.executable).parent / "kasauti"), "alerts", "run"]
    environ = {**os.environ, "KASAUTI_HOME": str(home.root)}
    service = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 20
        while (found := pulse.read(home.pulse)) is None and time.monotonic() < until:
            time.sleep(0.05)
        assert found is not None and found.pid == service.pid
        second = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30)
        assert second.returncode == 2 and "another alerts service" in second.stderr
        raised(home)
        while not slack.taken and time.monotonic() < until:
            time.sleep(0.05)
        assert slack.incidents() == [ALERT.incident]
    finally:
        service.send_signal(signal.SIGINT)
        _, said = service.communicate(timeout=20)
    assert service.returncode == 0 and "Traceback" not in said
    ended = pulse.read(home.pulse)
    assert ended is not None and ended.stopped
