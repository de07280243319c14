"""The door to Slack: one message out, one plain answer back; what is said stands in `messages`."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from kasauti.alerts.messages import Message
from kasauti.errors import UsageError

if TYPE_CHECKING:
    from slack_sdk.http_retry import RetryHandler

SLACK_API = "https://slack.com/api/"
TIMEOUT = 5  # seconds a try; a Dagster sensor is killed after 60
LONGEST_WAIT = 10.0  # seconds; Slack may ask for minutes, the next tick is better than sleeping
RETRIES = 2

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class DeliveryStatus(StrEnum):
    """What became of a message."""

    SENT = "sent"
    FAILED = "failed"
    NOT_CONFIGURED = "not configured"
    REPEATED = "repeated"  # not sent: the caller's `AlertMemory` knows the incident


@dataclass(frozen=True)
class Delivery:
    """The answer of one `send`; `detail` never contains a secret."""

    status: DeliveryStatus
    detail: str

    @property
    def is_sent(self) -> bool:
        """Whether Slack accepted the message."""
        return self.status is DeliveryStatus.SENT


class SlackSettings(BaseModel):
    """How to reach Slack. A webhook goes before a bot token where both are given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_url: SecretStr | None = None
    bot_token: SecretStr | None = None
    channel: str | None = None
    api_url: str = SLACK_API

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "SlackSettings":
        """Read SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN and SLACK_CHANNEL; empty means unset.

        KASAUTI_SLACK_API_URL names another server for the bot token, for tests and proxies.

        Raises
        ------
        UsageError
            If an address would send a secret over plain HTTP to another machine.
        """
        named = os.environ if environment is None else environment

        def secret(name: str) -> SecretStr | None:
            value = named.get(name, "").strip()
            return SecretStr(value) if value else None

        settings = cls(
            webhook_url=secret("SLACK_WEBHOOK_URL"),
            bot_token=secret("SLACK_BOT_TOKEN"),
            channel=named.get("SLACK_CHANNEL", "").strip() or None,
            api_url=named.get("KASAUTI_SLACK_API_URL", "").strip() or SLACK_API,
        )
        if settings.webhook_url is not None:
            _check_address("SLACK_WEBHOOK_URL", settings.webhook_url.get_secret_value())
        _check_address("KASAUTI_SLACK_API_URL", settings.api_url)
        return settings

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        if self.webhook_url is not None or (self.bot_token is not None and self.channel):
            return ""
        if self.bot_token is not None:
            return "SLACK_BOT_TOKEN is set but SLACK_CHANNEL is not: name the channel"
        return "set SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN and SLACK_CHANNEL, to get alerts"


class Slack:
    """Sends messages; holds the settings and nothing else, so it is cheap to make per tick."""

    def __init__(self, settings: SlackSettings, timeout: int = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    def send(self, message: Message) -> Delivery:
        """Send one message; try again on 429 (as long as Slack asks) and on a broken connection.

        A message can arrive twice when the connection breaks after Slack took it. Nothing that
        goes wrong outside is raised: the answer says what it was.
        """
        from slack_sdk.errors import SlackApiError, SlackClientError

        settings = self._settings
        try:
            if settings.webhook_url is not None:
                return self._by_webhook(settings.webhook_url, message)
            if settings.bot_token is not None and settings.channel is not None:
                return self._by_token(settings.bot_token, settings.channel, message)
        except SlackApiError as error:
            return self._failed(f"Slack refused the message: {error.response.get('error')}")
        except (OSError, HTTPException, SlackClientError, ValueError) as error:
            # ValueError: a body that is not text or not JSON, as a captive portal answers.
            return self._failed(f"Slack could not be reached: {type(error).__name__}: {error}")
        return Delivery(DeliveryStatus.NOT_CONFIGURED, settings.missing)

    def _by_webhook(self, url: SecretStr, message: Message) -> Delivery:
        from slack_sdk.webhook import WebhookClient

        client = WebhookClient(
            url.get_secret_value(),
            timeout=self._timeout,
            logger=_silent_logger(),
            retry_handlers=_retry_handlers(),
        )
        answer = client.send(text=message.text, blocks=list(message.blocks))
        if answer.status_code == 200 and answer.body.strip() == "ok":
            return Delivery(DeliveryStatus.SENT, "accepted by the webhook")
        return self._failed(f"the webhook answered {answer.status_code}: {answer.body[:200]}")

    def _by_token(self, token: SecretStr, channel: str, message: Message) -> Delivery:
        from slack_sdk.web import WebClient

        client = WebClient(
            token.get_secret_value(),
            base_url=self._settings.api_url,
            timeout=self._timeout,
            logger=_silent_logger(),
            retry_handlers=_retry_handlers(),
        )
        client.chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=list(message.blocks),
            unfurl_links=False,
        )
        return Delivery(DeliveryStatus.SENT, f"accepted for {channel}")

    def _failed(self, reason: str) -> Delivery:
        return Delivery(DeliveryStatus.FAILED, self._without_secrets(reason))

    def _without_secrets(self, text: str) -> str:
        for secret in (self._settings.webhook_url, self._settings.bot_token):
            if secret is None:
                continue
            value = secret.get_secret_value()
            path = urlsplit(value).path.strip("/")
            for part in (value, path, *path.split("/")[-1:]):
                if len(part) >= 8:  # shorter is a word like "api", not a secret
                    text = text.replace(part, "***")
        return text


def _check_address(name: str, address: str) -> None:
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise UsageError(
            f"{name} must be an https address (http only on this machine), it starts with "
            f"{parts.scheme or 'no scheme'!r}: copy the address that Slack shows"
        )


def _silent_logger() -> logging.Logger:
    """Return a logger outside the tree: slack_sdk logs a webhook's secret address on a retry."""
    return logging.Logger("kasauti.alerts.slack_sdk", level=logging.CRITICAL + 1)


def _retry_handlers() -> "list[RetryHandler]":
    from slack_sdk.http_retry import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
    from slack_sdk.http_retry.request import HttpRequest
    from slack_sdk.http_retry.response import HttpResponse
    from slack_sdk.http_retry.state import RetryState

    class PatientOnce(RateLimitErrorRetryHandler):
        """Waits as long as Slack asks, unless that is longer than a sensor may take."""

        def _can_retry(
            self,
            *,
            state: RetryState,
            request: HttpRequest,
            response: HttpResponse | None = None,
            error: Exception | None = None,
        ) -> bool:
            limited = super()._can_retry(
                state=state, request=request, response=response, error=error
            )
            return limited and response is not None and _asked_wait(response.headers) is not None

    return [
        ConnectionErrorRetryHandler(max_retry_count=RETRIES),
        PatientOnce(max_retry_count=RETRIES),
    ]


def _asked_wait(headers: Mapping[str, Any]) -> float | None:
    """Seconds of the Retry-After header; 1 without one, None where too long or no whole number."""
    asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), ["1"])
    text = str(asked[0]).strip()
    if not text.isdecimal() or float(text) > LONGEST_WAIT:
        return None
    return float(text)
