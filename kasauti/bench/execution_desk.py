"""Measures a desk in a process of its own: its gate's decisions, its answers, its takeover.

It measures and compares nothing; the budgets stand in `execution`.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import numpy as np

from kasauti.execution import heartbeat
from kasauti.execution.account import Arrived
from kasauti.execution.approvals import Permit
from kasauti.execution.clock import RunningClock
from kasauti.execution.desk_process import DeskProcess, spool_of
from kasauti.execution.events import EpochRaised, Event, GateDecided, Reconciled
from kasauti.execution.gate import Gate
from kasauti.execution.guarded import submit_and_wait
from kasauti.execution.host import DESK_PROCESS, paper_desk
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits, custom
from kasauti.execution.model import (
    Intent,
    Offset,
    OrderSide,
    Outcome,
    Protection,
    Purpose,
    Scope,
)
from kasauti.execution.place import Place
from kasauti.execution.references import BarReferences
from kasauti.execution.replay import MovingReferences
from kasauti.market.bars import Bars
from kasauti.market.markets import NSE
from kasauti.warm_process import BRIEF, fork_and_keep

DAYS = [date(2026, 7, day) for day in (13, 14, 15)]
BEGUN = datetime(2026, 7, 15, 9, 14, 59, tzinfo=NSE.zone)
OPEN = BEGUN + timedelta(seconds=1)
GENOME = "0123456789abcdef" * 4
SYMBOLS = tuple(f"SYMBOL{number:02}" for number in range(20))
LIMITS = replace(
    custom(
        capital=Decimal(1_000_000),
        trades_a_day=len(SYMBOLS),
        risk_per_trade=Decimal(10_000),
        daily_loss=Decimal(20_000),
        losing_streak=3,
    ),
    orders_a_second=5,
)
PACE = 0.25  # seconds between two orders: 5 a second are the ceiling of K16
PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True)
class Times:
    """How long something took.

    Attributes
    ----------
    count : int
    median, p99, worst : float
        Seconds.
    """

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, taken: Sequence[float]) -> "Times":
        """Return the figures of single times in seconds; of none, NaN."""
        if not len(taken):
            return cls(0, np.nan, np.nan, np.nan)
        p99 = float(np.quantile(taken, 0.99))
        return cls(len(taken), float(np.median(taken)), p99, max(taken))


@dataclass(frozen=True)
class FlatAccount:
    """An account whose symbols all closed at 100 for two days."""

    limits: Limits = LIMITS
    market = NSE
    calendar = NSE.replay_calendar(DAYS)

    def version(self) -> str:
        """Return the same always: nothing arrives."""
        return ""

    def arrived(self, now: datetime) -> Arrived:
        """Return the two days' bars."""
        del now
        return Arrived(_flat_bars(), None)

    def permit(self, genome_hash: str) -> Permit:
        """Permit whatever is asked for."""
        until = BEGUN + timedelta(days=1)
        return Permit(genome_hash, Scope.PAPER, "bench", "a measurement", BEGUN, until)


def measure_decisions(
    folder: Path, url: str | None, processes: int, per_second: float, seconds: float
) -> Times:
    """Time the gate from an intent to its committed decision while processes want orders.

    Parameters
    ----------
    folder : Path
        Empty.
    url : str or None
        Of an empty PostgreSQL database.
    processes, per_second, seconds : int, float, float
        How many want how many orders each, and for how long.

    Returns
    -------
    Times
        Of every decision that was committed, allowed or denied; the broker's own time is not in it.
    """
    place, origin = _new_ledger(folder, url), monotonic()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    desk = context.Process(target=_timed_desk, args=(place, origin, theirs))
    desk.start()
    ours.recv()
    _tell_prices(folder, origin)
    with closing(_opened(place)) as ledger:
        _await(lambda: ledger.book().limits_day is not None)
        # All begin together: while eight interpreters start, nothing else on two cores is in time.
        given = (place, origin, per_second, seconds, context.Barrier(processes))
        senders = [
            context.Process(target=_claim, args=(number, *given)) for number in range(processes)
        ]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            _tell_prices(folder, origin)
            sleep(0.2)
    ours.send("stop")
    taken: list[float] = ours.recv()
    desk.join()
    return Times.of(taken)


def measure_outcomes(folder: Path, orders: int) -> Times:
    """Time a sender from its intent to the outcome *accepted*, one order after the other.

    Parameters
    ----------
    folder : Path
        Empty.
    orders : int
        A session takes 20; more are sent in more sessions, each of a new ledger.
    """
    taken: list[float] = []
    while len(taken) < orders:
        session = folder / str(len(taken))
        session.mkdir()
        with _kept_desk(session) as (ledger, clock):
            for symbol in SYMBOLS[: orders - len(taken)]:
                _tell_prices(session, clock=clock)
                begun = perf_counter()
                intent = _intent(symbol, symbol, clock.now())
                outcome = submit_and_wait(ledger, intent, clock=clock, wait=PATIENCE)
                taken.append(perf_counter() - begun)
                if outcome is not Outcome.ACCEPTED:
                    order = ledger.book().order(intent.key)
                    raise AssertionError(f"{symbol}: {outcome}, {order}")
                sleep(PACE)
    return Times.of(taken)


def measure_takeover(folder: Path, kills: int) -> Times:
    """Kill the desk's process again and again; time until the next has reconciled."""
    taken = []
    with _kept_desk(folder) as (ledger, _):
        for number in range(kills):
            sleep(BRIEF)  # one that is killed sooner is not followed at once, on purpose
            pid = _pid_of_desk(folder)
            begun = monotonic()
            os.kill(pid, signal.SIGKILL)
            _await(lambda: _desks(ledger) == number + 2)  # noqa: B023 (awaited at once)
            taken.append(monotonic() - begun)
    return Times.of(taken)


# -- the desk's process --------------------------------------------------------------------------


@contextmanager
def _kept_desk(folder: Path) -> Iterator[tuple[Ledger, RunningClock]]:
    """Run a desk as `kasauti desk` does: a warm parent, and a child that is followed by another."""
    place, origin = _new_ledger(folder, None), monotonic()
    process = multiprocessing.get_context("spawn").Process(target=_keep_desk, args=(place, origin))
    process.start()
    try:
        with closing(_opened(place)) as ledger:
            _await(lambda: (folder / "feed").is_dir() or _desks(ledger) > 0)
            _tell_prices(folder, origin)
            _await(lambda: ledger.book().limits_day is not None)
            yield ledger, _clock(origin)
    finally:
        process.terminate()
        process.join()


def _keep_desk(place: Place, origin: float) -> None:
    stopped = fork_and_keep()
    with _desk(place, origin) as process:
        process.run(stopped)


def _timed_desk(place: Place, origin: float, pipe: Connection) -> None:
    taken = _note_decisions()
    with _desk(place, origin) as process:
        pipe.send("ready")
        process.run(pipe.poll)
    pipe.send(taken)


def _note_decisions() -> list[float]:
    """Note in this process how long every decision took until it was committed."""
    taken: list[float] = []
    begun = [0.0]
    look, append = Gate.look, Ledger._append

    def begin(self: Gate, *given: Any) -> Any:
        begun[0] = perf_counter()
        return look(self, *given)

    def note(self: Ledger, entries: Any, **given: Any) -> Any:
        written = append(self, entries, **given)
        if any(isinstance(entry.event, GateDecided) for entry in entries):
            taken.append(perf_counter() - begun[0])
        return written

    Gate.look, Ledger._append = begin, note  # type: ignore[method-assign, assignment]
    return taken


@contextmanager
def _desk(place: Place, origin: float) -> Iterator[DeskProcess]:
    account, clock = FlatAccount(), _clock(origin)
    references = MovingReferences(BarReferences(_flat_bars()))
    with (
        closing(_opened(place)) as ledger,
        paper_desk(
            ledger,
            market=NSE,
            calendar=account.calendar,
            references=references,
            permits=account.permit,
            cash=account.limits.capital,
            at=clock.now(),
            host=DESK_PROCESS,
        ) as hosted,
    ):
        folder = place.path.parent
        yield DeskProcess(
            hosted,
            ledger,
            account,
            references,
            clock=clock,
            spool=spool_of(folder / "feed", ledger),
            beat=folder / "desk.json",
        )


# -- those who want orders -----------------------------------------------------------------------


def _claim(
    number: int, place: Place, origin: float, per_second: float, seconds: float, ready: Barrier
) -> None:
    clock = _clock(origin)
    with closing(_opened(place)) as ledger:
        ready.wait(PATIENCE.total_seconds())
        begun = monotonic()
        for count in range(int(per_second * seconds)):
            sleep(max(begun + (count + number / 10) / per_second - monotonic(), 0))
            now, symbol = clock.now(), SYMBOLS[(number + count) % len(SYMBOLS)]
            ledger.claim(_intent(f"{number}|{count}", symbol, now), at=now)


def _intent(key: str, symbol: str, at: datetime) -> Intent:
    """Return an entry that rests below the market."""
    return Intent(
        key=f"{GENOME}|bench|{key}",
        genome_hash=GENOME,
        signal_version="bench",
        symbol=symbol,
        side=OrderSide.BUY,
        quantity=10,
        purpose=Purpose.ENTRY,
        limit_price=Decimal("98.00"),
        valid_from=OPEN,
        valid_until=at + timedelta(minutes=10),
        reference_price=Decimal(100),
        protection=Protection(Offset(Decimal("0.05"), of_price=True)),
    )


def _tell_prices(
    folder: Path, origin: float | None = None, *, clock: RunningClock | None = None
) -> None:
    """Append a tick of each symbol, as a feed does; before the open, those of the open."""
    clock = clock or _clock(origin or monotonic())
    at = max(clock.now(), OPEN).isoformat()
    lines = [json.dumps({"at": at, "symbol": symbol, "last": "100.00"}) for symbol in SYMBOLS]
    (folder / "feed").mkdir(exist_ok=True)
    with (folder / "feed" / "ticks.jsonl").open("a") as file:
        file.write("\n".join(lines) + "\n")


# -- tools ---------------------------------------------------------------------------------------


def _new_ledger(folder: Path, url: str | None) -> Place:
    place = Place(folder / "ledger.sqlite", url)
    _opened(place).close()
    return place


def _opened(place: Place) -> Ledger:
    return Ledger(place.path, scope=Scope.PAPER, market="nse", at=BEGUN, url=place.url)


def _clock(origin: float) -> RunningClock:
    """Return the clock that every process of a measurement shares."""
    return RunningClock(BEGUN + timedelta(seconds=monotonic() - origin))


def _flat_bars() -> Bars:
    shape = (len(SYMBOLS), 2)
    prices = np.full(shape, 100.0)
    days = np.array(DAYS[:2], dtype="datetime64[D]")
    return Bars("nse", SYMBOLS, days, prices, prices, prices, prices, np.full(shape, 1e6))


def _desks(ledger: Ledger) -> int:
    """Return how many desks took the lease, 0 while the last has not reconciled."""
    events: list[Event] = [record.event for record in ledger.events()]
    raised = [n for n, event in enumerate(events) if isinstance(event, EpochRaised)]
    ready = raised and any(isinstance(event, Reconciled) for event in events[raised[-1] :])
    return len(raised) if ready else 0


def _pid_of_desk(folder: Path) -> int:
    found = heartbeat.read(folder / "desk.json")
    if found is None:
        raise AssertionError("the desk has written no heartbeat")
    return found.pid


def _await(happened: Callable[[], bool]) -> None:
    until = monotonic() + PATIENCE.total_seconds()
    while not happened():
        if monotonic() > until:
            raise AssertionError(f"nothing came of it in {PATIENCE.total_seconds():.0f} s")
        sleep(0.002)
