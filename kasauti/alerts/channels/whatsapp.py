"""WhatsApp through apprise and Meta's Cloud API: a text, or an approved template that holds it."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from kasauti.alerts.channels.base import TIMEOUT, require_safe, secret_of, text_of
from kasauti.alerts.channels.through_apprise import answer_of, of_several
from kasauti.alerts.messages import Context, footer, plain
from kasauti.alerts.model import Alert, shortened
from kasauti.alerts.state import Answer

GRAPH_API = "https://graph.facebook.com/"
LONGEST = 1_000  # characters: apprise splits what is longer than 1,024 into several messages


class WhatsAppSettings(BaseModel):
    """How to reach WhatsApp."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr | None = None
    phone_id: str | None = None
    to: str | None = None
    template: str | None = None
    language: str = "en_US"
    api_url: str = GRAPH_API

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "WhatsAppSettings":
        """Read KASAUTI_WHATSAPP_TOKEN, _PHONE_ID, _TO, and _TEMPLATE, _LANGUAGE, _API_URL.

        Raises
        ------
        UsageError
            If the address would send the token over plain HTTP to another machine.
        """
        named = os.environ if environment is None else environment
        settings = cls(
            token=secret_of(named, "KASAUTI_WHATSAPP_TOKEN"),
            phone_id=text_of(named, "KASAUTI_WHATSAPP_PHONE_ID"),
            to=text_of(named, "KASAUTI_WHATSAPP_TO"),
            template=text_of(named, "KASAUTI_WHATSAPP_TEMPLATE"),
            language=text_of(named, "KASAUTI_WHATSAPP_LANGUAGE") or "en_US",
            api_url=text_of(named, "KASAUTI_WHATSAPP_API_URL") or GRAPH_API,
        )
        require_safe("KASAUTI_WHATSAPP_API_URL", settings.api_url, "leave it unset")
        return settings

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        names = {
            "KASAUTI_WHATSAPP_TOKEN": self.token,
            "KASAUTI_WHATSAPP_PHONE_ID": self.phone_id,
            "KASAUTI_WHATSAPP_TO": self.to,
        }
        unset = [name for name, value in names.items() if value is None]
        return f"set {' and '.join(unset)}" if unset else ""


class WhatsApp:
    """Sends one message a call.

    Meta takes a free text only within 24 hours of the receiver's last message; an approved
    template with one placeholder for the text goes through at any time.
    """

    name = "whatsapp"

    def __init__(self, settings: WhatsAppSettings, timeout: int = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        return self._settings.missing

    def send(self, alert: Alert, context: Context) -> Answer:
        """Send the alert to each receiver as one text that ends with its incident."""
        end = f"\n\n{footer(alert)}"
        text = plain(alert, context).removesuffix(end)
        body = self._fitting(shortened(text, LONGEST - len(end)) + end)
        return of_several(
            [
                answer_of(partial(self._service, to), body=body)
                for to in (self._settings.to or "").split(",")
            ]
        )

    def _fitting(self, text: str) -> str:
        """Return the text as the API takes it: a template's placeholder holds no line break."""
        return text if self._settings.template is None else " ".join(text.split())

    def _service(self, to: str) -> Any:
        from apprise.plugins.whatsapp import NotifyWhatsApp

        settings = self._settings
        service: Any = NotifyWhatsApp(  # type: ignore[no-untyped-call]
            token="" if settings.token is None else settings.token.get_secret_value(),
            from_phone_id=settings.phone_id,
            targets=[to.strip()],
            template=settings.template,
            language=settings.language if settings.template else None,
            template_mapping={"body": "1"} if settings.template else None,
        )
        service.notify_url = f"{settings.api_url.rstrip('/')}/{{fb_ver}}/{{phone_id}}/messages"
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout
        return service
