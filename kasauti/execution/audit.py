"""Looks through a whole ledger: its chain, its anchor, and whether the events still make a book.

It opens nothing for writing that a reader need not, mends nothing and judges no trading.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from kasauti.errors import KasautiError, LedgerError
from kasauti.execution import anchor, schema
from kasauti.execution.chain import Chain, Verification
from kasauti.execution.ledger import Ledger
from kasauti.execution.place import Place
from kasauti.execution.projections import Book

TOLD_EVERY = 1_000  # events

Tell = Callable[[str], None]


def _silent(text: str) -> None:
    del text


@dataclass(frozen=True)
class Audit:
    """What was found in one ledger.

    Attributes
    ----------
    ledger : str
        ``paper`` or ``replay``.
    place : str
        Its file; of a database no more than that it is one.
    found : Verification
    anchored : int or None
        Number of the event that the anchor beside the ledger names, None without an anchor.
    """

    ledger: str
    place: str
    found: Verification
    anchored: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.found.ok

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "ledger": self.ledger,
            "place": self.place,
            "ok": self.ok,
            "events": self.found.events,
            "head": self.found.head,
            "anchored": self.anchored,
            "problems": list(self.found.problems),
        }


def audit(name: str, place: Place, tell: Tell = _silent, *, twice: bool = True) -> Audit | None:
    """Verify the ledger at `place`, None if there is none; what keeps it from being read is found.

    A tail that was cut off shows against the anchor; without the database's triggers it could not
    have been cut by accident.

    Parameters
    ----------
    name : str
    place : Place
    twice : bool
        Look at the database itself, and fold the events a second time, with every figure of every
        control, to compare the books. That takes two thirds of the time.
    """
    chain, anchored = Chain(), None
    try:
        kept = anchor.read(place.path)
        if not place.exists():
            if kept is None:
                return None
            raise LedgerError(f"{place} is gone, its anchor is not: restore a backup")
        chain = Chain([] if kept is None else [kept])
        anchored = None if kept is None else kept[0]
        for problem in _damage(place) if twice else ():
            chain.note(problem)  # whoever opens it puts its triggers back
        with closing(Ledger.existing(place)) as ledger:
            _look(ledger, chain, lambda text: tell(f"{name}: {text}"), twice)
    except KasautiError as error:
        chain.note(str(error))
    return Audit(name, str(place), chain.end(), anchored)


def _damage(place: Place) -> list[str]:
    try:
        return schema.damage(place.path, place.database)
    except SQLAlchemyError as error:
        raise LedgerError(
            f"{place} cannot be looked at: {place.said(error)}; mend the server, "
            "or restore a backup"
        ) from error


def _look(ledger: Ledger, chain: Chain, tell: Tell, twice: bool) -> None:
    head = ledger.head()[0]
    for row in ledger.rows():
        if row.seq % TOLD_EVERY == 0:
            tell(f"event {row.seq:,} of {head:,}")
        chain.take(row)
    chain.hear(ledger.outbox())
    if chain.seq < head:
        chain.note(f"the last event is {chain.seq}, not {head}")
    if not chain.ok:
        return
    tell("making the book anew")
    if twice:
        _compare_books(ledger, chain)
    else:
        ledger.book()


def _compare_books(ledger: Ledger, chain: Chain) -> None:
    """Fold the events once more from nothing: the book that is kept must be the same."""
    kept, rebuilt = ledger.book(), Book()
    for record in ledger.events():
        if record.seq > kept.seq:
            break  # a desk works on it
        rebuilt.apply(record)
    ours, theirs = rebuilt.fingerprint(), kept.fingerprint()
    if ours != theirs and repr(ours) != repr(theirs):  # a price that is no number equals nothing
        chain.note("the book rebuilt from the events is another one: this is a bug, report it")


def audits(places: Iterable[tuple[str, Place]], tell: Tell = _silent) -> list[Audit]:
    """Verify every ledger that there is, and tell how far that is."""
    found = (audit(name, place, tell) for name, place in places)
    return [one for one in found if one is not None]
