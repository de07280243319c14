"""A desk process around a small account, in this process or in one of its own."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from kasauti.execution.account import Arrived
from kasauti.execution.approvals import Permit
from kasauti.execution.clock import Clock
from kasauti.execution.desk_process import DeskProcess, spool_of
from kasauti.execution.host import DESK_PROCESS, Hosted, paper_desk
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.model import Scope
from kasauti.execution.references import BarReferences
from kasauti.execution.replay import MovingReferences
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar
from kasauti.market.markets import NSE, Market
from tests.execution.world import CALENDAR, LIMITS, ZONE, bars_of, permit

Kind = TypeVar("Kind")
TODAY_AT = datetime(2026, 7, 15, 9, 0, tzinfo=ZONE)
FLAT = (100.0, 101.0, 99.0, 100.0)
HISTORY = bars_of({name: [FLAT, FLAT] for name in ("TEST", "OTHER", "THIRD")})


@dataclass
class SmallAccount:
    """An account whose bars a test lets arrive."""

    bars: Bars = HISTORY
    calendar: Calendar = CALENDAR
    limits: Limits = LIMITS
    market: Market = NSE
    permits: Mapping[str, Permit] = field(default_factory=lambda: {"g": permit(Scope.PAPER)})
    arrivals: int = 0

    def version(self) -> str:
        return str(self.arrivals)

    def arrived(self, now: datetime) -> Arrived | None:
        over = [s.day for s in map(self.calendar.session, _days(self.bars)) if s and s.close <= now]
        return Arrived(self.bars.between(0, len(over)), _days(self.bars)[0])

    def let_arrive(self, bars: Bars) -> None:
        self.bars = bars
        self.arrivals += 1


def _days(bars: Bars) -> list[Any]:
    return list(bars.sessions.astype(object))


@dataclass
class Running:
    """A desk process and what is around it."""

    process: DeskProcess
    hosted: Hosted
    ledger: Ledger
    account: SmallAccount
    clock: Clock


def paper_ledger(folder: Path, began: datetime = TODAY_AT) -> Ledger:
    return Ledger(folder / "ledger.sqlite", scope=Scope.PAPER, market="nse", at=began)


@contextmanager
def process_in(
    folder: Path, clock: Clock, account: SmallAccount | None = None, **more: Any
) -> Iterator[Running]:
    """Host a desk process on the paper ledger in `folder`."""
    account = account or SmallAccount()
    references = MovingReferences(BarReferences(account.bars))
    with (
        closing(paper_ledger(folder, clock.now())) as ledger,
        paper_desk(
            ledger,
            market=account.market,
            calendar=account.calendar,
            references=references,
            permits=account.permits.get,
            cash=account.limits.capital,
            at=clock.now(),
            host=DESK_PROCESS,
        ) as hosted,
    ):
        process = DeskProcess(
            hosted,
            ledger,
            account,
            references,
            clock=clock,
            spool=spool_of(folder / "feed", ledger),
            beat=folder / "desk.json",
            **more,
        )
        yield Running(process, hosted, ledger, account, clock)


def told(ledger: Ledger, kind: type[Kind]) -> list[Kind]:
    """Return the ledger's events of one kind, in order."""
    return [record.event for record in ledger.events() if isinstance(record.event, kind)]


def write_tick(folder: Path, when: datetime, price: str, symbol: str = "TEST") -> None:
    """Append one tick to the spool, as a feed does."""
    (folder / "feed").mkdir(exist_ok=True)
    line = json.dumps({"at": when.isoformat(), "symbol": symbol, "last": price})
    with (folder / "feed" / "ticks.jsonl").open("a") as file:
        file.write(line + "\n")


def until(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true answer of `found`; fail when there is none for that long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.005)
    raise AssertionError(f"nothing came of {found} in {seconds} s")
