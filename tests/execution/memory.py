"""A ledger and a paper account in plain lists, for a million steps; all the rest is real."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kasauti.errors import LedgerError
from kasauti.execution import records
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.brokers.paper_book import Funded, PaperBook, Ticked
from kasauti.execution.brokers.venue import HALF_SPREAD, PARTICIPATION, Venue
from kasauti.execution.chain import Anchor
from kasauti.execution.events import Genesis, LatchChanged, Record
from kasauti.execution.ledger import ANYBODYS, SET_BACK, Ledger
from kasauti.execution.model import Scope
from kasauti.execution.place import Place
from kasauti.execution.projections import Book
from kasauti.execution.records import Entry
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market


class MemoryLedger(Ledger):
    """Refuses what `Ledger` refuses, keeps events in a list, and chains nothing."""

    def __init__(self, path: Path, rows: list[Record], *, scope: Scope, at: datetime) -> None:
        self.path, self.place = path, Place(path)
        self.scope, self.market = scope, "nse"
        self._rows = rows
        self._keys = {row.unique: row for row in rows if row.unique is not None}
        self._book = Book()
        if not rows:
            self._append([Entry(Genesis(scope, self.market), "genesis")], at=at, genesis=True)

    def _append(
        self,
        entries: Sequence[Entry],
        *,
        at: datetime,
        epoch: int | None = None,
        genesis: bool = False,
    ) -> list[tuple[Record, bool]]:
        written: list[tuple[Record, bool]] = []
        rows: list[Record] = []
        for entry in entries:
            last = rows[-1] if rows else self._rows[-1] if self._rows else None
            if not genesis:
                records.fence(entry.event, epoch, last)
            known = None if entry.unique is None else self._keys.get(entry.unique)
            if known is not None:
                written.append((known, False))
                continue
            stops = isinstance(entry.event, LatchChanged) and entry.event.latched
            if at < self._told_by_desk(rows, at) - SET_BACK and not stops:
                raise LedgerError("the clock was set back, mend it")
            carried = epoch if epoch is not None else (0 if last is None else last.epoch)
            seq = 1 if last is None else last.seq + 1
            row = Record(seq, carried, at, entry.event, entry.unique, f"{seq:064}")
            rows.append(row)
            written.append((row, True))
        self._rows += rows
        self._keys |= {row.unique: row for row in rows if row.unique is not None}
        return written

    def _told_by_desk(self, new: Sequence[Record], at: datetime) -> datetime:
        for rows in (new, self._rows):
            for row in reversed(rows):
                if type(row.event).__name__ not in ANYBODYS:
                    return row.at
        return at

    def epoch(self) -> int:
        return self._rows[-1].epoch

    def seq(self) -> int:
        return len(self._rows)

    def head(self) -> Anchor:
        return len(self._rows), self._rows[-1].hash

    def events(self, after: int = 0) -> Iterator[Record]:
        return iter(self._rows[after:])

    def book(self) -> Book:
        for record in self._rows[self._book.seq :]:
            self._book.apply(record)
        return self._book

    def close(self) -> None:
        return


class MemoryBroker(PaperBroker):
    """The paper broker's own matching on a book that no database keeps."""

    def __init__(self, market: Market, cash: Decimal, calendar: Calendar) -> None:
        self._venue = Venue(market, calendar, HALF_SPREAD, PARTICIPATION)
        self._book = PaperBook()
        self._tripped: dict[str, Any] = {}
        self._quoted_at: dict[str, datetime] = {}
        self._write(None, [Funded(cash)])

    def feed(
        self,
        moment: str,
        at: datetime,
        prices: Mapping[str, Decimal],
        volumes: Mapping[str, Decimal] | None = None,
        *,
        jumped: bool = False,
    ) -> None:
        shares = {s: v * PARTICIPATION for s, v in (volumes or {}).items()}
        self._tick(
            None,  # type: ignore[arg-type]
            moment,
            Ticked(at.date(), dict(prices), shares),
            at,
            jumped=jumped,
        )

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        yield None

    def _write(self, connection: Any, events: Any, unique: str | None = None) -> None:
        for event in events:
            self._book.apply(event)
            self._book.seq += 1
