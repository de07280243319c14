"""E-mail through apprise: HTML and plain text, one thread an incident, a report attached."""

import os
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from kasauti.alerts.channels.base import LOOPBACK, TIMEOUT, secret_of, text_of
from kasauti.alerts.channels.through_apprise import answer_of, of_several
from kasauti.alerts.messages import Context, headline, html
from kasauti.alerts.model import Alert
from kasauti.alerts.state import Answer
from kasauti.errors import UsageError


class Security(StrEnum):
    """How the connection to the server is protected; the words are apprise's."""

    STARTTLS = "starttls"
    SSL = "ssl"
    NONE = "insecure"


class EmailSettings(BaseModel):
    """How to send e-mail."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str | None = None
    port: int | None = None
    security: Security = Security.STARTTLS
    user: SecretStr | None = None
    password: SecretStr | None = None
    sender: str | None = None
    to: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "EmailSettings":
        """Read KASAUTI_SMTP_HOST, _PORT, _SECURITY, _USER, _PASSWORD, KASAUTI_MAIL_FROM and _TO.

        Several receivers are separated by commas.

        Raises
        ------
        UsageError
            If one of them cannot be read, or the mail would travel in the clear.
        """
        named = os.environ if environment is None else environment
        word = (text_of(named, "KASAUTI_SMTP_SECURITY") or Security.STARTTLS).lower()
        port = text_of(named, "KASAUTI_SMTP_PORT")
        try:
            settings = cls(
                host=text_of(named, "KASAUTI_SMTP_HOST"),
                port=None if port is None else int(port),
                security=Security.NONE if word == "none" else Security(word),
                user=secret_of(named, "KASAUTI_SMTP_USER"),
                password=secret_of(named, "KASAUTI_SMTP_PASSWORD"),
                sender=text_of(named, "KASAUTI_MAIL_FROM"),
                to=text_of(named, "KASAUTI_MAIL_TO"),
            )
        except (ValueError, ValidationError):
            raise UsageError(
                "KASAUTI_SMTP_PORT must be a number and KASAUTI_SMTP_SECURITY one of starttls, "
                "ssl, none: mend them"
            ) from None
        if settings.security is Security.NONE and settings.host not in {None, *LOOPBACK}:
            raise UsageError(
                "KASAUTI_SMTP_SECURITY=none sends mail and password in the clear, which only a "
                "server on this machine may get: use starttls or ssl"
            )
        return settings

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        names = {
            "KASAUTI_SMTP_HOST": self.host,
            "KASAUTI_MAIL_FROM": self.sender,
            "KASAUTI_MAIL_TO": self.to,
        }
        unset = [name for name, value in names.items() if value is None]
        return f"set {' and '.join(unset)}" if unset else ""


class Email:
    """Sends one mail a call."""

    name = "email"

    def __init__(self, settings: EmailSettings, timeout: int = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        return self._settings.missing

    def send(self, alert: Alert, context: Context) -> Answer:
        """Send the alert to each receiver; mails of one incident stand in one thread."""
        from apprise import AppriseAttachment

        path = context.attachment(alert)
        attach = None if path is None else AppriseAttachment([str(path)])
        message = {
            "title": headline(alert),
            "body": html(alert, context),
            "body_format": "html",
            "attach": attach,
        }
        return of_several(
            [
                answer_of(partial(self._service, alert, to), **message)
                for to in (self._settings.to or "").split(",")
            ]
        )

    def _service(self, alert: Alert, to: str) -> Any:
        from apprise.plugins.email import NotifyEmail

        settings = self._settings
        sender = settings.sender or ""
        service: Any = NotifyEmail(  # type: ignore[no-untyped-call]
            host=sender.rpartition("@")[2].rstrip(">"),
            smtp_host=settings.host,
            port=settings.port,
            secure=settings.security is not Security.NONE,
            secure_mode=settings.security.value,
            user=None if settings.user is None else settings.user.get_secret_value(),
            password=None if settings.password is None else settings.password.get_secret_value(),
            from_addr=sender,
            targets=[to.strip()],
            headers={
                "X-Kasauti-Incident": alert.incident,
                "References": f"<{alert.incident}@kasauti.invalid>",
            },
        )
        service.socket_connect_timeout = self._timeout
        return service
