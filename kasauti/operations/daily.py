"""The daily report as data: what a day brought and what needs a person, read from a state folder.

What cannot be read stands as `Unread` in its place. How it looks stands in `daily_page`.
"""

import os
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from kasauti.backups.history import LastProof, last_proof
from kasauti.errors import DataError
from kasauti.execution.custom_limits import profile_name
from kasauti.execution.events import Record, SessionClosed
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.references import last_completed
from kasauti.health.accounts import DEFAULT_MARKET
from kasauti.health.look import status_of
from kasauti.health.model import Check
from kasauti.home import Home
from kasauti.market.calendar import Session
from kasauti.market.markets import get_market
from kasauti.operations.account_bars import RegimeSpan, desk_of, known_bars, regime_on
from kasauti.operations.daily_trading import Trading, trading_of
from kasauti.operations.day_alerts import DayAlert, alerts_of, ledger_of
from kasauti.operations.unread import Unread, attempt
from kasauti.plain import plain

NO_LEDGER = "there is no ledger yet: approve a strategy and start `kasauti up`, or `kasauti demo`"


@dataclass(frozen=True)
class DailyReport:
    """One day.

    Attributes
    ----------
    day : date
    made_at : datetime
        Exchange time.
    scope : Scope or None
        Of the ledger that it is about; None before there is one.
    session : Session, None or Unread
        Of the market on that day; None where it was shut.
    trading : Trading or Unread
    regime : RegimeSpan or Unread
    alerts : tuple of DayAlert or Unread
    health : tuple of Check or Unread
        As it is now, whatever the day.
    backups : LastProof or Unread
    """

    day: date
    made_at: datetime
    scope: Scope | None
    session: Session | Unread | None
    trading: Trading | Unread
    regime: RegimeSpan | Unread
    alerts: tuple[DayAlert, ...] | Unread
    health: tuple[Check, ...] | Unread
    backups: LastProof | Unread

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        found: dict[str, Any] = plain(asdict(self))
        return found


@dataclass(frozen=True)
class _Read:
    """A ledger that was read."""

    market: str
    records: tuple[Record, ...]


def daily_report(home: Home, day: date | None, now: datetime) -> DailyReport:
    """Return the report of `day`.

    Parameters
    ----------
    home : Home
    day : date or None
        None: the last session that is over; in a replay the one at which its clock stands.
    now : datetime
        Exchange time.
    """
    read: _Read | Unread
    found = attempt(lambda: ledger_of(home))
    if isinstance(found, Unread):  # only a server that was named for paper trading can fail here
        scope, read = Scope.PAPER, found
    elif found is None:
        scope, read = None, Unread(NO_LEDGER)
    else:
        scope, place = found
        read = attempt(lambda: _read(place))
    on = day or _last_day(scope, read, now)
    return DailyReport(
        on,
        now,
        scope,
        session=attempt(lambda: get_market(_market(read)).calendar.session(on)),
        trading=read if isinstance(read, Unread) else attempt(lambda: trading_of(read.records, on)),
        regime=_regime(home, scope, read, on, now),
        alerts=attempt(lambda: alerts_of(home, on)),
        health=attempt(lambda: status_of(home, now).checks),
        backups=attempt(lambda: last_proof(home)),
    )


def _read(place: Place) -> _Read:
    with closing(Ledger.existing(place)) as ledger:
        return _Read(ledger.market, tuple(ledger.events()))


def _last_day(scope: Scope | None, read: _Read | Unread, now: datetime) -> date:
    if scope is Scope.REPLAY and isinstance(read, _Read):
        closed = [one.event.day for one in read.records if isinstance(one.event, SessionClosed)]
        return closed[-1] if closed else read.records[-1].at.date()
    try:
        return last_completed(get_market(_market(read)).calendar, now)
    except DataError:  # the calendar's years are over: the report says so through its checks
        return now.date()


def _market(read: _Read | Unread) -> str:
    return read.market if isinstance(read, _Read) else DEFAULT_MARKET


def _regime(
    home: Home, scope: Scope | None, read: _Read | Unread, day: date, now: datetime
) -> RegimeSpan | Unread:
    if scope is None or isinstance(read, Unread):
        return Unread("it is told from the bars of an account, and none could be read")

    def look() -> RegimeSpan:
        desk = desk_of(home, scope, read.market, profile_name(os.environ), now)
        return RegimeSpan(None, None, None) if desk is None else regime_on(known_bars(desk), day)

    return attempt(look)
