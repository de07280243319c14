"""Slack through slack-sdk: by bot token with a thread for each incident, or by webhook without."""

import logging
import os
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from kasauti.alerts.channels.base import (
    TIMEOUT,
    may_have_arrived,
    require_safe,
    secret_of,
    text_of,
)
from kasauti.alerts.messages import LONGEST_TEXT, Context, blocks, brief, escaped, trimmed
from kasauti.alerts.model import Alert
from kasauti.alerts.state import Answer, Verdict

SLACK_API = "https://slack.com/api/"

# Slack's words for a message that it will never take, and for a thread that is gone.
_HOPELESS = {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text"}
_NO_THREAD = {"invalid_thread_ts", "thread_not_found", "cannot_reply_to_message"}


class SlackSettings(BaseModel):
    """How to reach Slack. A bot token goes before a webhook: only it can reply in a thread."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_url: SecretStr | None = None
    bot_token: SecretStr | None = None
    channel: str | None = None
    api_url: str = SLACK_API

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "SlackSettings":
        """Read SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL; empty means unset.

        KASAUTI_SLACK_API_URL names another server for the bot token, for tests and proxies.

        Raises
        ------
        UsageError
            If an address would send a secret over plain HTTP to another machine.
        """
        named = os.environ if environment is None else environment
        settings = cls(
            webhook_url=secret_of(named, "SLACK_WEBHOOK_URL"),
            bot_token=secret_of(named, "SLACK_BOT_TOKEN"),
            channel=text_of(named, "SLACK_CHANNEL"),
            api_url=text_of(named, "KASAUTI_SLACK_API_URL") or SLACK_API,
        )
        where = "copy the address that Slack shows"
        if settings.webhook_url is not None:
            require_safe("SLACK_WEBHOOK_URL", settings.webhook_url.get_secret_value(), where)
        require_safe("KASAUTI_SLACK_API_URL", settings.api_url, where)
        return settings

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        if self.webhook_url is not None or (self.bot_token is not None and self.channel):
            return ""
        if self.bot_token is not None:
            return "SLACK_BOT_TOKEN is set but SLACK_CHANNEL is not: name the channel"
        return "set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL"


class Slack:
    """Sends one message a call; trying again is the plan's business."""

    name = "slack"

    def __init__(self, settings: SlackSettings, timeout: int = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        return self._settings.missing

    def send(self, alert: Alert, context: Context) -> Answer:
        """Post the alert, under the incident's first message where there is one."""
        from slack_sdk.errors import SlackApiError, SlackClientError

        settings = self._settings
        try:
            if settings.bot_token is not None and settings.channel is not None:
                return self._by_token(settings.bot_token, settings.channel, alert, context)
            if settings.webhook_url is not None:
                return self._by_webhook(settings.webhook_url, alert, context)
        except SlackApiError as error:
            return _refusal(error)
        except (OSError, HTTPException, SlackClientError, ValueError) as error:
            # ValueError: a body that is not text or not JSON, as a captive portal answers.
            said = f"Slack could not be reached: {type(error).__name__}: {error}"
            return Answer(Verdict.RETRY, said, doubtful=may_have_arrived(error))
        return Answer(Verdict.RETRY, settings.missing)

    def _by_webhook(self, url: SecretStr, alert: Alert, context: Context) -> Answer:
        from slack_sdk.webhook import WebhookClient

        client = WebhookClient(
            url.get_secret_value(),
            timeout=self._timeout,
            logger=_silent_logger(),
            retry_handlers=[],
        )
        answer = client.send(text=_text(alert), blocks=blocks(alert, context))
        body = answer.body.strip()
        if answer.status_code == 200 and body == "ok":
            return Answer(Verdict.SENT, "accepted by the webhook")
        verdict = Verdict.REFUSED if body in _HOPELESS else Verdict.RETRY
        said = f"the webhook answered {answer.status_code}: {body[:200]}"
        return Answer(verdict, said, wait=_asked_wait(answer.headers))

    def _by_token(self, token: SecretStr, channel: str, alert: Alert, context: Context) -> Answer:
        from slack_sdk.errors import SlackApiError
        from slack_sdk.web import WebClient

        client = WebClient(
            token.get_secret_value(),
            base_url=self._settings.api_url,
            timeout=self._timeout,
            logger=_silent_logger(),
            retry_handlers=[],
        )

        def post(thread: str | None) -> Answer:
            answer = client.chat_postMessage(
                channel=channel,
                text=_text(alert),
                blocks=blocks(alert, context),
                thread_ts=thread,
                reply_broadcast=True if thread else None,
                unfurl_links=False,
            )
            # The thread's first message is the one that later ones name.
            return Answer(Verdict.SENT, "accepted", thread or str(answer.get("ts") or ""))

        try:
            return post(context.thread or None)
        except SlackApiError as error:
            if context.thread and _word(error) in _NO_THREAD:
                return post(None)
            raise


def _text(alert: Alert) -> str:
    return trimmed(escaped(brief(alert)), LONGEST_TEXT)


def _word(error: Any) -> str:
    try:
        return str(error.response.get("error") or "")
    except (AttributeError, ValueError):  # a body that is no JSON
        return ""


def _refusal(error: Any) -> Answer:
    word = _word(error)
    verdict = Verdict.REFUSED if word in _HOPELESS else Verdict.RETRY
    status = getattr(error.response, "status_code", "")
    said = f"Slack answered {status}: {word or 'no reason given'}"
    return Answer(verdict, said, wait=_asked_wait(getattr(error.response, "headers", {})))


def _silent_logger() -> logging.Logger:
    """Return a logger outside the tree: slack_sdk logs a webhook's secret address on a retry."""
    return logging.Logger("kasauti.alerts.slack_sdk", level=logging.CRITICAL + 1)


def _asked_wait(headers: Mapping[str, Any]) -> float | None:
    """Seconds of the Retry-After header, None where there is none or it is no whole number."""
    for name, value in headers.items():
        if name.lower() == "retry-after":
            text = str(value[0] if isinstance(value, list) else value).strip()
            return float(text) if text.isdecimal() else None
    return None
