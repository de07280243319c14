"""Stops trading in every ledger of a state folder and allows it again; the switch is in `latch`.

The latch of a ledger that does not exist yet is set as well: one that is made later starts stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import KasautiError, UsageError
from kasauti.execution.events import Acknowledged, Resumed, Reviewed, TradingState
from kasauti.execution.latch import Latch
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Purpose, Scope
from kasauti.execution.place import Place, paper_place
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
    left : tuple of str
        What nobody cancels or closes, since no desk runs: entries that work at the broker by the
        ledger and, of a flattening kill, what is held. Stops are to stay, and are not among it.
    """

    ledger: str
    path: str
    stopped: bool
    changed: bool
    recorded: bool
    problem: str | None = None
    left: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def ledgers_of(home: Home) -> dict[Scope, Place]:
    """Return where each ledger of the state folder is, whether it exists or not."""
    return {Scope.REPLAY: Place(home.replay_ledger), Scope.PAPER: paper_place(home)}


def kill(
    home: Home, *, by: str, reason: str, now: datetime, flatten: bool = False
) -> tuple[Switched, ...]:
    """Stop trading: all files first, since that is what every gate reads, then the records.

    With `flatten` the desk also closes what is held; it may be asked for after a kill without.

    A file or a record that cannot be written is a `problem` of its ledger, never an error: nothing
    may keep the other ledgers from being stopped.
    """
    found = {scope: _touched(path) for scope, path in ledgers_of(home).items()}

    def record(ledger: Ledger) -> bool:
        book = ledger.book()
        if book.latched and (book.flatten or not flatten):
            return False
        latch = Latch.beside(ledger.path)
        latch.set(ledger, by=by, reason=reason, at=_time_of(ledger, now), flatten=flatten)
        return True

    return tuple(
        _switched(scope, path, found[scope], record) for scope, path in ledgers_of(home).items()
    )


def resume(home: Home, *, by: str, reason: str, now: datetime) -> tuple[Switched, ...]:
    """Allow trading again: the record first, so that a crash between leaves it stopped.

    The kill latch is lifted, every open breaker, state and latched strategy is let go. What still
    has its cause opens again at the desk's next look.

    Raises
    ------
    UsageError
        Without a person's name and a reason.
    LedgerError
        If a ledger cannot take the record; it stays stopped.
    """
    _require_person(by, reason, "lifting the kill switch")
    return tuple(_lifted(scope, path, by, reason, now) for scope, path in ledgers_of(home).items())


@dataclass(frozen=True)
class Looked:
    """What a person's review of one ledger covered.

    Attributes
    ----------
    ledger : str
    trades : int
        Closed trades that nobody had looked at.
    streak : int
        Losses in a row that still close entries; a word counts from the next session on.
    """

    ledger: str
    trades: int
    streak: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def review(home: Home, *, by: str, reason: str, now: datetime) -> tuple[Looked, ...]:
    """Record in every ledger that a person has looked at its trades, and at its losing streak.

    Raises
    ------
    UsageError
        Without a person's name and a reason.
    LedgerError
        If a ledger cannot take the record.
    """
    _require_person(by, reason, "a review")
    return tuple(
        _looked(scope, path, by, reason, now)
        for scope, path in ledgers_of(home).items()
        if path.exists()
    )


def _looked(scope: Scope, path: Place, by: str, reason: str, now: datetime) -> Looked:
    with closing(Ledger.existing(path)) as ledger:
        at, book = _time_of(ledger, now), ledger.book()
        trades = len(book.trades) - book.reviewed
        said = f"Trades reviewed by {by}: {reason}"
        alert = alert_of(Trigger.REVIEWED, by, said, key=str(at))
        ledger.append(Reviewed(by, reason), at=at, alert=alert)
        if book.streak:
            ledger.append(Acknowledged(by, reason), at=at)
        return Looked(scope.value, trades, ledger.book().streak)


def _require_person(by: str, reason: str, what: str) -> None:
    if not by.strip() or not reason.strip():
        raise UsageError(f"{what} needs a person's name and a reason")


def is_stopped(path: Place) -> bool:
    """Whether the latch file of the ledger at `path` stops it, or would stop it once it is made."""
    return path.parent.is_dir() and Latch.beside(path).is_set()


def _touched(path: Place) -> tuple[bool, str | None]:
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
    scope: Scope, path: Place, touched: tuple[bool, str | None], record: Callable[[Ledger], bool]
) -> Switched:
    changed, problem = touched
    recorded = False
    left: tuple[str, ...] = ()
    try:
        if path.exists():
            with closing(Ledger.existing(path)) as ledger:
                try:
                    changed = record(ledger) or changed
                finally:
                    recorded = ledger.book().latched
                    left = _left(ledger)
    except (KasautiError, OSError) as error:
        problem = problem or str(error)
    file = str(Latch.beside(path).path)
    return Switched(scope.value, file, is_stopped(path), changed, recorded, problem, left)


def _left(ledger: Ledger) -> tuple[str, ...]:
    """Return what a desk would take back now, where none runs."""
    if is_taken(ledger.path, ledger.engine):
        return ()
    book = ledger.book()
    working = [
        f"{view.intent.side.value} {view.remaining} {view.intent.symbol} at "
        f"{view.intent.limit_price} works at the broker"
        for view in book.live_orders()
        if view.intent.purpose is Purpose.ENTRY and view.state.is_working
    ]
    ours = [position for position in book.positions.values() if not position.is_foreign]
    held = [f"{position.quantity} {position.symbol} held" for position in ours if book.flatten]
    return (*working, *held)


def _lifted(scope: Scope, path: Place, by: str, reason: str, now: datetime) -> Switched:
    latch = Latch.beside(path)
    changed = recorded = False
    if path.exists():
        with closing(Ledger.existing(path)) as ledger:
            recorded = True
            at, book = _time_of(ledger, now), ledger.book()
            switches = book.switches
            if book.trading_state is not TradingState.ACTIVE or switches.throttled:
                said = f"Resumed by {by}: {reason}"
                alert = alert_of(Trigger.TRADING_ALLOWED, "all breakers", said, key=str(at))
                ledger.append(Resumed(by, reason), at=at, alert=alert)
                changed = True
            if latch.is_set() or book.latched:
                latch.lift(ledger, by=by, reason=reason, at=at)
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
