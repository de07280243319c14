"""What a channel is, and what the settings of all of them share."""

import socket
from collections.abc import Mapping
from http.client import HTTPException
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from kasauti.alerts.messages import Context
from kasauti.alerts.model import Alert
from kasauti.alerts.state import Answer
from kasauti.errors import UsageError

TIMEOUT = 10  # seconds that a provider has; only its own channel waits
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Channel(Protocol):
    """One way to reach a person."""

    @property
    def name(self) -> str:
        """As in the settings and in the alert book."""
        ...

    @property
    def missing(self) -> str:
        """What is to be set before anything can be sent; empty when nothing is."""
        ...

    def send(self, alert: Alert, context: Context) -> Answer:
        """Send one message once; whatever goes wrong outside is an answer, never an error."""
        ...


def may_have_arrived(error: Exception) -> bool:
    """Whether a provider may have taken what was sent before `error`.

    Nothing arrived where the connection was refused or the name is unknown. A time-out or a
    connection that broke says nothing.
    """
    cause = getattr(error, "reason", error)
    never = (ConnectionRefusedError, socket.gaierror, ValueError)
    return not isinstance(cause, never) and isinstance(cause, OSError | HTTPException)


def text_of(environ: Mapping[str, str], name: str) -> str | None:
    """Return a setting, None where it is unset or empty."""
    return environ.get(name, "").strip() or None


def secret_of(environ: Mapping[str, str], name: str) -> SecretStr | None:
    """Return a secret setting, None where it is unset or empty."""
    value = text_of(environ, name)
    return None if value is None else SecretStr(value)


def require_safe(name: str, address: str, where: str) -> None:
    """Refuse an address that would send a secret over plain HTTP to another machine.

    Raises
    ------
    UsageError
        The message says where to find the right one, and never the address.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not is_safe or not host:
        # The scheme of a text that is no address may be the secret itself.
        scheme = parts.scheme if parts.scheme in ("http", "ftp", "file") else "no scheme I know"
        raise UsageError(
            f"{name} must be an https address (http only on this machine), it starts with "
            f"{scheme}: {where}"
        )
