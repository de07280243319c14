"""What a look at the state folder answers: checks, accounts and all of it together; no looking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kasauti.plain import plain

Rows = list[dict[str, Any]]
Figure = bool | int | float | str


class Health(StrEnum):
    """What a check found.

    Only red counts: it makes `kasauti status` exit with 1. A warning becomes red if nobody acts;
    absent is what there is nothing of yet, or what was not started.
    """

    OK = "ok"
    WARNING = "warning"
    RED = "red"
    ABSENT = "absent"


class Subject(StrEnum):
    """What checks are about; Dagster shows one asset a subject."""

    LEDGERS = "ledgers"
    PROCESSES = "processes"
    DATA = "data"
    MACHINE = "machine"
    BACKUPS = "backups"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        Stable: scripts, alerts and the history go by it.
    health : Health
    detail : str
        What was found, and what to do where it is not whole.
    figures : mapping
        The numbers behind it; their names carry the unit.
    at : datetime or None
        Exchange time of the look; set when the status is put together, as is the subject.
    subject : Subject or None
    """

    name: str
    health: Health
    detail: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    at: datetime | None = None
    subject: Subject | None = None

    @property
    def id(self) -> str:
        """What alerts and scripts go by: the name."""
        return self.name

    def to_json(self) -> dict[str, Any]:
        """Return the check as plain values."""
        found: dict[str, Any] = {"id": self.id, **plain(vars(self))}
        return found


@dataclass(frozen=True)
class Account:
    """What one ledger amounts to.

    Attributes
    ----------
    ledger : str
        ``replay`` or ``paper``.
    market : str
        Empty where there is no ledger yet.
    clock : datetime or None
        Exchange time: of the replay where its clock stands, of paper trading the machine's.
    profile : str
        Capital profile whose limits these are.
    sealed : date or None
        Session that they were sealed for; None: the default profile, no session was opened yet.
    hash, sealed_at : str, datetime or None
        Of the sealed limits.
    charges : dict
        What charges take from the profile.
    state : dict
        Trading state, open breakers, latched strategies and who last held the lease.
    limits, positions, controls : list of dict
        One row each, plain values.
    """

    ledger: str
    market: str
    clock: datetime | None
    profile: str
    sealed: date | None
    hash: str
    sealed_at: datetime | None
    charges: dict[str, Any]
    state: dict[str, Any]
    limits: Rows
    positions: Rows
    controls: Rows

    def to_json(self) -> dict[str, Any]:
        """Return the account as plain values."""
        found: dict[str, Any] = plain(vars(self))
        return found


@dataclass(frozen=True)
class Status:
    """Everything that `kasauti status` says."""

    home: Path
    now: datetime
    checks: tuple[Check, ...]
    accounts: tuple[Account, ...]

    @property
    def red(self) -> tuple[Check, ...]:
        """The checks that are red."""
        return tuple(check for check in self.checks if check.health is Health.RED)

    def about(self, subject: Subject) -> tuple[Check, ...]:
        """Return the checks of one subject."""
        return tuple(check for check in self.checks if check.subject is subject)

    def to_json(self) -> dict[str, Any]:
        """Return the status as ``kasauti status --json`` prints it."""
        return {
            "ok": not self.red,
            "home": str(self.home),
            "time": self.now.isoformat(),
            "red": [check.name for check in self.red],
            "checks": [check.to_json() for check in self.checks],
            "ledgers": [account.to_json() for account in self.accounts],
        }
