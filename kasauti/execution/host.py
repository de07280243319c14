"""Puts a desk together under its lease; only here is a broker made and handed to a gate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from kasauti.execution.approvals import Permits
from kasauti.execution.brokers.matching import Instrument, Quote
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.brokers.venue import MARKET
from kasauti.execution.desk import Desk
from kasauti.execution.gate import Gate
from kasauti.execution.hosts import DESK_PROCESS as DESK_PROCESS
from kasauti.execution.hosts import RECONCILE_COMMAND as RECONCILE_COMMAND
from kasauti.execution.hosts import REPLAY as REPLAY
from kasauti.execution.hosts import SESSION_JOB as SESSION_JOB
from kasauti.execution.hosts import TRADE_JOB as TRADE_JOB
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.references import References
from kasauti.execution.reserve import Reserve
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market


class PaperFeed:
    """The feed of a paper broker, and nothing else of it: no order goes in by here."""

    def __init__(self, broker: PaperBroker) -> None:
        self.__broker = broker

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
        self.__broker.feed(moment, at, prices, volumes, jumped=jumped)

    def quote(
        self, moment: str, at: datetime, quotes: Mapping[str, Quote], *, jumped: bool = False
    ) -> None:
        """Take in the quotes of one moment, once."""
        self.__broker.quote(moment, at, quotes, jumped=jumped)

    def list_instruments(self, day: date, instruments: Mapping[str, Instrument]) -> None:
        """Take in the exchange's morning file of one day."""
        self.__broker.list_instruments(day, instruments)

    def halt(self, at: datetime, symbol: str = MARKET) -> None:
        """Halt one symbol, or the whole market."""
        self.__broker.halt(at, symbol)

    def call(self, symbol: str = MARKET) -> None:
        """Begin the call auction after a halt."""
        self.__broker.call(symbol)

    def resume(self, symbol: str = MARKET) -> None:
        """Trade continuously again."""
        self.__broker.resume(symbol)

    def last_prices(self, day: date) -> Mapping[str, Decimal]:
        """Return the last price of every symbol on `day`."""
        return self.__broker.last_prices(day)

    def end_session(self, at: datetime) -> None:
        """Let every resting order lapse."""
        self.__broker.end_session(at)


@dataclass(frozen=True)
class Hosted:
    """A started desk and the price feed of its paper broker.

    Attributes
    ----------
    desk : Desk
    feed : PaperFeed
    epoch : int
        Of its lease.
    since : int
        Number of the ledger's last event before the desk first looked.
    reserve : Reserve or None
        Room on the ledger's disk, None where none is needed.
    """

    desk: Desk
    feed: PaperFeed
    epoch: int
    since: int
    reserve: Reserve | None


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
        broker = PaperBroker(ledger.engine, market, cash=cash, calendar=calendar)
        reserve = reserve_of(ledger)
        gate = Gate(
            broker,
            ledger=ledger,
            lease=lease,
            latch=latch,
            calendar=calendar,
            market=market,
            references=references,
            permits=permits,
            reserve=reserve,
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
        since = ledger.seq()
        desk.start(at)
        yield Hosted(desk, PaperFeed(broker), lease.epoch, since, reserve)


def reserve_of(ledger: Ledger) -> Reserve | None:
    """Return the room that is kept beside `ledger`, None for a replay: it can be played again.

    On a server, too, latch, alerts and heartbeat lie on this machine's disk.
    """
    if ledger.scope is Scope.REPLAY:
        return None
    reserve = Reserve.beside(ledger.path)
    reserve.mind()
    return reserve
