"""The process that is killed: a desk that plays a script from some move on."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from kasauti.execution import desk as desks
from kasauti.execution.brokers.faults import Fault, FaultPlan, Faulty
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.clock import ReplayClock
from kasauti.execution.desk import Desk
from kasauti.execution.events import LatchChanged
from kasauti.execution.gate import Gate
from kasauti.execution.guarded import submit_and_wait
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Order, OrderSide, OrderType, Purpose, Scope
from kasauti.execution.references import Reference
from kasauti.execution.self_test import trip_every_control
from kasauti.execution.stop import last_time
from kasauti.market.markets import NSE
from tests.execution import world
from tests.execution.crash.script import SETTLING, SYMBOLS, Move, Prices, Verb, exit_of, limits_of
from tests.execution.crash.wire import Wire

HEALTHY = FaultPlan({})


@dataclass(frozen=True)
class Run:
    """One process's part of a case.

    Attributes
    ----------
    folder : Path
        Ledger, wire log, progress and complaints.
    moves : list of Move
    fault : Fault or None
        Strikes between harm and heal.
    seed : int
        Of the faults; another process has another.
    late : timedelta
        How long after the killed one's moment this process goes on.
    scope : Scope
    until : int or None
        First move that it leaves to another process.
    url : URL or None
        Of the PostgreSQL database that holds the ledger.
    pardoned : int
        Epoch of a desk that fell asleep next to the broker and could not see the latch.
    """

    folder: Path
    moves: list[Move]
    fault: Fault | None
    seed: int
    late: timedelta = timedelta(0)
    scope: Scope = Scope.PAPER
    until: int | None = None
    url: URL | None = None
    pardoned: int = 0

    @property
    def log(self) -> Path:
        """What went over the line."""
        return self.folder / "wire.jsonl"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.folder / "ledger.sqlite"


@dataclass
class Desktop:
    """A hosted desk and all around it."""

    run: Run
    ledger: Ledger
    lease: Lease
    latch: Latch
    paper: PaperBroker
    faulty: Faulty
    desk: Desk
    began: datetime
    references: dict[str, Reference]
    tightened: bool = False
    complaints: list[str] = field(default_factory=list)


def play(run: Run, start: int) -> None:
    """Play the moves from number `start` on, each announced in the progress file before."""
    first = run.moves[start]
    # Otherwise the steps of its scratch gate would be counted.
    desks.self_test = trip_every_control  # type: ignore[attr-defined]
    with hosted(run, first.at + run.late) as desktop:
        harmed = False
        for number, move in enumerate(run.moves[: run.until]):
            if move.verb in (Verb.HARM, Verb.HEAL):
                harmed = move.verb is Verb.HARM
            desktop.tightened |= move.verb is Verb.TIGHTEN and number < start
            if number < start:
                continue
            if number == start and harmed:
                desktop.faulty.plan = plan_of(run)
            (run.folder / "progress").write_text(str(number))
            now = max(move.at + (run.late if number == start else timedelta(0)), desktop.began)
            _do(desktop, number, move, now)


@contextmanager
def hosted(run: Run, now: datetime) -> Iterator[Desktop]:
    """Take the lease, reconcile, and hold the desk."""
    ledger = Ledger(run.ledger, scope=run.scope, market="nse", at=now, url=run.url)
    now = max(now, last_time(ledger))
    latch = Latch.beside(ledger.path)
    known = _references(now)
    with Lease.take(ledger, host="crash matrix", at=now) as lease:
        paper = PaperBroker(
            ledger.engine, NSE, cash=limits_of(False).capital, calendar=world.CALENDAR
        )
        faulty = Faulty(paper, HEALTHY)
        gate = Gate(
            Wire(faulty, ledger, latch, run.log, lease.epoch),
            ledger=ledger,
            lease=lease,
            latch=latch,
            calendar=world.CALENDAR,
            market=NSE,
            references=known.get,
            permits={"g": world.permit(run.scope)}.get,
        )
        desk = Desk(
            ledger=ledger,
            lease=lease,
            gate=gate,
            latch=latch,
            calendar=world.CALENDAR,
            market=NSE,
            references=known.get,
        )
        desk.reconcile(now, always_record=True)
        yield Desktop(run, ledger, lease, latch, paper, faulty, desk, now, known)
    ledger.close()


def plan_of(run: Run) -> FaultPlan:
    """Return when and how often the case's fault strikes in this process."""
    if run.fault is None:
        return HEALTHY
    rng = random.Random(f"faults {run.seed}")
    if rng.random() < 0.5:
        return FaultPlan.once(run.fault, skip=rng.randrange(6), times=rng.choice((1, 2, 5)))
    return FaultPlan({run.fault: rng.choice((0.2, 0.5, 1.0))}, seed=run.seed)


def _references(now: datetime, closes: dict[str, Decimal] | None = None) -> dict[str, Reference]:
    day = max(day for day in world.DAYS if day < now.date())
    prices = closes or dict.fromkeys(SYMBOLS, Decimal(100))
    return {symbol: Reference(symbol, day, prices[symbol]) for symbol in SYMBOLS}


def _do(desktop: Desktop, number: int, move: Move, now: datetime) -> None:
    desk, ledger = desktop.desk, desktop.ledger
    match move.verb:
        case Verb.OPEN:
            desktop.references.update(_references(now))
            desktop.tightened = False
            desk.open_session(now, limits_of(False))
        case Verb.HARM:
            desktop.faulty.plan = plan_of(desktop.run)
        case Verb.HEAL:
            desktop.faulty.plan = HEALTHY
        case Verb.TICK:
            _feed(desktop, number, move.given, now)
            desk.step(now)
        case Verb.STEP:
            desk.step(now)
        case Verb.SUBMIT:
            intent = _wanted(desktop, move.given)
            if intent is not None:
                submit_and_wait(ledger, intent, clock=ReplayClock(now), wait=timedelta(0))
            desk.step(now)
        case Verb.REVISE:
            for symbol, position in list(desk.book.positions.items()):
                if position.stop_price is not None:
                    stop = position.stop_price * Decimal("1.01")
                    desk.revise(symbol, stop, str(number), now)
        case Verb.TIGHTEN:
            desktop.tightened = True
            desk.open_session(now, limits_of(True))
        case Verb.KILL:
            desktop.latch.set(ledger, by="crash matrix", reason="seeded", at=now)
            desk.step(now)
        case Verb.FLATTEN:
            desktop.latch.set(ledger, by="crash matrix", reason="seeded", at=now)
            ledger.append(LatchChanged(True, "crash matrix", "seeded", flatten=True), at=now)
            desk.step(now)
        case Verb.LIFT:
            desktop.latch.lift(ledger, by="crash matrix", reason="seeded", at=now)
        case Verb.FOREIGN:
            desktop.paper.place(_by_hand(number), now)
        case Verb.CHECK:
            desk.step(now)
            for seconds in SETTLING:  # a desk that has just started has to see it thrice again
                if desk.book.differences:
                    desk.step(now + timedelta(seconds=seconds))
            _complain(desktop, unprotected(desktop))
        case Verb.CLOSE:
            desktop.paper.end_session(now)
            desk.reconcile(now)
            desk.close_session(now, desktop.paper.last_prices(now.date()))


def _feed(desktop: Desktop, number: int, prices: Prices, now: datetime) -> None:
    desktop.paper.feed(str(number), now, prices.of, prices.volume, jumped=prices.jumped)


def _wanted(desktop: Desktop, given: Any) -> Any:
    """Return the entry as scripted, or the exit of what is held of the symbol now."""
    if not isinstance(given, tuple):
        return given
    symbol, at = given
    held = desktop.desk.book.positions.get(symbol)
    if held is None or held.quantity <= held.foreign or held.leaving:
        return None
    return exit_of(symbol, at, held.quantity - held.foreign, held.parent, held.genome_hash)


def _by_hand(number: int) -> Order:
    price = Decimal("130.00")
    return Order(f"HAND{number}", "THIRD", OrderSide.BUY, 7, OrderType.LIMIT, price)


def unprotected(desktop: Desktop) -> list[str]:
    """Return the holdings whose shares are not under closing orders at the broker, and more."""
    book, found = desktop.desk.book, list(desktop.desk.book.differences)
    covered: dict[str, int] = {}
    for row in desktop.paper.orders():
        view = book.orders.get(row.order.tag)
        if not row.state.is_working or view is None or row.order.side is not OrderSide.SELL:
            continue
        if view.intent.purpose in (Purpose.STOP, Purpose.EXIT, Purpose.TARGET):
            rest = row.order.quantity - row.filled
            covered[row.order.symbol] = covered.get(row.order.symbol, 0) + rest
    for position in desktop.paper.positions():
        under = covered.get(position.symbol, 0)
        if under != position.quantity:
            found.append(f"{position.symbol}: {position.quantity} held, {under} covered")
    return found


def _complain(desktop: Desktop, found: list[str]) -> None:
    if found:
        with (desktop.run.folder / "complaints").open("a") as file:
            file.write("".join(json.dumps(text) + "\n" for text in found))
            file.flush()
            os.fsync(file.fileno())
