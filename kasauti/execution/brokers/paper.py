"""The paper broker: it takes orders and matches them on a price feed, apart from the ledger.

Its state is its own append-only table in the ledger's database, written before it answers, so it
survives any crash of ours the way a real broker does, and is reconciled against like one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from kasauti.errors import BrokerError, LedgerError
from kasauti.execution import failpoints, schema
from kasauti.execution.brokers.base import Answer, BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.matching import Instrument, Phase, Quote
from kasauti.execution.brokers.paper_book import (
    Ended,
    Funded,
    Listed,
    PaperBook,
    PaperEvent,
    Phased,
    Ticked,
    Transferred,
    adapter,
)
from kasauti.execution.brokers.venue import HALF_SPREAD, MARKET, PARTICIPATION, Venue
from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.model import Fill, Order, Product
from kasauti.execution.orders import OrderState
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market

ZERO = Decimal(0)
_TABLE = schema.broker_events
OWN_ADDRESS = "127.0.0.1"  # the paper broker sees the machine itself


class PaperBroker:
    """A broker that matches against the prices it is fed.

    Parameters
    ----------
    engine : Engine
        The ledger's database.
    market : Market
        For ticks and charges.
    cash : Decimal
        Paid in when the database has no paper account yet.
    calendar, half_spread, participation
        As for `Venue`.
    """

    name = "paper"
    absence_is_proof = True  # its book is written before it answers
    funds_are_exact = True

    def __init__(
        self,
        engine: Engine,
        market: Market,
        *,
        cash: Decimal,
        calendar: Calendar,
        half_spread: Decimal = HALF_SPREAD,
        participation: Decimal = PARTICIPATION,
    ) -> None:
        self._writer = schema.writing(engine)
        self._engine = engine
        self._venue = Venue(market, calendar, half_spread, participation)
        self._book = PaperBook()
        self._tripped: dict[str, Any] = {}
        self._quoted_at: dict[str, datetime] = {}
        with self._writing() as connection:
            if self._book.seq == 0:
                self._write(connection, [Funded(cash)], unique="funded")

    def place(self, order: Order, at: datetime) -> Reply:
        """Take an order into the book and match it against the last price.

        A tag that is known already changes nothing and is answered with the first order.
        """
        with self._writing() as connection:
            known = self._book.orders.get(order.tag)
            if known is None:
                self._write(connection, self._venue.place(self._book, order, at))
                known = self._book.orders[order.tag]
        if known.state is OrderState.REJECTED:
            return Reply(Answer.REJECTED, known.broker_id, known.text)
        return Reply(Answer.ACCEPTED, known.broker_id)

    def cancel(self, tag: str, at: datetime) -> Reply:
        """Cancel the rest of an order; one that has ended is refused."""
        with self._writing() as connection:
            row = self._book.orders.get(tag)
            if row is None or tag not in self._book.resting:
                return Reply(Answer.REJECTED, text=f"order {tag} is not resting")
            ended = Ended(tag, OrderState.CANCELLED, "cancelled on request", at)
            self._write(connection, [ended])
        return Reply(Answer.ACCEPTED, row.broker_id)

    def end(self, tag: str, state: OrderState, text: str, at: datetime) -> bool:
        """End a resting order from outside, as exchange or risk management may; False if none."""
        with self._writing() as connection:
            resting = tag in self._book.resting
            if resting:
                self._write(connection, [Ended(tag, state, text, at)])
        return resting

    def orders(self) -> Sequence[BrokerOrder]:
        """Return the order book, oldest first."""
        return list(self._read().orders.values())

    def trades(self) -> Sequence[Fill]:
        """Return the executions, oldest first."""
        return list(self._read().trades)

    def positions(self) -> Sequence[BrokerPosition]:
        """Return the holdings; shares bought in this session are not settled yet."""
        book = self._read()
        return [
            BrokerPosition(
                symbol,
                held,
                held - intraday - book.unsettled(symbol),
                Product.INTRADAY if intraday == held else Product.DELIVERY,
            )
            for symbol, held in book.held.items()
            if held
            for intraday in [book.intraday.get(symbol, 0)]
        ]

    def funds(self) -> Decimal:
        """Return the cash that resting purchases do not block."""
        book = self._read()
        return book.cash - book.blocked()

    def conditions(self, now: datetime) -> Conditions:
        """Return healthy stand-ins for what a real connection reports, but for what is tripped."""
        book = self._read()
        stopped = {s for s, p in book.phases.items() if p is not Phase.CONTINUOUS}
        quotes = book.quotes if book.day == now.date() else {}
        healthy = Conditions(
            login_day=now.date(),
            ip=OWN_ADDRESS,
            registered_ip=OWN_ADDRESS,
            feed_at=now,
            order_feed_at=now,
            broker_time=now,
            halted=frozenset(symbol for symbol in stopped if symbol != MARKET),
            market_halted=MARKET in stopped,
            restricted=frozenset(),  # no exchange is there to restrict anything
            quoted=bool(quotes),
            quotes={
                symbol: LiveQuote(quote.last, quote.bid, quote.ask, self._quoted_at.get(symbol))
                for symbol, quote in quotes.items()
            },
            prices=dict(book.prices) if book.day == now.date() else {},
        )
        return replace(healthy, **self._tripped)

    def trip(self, **changes: Any) -> None:
        """Report these conditions instead of healthy ones from now on; none: all is well again.

        They are those of this process and are not kept.
        """
        self._tripped = changes

    def feed(
        self,
        moment: str,
        at: datetime,
        prices: Mapping[str, Decimal],
        volumes: Mapping[str, Decimal] | None = None,
        *,
        jumped: bool = False,
    ) -> None:
        """Take in the prices of one moment and match the book; a moment known is ignored.

        Parameters
        ----------
        moment : str
            Unique name, for instance session and phase.
        at : datetime
        prices : mapping of symbol to price, on the tick
        volumes : mapping of symbol to the whole session's volume, where known
            Given with the session's first moment.
        jumped : bool
            The open: prices come without passing those in between.
        """
        if has_seen(self._engine, moment):
            return
        shares = {
            symbol: (volume * self._venue.participation).to_integral_value("ROUND_FLOOR")
            for symbol, volume in (volumes or {}).items()
        }
        ticked = Ticked(at.date(), dict(prices), shares)
        with self._writing() as connection:
            self._tick(connection, moment, ticked, at, jumped=jumped)

    def quote(
        self, moment: str, at: datetime, quotes: Mapping[str, Quote], *, jumped: bool = False
    ) -> None:
        """Take in the quotes of one moment and match the book; a moment known is ignored.

        Our share of the volume adds up over the session: what traded before an order came may
        fill it, as the depth of the book would.
        """
        if has_seen(self._engine, moment):
            return
        prices = {symbol: quote.last for symbol, quote in quotes.items()}
        with self._writing() as connection:
            known = self._book.volumes if self._book.day == at.date() else {}
            shares = {
                symbol: known.get(symbol, ZERO) + quote.volume * self._venue.participation
                for symbol, quote in quotes.items()
                if quote.volume is not None
            }
            ticked = Ticked(at.date(), prices, shares, dict(quotes))
            self._tick(connection, moment, ticked, at, jumped=jumped)
        self._quoted_at.update(dict.fromkeys(quotes, at))

    def _tick(
        self, connection: Connection, moment: str, ticked: Ticked, at: datetime, *, jumped: bool
    ) -> None:
        self._write(connection, [ticked], unique=f"tick:{moment}")
        matched = self._venue.match(self._book, ticked.prices, at, jumped=jumped)
        self._write(connection, matched)

    def transfer(self, cash: Decimal = ZERO, shares: Mapping[str, int] | None = None) -> None:
        """Move money and shares in, or out where negative, as it happens outside of trading."""
        with self._writing() as connection:
            self._write(connection, [Transferred(cash, dict(shares or {}))])

    def list_instruments(self, day: date, instruments: Mapping[str, Instrument]) -> None:
        """Take in the exchange's morning file: bands and closing auctions of that day alone.

        One that says nothing new is not kept; one that does takes the place of the earlier one.
        """
        with self._writing() as connection:
            if (self._book.listed, self._book.instruments) != (day, dict(instruments)):
                self._write(connection, [Listed(day, dict(instruments))])

    def halt(self, at: datetime, symbol: str = MARKET) -> None:
        """Halt one symbol, or the whole market, whose orders are then cancelled."""
        with self._writing() as connection:
            self._write(connection, self._venue.halt(self._book, symbol, at))

    def call(self, symbol: str = MARKET) -> None:
        """Begin the call auction after a halt: orders rest until a price that jumped ends it."""
        with self._writing() as connection:
            self._write(connection, [Phased(symbol, Phase.CALL)])

    def resume(self, symbol: str = MARKET) -> None:
        """Trade continuously again."""
        with self._writing() as connection:
            self._write(connection, [Phased(symbol, Phase.CONTINUOUS)])

    def last_prices(self, day: date) -> Mapping[str, Decimal]:
        """Return the last price of every symbol on `day`, none if another day has begun."""
        book = self._read()
        return dict(book.prices) if book.day == day else {}

    def end_session(self, at: datetime) -> None:
        """Let every resting order lapse: orders are DAY."""
        with self._writing() as connection:
            lapsed = [
                Ended(tag, OrderState.LAPSED, f"DAY order, {at.date()} is over", at)
                for tag in self._book.resting
            ]
            self._write(connection, lapsed)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Open a transaction on a book that is up to date; forget the book if it fails."""
        try:
            with self._writer.begin() as connection:
                self._catch_up(connection)
                yield connection
                failpoints.reach("broker.before_write")
            failpoints.reach("broker.written")
        except SQLAlchemyError as error:
            self._book = PaperBook()
            raise BrokerError(f"the paper account cannot be written: {error}") from error
        except BaseException:
            self._book = PaperBook()
            raise

    def _read(self) -> PaperBook:
        """Return the book; one that was forgotten is read again, an empty one would be a lie."""
        if self._book.seq == 0:
            try:
                with self._engine.connect() as connection:
                    self._catch_up(connection)
            except SQLAlchemyError as error:
                self._book = PaperBook()
                raise BrokerError(f"the paper account cannot be read: {error}") from error
        return self._book

    def _catch_up(self, connection: Connection) -> None:
        query = select(_TABLE).where(_TABLE.c.seq > self._book.seq).order_by(_TABLE.c.seq)
        for row in connection.execute(query):
            self._book.apply(adapter(row.kind).validate_json(row.payload))
            self._book.seq = row.seq

    def _write(
        self, connection: Connection, events: Iterable[PaperEvent], unique: str | None = None
    ) -> None:
        for event in events:
            kind = type(event).__name__
            plain = adapter(kind).dump_python(event, mode="json")
            payload = json.dumps(plain, sort_keys=True, separators=(",", ":"))
            seq = connection.execute(select(func.coalesce(func.max(_TABLE.c.seq), 0))).scalar_one()
            if seq != self._book.seq:
                raise LedgerError("another process writes to this paper account: stop one of them")
            connection.execute(
                insert(_TABLE).values(seq=seq + 1, kind=kind, unique_key=unique, payload=payload)
            )
            self._book.apply(event)
            self._book.seq = seq + 1


def has_seen(engine: Engine, moment: str) -> bool:
    """Whether the feed's `moment` is in the paper account of the database."""
    return _holds(engine, f"tick:{moment}")


def _holds(engine: Engine, unique: str) -> bool:
    with engine.connect() as connection:
        query = select(_TABLE.c.seq).where(_TABLE.c.unique_key == unique)
        return connection.execute(query).one_or_none() is not None


def last_moment(engine: Engine, prefix: str) -> str | None:
    """Return the last moment whose name begins with `prefix` in the paper account, if any."""
    names = _TABLE.c.unique_key.startswith(f"tick:{prefix}", autoescape=True)
    query = select(_TABLE.c.unique_key).where(names).order_by(_TABLE.c.seq.desc()).limit(1)
    with engine.connect() as connection:
        found = connection.execute(query).scalar_one_or_none()
    return None if found is None else str(found).removeprefix("tick:")
