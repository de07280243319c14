"""The alerts of one day; where they are kept is known here alone."""

from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime

from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.stop import ledgers_of
from kasauti.home import Home


@dataclass(frozen=True)
class DayAlert:
    """One thing that was to be told.

    Attributes
    ----------
    at : datetime
        Exchange time of the first of them.
    text : str
    count : int
        How often it was said in the day.
    """

    at: datetime
    text: str
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
    """Return the alerts of `day`, oldest first, equal ones once: from the ledger's outbox.

    Raises
    ------
    LedgerError
        If the ledger cannot be read.
    """
    found = ledger_of(home)
    if found is None:
        return ()
    with closing(Ledger.existing(found[1])) as ledger:
        times = {row.seq: datetime.fromisoformat(row.at) for row in ledger.rows()}
        told: dict[str, DayAlert] = {}
        for seq, message in ledger.outbox():
            if times[seq].date() == day:
                known = told.get(message)
                count = 1 if known is None else known.count + 1
                told[message] = DayAlert(known.at if known else times[seq], message, count)
    return tuple(told.values())
