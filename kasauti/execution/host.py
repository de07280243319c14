"""Puts a desk together under its lease; only here is a broker made and handed to a gate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kasauti.execution.approvals import Permits
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.desk import Desk
from kasauti.execution.gate import Gate
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.references import References
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market


class Feed(Protocol):
    """The side of the paper broker that prices come in by; orders go in through the gate only."""

    def feed(
        self,
        moment: str,
        at: datetime,
        prices: Mapping[str, Decimal],
        volumes: Mapping[str, Decimal] | None = None,
        *,
        jumped: bool = False,
    ) -> None:
        """Take in the prices of one moment, once."""
        ...

    def end_session(self, at: datetime) -> None:
        """Let every resting order lapse."""
        ...


@dataclass(frozen=True)
class Hosted:
    """A started desk and the price feed of its paper broker."""

    desk: Desk
    feed: Feed


@contextmanager
def paper_desk(
    ledger: Ledger,
    *,
    market: Market,
    calendar: Calendar,
    references: References,
    permits: Permits,
    cash: Decimal,
    at: datetime,
    host: str,
) -> Iterator[Hosted]:
    """Host the desk of a paper or replay ledger as long as the block runs.

    Parameters
    ----------
    ledger : Ledger
    market, calendar, references, permits
        As for `Gate`.
    cash : Decimal
        Paid into a new paper account.
    at : datetime
        Exchange time of the start.
    host : str
        Who hosts it, for the record.

    Raises
    ------
    LeaseError
        If another desk holds the lease.
    """
    with Lease.take(ledger, host=host, at=at) as lease:
        latch = Latch.beside(ledger.path)
        broker = PaperBroker(ledger.engine, market, cash=cash)
        gate = Gate(
            broker,
            ledger=ledger,
            lease=lease,
            latch=latch,
            calendar=calendar,
            market=market,
            references=references,
            permits=permits,
        )
        desk = Desk(
            ledger=ledger,
            lease=lease,
            gate=gate,
            latch=latch,
            calendar=calendar,
            market=market,
            references=references,
        )
        desk.start(at)
        yield Hosted(desk, broker)
