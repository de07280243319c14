"""Slack's side: what is sent, and what each of its answers amounts to."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from kasauti.alerts.channels.slack import Slack, SlackSettings
from kasauti.alerts.messages import Context, blocks, brief
from kasauti.alerts.model import Alert
from kasauti.alerts.state import Verdict
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import UsageError
from tests.alerts.providers import SlackServer, free_port, slack_environment
from tests.alerts.stand_in import Answer, StandIn

CANARY = SlackServer.TOKEN
ALERT = alert_of(
    Trigger.CHECK_FAILED, "market/bars", figures={"rows": 3}, link="http://127.0.0.1:3000/runs/a"
)
NOTHING = Context()
Door = Callable[[str], Slack]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def by_token(url: str) -> Slack:
    environ = {
        "SLACK_BOT_TOKEN": CANARY,
        "SLACK_CHANNEL": "#kasauti",
        "KASAUTI_SLACK_API_URL": f"{url}/api/",
    }
    return Slack(SlackSettings.from_environment(environ), timeout=2)


def by_webhook(url: str) -> Slack:
    environ = {"SLACK_WEBHOOK_URL": url + SlackServer.HOOK}
    return Slack(SlackSettings.from_environment(environ), timeout=2)


def test_a_bot_token_posts_the_blocks_and_keeps_the_message_as_a_thread() -> None:
    with SlackServer().running() as server:
        assert isinstance(server, SlackServer)
        first = by_token(server.url).send(ALERT, NOTHING)
        second = by_token(server.url).send(ALERT, Context(thread=first.provider_id))
    assert first.verdict is second.verdict is Verdict.SENT
    posted, reply = server.taken
    assert posted["text"] == brief(ALERT) and posted["blocks"] == blocks(ALERT)
    assert "thread_ts" not in posted
    assert reply["thread_ts"] == first.provider_id == posted["ts"] == second.provider_id
    assert reply["reply_broadcast"] is True, "a reply that nobody follows would be overlooked"
    assert CANARY not in str(server.taken)


def test_a_thread_that_is_gone_begins_anew() -> None:
    with SlackServer().running() as server:
        assert isinstance(server, SlackServer)
        answer = by_token(server.url).send(ALERT, Context(thread="1.gone"))
    assert answer.verdict is Verdict.SENT and "thread_ts" not in server.taken[0]


def test_a_webhook_posts_to_its_own_address_without_a_token() -> None:
    with SlackServer().running() as server:
        assert isinstance(server, SlackServer)
        answer = by_webhook(server.url).send(ALERT, NOTHING)
    assert answer.verdict is Verdict.SENT
    assert server.taken[0]["blocks"] == blocks(ALERT)
    assert "authorization" not in server.requests[0].headers


def test_the_token_goes_first_where_both_are_set() -> None:
    """Only a token can reply in a thread."""
    with SlackServer().running() as server:
        assert isinstance(server, SlackServer)
        both = {**slack_environment(server), "SLACK_WEBHOOK_URL": server.url + server.HOOK}
        Slack(SlackSettings.from_environment(both)).send(ALERT, NOTHING)
    assert [request.path for request in server.requests] == ["/api/chat.postMessage"]


LIMITED = Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": "30"})
TOKEN_ANSWERS = {
    "too fast": (LIMITED, Verdict.RETRY, "ratelimited", 30.0),
    "too fast, no word when": (replace(LIMITED, headers={}), Verdict.RETRY, "429", None),
    "odd header": (
        replace(LIMITED, headers={"Retry-After": "soon"}),
        Verdict.RETRY,
        "ratelimited",
        None,
    ),
    "server error": (Answer(500, "oops"), Verdict.RETRY, "oops", None),
    "no such channel": (
        Answer(200, '{"ok": false, "error": "channel_not_found"}'),
        Verdict.RETRY,
        "channel_not_found",
        None,
    ),
    "never this message": (
        Answer(200, '{"ok": false, "error": "invalid_blocks"}'),
        Verdict.REFUSED,
        "invalid_blocks",
        None,
    ),
    "captive portal": (Answer(200, "<html>Log in</html>"), Verdict.RETRY, "Slack", None),
    "broken json": (Answer(200, '{"ok": tr'), Verdict.RETRY, "non-JSON", None),
    "forbidden": (
        Answer(403, '{"ok": false, "error": "invalid_auth"}'),
        Verdict.RETRY,
        "invalid_auth",
        None,
    ),
}


@pytest.mark.parametrize(
    ("answer", "verdict", "words", "wait"), TOKEN_ANSWERS.values(), ids=TOKEN_ANSWERS.keys()
)
def test_what_an_answer_to_a_token_amounts_to(
    answer: Answer, verdict: Verdict, words: str, wait: float | None
) -> None:
    with StandIn(answer).running() as server:
        found = by_token(server.url).send(ALERT, NOTHING)
    assert (found.verdict, found.wait) == (verdict, wait)
    assert words in found.detail and CANARY not in found.detail
    assert len(server.requests) == 1, "trying again is the plan's business"


HOOK_ANSWERS = {
    "too fast": (replace(LIMITED, body="rate_limited"), Verdict.RETRY, 30.0),
    "server error": (Answer(500, "oops"), Verdict.RETRY, None),
    "not ok": (Answer(200, "<html>hotel</html>"), Verdict.RETRY, None),
    "gone": (Answer(404, "no_service"), Verdict.RETRY, None),
    "never this message": (Answer(400, "invalid_blocks"), Verdict.REFUSED, None),
}


@pytest.mark.parametrize(
    ("answer", "verdict", "wait"), HOOK_ANSWERS.values(), ids=HOOK_ANSWERS.keys()
)
def test_what_an_answer_to_a_webhook_amounts_to(
    answer: Answer, verdict: Verdict, wait: float | None
) -> None:
    with StandIn(answer).running() as server:
        found = by_webhook(server.url).send(ALERT, NOTHING)
    assert (found.verdict, found.wait) == (verdict, wait)
    assert str(answer.status) in found.detail and "canaryhooksecret" not in found.detail
    assert len(server.requests) == 1


@pytest.mark.parametrize("door", [by_token, by_webhook], ids=["token", "webhook"])
def test_no_connection_is_told_and_no_secret_is_logged(
    door: Door, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        slack = door(f"http://127.0.0.1:{free_port()}")
        answer = slack.send(ALERT, NOTHING)
    assert answer.verdict is Verdict.RETRY and "refused" in answer.detail
    everything = caplog.text + "".join(capsys.readouterr()) + repr(answer) + repr(slack._settings)
    assert "canary" not in everything


UNSET = {
    "nothing": ({}, "SLACK_WEBHOOK_URL"),
    "empty": ({"SLACK_WEBHOOK_URL": "  "}, "SLACK_WEBHOOK_URL"),
    "no channel": ({"SLACK_BOT_TOKEN": CANARY}, "SLACK_CHANNEL"),
    "no token": ({"SLACK_CHANNEL": "#x"}, "SLACK_BOT_TOKEN"),
}


@pytest.mark.parametrize(("environment", "words"), UNSET.values(), ids=UNSET.keys())
def test_what_is_not_configured_is_said_and_not_an_error(
    environment: dict[str, str], words: str
) -> None:
    missing = Slack(SlackSettings.from_environment(environment)).missing
    assert words in missing and CANARY not in missing


@pytest.mark.parametrize(
    "environment",
    [
        {"SLACK_WEBHOOK_URL": "http://hooks.example.org" + SlackServer.HOOK},
        {"SLACK_WEBHOOK_URL": "canaryhooksecret"},
        {"SLACK_WEBHOOK_URL": "canary:hooksecret"},
        {"SLACK_WEBHOOK_URL": "https://[canary"},
        {"SLACK_BOT_TOKEN": CANARY, "KASAUTI_SLACK_API_URL": "http://slack.example.org/api/"},
        {"SLACK_BOT_TOKEN": CANARY, "KASAUTI_SLACK_API_URL": "file:///etc/passwd"},
    ],
    ids=["plain http", "no address", "odd scheme", "broken", "plain http api", "file"],
)
def test_a_secret_never_travels_in_the_clear(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="https") as caught:
        SlackSettings.from_environment(environment)
    assert "canary" not in str(caught.value)


def test_an_alert_of_any_size_is_taken() -> None:
    long = "x&<" * 5_000
    alert: Alert = alert_of(Trigger.NOTE, long, long, detail=long, figures={long: long})
    with SlackServer().running() as server:
        assert by_token(server.url).send(alert, NOTHING).verdict is Verdict.SENT
