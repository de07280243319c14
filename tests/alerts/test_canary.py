"""Secrets are in the environment and nowhere else: a canary in every setting, every failure."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.alerts.book import AlertBook
from kasauti.alerts.listing import listing_of, show, show_tested, try_channels
from kasauti.alerts.redact import redacted, redacted_alert, secrets_of
from kasauti.alerts.set_up import service_of, settings_of
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.execution.clock import SystemClock
from kasauti.execution.events import LatchChanged
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from tests.alerts.providers import MailServer, MetaServer, SlackServer, free_port
from tests.alerts.stand_in import Answer

NOW = datetime.now(INDIA)
CANARY = "canary"
BARE = {  # every setting of the alerts, a canary in each
    "SLACK_BOT_TOKEN": "xoxb-canary-bot-token",
    "SLACK_WEBHOOK_URL": "{slack}/services/T0/B0/canaryhook",
    "SLACK_CHANNEL": "#kasauti",
    "KASAUTI_SLACK_API_URL": "{slack}/api/",
    "KASAUTI_SMTP_HOST": "127.0.0.1",
    "KASAUTI_SMTP_PORT": "{mail}",
    "KASAUTI_SMTP_SECURITY": "none",
    "KASAUTI_SMTP_USER": "canaryuser@example.org",
    "KASAUTI_SMTP_PASSWORD": "canary password",
    "KASAUTI_MAIL_FROM": "canaryfrom@example.org",
    "KASAUTI_MAIL_TO": "canaryto@example.org, canarycopy@example.org",
    "KASAUTI_WHATSAPP_TOKEN": "EAAGcanarytoken",
    "KASAUTI_WHATSAPP_PHONE_ID": "10987654321098",
    "KASAUTI_WHATSAPP_TO": "+919812345678",
    "KASAUTI_WHATSAPP_API_URL": "{meta}",
    "KASAUTI_DESKTOP": "windows",
    "KASAUTI_HEARTBEAT_URL": "{meta}/ping/canary-heartbeat",
    "KASAUTI_LEDGER_URL": "",
    "KASAUTI_ALERT_QUIET": "off",
    "KASAUTI_ALERT_ROUTE": "error: slack + email + whatsapp + desktop",
}
PRIVATE = (CANARY, "10987654321098", "919812345678")
FAILURES = {
    "down": None,
    "server error": Answer(500, "echo xoxb-canary-bot-token EAAGcanarytoken"),
    "bad token": Answer(401, '{"ok": false, "error": {"message": "EAAGcanarytoken", "code": 190}}'),
    "too fast": Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": "1"}),
    "no json": Answer(200, "<html>portal EAAGcanarytoken</html>"),
}


def told(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    """Run a command at the most talkative log level and return all that it says."""
    program = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG);"
        "from kasauti.cli import main; sys.argv[0] = 'kasauti'; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "alerts", *arguments],
        env={**os.environ, **environ, "KASAUTI_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.stdout + ended.stderr


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a log at the most talkative level gets; pytest's own hears loggers that nobody does."""
    heard, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(heard), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("mail.log").propagate = False  # the stand-in's own
    yield heard
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_of_any_channel_shows_a_secret(
    tmp_path: Path,
    failure: str,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer = FAILURES[failure]
    slack, meta, mail = SlackServer(), MetaServer(), MailServer()
    slack.instead = meta.instead = answer
    environ = {
        name: value.format(slack=slack.url, meta=meta.url, mail=mail.port)
        for name, value in BARE.items()
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KASAUTI_LEDGER_URL")
    home = Home(tmp_path)
    with closing(Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=NOW)) as ledger:
        said = "broker answered: token EAAGcanarytoken of canaryuser@example.org is wrong"
        alert = alert_of(Trigger.API_FAILURE, "broker", said, detail=environ["SLACK_WEBHOOK_URL"])
        ledger.append(LatchChanged(True, "test", "stop"), at=NOW, alert=alert)
    with ExitStack() as stack:
        for server in (slack, meta, mail):
            stack.enter_context(server.running())
        if answer is None:
            stack.close()
        with closing(AlertBook(home.alerts)) as book:
            service = service_of(home, book, environ, clock=SystemClock(INDIA), rng=Random(1))
            service.drain()
            service.close()
        tried = try_channels(environ, None, NOW)
        listing = listing_of(home, environ, SystemClock(INDIA).now())
    show(listing)
    show_tested(tried)
    assert len(tried) == 4 and listing.incidents[0].trigger == Trigger.API_FAILURE
    seen = (
        "".join(capfd.readouterr()) + log.getvalue() + json.dumps(listing.to_json()) + repr(tried)
    )
    files = {
        file.name: file.read_bytes().decode("latin-1")
        for file in tmp_path.rglob("*")
        if file.is_file() and not file.name.startswith("ledger")  # the alert of this very test
    }
    assert {"alerts.sqlite3", "alerts.json"} <= files.keys()
    seen += "".join(files.values()) + "".join(str(request.body) for request in slack.requests)
    for private in PRIVATE:
        assert private not in seen


def test_a_message_that_arrives_holds_no_secret_that_was_in_what_it_tells(tmp_path: Path) -> None:
    slack, mail = SlackServer(), MailServer()
    environ = {
        "SLACK_BOT_TOKEN": slack.TOKEN,
        "SLACK_CHANNEL": "#kasauti",
        "KASAUTI_SLACK_API_URL": f"{slack.url}/api/",
        "KASAUTI_LEDGER_URL": "postgresql+psycopg://canaryuser:canarypass@127.0.0.1/canarybase",
        "KASAUTI_HEARTBEAT_URL": f"http://127.0.0.1:{free_port()}/canaryping",
    }
    said = "cannot connect as canaryuser with canarypass, ping canaryping"
    alert = alert_of(Trigger.RUN_FAILED, "evening", said, detail=said, figures={"x": said})
    with closing(AlertBook(Home(tmp_path).alerts)) as book:
        book.raise_alert(redacted_alert(alert, secrets_of(environ)), "run:1", NOW)
    with slack.running(), mail.running():
        told(tmp_path, environ, "run", "--once")
    assert len(slack.taken) == 1
    assert CANARY not in str(slack.taken) and "***" in str(slack.taken)


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-1-abc", ["xoxb-1-abc"]),
        (
            "SLACK_WEBHOOK_URL",
            "https://hooks.slack.com/services/T0/B0/secretpart",
            ["services/T0/B0/secretpart", "secretpart"],
        ),
        ("KASAUTI_LEDGER_URL", "postgresql://me:pass%40word@h/db", ["pass%40word", "pass@word"]),
        ("KASAUTI_MAIL_TO", "one@example.org, two@example.org", ["one@example.org"]),
        ("KASAUTI_BACKUP_KEY", "a long phrase", ["a long phrase"]),
        ("KASAUTI_BACKUP_TO", "s3://key:secretpart@bucket/x", ["secretpart"]),
    ],
)
def test_what_counts_as_a_secret(name: str, value: str, hidden: list[str]) -> None:
    secrets = secrets_of({name: value})
    for part in hidden:
        assert redacted(f"a {part} b", secrets) == "a *** b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KASAUTI_PAGE", "http://127.0.0.1:3000"),
        ("KASAUTI_BARS", "/home/me/bars"),
        ("KASAUTI_ALERT_QUIET", "warning: 22:00-07:00"),
        ("PATH", "/usr/bin:/secret/token"),
        ("SLACK_BOT_TOKEN", "abc"),
    ],
    ids=["page", "bars", "quiet hours", "not ours", "too short to be one"],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    assert redacted(value, secrets_of({name: value})) == value


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text("abcxyz/:@%", min_size=6, max_size=20), min_size=1, max_size=5))
def test_a_text_with_any_secrets_in_it_holds_none_afterwards(values: list[str]) -> None:
    secrets = secrets_of({f"KASAUTI_X{n}_TOKEN": value for n, value in enumerate(values)})
    text = redacted(" | ".join(values), secrets)
    assert not any(secret in text for secret in secrets)


def test_a_channels_settings_show_no_secret_in_their_repr(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        found = settings_of({**BARE, "SLACK_WEBHOOK_URL": "canary", "KASAUTI_SMTP_PORT": "canary"})
        channels = [vars(channel) for channel in found.channels.values()]
    shown = repr(found.problems) + repr(found.rules) + caplog.text
    assert CANARY not in shown
    assert "xoxb" not in repr(channels) and "EAAG" not in repr(channels)
