"""What a running desk says of itself, once a second, in a file that others read; no ledger here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kasauti.errors import DataError

BEAT = timedelta(seconds=1)
SILENT = timedelta(seconds=5)  # an older heartbeat is no sign of life


class Mode(StrEnum):
    """What the desk's prices come by today."""

    IDLE = "idle"
    BARS = "end-of-day bars"
    TICKS = "ticks"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Heartbeat:
    """One sign of life.

    Attributes
    ----------
    pid, epoch : int
        Of the process and of its lease; epoch 0 before it has one.
    at : datetime
        Exchange time.
    mode : Mode
    doing : str
        In words.
    last_step : datetime or None
        When the desk last looked at its orders.
    reconciled : datetime or None
        When ledger and broker were last compared.
    last_tick : datetime or None
    refused : int
        Lines of the feed that were no ticks.
    problem : str
        What keeps it from working, empty if nothing does.
    """

    pid: int
    epoch: int
    at: datetime
    mode: Mode
    doing: str
    last_step: datetime | None = None
    reconciled: datetime | None = None
    last_tick: datetime | None = None
    refused: int = 0
    problem: str = ""

    def is_alive(self, now: datetime) -> bool:
        """Whether the process that wrote it can be taken to run at `now`."""
        return self.mode is not Mode.STOPPED and now - self.at <= SILENT

    def to_json(self) -> Mapping[str, Any]:
        """Return it as plain values."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return plain


_ADAPTER = TypeAdapter(Heartbeat)


def write(path: Path, heartbeat: Heartbeat) -> None:
    """Put the heartbeat in place of the last one; not synced: the next one follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(_ADAPTER.dump_json(heartbeat))
    fresh.replace(path)


def read(path: Path) -> Heartbeat | None:
    """Return the last heartbeat, None if no desk ever ran here.

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
        raise DataError(f"{path} is no heartbeat of a desk: delete it") from error
