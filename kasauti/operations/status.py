"""What is whole, what is red and what is used up in one state folder; nothing is mended or traded.

The state is read as the running desk reads it. Not evaluated is red, absent is only absent.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kasauti.errors import KasautiError, LeaseError, LedgerError
from kasauti.evolution.register import TrialRegister
from kasauti.execution import frames
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import TradingState
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.limits import profile as limits_of
from kasauti.execution.limits_used import limits_used
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.projections import Book
from kasauti.execution.stop import is_stopped, last_time, ledgers_of
from kasauti.home import Home
from kasauti.market.markets import get_market
from kasauti.operations.charge_note import note_of
from kasauti.plain import plain
from kasauti.validation.seal import Vault

DEFAULT_MARKET = "nse"
Rows = list[dict[str, Any]]


class Health(StrEnum):
    """What a check found: whole, red, or nothing there that could be either."""

    OK = "ok"
    RED = "red"
    ABSENT = "absent"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    health: Health
    detail: str


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

    def to_json(self) -> dict[str, Any]:
        """Return the status as ``kasauti status --json`` prints it."""
        return {
            "ok": not self.red,
            "home": str(self.home),
            "time": self.now.isoformat(),
            "red": [check.name for check in self.red],
            "checks": [plain(vars(check)) for check in self.checks],
            "ledgers": [account.to_json() for account in self.accounts],
        }


def status_of(home: Home, now: datetime) -> Status:
    """Look at everything in the state folder.

    Parameters
    ----------
    home : Home
    now : datetime
        The machine's time, aware.
    """
    checks: list[Check] = [_folder(home)]
    accounts: list[Account] = []
    for scope, path in ledgers_of(home).items():
        found, account = _ledger(home, scope, path, now)
        checks += found
        if account is not None:
            accounts.append(account)
    if not any(check.health is not Health.ABSENT for check in checks[1:]):
        checks.append(Check("controls", Health.RED, "none was ever evaluated: run `kasauti demo`"))
    checks += [_vault(home), _register(home), _report(home), _dagster(home)]
    return Status(home.root, now, tuple(checks), tuple(accounts))


def accounts_of(home: Home, now: datetime) -> tuple[Account, ...]:
    """Return every ledger's account; the default profile's, unused, where there is no ledger.

    Raises
    ------
    LedgerError
        If a ledger cannot be read or its chain is broken.
    """
    accounts = []
    for path in ledgers_of(home).values():
        if path.exists():
            with closing(Ledger.existing(path)) as ledger:
                accounts.append(_account(ledger, _clock(home, ledger, now)))
    return tuple(accounts) or (_unused(now),)


def _folder(home: Home) -> Check:
    if not home.root.exists():
        return Check("state folder", Health.ABSENT, str(home.root))
    if not home.root.is_dir() or not os.access(home.root, os.R_OK | os.W_OK | os.X_OK):
        wrong = f"{home.root} is no folder that can be written: mend it, or set KASAUTI_HOME"
        return Check("state folder", Health.RED, wrong)
    return Check("state folder", Health.OK, str(home.root))


# -- one ledger ----------------------------------------------------------------------------------


def _ledger(
    home: Home, scope: Scope, path: Place, now: datetime
) -> tuple[list[Check], Account | None]:
    """Check a ledger from its chain to its controls; without a whole chain nothing else is read."""
    name = f"{scope.value} ledger"
    try:
        if not path.exists():
            absent = [Check(name, Health.ABSENT, "not made yet")]
            return absent + ([_switch(scope, path, None)] if is_stopped(path) else []), None
        with closing(Ledger.existing(path)) as ledger:
            chain = ledger.verify()
            if not chain.ok:
                broken = f"{'; '.join(chain.problems[:3])}: restore a backup"
                return [Check(name, Health.RED, broken), _switch(scope, path, None)], None
            if ledger.scope is not scope:
                wrong = f"{path} is a {ledger.scope.value} ledger: move it away"
                return [Check(name, Health.RED, wrong), _switch(scope, path, None)], None
            account, book = _account(ledger, _clock(home, ledger, now)), ledger.book()
            is_led = is_taken(ledger.path, ledger.engine)
    except (LedgerError, LeaseError) as error:
        return [Check(name, Health.RED, str(error)), _switch(scope, path, None)], None
    desk = "a desk works on it" if is_led else "no desk works on it now"
    whole = f"{chain.events} events, the chain holds; {desk}"
    checks = [Check(name, Health.OK, whole), _state(scope, book), _switch(scope, path, book)]
    return [*checks, _agreement(scope, book), _controls(scope, book)], account


def _state(scope: Scope, book: Book) -> Check:
    name, state, switches = f"{scope.value} trading", book.trading_state, book.switches
    causes = [
        f"{control} since {open_.at:%Y-%m-%d %H:%M}: {open_.reason}"
        for control, open_ in sorted(switches.breakers.items())
    ]
    latched = [f"strategy {genome[:12]} is latched" for genome in sorted(switches.throttled)]
    if state is TradingState.ACTIVE and not latched:
        return Check(name, Health.OK, state.value)
    told = "; ".join(causes + latched) or "by a person"
    return Check(name, Health.RED, f"{state.value}: {told}; see `kasauti resume`")


def _state_of(ledger: Ledger, book: Book) -> dict[str, Any]:
    found: dict[str, Any] = plain(
        {
            "trading": book.trading_state.value,
            "chosen": book.switches.chosen.value,
            "latched": book.latched or is_stopped(ledger.place),
            "flatten": book.flatten,
            "breakers": [
                {"control": control, "state": b.state.value, "reason": b.reason, "since": b.at}
                for control, b in sorted(book.switches.breakers.items())
            ],
            "latched_strategies": sorted(book.switches.throttled),
            "lease": {
                "held": is_taken(ledger.path, ledger.engine),
                "host": book.host,
                "epoch": book.epoch,
                "since": book.hosted_at,
            },
        }
    )
    return found


def _switch(scope: Scope, path: Place, book: Book | None) -> Check:
    halves = {"file": is_stopped(path), "ledger": book is not None and book.latched}
    stopped = [name for name, is_set in halves.items() if is_set]
    name = f"{scope.value} kill switch"
    if not stopped:
        return Check(name, Health.OK, "not set")
    detail = f"set ({' and '.join(stopped)}): `kasauti resume` lifts it"
    return Check(name, Health.RED, detail)


def _agreement(scope: Scope, book: Book) -> Check:
    name = f"{scope.value} account"
    if book.differences:
        return Check(name, Health.RED, "differs from the broker: " + "; ".join(book.differences))
    held = len(book.positions)
    positions = f"{held} open position{'' if held == 1 else 's'}"
    return Check(name, Health.OK, f"agrees with the broker; {positions}")


def _controls(scope: Scope, book: Book) -> Check:
    never = [control.id for control in CONTROLS if control.id not in book.evaluated]
    name = f"{scope.value} controls"
    if never:
        return Check(name, Health.RED, f"never evaluated: {', '.join(never)}")
    oldest = min(book.evaluated.values())
    detail = f"all {len(CONTROLS)} evaluated, none longer ago than {oldest:%Y-%m-%d %H:%M}"
    return Check(name, Health.OK, detail)


def _clock(home: Home, ledger: Ledger, now: datetime) -> datetime:
    """Return the exchange time of the ledger's account."""
    if ledger.scope is Scope.PAPER:
        return now
    path = home.replay_clock
    if not path.exists():
        return last_time(ledger)
    try:
        day = date.fromisoformat(path.read_text())
    except ValueError as error:
        raise LedgerError(f"{path} holds no date: delete it, the replay starts anew") from error
    session = get_market(ledger.market).calendar.session(day)
    return last_time(ledger) if session is None else session.close


def _account(ledger: Ledger, clock: datetime) -> Account:
    book = ledger.book()
    sealed = book.limits_day if book.limits is not None else None
    limits = book.limits or limits_of()
    return Account(
        ledger.scope.value,
        ledger.market,
        clock,
        limits.profile,
        sealed,
        book.limits_hash or limits.hash,
        book.sealed_at,
        note_of(limits, get_market(ledger.market), clock.date()).to_json(),
        _state_of(ledger, book),
        _limits(book, limits, clock),
        plain(frames.positions_frame(book).to_dict("records")),
        plain(frames.controls_frame(book).to_dict("records")),
    )


def _unused(now: datetime) -> Account:
    limits = limits_of()
    charges = note_of(limits, get_market(DEFAULT_MARKET), now.date()).to_json()
    rows = _limits(Book(), limits, None)
    name, profile, hash_ = Scope.REPLAY.value, limits.profile, limits.hash
    return Account(name, "", None, profile, None, hash_, None, charges, {}, rows, [], [])


def _limits(book: Book, limits: Limits, clock: datetime | None) -> Rows:
    if book.limits is None or clock is None:
        book = Book()
        book.limits, book.capital, book.peak = limits, limits.capital, limits.capital
    return [row.to_json() for row in limits_used(book, limits, clock)]


# -- everything else -----------------------------------------------------------------------------


def _vault(home: Home) -> Check:
    def look() -> str:
        vault = Vault(home.vault)
        vault.verify()
        seals, openings = len(vault.records.find("seal")), len(vault.records.find("opening"))
        return f"{seals} sealed, {openings} opened, every file and record verified"

    # The book is made when it is first used: looking must not make one.
    return _verified("vault", home.vault, look, "nothing is sealed yet")


def _register(home: Home) -> Check:
    def look() -> str:
        return f"{TrialRegister(home.register).verify():,} rows, the chains hold"

    return _verified("trial register", home.register, look, "nothing was tried yet")


def _verified(name: str, path: Path, look: Callable[[], str], absent: str) -> Check:
    if not path.exists():
        return Check(name, Health.ABSENT, absent)
    try:
        return Check(name, Health.OK, look())
    except KasautiError as error:
        return Check(name, Health.RED, str(error))


def _report(home: Home) -> Check:
    path = _newest(home.reports.glob("*.html"))
    if path is None:
        return Check("report", Health.ABSENT, "not made yet")
    made = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return Check("report", Health.OK, f"{path}, made {made:%Y-%m-%d %H:%M}")


def _newest(paths: Iterable[Path]) -> Path | None:
    return max(paths, key=lambda path: path.stat().st_mtime, default=None)


def _dagster(home: Home) -> Check:
    there = home.dagster.is_dir() and any(home.dagster.iterdir())
    detail = str(home.dagster) if there else "no run was started yet"
    return Check("Dagster storage", Health.OK if there else Health.ABSENT, detail)
