"""Ledgers with as many paper sessions as a test wants, good ones unless it says otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from kasauti.execution.events import (
    Event,
    LimitsSealed,
    Reconciled,
    SelfTested,
    SessionClosed,
    SignalsDecided,
    TwinCompared,
)
from kasauti.execution.hosts import DESK_PROCESS
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import profile
from kasauti.execution.model import Scope
from kasauti.execution.twin_rows import Kind, Leg, Tolerance, TwinRow
from kasauti.market.calendar import INDIA, nse_calendar

DAYS = [session.day for session in nse_calendar().sessions(date(2025, 3, 3), date(2025, 6, 30))]
LIMITS = profile()


def moment(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=INDIA)


def row(
    day: date, genome: str = "g", *, within: bool = True, control: str = "", fault: bool = False
) -> TwinRow:
    price = Decimal("100.05")
    kind = Kind.SAME if within and not control else Kind.MISSED
    return TwinRow(
        day, genome, "TEST", Leg.ENTRY, kind, 10, 10, price, price, "entry", "ENTRY",
        "no order was wanted" if not within else "as told", within, control, fault=fault,
    )  # fmt: skip


def leaving(day: date, genome: str = "g") -> TwinRow:
    return replace(row(day, genome), leg=Leg.EXIT, engine_reason="exit", paper_reason="EXIT")


def session(day: date) -> list[Event]:
    """Return what a session that counts leaves behind, in order."""
    return [
        SignalsDecided(day, moment(day, 9, 15), ()),
        SelfTested(day, ("K01",)),
        LimitsSealed(day, LIMITS, LIMITS.hash),
        Reconciled(()),
        SessionClosed(day, {}),
        TwinCompared(day, ("g",), Tolerance(), (row(day), leaving(day))),
    ]


def ledger_of(
    folder: Path,
    sessions: Sequence[Sequence[Event]],
    *,
    host: str = DESK_PROCESS,
    scope: Scope = Scope.PAPER,
) -> Ledger:
    """Return a ledger with these sessions, one a day of `DAYS`."""
    ledger = Ledger(folder / "ledger.sqlite", scope=scope, market="nse", at=moment(DAYS[0], 8))
    epoch = ledger.raise_epoch(host=host, at=moment(DAYS[0], 8))
    for day, events in zip(DAYS, sessions, strict=False):
        for number, event in enumerate(events):
            ledger.append(event, at=moment(day, 8) + timedelta(hours=number), epoch=epoch)
    return ledger


def passed(folder: Path, count: int = 30) -> Ledger:
    """Return a ledger whose first sessions all passed."""
    return ledger_of(folder, [session(day) for day in DAYS[:count]])


def after(count: int = 30) -> datetime:
    """Return an evening after as many sessions."""
    return moment(DAYS[count - 1], 20)
