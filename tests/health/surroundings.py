"""A state folder at a moment of a trading day, for the tests of health."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from kasauti.health.model import Check
from kasauti.health.supervision import Supervised, Supervision, write
from kasauti.health.surroundings import Surroundings
from kasauti.home import Home
from kasauti.market.calendar import INDIA

NOW = datetime(2026, 11, 20, 11, 0, tzinfo=INDIA)  # a Friday; Monday is a session, Tuesday not
OWN = {"KASAUTI_BARS": "bars"}


def at(text: str) -> datetime:
    """Return exchange time, ``2026-11-20T18:59``."""
    return datetime.fromisoformat(text).replace(tzinfo=INDIA)


def around(
    root: Path, now: datetime = NOW, environ: Mapping[str, str] | None = None
) -> Surroundings:
    return Surroundings(Home(root), now, environ or {})


def supervise(root: Path, *services: Supervised, at: datetime = NOW, pid: int = 1) -> None:
    """Leave the word of a supervisor that keeps `services` running."""
    write(Home(root).supervisor, Supervision(pid, at, services))


def one(checks: list[Check], name: str | None = None) -> Check:
    (found,) = [check for check in checks if name is None or check.name == name]
    return found
