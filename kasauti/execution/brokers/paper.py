"""The paper broker: it takes orders and matches them on a price feed, apart from the ledger.

Its state is its own append-only table in the ledger's database, written before it answers, so it
survives any crash of ours the way a real broker does, and is reconciled against like one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.engine import Connection

from kasauti.errors import LedgerError
from kasauti.execution import schema
from kasauti.execution.brokers.base import Answer, BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.matching import Touch, execution_price
from kasauti.execution.brokers.paper_book import (
    Bought,
    Ended,
    Filled,
    Funded,
    PaperBook,
    PaperEvent,
    Placed,
    Ticked,
    Triggered,
    adapter,
)
from kasauti.execution.model import Fill, Order, OrderSide
from kasauti.execution.orders import OrderState
from kasauti.market.markets import Market

ZERO = Decimal(0)
_TABLE = schema.broker_events
HALF_SPREAD = Decimal("0.0005")  # 5 bp, as the engine assumes
PARTICIPATION = Decimal("0.10")  # of a bar's volume, where the volume is known


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
    half_spread, participation : Decimal
        Fractions of the price and of a bar's volume.
    """

    name = "paper"
    absence_is_proof = True  # its book is written before it answers

    def __init__(
        self,
        engine: Engine,
        market: Market,
        *,
        cash: Decimal,
        half_spread: Decimal = HALF_SPREAD,
        participation: Decimal = PARTICIPATION,
    ) -> None:
        self._writer = schema.writing(engine)
        self._engine = engine
        self._market = market
        self._half_spread = half_spread
        self._participation = participation
        self._book = PaperBook()
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
                self._accept(connection, order, at)
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

    def orders(self) -> Sequence[BrokerOrder]:
        """Return the order book, oldest first."""
        return list(self._book.orders.values())

    def trades(self) -> Sequence[Fill]:
        """Return the executions, oldest first."""
        return list(self._book.trades)

    def positions(self) -> Sequence[BrokerPosition]:
        """Return the holdings; shares bought in this session are not settled yet."""
        bought = self._book.bought
        return [
            BrokerPosition(symbol, held, held - bought.get(symbol, Bought()).quantity)
            for symbol, held in self._book.held.items()
            if held
        ]

    def funds(self) -> Decimal:
        """Return the cash that resting purchases do not block."""
        return self._book.cash - self._book.blocked()

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
            symbol: (volume * self._participation).to_integral_value("ROUND_FLOOR")
            for symbol, volume in (volumes or {}).items()
        }
        with self._writing() as connection:
            ticked = Ticked(at.date(), dict(prices), shares)
            self._write(connection, [ticked], unique=f"tick:{moment}")
            for tag in self._matching_order(prices):
                self._match(connection, tag, at, jumped=jumped)

    def end_session(self, at: datetime) -> None:
        """Let every resting order lapse: orders are DAY."""
        with self._writing() as connection:
            lapsed = [
                Ended(tag, OrderState.LAPSED, f"DAY order, {at.date()} is over", at)
                for tag in self._book.resting
            ]
            self._write(connection, lapsed)

    def _matching_order(self, prices: Mapping[str, Decimal]) -> list[str]:
        """Return the resting orders of these symbols: stops first, then as they came."""
        rows = self._book.orders
        tags = [tag for tag in self._book.resting if rows[tag].order.symbol in prices]
        return sorted(tags, key=lambda tag: rows[tag].order.trigger_price is None)

    def _accept(self, connection: Connection, order: Order, at: datetime) -> None:
        broker_id = f"{at:%y%m%d}{len(self._book.orders) + 1:09d}"
        refusal = self._refusal(order, at)
        self._write(connection, [Placed(order, broker_id, at, refusal)])
        if not refusal and order.symbol in self._book.prices:
            self._match(connection, order.tag, at, jumped=True)

    def _refusal(self, order: Order, at: datetime) -> str:
        """Return why the order is rejected, empty if it is not: what a broker's RMS checks."""
        if order.quantity <= 0:
            return "quantity must be positive"
        tick = self._market.tick_size(order.limit_price, at.date())
        prices = [order.limit_price, order.trigger_price or order.limit_price]
        if any(price <= 0 or price % tick for price in prices):
            return f"price must be positive and a multiple of {tick}"
        if order.side is OrderSide.SELL:
            held = self._book.held.get(order.symbol, 0)
            return "" if order.quantity <= held else f"only {held} shares to sell"
        value = order.quantity * order.limit_price
        charges = self._market.charges.charge(at.date(), True, True, value).total
        return "" if value + charges <= self.funds() else "insufficient funds"

    def _match(self, connection: Connection, tag: str, at: datetime, *, jumped: bool) -> None:
        row = self._book.orders[tag]
        order = row.order
        price = self._book.prices[order.symbol]
        tick = self._market.tick_size(price, at.date())
        touch = Touch(price, jumped, tick, self._half_spread)
        triggered, executed = execution_price(order, row.triggered, touch)
        if triggered and not row.triggered:
            self._write(connection, [Triggered(tag)])
        if executed is None:
            return
        wanted = order.quantity - row.filled
        if order.side is OrderSide.SELL:
            wanted = min(wanted, self._book.held.get(order.symbol, 0))
            if wanted == 0:
                ended = Ended(tag, OrderState.CANCELLED, "no shares left to sell", at)
                self._write(connection, [ended])
                return
        quantity = int(min(Decimal(wanted), self._book.volumes.get(order.symbol, Decimal(wanted))))
        if quantity > 0:
            charges = self._charges(order, quantity, executed, at)
            fill = Fill(
                f"{tag}-{len(self._book.trades) + 1}",
                tag,
                order.symbol,
                order.side,
                quantity,
                executed,
                charges,
                at,
            )
            self._write(connection, [Filled(fill)])

    def _charges(self, order: Order, quantity: int, price: Decimal, at: datetime) -> Decimal:
        """Return what this fill adds: an order's charges are those of its whole value.

        Selling what was bought today makes both legs intraday; the sale carries the difference.
        """
        schedule, day = self._market.charges, at.date()
        is_buy = order.side is OrderSide.BUY
        bought = self._book.bought.get(order.symbol, Bought())
        is_delivery = is_buy or bought.quantity == 0
        value = self._book.value.get(order.tag, ZERO) + quantity * price
        total = schedule.charge(day, is_buy, is_delivery, value).total
        if not is_delivery:
            share = Decimal(min(quantity, bought.quantity)) / bought.quantity
            intraday = schedule.charge(day, True, False, bought.value).total
            total += (intraday - bought.charges) * share
        return (total - self._book.charged.get(order.tag, ZERO)).quantize(Decimal("0.0001"))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Open a transaction on a book that is up to date; forget the book if it fails."""
        try:
            with self._writer.begin() as connection:
                self._catch_up(connection)
                yield connection
        except BaseException:
            self._book = PaperBook()
            raise

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
    with engine.connect() as connection:
        query = select(_TABLE.c.seq).where(_TABLE.c.unique_key == f"tick:{moment}")
        return connection.execute(query).one_or_none() is not None
