"""A notification on this machine's desktop through apprise; only who sits there sees it."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from kasauti.alerts.channels.base import text_of
from kasauti.alerts.channels.through_apprise import answer_of
from kasauti.alerts.messages import Context, headline, plain
from kasauti.alerts.model import Alert, shortened
from kasauti.alerts.state import Answer, Verdict
from kasauti.errors import UsageError

SCHEMAS = ("dbus", "qt", "glib", "kde", "gnome", "macosx", "windows")
LONGEST = 250  # characters; desktops cut what is longer
_YES, _NO = {"1", "yes", "on", "true"}, {"0", "no", "off", "false"}
_USUAL = {"darwin": "macosx", "win32": "windows"}


class DesktopSettings(BaseModel):
    """Which desktop to notify, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "DesktopSettings":
        """Read KASAUTI_DESKTOP: ``yes`` for this system's usual one, or its name.

        Raises
        ------
        UsageError
            If it is neither.
        """
        named = os.environ if environment is None else environment
        word = (text_of(named, "KASAUTI_DESKTOP") or "").lower().removesuffix("://")
        if not word or word in _NO:
            return cls()
        if word in _YES:
            return cls(schema_name=_USUAL.get(sys.platform, "dbus"))
        if word not in SCHEMAS:
            raise UsageError(f"KASAUTI_DESKTOP must be yes, no or one of {', '.join(SCHEMAS)}")
        return cls(schema_name=word)

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        return "" if self.schema_name else "set KASAUTI_DESKTOP=yes"


class Desktop:
    """Shows one notification a call."""

    name = "desktop"

    def __init__(self, settings: DesktopSettings) -> None:
        self._settings = settings

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        return self._settings.missing

    def send(self, alert: Alert, context: Context) -> Answer:
        """Show the alert."""
        service = self._service()
        if service is None:
            said = (
                f"this Python cannot talk to the desktop by {self._settings.schema_name}: install "
                "dbus-python (Linux) or pywin32 (Windows), or unset KASAUTI_DESKTOP"
            )
            return Answer(Verdict.RETRY, said)
        end = f" · incident {alert.incident}"
        text = shortened(" ".join(plain(alert, context, title=False).split()), LONGEST - len(end))
        return answer_of(lambda: service, body=text + end, title=headline(alert))

    def _service(self) -> Any:
        from apprise import Apprise

        return Apprise.instantiate(f"{self._settings.schema_name}://", suppress_exceptions=True)
