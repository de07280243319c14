"""Stops trading in every ledger of a state folder and allows it again; the switch is in `latch`.

The latch of a ledger that does not exist yet is set as well: one that is made later starts stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kasauti.errors import LedgerError, UsageError
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home


@dataclass(frozen=True)
class Switched:
    """What became of one ledger's kill switch.

    Attributes
    ----------
    ledger : str
        ``replay`` or ``paper``.
    path : str
        Of the file whose existence stops.
    stopped : bool
        As it is now.
    changed : bool
        Whether this call changed anything; asked twice, the second time changes nothing.
    recorded : bool
        Whether the ledger says the same. False where there is no ledger yet, or `problem` says why.
    problem : str or None
    """

    ledger: str
    path: str
    stopped: bool
    changed: bool
    recorded: bool
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def ledgers_of(home: Home) -> dict[Scope, Path]:
    """Return where each ledger of the state folder lies, whether it exists or not."""
    return {Scope.REPLAY: home.replay_ledger, Scope.PAPER: home.ledger}


def kill(home: Home, *, by: str, reason: str, now: datetime) -> tuple[Switched, ...]:
    """Stop trading: all files first, since that is what every gate reads, then the records.

    A file or a record that cannot be written is a `problem` of its ledger, never an error: nothing
    may keep the other ledgers from being stopped.
    """
    found = {scope: _touched(path) for scope, path in ledgers_of(home).items()}

    def record(ledger: Ledger) -> bool:
        if ledger.book().latched:
            return False
        latch = Latch.beside(ledger.path)
        latch.set(ledger, by=by, reason=reason, at=_time_of(ledger, now))
        return True

    return tuple(
        _switched(scope, path, found[scope], record) for scope, path in ledgers_of(home).items()
    )


def resume(home: Home, *, by: str, reason: str, now: datetime) -> tuple[Switched, ...]:
    """Allow trading again: the record first, so that a crash between leaves it stopped.

    Raises
    ------
    UsageError
        Without a person's name and a reason.
    LedgerError
        If a ledger cannot take the record; it stays stopped.
    """
    if not by.strip() or not reason.strip():
        raise UsageError("lifting the kill switch needs a person's name and a reason")
    return tuple(_lifted(scope, path, by, reason, now) for scope, path in ledgers_of(home).items())


def is_stopped(path: Path) -> bool:
    """Whether the latch file of the ledger at `path` stops it, or would stop it once it is made."""
    return path.parent.is_dir() and Latch.beside(path).is_set()


def _touched(path: Path) -> tuple[bool, str | None]:
    """Set the latch file; return whether it was not there, and why it could not be set."""
    latch = Latch.beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not latch.path.exists()
        latch.path.touch()
    except OSError as error:
        return False, f"{latch.path} cannot be written: {error.strerror}"
    return is_new, None


def _switched(
    scope: Scope, path: Path, touched: tuple[bool, str | None], record: Callable[[Ledger], bool]
) -> Switched:
    changed, problem = touched
    recorded = False
    if path.exists():
        try:
            with closing(Ledger.existing(path)) as ledger:
                changed = record(ledger) or changed
                recorded = True
        except (LedgerError, OSError) as error:
            problem = problem or str(error)
    file = str(Latch.beside(path).path)
    return Switched(scope.value, file, is_stopped(path), changed, recorded, problem)


def _lifted(scope: Scope, path: Path, by: str, reason: str, now: datetime) -> Switched:
    latch = Latch.beside(path)
    changed = recorded = False
    if path.exists():
        with closing(Ledger.existing(path)) as ledger:
            recorded = True
            if latch.is_set() or ledger.book().latched:
                latch.lift(ledger, by=by, reason=reason, at=_time_of(ledger, now))
                changed = True
    elif is_stopped(path):
        latch.path.unlink(missing_ok=True)
        changed = True
    return Switched(scope.value, str(latch.path), is_stopped(path), changed, recorded)


def _time_of(ledger: Ledger, now: datetime) -> datetime:
    """Return the exchange time in the ledger: the replay's stands where its last event left it."""
    return last_time(ledger) if ledger.scope is Scope.REPLAY else now


def last_time(ledger: Ledger) -> datetime:
    """Return the exchange time of the ledger's last event."""
    last: Iterator[Any] = ledger.events(after=ledger.head()[0] - 1)
    moment: datetime = next(last).at
    return moment
