"""The alerts of one day: those of its ledger, and what anybody else put into the alert book."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime

from kasauti.alerts.book import AlertBook
from kasauti.alerts.model import Alert
from kasauti.alerts.relay import SOURCE
from kasauti.alerts.triggers import Trigger, of_message
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.stop import ledgers_of
from kasauti.home import Home

NO_NEWS = {Trigger.REPORT, Trigger.TEST}  # they tell of nothing that happened to the account


@dataclass(frozen=True)
class DayAlert:
    """One incident of a day.

    Attributes
    ----------
    at : datetime
        Exchange time at which it was first raised on that day.
    title, happened : str
        What was said first.
    count : int
        How often it was raised on that day.
    """

    at: datetime
    title: str
    happened: str
    count: int = 1


def ledger_of(home: Home) -> tuple[Scope, Place] | None:
    """Return the paper ledger, else that of the replay, None before there is any.

    Raises
    ------
    LedgerError
        If a server that holds one does not answer.
    """
    places = ledgers_of(home)
    for scope in (Scope.PAPER, Scope.REPLAY):
        if places[scope].exists():
            return scope, places[scope]
    return None


def alerts_of(home: Home, day: date) -> tuple[DayAlert, ...]:
    """Return the alerts of `day`, oldest first, each incident once.

    Raises
    ------
    LedgerError
        If the ledger cannot be read.
    AlertError
        If the alert book cannot be read.
    """
    raised = [*_in_the_ledger(home, day), *_in_the_book(home, day)]
    told: dict[str, DayAlert] = {}
    for at, alert in sorted(raised, key=lambda pair: pair[0]):
        known = told.get(alert.incident)
        told[alert.incident] = (
            DayAlert(at, alert.title, alert.happened)
            if known is None
            else replace(known, count=known.count + 1)
        )
    return tuple(told.values())


def _in_the_ledger(home: Home, day: date) -> Iterator[tuple[datetime, Alert]]:
    found = ledger_of(home)
    if found is None:
        return
    with closing(Ledger.existing(found[1])) as ledger:
        times = {row.seq: datetime.fromisoformat(row.at) for row in ledger.rows()}
        for seq, message in ledger.outbox():
            if times[seq].date() == day:
                yield times[seq], of_message(message)


def _in_the_book(home: Home, day: date) -> Iterator[tuple[datetime, Alert]]:
    """Yield what no ledger raised: the alerts service brings the ledger's in later, or never."""
    if not home.alerts.exists():
        return
    with closing(AlertBook(home.alerts)) as book:
        for key, alert in book.raised_on(day):
            relayed = key.startswith(f"{SOURCE}:")
            if alert.at is not None and not relayed and alert.trigger not in NO_NEWS:
                yield alert.at, alert
