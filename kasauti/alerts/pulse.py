"""The alerts service's sign of life, so that silence is noticed: a file, and a ping to outside.

The ping follows healthchecks.io: the URL each minute, the URL and ``/fail`` while something is red.
A watcher there tells when the pings stop: power, network, machine or service are gone.
"""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError

from kasauti.alerts.channels.base import require_safe, secret_of
from kasauti.errors import DataError

EVERY = timedelta(seconds=60)
BEAT = timedelta(seconds=5)
SILENT = timedelta(seconds=60)  # an older pulse is no sign of life
TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Pulse:
    """One sign of life.

    Attributes
    ----------
    pid : int
    at : datetime
        Exchange time.
    waiting : int
        Deliveries that wait.
    red : tuple of str
        What is red.
    problems : tuple of str
        What keeps the service from working.
    pinged : datetime or None
        When the outside watcher last took a ping.
    stopped : bool
        Whether it was told to end.
    """

    pid: int
    at: datetime
    waiting: int = 0
    red: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    pinged: datetime | None = None
    stopped: bool = False

    def is_alive(self, now: datetime) -> bool:
        """Whether the service that wrote it can be taken to run at `now`."""
        return not self.stopped and now - self.at <= SILENT


_ADAPTER = TypeAdapter(Pulse)


def write(path: Path, pulse: Pulse) -> None:
    """Put the pulse in place of the last one; not synced: the next one follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(_ADAPTER.dump_json(pulse))
    fresh.replace(path)


def read(path: Path) -> Pulse | None:
    """Return the last pulse, None if the service never ran here.

    Raises
    ------
    DataError
        If the file is not one.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DataError(f"{path} is no pulse of the alerts service: delete it") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect could carry the secret address to another machine."""

    def redirect_request(self, *args: object, **named: object) -> None:
        del args, named
        return


class Pinger:
    """Pings the outside watcher in a thread of its own; a slow answer holds nothing up.

    Parameters
    ----------
    url : SecretStr or None
        None pings nobody.
    """

    def __init__(self, url: SecretStr | None, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._thread: threading.Thread | None = None
        self._due: datetime | None = None
        self.pinged: datetime | None = None
        self.problem = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Pinger":
        """Read KASAUTI_HEARTBEAT_URL.

        Raises
        ------
        UsageError
            If the address would be sent over plain HTTP to another machine.
        """
        url = secret_of(environ, "KASAUTI_HEARTBEAT_URL")
        if url is not None:
            where = "copy the ping URL that your watcher shows"
            require_safe("KASAUTI_HEARTBEAT_URL", url.get_secret_value(), where)
        return cls(url)

    def beat(self, red: Sequence[str], now: datetime) -> None:
        """Ping if a minute has passed."""
        if self._url is None or (self._due is not None and now < self._due):
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._due = now + EVERY
        arguments = (self._url.get_secret_value(), tuple(red), now)
        self._thread = threading.Thread(target=self._ping, args=arguments, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the ping under way."""
        if self._thread is not None:
            self._thread.join(self._timeout + 1)

    def _ping(self, url: str, red: tuple[str, ...], now: datetime) -> None:
        address = f"{url.rstrip('/')}/fail" if red else url
        body = "\n".join(red).encode()[:10_000]  # the watcher keeps so much, and shows it
        opener = urllib.request.build_opener(_NoRedirect())
        try:
            with opener.open(address, data=body, timeout=self._timeout) as answer:
                answer.read(100)
        except urllib.error.HTTPError as error:
            self.problem = f"the heartbeat's watcher answered {error.code}"
        except (OSError, ValueError) as error:
            self.problem = f"the heartbeat's watcher cannot be reached: {type(error).__name__}"
        else:
            self.problem, self.pinged = "", now
