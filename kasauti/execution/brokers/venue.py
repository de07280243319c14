"""The rules of the paper venue: what is refused, when and at what price orders execute; no storage.

It stands for risk management and exchange together. Every rule reads a `PaperBook` and yields the
events that follow; whoever keeps the book applies each before it asks for the next.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kasauti.execution.brokers.matching import (
    Phase,
    Touch,
    by_priority,
    execution_price,
)
from kasauti.execution.brokers.paper_book import (
    Ended,
    Filled,
    PaperBook,
    PaperEvent,
    Phased,
    Placed,
    Triggered,
    executed,
)
from kasauti.execution.model import Fill, Order, OrderSide, OrderType, Product, round_to_tick
from kasauti.execution.orders import OrderState
from kasauti.market.calendar import Calendar, Session
from kasauti.market.contract_note import contract_note, purchase_reserve
from kasauti.market.markets import Market

ZERO = Decimal(0)
HALF_SPREAD = Decimal("0.0005")  # 5 bp, as the engine assumes
PARTICIPATION = Decimal("0.10")  # of the volume, where it is known
SQUARE_OFF_LAG = timedelta(minutes=10)  # after the market's time for our own intraday exits
SQUARE_OFF_FEE = Decimal("23.60")  # 20 and 18 % GST, for each position the broker closes itself
SQUARE_OFF_TAG = "SQUAREOFF"
MARKET = ""  # in place of a symbol: all of them


@dataclass(frozen=True)
class Venue:
    """One exchange and its broker's risk management.

    Attributes
    ----------
    market : Market
        For ticks, charges and the time of the intraday square-off.
    calendar : Calendar
        Session times and closing auctions: outside of them nothing is taken and nothing executes.
    half_spread, participation : Decimal
        Fractions of the price and of the volume.
    """

    market: Market
    calendar: Calendar
    half_spread: Decimal = HALF_SPREAD
    participation: Decimal = PARTICIPATION

    def phase(self, book: PaperBook, symbol: str, at: datetime) -> Phase:
        """Return how `symbol` trades at `at`; during its closing auction it is closed."""
        told = {book.phases.get(MARKET), book.phases.get(symbol)}
        if Phase.HALTED in told:
            return Phase.HALTED
        session = self.calendar.session(at.date())
        if session is None or not session.open <= at < self._continuous_end(book, symbol, session):
            return Phase.CLOSED
        return Phase.CALL if Phase.CALL in told else Phase.CONTINUOUS

    def place(self, book: PaperBook, order: Order, at: datetime) -> Iterator[PaperEvent]:
        """Take an order into the book, or refuse it, and match it against the last price."""
        broker_id = f"{at:%y%m%d}{len(book.orders) + 1:09d}"
        yield from self._days_end(book, at)
        refusal = self._refusal(book, order, at)
        yield Placed(order, broker_id, at, refusal)
        trades = self.phase(book, order.symbol, at) is Phase.CONTINUOUS
        if not refusal and trades and book.price(order.symbol, at.date()) is not None:
            yield from self._match(book, order.tag, at, jumped=True)

    def halt(self, book: PaperBook, symbol: str, at: datetime) -> Iterator[PaperEvent]:
        """Stop trading in a symbol, or in all (`MARKET`).

        A market-wide halt cancels all orders that rest (NSE/CMTR/24709 of 11 Oct 2013); in a
        halted symbol they stay where they are. New orders are refused either way.
        """
        yield Phased(symbol, Phase.HALTED)
        if symbol == MARKET:
            for tag in list(book.resting):
                yield Ended(tag, OrderState.CANCELLED, "market-wide trading halt", at)

    def match(
        self, book: PaperBook, symbols: Collection[str], at: datetime, *, jumped: bool
    ) -> Iterator[PaperEvent]:
        """Match the resting orders of `symbols` against their new prices, by priority.

        The first price after a call auction is the auction's own: it comes as a jump, and ends
        that of its own symbol and that of the whole market, which has one end for all.
        """
        if jumped:
            priced = {MARKET, *symbols}
            called = [s for s, p in book.phases.items() if p is Phase.CALL and s in priced]
            yield from (Phased(symbol, Phase.CONTINUOUS) for symbol in called)
        yield from self._days_end(book, at)
        yield from self._stops_lapse(book, at)
        yield from self._square_off(book, symbols, at)
        # A price from before an order came says nothing about what it could have had.
        orders = {tag: book.orders[tag].order for tag in book.resting if book.orders[tag].at <= at}
        for tag in by_priority([tag for tag in orders if orders[tag].symbol in symbols], orders):
            trades = self.phase(book, orders[tag].symbol, at) is Phase.CONTINUOUS
            if trades or (jumped and self._is_uncrossed(book, orders[tag].symbol, at)):
                yield from self._match(book, tag, at, jumped=jumped)

    def _continuous_end(self, book: PaperBook, symbol: str, session: Session) -> datetime:
        auction = book.instrument(symbol, session.day).closing_auction
        return session.continuous_end(closing_auction=auction)

    def _refusal(self, book: PaperBook, order: Order, at: datetime) -> str:
        """Return why the order is rejected, empty if it is not: what a broker's RMS checks."""
        phase = self.phase(book, order.symbol, at)
        if phase is Phase.HALTED:
            return "trading is halted"
        if phase is Phase.CLOSED and not self._auction_takes(order, at):
            return "the market is closed for this order"
        if order.quantity <= 0:
            return "quantity must be positive"
        wrong = self._wrong_price(book, order, at)
        if wrong:
            return wrong
        if order.side is OrderSide.SELL:
            free = book.held_as(order.symbol, order.product) - book.offered(order)
            return "" if order.quantity <= free else f"only {free} shares to sell"
        wanted = [*book.purchases(), (order, order.quantity)]
        needed = sum((self._reserve(book, *one, at) for one in wanted), ZERO)
        return "" if needed <= book.cash else "insufficient funds"

    def _reserve(self, book: PaperBook, order: Order, quantity: int, at: datetime) -> Decimal:
        """Return the most that `quantity` shares of a purchase can still cost."""
        orders = book.executed_on(at.date(), order.symbol).values()
        schedule, limit = self.market.charges, order.limit_price
        return purchase_reserve(schedule, at.date(), orders, quantity, limit)

    def _wrong_price(self, book: PaperBook, order: Order, at: datetime) -> str:
        """Return what the exchange has against the order's prices, empty if nothing."""
        prices = [p for p in (order.limit_price, order.trigger_price) if p is not None]
        if min(prices) <= 0:
            return "price must be positive"
        for price in prices:
            tick = self._tick(book, order.symbol, price, at)
            if price % tick:
                return f"price must be a multiple of {tick}"
        if (order.limit_price - prices[-1]) * order.side.sign < 0:
            return "a stop's limit must not be better than its trigger"
        low, high = self._band(book, order.symbol, at)
        if not all(low <= price <= high for price in prices):
            return f"price is outside the day's band of {low} to {high}"
        return ""

    def _band(self, book: PaperBook, symbol: str, at: datetime) -> tuple[Decimal, Decimal]:
        """Return the lowest and the highest price of the day: the ticks inside of the band."""
        instrument = book.instrument(symbol, at.date())
        close = instrument.previous_close
        if not close:
            return ZERO, Decimal("Infinity")
        low, high = close * (1 - instrument.band), close * (1 + instrument.band)
        return (
            round_to_tick(low, self._tick(book, symbol, low, at), up=True),
            round_to_tick(high, self._tick(book, symbol, high, at), up=False),
        )

    def _auction_takes(self, order: Order, at: datetime) -> bool:
        """Whether it is a plain limit order during a closing auction: no stop rests there."""
        session = self.calendar.session(at.date())
        return session is not None and at in session and order.trigger_price is None

    def _is_uncrossed(self, book: PaperBook, symbol: str, at: datetime) -> bool:
        """Whether a price at `at` is the closing auction's own: it matches when entry has ended."""
        session = self.calendar.session(at.date())
        if session is None or session.auction is None or at < session.close:
            return False
        return self._continuous_end(book, symbol, session) == session.auction

    def _days_end(self, book: PaperBook, at: datetime) -> Iterator[PaperEvent]:
        """Let the orders of earlier days lapse: they are DAY, whoever did or did not end theirs."""
        for tag in list(book.resting):
            placed = book.orders[tag].at.date()
            if placed < at.date():
                yield Ended(tag, OrderState.LAPSED, f"DAY order, {placed} is over", at)

    def _stops_lapse(self, book: PaperBook, at: datetime) -> Iterator[PaperEvent]:
        """Let the stop orders lapse whose symbols trade no longer continuously."""
        for tag in list(book.resting):
            order = book.orders[tag].order
            stops = order.trigger_price is not None and not book.orders[tag].triggered
            if stops and self.phase(book, order.symbol, at) is Phase.CLOSED:
                yield Ended(
                    tag, OrderState.LAPSED, "continuous trading has ended, no stop rests", at
                )

    def _square_off(
        self, book: PaperBook, symbols: Collection[str], at: datetime
    ) -> Iterator[PaperEvent]:
        """Close the intraday positions that are still open at the broker's time, for its fee."""
        for symbol, quantity in list(book.intraday.items()):
            due = self._square_off_at(book, symbol, at)
            trades = self.phase(book, symbol, at) is Phase.CONTINUOUS
            if quantity <= 0 or symbol not in symbols or not trades or due is None or at < due:
                continue
            for tag in list(book.resting):
                order = book.orders[tag].order
                if order.symbol == symbol and order.product is Product.INTRADAY:
                    yield Ended(tag, OrderState.CANCELLED, "intraday square-off", at)
            tick = self._tick(book, symbol, book.prices[symbol], at)
            price = max(round_to_tick(self._sold_at(book, symbol), tick, up=False), tick)
            tag = f"{SQUARE_OFF_TAG}{len(book.orders) + 1}"
            order = Order(
                tag,
                symbol,
                OrderSide.SELL,
                quantity,
                OrderType.LIMIT,
                price,
                product=Product.INTRADAY,
            )
            yield Placed(order, f"{at:%y%m%d}{len(book.orders) + 1:09d}", at)
            yield self._filled(book, order, quantity, price, at, fee=SQUARE_OFF_FEE)

    def _square_off_at(self, book: PaperBook, symbol: str, at: datetime) -> datetime | None:
        ours = self.market.square_off
        if ours is None:
            return None
        due = datetime.combine(at.date(), ours, tzinfo=at.tzinfo) + SQUARE_OFF_LAG
        session = self.calendar.session(at.date())
        if session is None:
            return None
        usual = datetime.combine(at.date(), self.market.closes, tzinfo=at.tzinfo)
        # A minute before an auction: afterwards nobody could close them any more.
        last = self._continuous_end(book, symbol, session) - timedelta(minutes=1)
        return min(session.close - (usual - due), last)

    def _tick(self, book: PaperBook, symbol: str, price: Decimal, at: datetime) -> Decimal:
        listed = book.instrument(symbol, at.date()).tick
        return self.market.tick_size(price, at.date()) if listed is None else listed

    def _sold_at(self, book: PaperBook, symbol: str) -> Decimal:
        quote = book.quotes.get(symbol)
        if quote is not None and quote.bid is not None:
            return quote.bid
        return book.prices[symbol] * (1 - self.half_spread)

    def _match(
        self, book: PaperBook, tag: str, at: datetime, *, jumped: bool
    ) -> Iterator[PaperEvent]:
        row = book.orders[tag]
        order = row.order
        price = book.prices[order.symbol]
        tick = self._tick(book, order.symbol, price, at)
        touch = Touch(price, jumped, tick, self.half_spread, book.quotes.get(order.symbol))
        triggered, executed = execution_price(order, row.triggered, touch)
        if triggered and not row.triggered:
            yield Triggered(tag)
        if executed is None:
            return
        wanted = order.quantity - row.filled
        if order.side is OrderSide.SELL:
            wanted = min(wanted, book.held_as(order.symbol, order.product))
            if wanted == 0:
                yield Ended(tag, OrderState.CANCELLED, "no shares left to sell", at)
                return
        quantity = int(min(Decimal(wanted), book.volumes.get(order.symbol, Decimal(wanted))))
        if quantity > 0:
            yield self._filled(book, order, quantity, executed, at)

    def _filled(
        self,
        book: PaperBook,
        order: Order,
        quantity: int,
        price: Decimal,
        at: datetime,
        fee: Decimal = ZERO,
    ) -> Filled:
        number = f"{order.tag}-{len(book.trades) + 1}"
        charges = self._charges(book, order, quantity, price, at) + fee
        return Filled(
            Fill(number, order.tag, order.symbol, order.side, quantity, price, charges, at)
        )

    def _charges(
        self, book: PaperBook, order: Order, quantity: int, price: Decimal, at: datetime
    ) -> Decimal:
        """Return what this fill adds to the day's contract note of its symbol."""
        schedule, day = self.market.charges, at.date()
        orders = book.executed_on(day, order.symbol)
        before = contract_note(schedule, day, orders.values())
        orders[order.tag] = executed(order, quantity, quantity * price, orders.get(order.tag))
        return contract_note(schedule, day, orders.values()) - before
