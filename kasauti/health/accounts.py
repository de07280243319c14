"""What each ledger amounts to: limits used, positions, controls, trading state; no judging here."""

import os
from contextlib import closing
from datetime import date, datetime
from typing import Any

from kasauti.errors import LedgerError
from kasauti.execution import frames
from kasauti.execution.custom_limits import chosen, profile_name
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.limits import profile as limits_of
from kasauti.execution.limits_used import limits_used
from kasauti.execution.model import Scope
from kasauti.execution.projections import Book
from kasauti.execution.stop import is_stopped, last_time, ledgers_of
from kasauti.health.model import Account, Rows
from kasauti.home import Home
from kasauti.market.markets import get_market
from kasauti.operations.charge_note import note_of
from kasauti.plain import plain

DEFAULT_MARKET = "nse"


def accounts_of(home: Home, now: datetime) -> tuple[Account, ...]:
    """Return every ledger's account; the chosen profile's, unused, where there is no ledger.

    Raises
    ------
    LedgerError
        If a ledger cannot be read or its chain is broken.
    """
    accounts = []
    for path in ledgers_of(home).values():
        if path.exists():
            with closing(Ledger.existing(path)) as ledger:
                accounts.append(account_of(ledger, ledger.book(), clock_of(home, ledger, now)))
    return tuple(accounts) or (_unused(home, now),)


def clock_of(home: Home, ledger: Ledger, now: datetime) -> datetime:
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


def account_of(ledger: Ledger, book: Book, clock: datetime) -> Account:
    """Return what the ledger amounts to at `clock`, exchange time of its account."""
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


def _unused(home: Home, now: datetime) -> Account:
    limits = chosen(profile_name(os.environ), home.limits, os.environ)
    charges = note_of(limits, get_market(DEFAULT_MARKET), now.date()).to_json()
    rows = _limits(Book(), limits, None)
    name, profile, hash_ = Scope.REPLAY.value, limits.profile, limits.hash
    return Account(name, "", None, profile, None, hash_, None, charges, {}, rows, [], [])


def _limits(book: Book, limits: Limits, clock: datetime | None) -> Rows:
    if book.limits is None or clock is None:
        book = Book()
        book.limits, book.capital, book.peak = limits, limits.capital, limits.capital
    return [row.to_json() for row in limits_used(book, limits, clock)]


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
