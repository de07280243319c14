"""What `kasauti up` says of itself and of the processes that it keeps running; a file, no judging.

The supervisor writes it each second and takes leave when it is stopped.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kasauti.errors import DataError

SILENT = timedelta(seconds=10)  # an older word is no sign of life


@dataclass(frozen=True)
class Supervised:
    """One process that is to run all the time.

    Attributes
    ----------
    name : str
    pid : int or None
        None while it does not run.
    since : datetime or None
        Exchange time of its last start.
    starts : int
        How often it was started.
    """

    name: str
    pid: int | None
    since: datetime | None
    starts: int


@dataclass(frozen=True)
class Supervision:
    """One word of the supervisor.

    Attributes
    ----------
    pid : int
        Its own.
    at : datetime
        Exchange time.
    services : tuple of Supervised
    stopped : bool
        Whether it was told to end, and did.
    """

    pid: int
    at: datetime
    services: tuple[Supervised, ...]
    stopped: bool = False

    def is_alive(self, now: datetime) -> bool:
        """Whether the supervisor can be taken to run at `now`."""
        return not self.stopped and now - self.at <= SILENT

    def find(self, name: str) -> Supervised | None:
        """Return the process called `name`, None if it is none of those."""
        return next((one for one in self.services if one.name == name), None)


_ADAPTER = TypeAdapter(Supervision)


def write(path: Path, word: Supervision) -> None:
    """Put this word in place of the last one; not synced: the next one follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(_ADAPTER.dump_json(word))
    fresh.replace(path)


def read(path: Path) -> Supervision | None:
    """Return the last word, None if `kasauti up` never ran here.

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
        raise DataError(f"{path} is no word of `kasauti up`: delete it") from error
