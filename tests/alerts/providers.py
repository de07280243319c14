"""Local servers in the providers' place: they check a request as its documentation asks."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.alerts.stand_in import Answer, Request, StandIn

JSON = {"Content-Type": "application/json"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Provider(StandIn):
    """Takes what is right and nothing else; can be made to answer otherwise for a while.

    Attributes
    ----------
    taken : list of dict
        Bodies of the messages that were accepted.
    instead : Answer or None
        Given to every request while it is set.
    slow : threading.Event
        While it is cleared, an answer waits: after the message was taken.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(Answer(500, "never"), port=port)
        self.taken: list[Any] = []
        self.instead: Answer | None = None
        self.slow = threading.Event()
        self.slow.set()
        self.delay = 0.0  # seconds
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        if self.instead is not None:
            return self.instead
        found = self.judge(request)
        self.slow.wait(20)
        time.sleep(self.delay)
        return found

    def judge(self, request: Request) -> Answer:
        raise NotImplementedError

    def incidents(self) -> list[str]:
        """Return the incident of each message that was taken."""
        return [incident_in(json.dumps(body, ensure_ascii=False)) for body in self.taken]


class SlackServer(Provider):
    """chat.postMessage at /api/, and incoming webhooks at /services/."""

    TOKEN = "xoxb-canary-9911-do-not-show"
    HOOK = "/services/T000/B000/canaryhooksecret"

    def judge(self, request: Request) -> Answer:
        body = request.body
        if request.path == self.HOOK:
            error = self._wrong(body)
            if not error:
                self._take(body)
            return Answer(400, error) if error else Answer(200, "ok")
        if request.path != "/api/chat.postMessage":
            return Answer(404, "not found")
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return self._error("invalid_auth")
        if not request.headers["content-type"].startswith("application/json"):
            return self._error("invalid_form_data")
        if not body.get("channel"):
            return self._error("channel_not_found")
        thread = body.get("thread_ts")
        if thread is not None and thread not in {one["ts"] for one in self.taken}:
            return self._error("invalid_thread_ts")
        error = self._wrong(body)
        if error:
            return self._error(error)
        stamp = self._take(body)
        return Answer(200, json.dumps({"ok": True, "ts": stamp, "channel": "C1"}), JSON)

    def _take(self, body: dict[str, Any]) -> str:
        with self._lock:
            stamp = f"1795408298.{len(self.taken):06}"
            self.taken.append({**body, "ts": stamp})
        return stamp

    def _wrong(self, body: dict[str, Any]) -> str:
        if not body.get("text"):
            return "no_text"
        blocks = body.get("blocks", [])
        texts = [
            text
            for block in blocks
            for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
            if isinstance(text, dict) and isinstance(text.get("text"), str)
        ]
        too_long = any(not 0 < len(text["text"]) <= 3000 for text in texts)
        return "invalid_blocks" if len(blocks) > 50 or too_long else ""

    def _error(self, word: str) -> Answer:
        return Answer(200, json.dumps({"ok": False, "error": word}), JSON)


class MetaServer(Provider):
    """POST /v…/PHONE_ID/messages of the WhatsApp Cloud API."""

    TOKEN = "EAAGcanarytoken1234"
    PHONE_ID = "10987654321098"

    def judge(self, request: Request) -> Answer:
        body = request.body
        if not re.fullmatch(rf"/v\d+\.\d/{self.PHONE_ID}/messages", request.path):
            return self._error(404, 100, "Unsupported post request")
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return self._error(401, 190, "Authentication Error")
        if body.get("messaging_product") != "whatsapp" or not body.get("to"):
            return self._error(400, 131008, "Required parameter is missing")
        if body.get("type") == "text":
            right = 0 < len(body["text"]["body"]) <= 4096
        else:
            parameters = body["template"]["components"][0]["parameters"]
            right = all("\n" not in parameter["text"] for parameter in parameters)
        if not right:
            return self._error(400, 100, "Invalid parameter")
        self.taken.append(body)
        return Answer(200, json.dumps({"messages": [{"id": f"wamid.{len(self.taken)}"}]}), JSON)

    def _error(self, status: int, code: int, message: str) -> Answer:
        return Answer(status, json.dumps({"error": {"message": message, "code": code}}), JSON)


@dataclass
class MailServer:
    """An SMTP server that keeps what it takes."""

    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    refuse: str = ""
    refused_receiver: str = ""
    delay: float = 0.0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address == self.refused_receiver:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        await asyncio.sleep(self.delay)
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        controller = Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    def incidents(self) -> list[str]:
        return [str(mail["X-Kasauti-Incident"]) for mail in self.mails]


def incident_in(text: str) -> str:
    match = re.search(r"incident ([0-9a-f]{12})", text)
    assert match is not None, text
    return match.group(1)


def slack_environment(server: SlackServer) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": server.TOKEN,
        "SLACK_CHANNEL": "#kasauti",
        "KASAUTI_SLACK_API_URL": f"{server.url}/api/",
    }


def mail_environment(server: MailServer) -> dict[str, str]:
    return {
        "KASAUTI_SMTP_HOST": "127.0.0.1",
        "KASAUTI_SMTP_PORT": str(server.port),
        "KASAUTI_SMTP_SECURITY": "none",
        "KASAUTI_MAIL_FROM": "desk@example.org",
        "KASAUTI_MAIL_TO": "asha@example.org",
    }


def whatsapp_environment(server: MetaServer) -> dict[str, str]:
    return {
        "KASAUTI_WHATSAPP_TOKEN": server.TOKEN,
        "KASAUTI_WHATSAPP_PHONE_ID": server.PHONE_ID,
        "KASAUTI_WHATSAPP_TO": "+919812345678",
        "KASAUTI_WHATSAPP_API_URL": server.url,
    }
