"""Measures the ledger: an append under load, the book's rebuilding, the disk's bare fsync.

It measures and compares nothing; the budgets stand where the figures are reported.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, perf_counter, sleep
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import insert

from kasauti.execution import schema
from kasauti.execution.chain import NOTHING, digest
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import (
    Decision,
    EpochRaised,
    Event,
    GateDecided,
    IntentCommitted,
    OrderFilled,
    OrderMoved,
    SessionClosed,
    to_json,
)
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import (
    Fill,
    Intent,
    Offset,
    OrderSide,
    Protection,
    Purpose,
    Scope,
)
from kasauti.execution.orders import OrderEvent
from kasauti.execution.place import Place

ZONE = ZoneInfo("Asia/Kolkata")
START = datetime(2026, 7, 15, 9, 15, tzinfo=ZONE)
ROUND = 8  # events of one entry and its exit
ROUNDS_A_DAY = 50
BATCH = 5_000


@dataclass(frozen=True)
class AppendTimes:
    """How long appends took.

    Attributes
    ----------
    processes : int
    appended : int
        As counted by those who appended.
    found : int
        As found in the ledger afterwards.
    is_whole : bool
        Whether the chain verifies.
    median, p99, worst : float
        Seconds.
    per_second : float
        Appends of all processes together.
    """

    processes: int
    appended: int
    found: int
    is_whole: bool
    median: float
    p99: float
    worst: float
    per_second: float


@dataclass(frozen=True)
class RebuildTime:
    """How long a book of so many events takes.

    Attributes
    ----------
    events : int
    trades : int
        That the book then holds.
    book, verification : float
        Seconds.
    """

    events: int
    trades: int
    book: float
    verification: float


@dataclass(frozen=True)
class FsyncTimes:
    """The disk alone: one small write and its fsync, in seconds."""

    writes: int
    median: float
    p99: float


def bare_fsync(folder: Path, writes: int = 200) -> FsyncTimes:
    """Append 4 kB to a file and flush it to the disk, again and again."""
    taken = np.empty(writes)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for number in range(writes):
            file.write(b"k" * 4096)
            file.flush()
            began = perf_counter()
            os.fsync(file.fileno())
            taken[number] = perf_counter() - began
    return FsyncTimes(writes, float(np.median(taken)), float(np.quantile(taken, 0.99)))


def measure_append(
    place: Place, processes: int, per_second: float | None, seconds: float
) -> AppendTimes:
    """Let processes append intents to a new ledger at `place`.

    Parameters
    ----------
    place : Place
        Of no ledger yet.
    processes : int
    per_second : float or None
        Appends of each process; None: as fast as it can.
    seconds : float
        How long.
    """
    _open(place).close()
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for number in range(processes):
        ours, theirs = context.Pipe()
        given = (place, number, per_second, seconds, theirs)
        workers.append(context.Process(target=_append, args=given))
        pipes.append(ours)
    for worker in workers:
        worker.start()
    for pipe in pipes:
        pipe.recv()  # it has opened the ledger
    began = monotonic()
    for pipe in pipes:
        pipe.send(began)
    taken = np.concatenate([pipe.recv() for pipe in pipes])
    for worker in workers:
        worker.join()
    with closing(_open(place)) as ledger:
        found = ledger.verify()
    return AppendTimes(
        processes,
        len(taken),
        found.events - 1,
        found.ok,
        float(np.median(taken)),
        float(np.quantile(taken, 0.99)),
        float(taken.max()),
        len(taken) / seconds,
    )


def measure_rebuild(events: int, folder: Path | None = None) -> RebuildTime:
    """Fill a scratch ledger with a realistic mix of events, fold them into a book, verify them."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Place(Path(scratch) / "ledger.sqlite")
        with closing(_open(place)) as ledger:
            _fill(ledger, events)
        with closing(_open(place)) as ledger:
            began = perf_counter()
            book = ledger.book()
            folded = perf_counter()
            found = ledger.verify()
            verified = perf_counter()
    if not found.ok or found.events != events:
        raise AssertionError(f"the scratch ledger is broken: {found}")
    return RebuildTime(events, len(book.trades), folded - began, verified - folded)


def _open(place: Place) -> Ledger:
    return Ledger(place.path, scope=Scope.REPLAY, market="nse", at=START, url=place.url)


def _append(
    place: Place, number: int, per_second: float | None, seconds: float, pipe: Connection
) -> None:
    taken = []
    with closing(_open(place)) as ledger:
        pipe.send(number)
        began: float = pipe.recv()
        count = 0
        while (now := monotonic()) < began + seconds:
            if per_second is not None:
                due = began + (count + number / 10) / per_second
                if due >= began + seconds:
                    break
                sleep(max(due - now, 0))
            at = START + timedelta(seconds=monotonic() - began)
            started = perf_counter()
            ledger.claim(_intent(f"{number}/{count}", at), at=at)
            taken.append(perf_counter() - started)
            count += 1
    pipe.send(np.array(taken))


def _intent(key: str, at: datetime, symbol: str = "TEST", parent: str | None = None) -> Intent:
    is_entry = parent is None
    return Intent(
        key=key,
        genome_hash="0123456789abcdef" * 4,
        signal_version="2026-07-14",
        symbol=symbol,
        side=OrderSide.BUY if is_entry else OrderSide.SELL,
        quantity=10,
        purpose=Purpose.ENTRY if is_entry else Purpose.EXIT,
        limit_price=Decimal("101.00"),
        valid_from=at,
        valid_until=at + timedelta(minutes=10),
        reference_price=Decimal("100.00"),
        protection=Protection(Offset(Decimal("0.05"), of_price=True)) if is_entry else None,
        parent=parent,
    )


def _words() -> tuple[Decision, ...]:
    figures = {"limit": "101.00", "reference": "100.00"}
    return tuple(Decision(control.id, control.code, True, True, figures) for control in CONTROLS)


def _round(number: int, at: datetime) -> Iterator[tuple[datetime, Event]]:
    """Yield the events of one entry and its exit: wanted, judged, acknowledged, filled."""
    symbol = f"SYMBOL{number % ROUNDS_A_DAY}"
    key = f"g|{number}|{symbol}"
    intents = (_intent(key, at, symbol), _intent(f"{key}|EXIT", at, symbol, parent=key))
    for turn, intent in enumerate(intents):
        price = Decimal("100.55") if turn == 0 else Decimal(f"{100 + number % 3}.05")
        yield at, IntentCommitted(intent)
        yield at, GateDecided(intent.key, True, "", _words(), "0" * 64)
        yield at, OrderMoved(intent.tag, OrderEvent.ACKNOWLEDGE, f"B{number}.{turn}", at=at)
        fill = Fill(
            f"F{number}.{turn}", intent.tag, symbol, intent.side, 10, price, Decimal("3.21"), at
        )
        yield at, OrderFilled(fill)
        at += timedelta(seconds=1)


def _story() -> Iterator[tuple[datetime, Event]]:
    """Yield events without end, some hundred a session."""
    day, number = START, 0
    while True:
        for place in range(ROUNDS_A_DAY):
            yield from _round(number, day + timedelta(minutes=place))
            number += 1
        close = datetime.combine(day.date(), time(15, 30), tzinfo=ZONE)
        yield close, SessionClosed(day.date(), {})
        day += timedelta(days=1)


def _fill(ledger: Ledger, events: int) -> None:
    """Insert events in large transactions, chained as the ledger chains them."""
    ledger.append(EpochRaised("bench"), at=START, epoch=1)
    (seq, previous), story, rows = ledger.head(), _story(), []
    with schema.writing(ledger.engine).begin() as connection:
        while seq < events:
            at, event = next(story)
            kind, payload = to_json(event)
            seq += 1
            values = [seq, 1, at.isoformat(), kind, None, payload, previous or NOTHING]
            previous = digest(values)
            rows.append((*values, previous))
            if len(rows) == BATCH or seq == events:
                names = schema.events.c.keys()
                told = [dict(zip(names, row, strict=True)) for row in rows]
                connection.execute(insert(schema.events), told)
                rows = []
