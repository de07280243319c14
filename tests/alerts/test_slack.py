import logging
import socket
import time
from collections.abc import Callable

import pytest

from kasauti.alerts.messages import Message, Severity, failed_check
from kasauti.alerts.slack import DeliveryStatus, Slack, SlackSettings
from kasauti.errors import UsageError
from tests.alerts.stand_in import OK_JSON, OK_WEBHOOK, Answer, StandIn

CANARY = "xoxb-canary-9911-do-not-show"
HOOK_PATH = "/services/T000/B000/canaryhooksecret"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def message() -> Message:
    return failed_check(
        "market/bars",
        "prices_positive",
        Severity.ERROR,
        {"rows": 3},
        run_id="abc123",
        run_url="http://127.0.0.1:3000/runs/abc123",
    )


Door = Callable[[str], Slack]


def by_token(url: str) -> Slack:
    return Slack(
        SlackSettings.from_environment(
            {
                "SLACK_BOT_TOKEN": CANARY,
                "SLACK_CHANNEL": "#kasauti",
                "KASAUTI_SLACK_API_URL": f"{url}/api/",
            }
        )
    )


def by_webhook(url: str) -> Slack:
    return Slack(SlackSettings.from_environment({"SLACK_WEBHOOK_URL": url + HOOK_PATH}))


def test_a_bot_token_posts_the_blocks_to_the_channel(message: Message) -> None:
    with StandIn(OK_JSON).running() as server:
        delivery = by_token(server.url).send(message)
    (request,) = server.requests
    assert delivery.status is DeliveryStatus.SENT
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {CANARY}"
    assert request.headers["content-type"].startswith("application/json")
    assert request.body["channel"] == "#kasauti"
    assert request.body["text"] == message.text
    assert request.body["blocks"] == list(message.blocks)
    assert CANARY not in str(request.body)


def test_a_webhook_posts_to_its_own_address_without_a_token(message: Message) -> None:
    with StandIn(OK_WEBHOOK).running() as server:
        delivery = by_webhook(server.url).send(message)
    (request,) = server.requests
    assert delivery.status is DeliveryStatus.SENT
    assert (request.method, request.path) == ("POST", HOOK_PATH)
    assert "authorization" not in request.headers
    assert request.body["blocks"] == list(message.blocks)


def test_the_webhook_goes_first_where_both_are_set(message: Message) -> None:
    with StandIn(OK_WEBHOOK).running() as server:
        settings = SlackSettings.from_environment(
            {
                "SLACK_WEBHOOK_URL": server.url + HOOK_PATH,
                "SLACK_BOT_TOKEN": CANARY,
                "SLACK_CHANNEL": "#kasauti",
            }
        )
        assert Slack(settings).send(message).is_sent
    assert [request.path for request in server.requests] == [HOOK_PATH]


@pytest.mark.parametrize("door", [by_token, by_webhook], ids=["token", "webhook"])
def test_429_waits_as_long_as_asked_and_sends_again(door: Door, message: Message) -> None:
    limited = Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": "1"})
    accepted = OK_JSON if door is by_token else OK_WEBHOOK
    with StandIn(limited, accepted).running() as server:
        started = time.monotonic()
        delivery = door(server.url).send(message)
        took = time.monotonic() - started
    assert delivery.is_sent
    assert len(server.requests) == 2
    assert took >= 1.0


@pytest.mark.parametrize("asked", ["3600", "soon", "-1"])
def test_429_with_a_wait_beyond_a_sensors_time_is_given_up_at_once(
    asked: str, message: Message
) -> None:
    limited = Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": asked})
    with StandIn(limited).running() as server:
        started = time.monotonic()
        delivery = by_token(server.url).send(message)
        took = time.monotonic() - started
    assert delivery.status is DeliveryStatus.FAILED
    assert "ratelimited" in delivery.detail
    assert len(server.requests) == 1
    assert took < 2.0


ANSWERS = {
    "server error": (Answer(500, "oops"), "oops"),
    "refused by slack": (Answer(200, '{"ok": false, "error": "channel_not_found"}'), "channel_not"),
    "captive portal": (Answer(200, "<html>Log in to the hotel</html>"), "Slack refused"),
    "broken json": (Answer(200, '{"ok": tr'), "could not be reached"),
    "forbidden": (Answer(403, '{"ok": false, "error": "invalid_auth"}'), "invalid_auth"),
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_bad_answer_to_a_token_is_a_failed_delivery(
    answer: Answer, words: str, message: Message
) -> None:
    with StandIn(answer).running() as server:
        delivery = by_token(server.url).send(message)
    assert delivery.status is DeliveryStatus.FAILED
    assert words in delivery.detail
    assert CANARY not in delivery.detail


@pytest.mark.parametrize(
    "answer",
    [Answer(500, f"no such hook {HOOK_PATH}"), Answer(404, "no_team"), Answer(200, "<html>")],
    ids=["server error that echoes the address", "gone", "captive portal"],
)
def test_a_bad_answer_to_a_webhook_is_a_failed_delivery(answer: Answer, message: Message) -> None:
    with StandIn(answer).running() as server:
        delivery = by_webhook(server.url).send(message)
    assert delivery.status is DeliveryStatus.FAILED
    assert str(answer.status) in delivery.detail
    assert "canaryhooksecret" not in delivery.detail


@pytest.mark.parametrize("door", [by_token, by_webhook], ids=["token", "webhook"])
def test_no_connection_is_tried_again_then_told_and_no_secret_is_logged(
    door: Door,
    message: Message,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with caplog.at_level(logging.DEBUG):
        slack = door(url)
        delivery = slack.send(message)
    assert delivery.status is DeliveryStatus.FAILED
    assert "refused" in delivery.detail
    everything = caplog.text + "".join(capsys.readouterr()) + repr(delivery) + repr(slack._settings)
    assert "canary" not in everything


def test_a_slow_slack_does_not_hold_the_sensor(message: Message) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slack = Slack(by_token(url)._settings, timeout=1)
        started = time.monotonic()
        delivery = slack.send(message)
    assert delivery.status is DeliveryStatus.FAILED
    assert time.monotonic() - started < 8.0


UNSET = {
    "nothing": ({}, "SLACK_WEBHOOK_URL"),
    "empty": ({"SLACK_WEBHOOK_URL": "  "}, "SLACK_WEBHOOK_URL"),
    "no channel": ({"SLACK_BOT_TOKEN": CANARY}, "SLACK_CHANNEL"),
    "no token": ({"SLACK_CHANNEL": "#x"}, "SLACK_BOT_TOKEN"),
}


@pytest.mark.parametrize(("environment", "words"), UNSET.values(), ids=UNSET.keys())
def test_what_is_not_configured_is_said_and_not_an_error(
    environment: dict[str, str], words: str, message: Message
) -> None:
    delivery = Slack(SlackSettings.from_environment(environment)).send(message)
    assert delivery.status is DeliveryStatus.NOT_CONFIGURED
    assert words in delivery.detail
    assert CANARY not in delivery.detail


@pytest.mark.parametrize(
    "environment",
    [
        {"SLACK_WEBHOOK_URL": "http://hooks.example.org" + HOOK_PATH},
        {"SLACK_WEBHOOK_URL": "canaryhooksecret"},
        {"SLACK_BOT_TOKEN": CANARY, "KASAUTI_SLACK_API_URL": "http://slack.example.org/api/"},
        {"SLACK_BOT_TOKEN": CANARY, "KASAUTI_SLACK_API_URL": "file:///etc/passwd"},
    ],
    ids=["plain http", "no address", "plain http api", "file"],
)
def test_a_secret_never_travels_in_the_clear(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="https") as caught:
        SlackSettings.from_environment(environment)
    assert "canary" not in str(caught.value)
