"""What `kasauti trial` reports: sessions, the twin's rows and the arming of one state folder."""

from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kasauti.execution.events import Armed
from kasauti.execution.ledger import Ledger
from kasauti.execution.nightly import compared_days
from kasauti.execution.paper_trial import SESSIONS, Trial, trial_of
from kasauti.execution.place import paper_place
from kasauti.execution.twin_rows import Kind, TwinRow
from kasauti.home import Home


@dataclass(frozen=True)
class TrialReport:
    """The trial of one state folder.

    Attributes
    ----------
    trial : Trial or None
        None before there is a paper ledger.
    rows : tuple of TwinRow
        All comparisons, oldest first.
    armed : Armed or None
        The arming in force.
    """

    trial: Trial | None
    rows: tuple[TwinRow, ...]
    armed: Armed | None

    @property
    def differences(self) -> tuple[TwinRow, ...]:
        """The rows that are not the same."""
        return tuple(row for row in self.rows if row.kind is not Kind.SAME)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        trial = self.trial
        return {
            "passed": 0 if trial is None else trial.passed,
            "needed": SESSIONS if trial is None else trial.needed,
            "strategies": {} if trial is None else trial.strategies,
            "sessions": [] if trial is None else [s.to_json() for s in trial.sessions],
            "twin": [{k: _plain(v) for k, v in asdict(row).items()} for row in self.rows],
            "armed_until": None if self.armed is None else self.armed.until.isoformat(),
            "account": None if self.armed is None else self.armed.account,
            "armed_strategies": [] if self.armed is None else list(self.armed.genomes),
        }


def report_of(home: Home, now: datetime) -> TrialReport:
    """Return the report of the paper ledger; nothing is changed."""
    place = paper_place(home)
    if not place.exists():
        return TrialReport(None, (), None)
    with closing(Ledger.existing(place)) as ledger:
        compared = sorted(compared_days(ledger).items())
        rows = tuple(row for _, one in compared for row in one.rows)
        armed = ledger.book().armed
        in_force = armed if armed is not None and now < armed.until else None
        return TrialReport(trial_of(ledger.events()), rows, in_force)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return (
        value.value if isinstance(value, StrEnum) else getattr(value, "isoformat", lambda: value)()
    )
