"""What must never happen to an account, whatever happens to it; nothing happens here.

The order that goes to the broker is judged at the last moment before it gets there, by what the
broker has and what was sealed, not by what the gate thought of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.faults import Faulty
from kasauti.execution.conditions import Conditions
from kasauti.execution.events import EpochRaised, TradingState
from kasauti.execution.gate import Gate
from kasauti.execution.limits import Limits
from kasauti.execution.model import Fill, Intent, Order, OrderSide, Purpose
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.reconcile import VANISHED
from kasauti.market.markets import NSE
from tests.execution import world

if TYPE_CHECKING:
    from tests.execution.stateful import Game

SECOND = timedelta(seconds=1)
MOST_A_SECOND = 10  # of the exchange (NSE's threshold)


class Broken(Exception):
    """A law that did not hold; none of the faults that a gate takes for a broker's."""


class Laws:
    """Judges one game and counts how often each law was asked and held.

    Attributes
    ----------
    sent : set of str
        Tags of the orders that have left.
    held : Counter
    """

    def __init__(self, game: "Game") -> None:
        self._game = game
        self.sent: set[str] = set()
        self.held: Counter[str] = Counter()
        self._sends: list[tuple[datetime, Gate]] = []

    def judge(self, order: Order, at: datetime) -> None:
        """Judge one order at the last moment before it leaves."""
        book = self._game.desk.book
        view = book.orders.get(order.tag)
        if view is None or view.state is not OrderState.SENT:
            raise Broken(f"{order} leaves, and the ledger says {view}")
        if order.tag in self.sent:
            raise Broken(f"{order} leaves a second time")
        if not self._game.lease.is_held:
            raise Broken(f"{order} leaves without the lease")
        day = at.date()
        if not world.at(9, 15, day=day) <= at < world.at(15, 30, day=day):
            raise Broken(f"{order} leaves while the market is shut")
        tick = NSE.tick_size(order.limit_price, day)
        if order.quantity <= 0 or not order.limit_price > 0 or order.limit_price % tick:
            raise Broken(f"{order} is none")
        limits = book.limits
        assert limits is not None
        self.sent.add(order.tag)
        self.judge_pace(at)
        if view.intent.purpose is Purpose.ENTRY:
            self._judge_entry(order, view.intent, book, limits)
        elif order.quantity > self._known_to_be_held(order.symbol):
            raise Broken(f"{order} sells more than is held")
        self.held["what leaves is decided, new, on the tick, in time and in pace"] += 1

    def judge_pace(self, at: datetime) -> None:
        """Count one more request, an order's or a cancel's.

        A desk that starts anew knows of no cancel whose answer was lost: with those of the one
        before, within a second, it has to stay under the exchange's own threshold.
        """
        limits, gate = self._game.desk.book.limits, self._game.gate
        assert limits is not None
        self._sends = [one for one in self._sends if at - one[0] < SECOND] + [(at, gate)]
        own = sum(1 for _, by in self._sends if by is gate)
        if own > limits.orders_a_second or len(self._sends) > MOST_A_SECOND:
            raise Broken(f"{own} of {len(self._sends)} orders a second")

    def judge_holdings(self) -> None:
        """Judge what the broker holds."""
        if any(held < 0 for held in self._game.paper._book.held.values()):
            raise Broken("short at the broker")
        self.held["nothing is held short"] += 1

    def judge_book(self) -> None:
        """Fold the whole ledger again and judge what comes of it."""
        fresh, epoch = Book(), -1
        for record in self._game.rows:
            fresh.apply(record)
            if record.epoch != max(epoch, 0) + isinstance(record.event, EpochRaised):
                raise Broken(f"event {record.seq} has epoch {record.epoch} after {epoch}")
            epoch = record.epoch
        if fresh.fingerprint() != self._game.desk.book.fingerprint():
            raise Broken("the book is not the fold of the ledger")
        self.held["the book is the fold of the ledger, epochs rise one by one"] += 1

    def judge_cover(self) -> None:
        """Where broker and market are well, every share of ours comes under a closing order.

        Within seconds: two orders a second are allowed, and a stop that gives way is replaced.
        """
        game = self._game
        game.heal()
        for seconds in (1, 35, 35, 301, *[1] * 12):
            if game.now + timedelta(seconds=seconds) >= world.at(15, 0, day=game.now.date()):
                return
            game.now += timedelta(seconds=seconds)
            game.desk.step(game.now)
            bare = self._uncovered()
            if seconds == 1 and not bare:
                self.held["every share comes under a closing order"] += 1
                return
        raise Broken(f"not under closing orders: {bare}")

    def _judge_entry(self, order: Order, intent: Intent, book: Book, limits: Limits) -> None:
        game = self._game
        if book.latched or game.latch.is_set() or book.trading_state is not TradingState.ACTIVE:
            raise Broken(f"{order} leaves while trading is stopped")
        if book.limits_day != game.now.date():
            raise Broken(f"{order} leaves under the limits of {book.limits_day}")
        paper, resting = game.paper._book, Decimal(0)
        others, symbols = 0, {s for s, held in paper.held.items() if held}
        for tag in book.sent.get(game.now.date(), []):
            row, other = paper.orders.get(tag), book.orders[tag].intent
            if row is None or other.purpose is not Purpose.ENTRY or tag == order.tag:
                continue
            if row.state.is_working or row.filled:
                others += 1
            if row.state.is_working:
                symbols.add(other.symbol)
                resting += (other.quantity - row.filled) * other.limit_price
        if others >= limits.trades_a_day:
            raise Broken(f"{order} is trade {others + 1} of {limits.trades_a_day}")
        if order.symbol in symbols or len(symbols) >= limits.slots:
            raise Broken(f"{order} takes a slot that is taken: {symbols}")
        value = order.quantity * order.limit_price
        if value > limits.max_order_value or value + resting > limits.max_open_value:
            raise Broken(f"{order} is over the value limits, {resting} rests")
        gross = sum((held * self._mark(s) for s, held in paper.held.items()), Decimal(0))
        if gross + resting + value > limits.max_gross:
            raise Broken(f"{order} is over the gross limit: {gross} held, {resting} rests")
        if intent.protection is None:
            raise Broken(f"{order} opens a position without a stop")
        stop = intent.protection.stop_price(order.limit_price, order.side)
        if abs(order.limit_price - stop) * order.quantity > limits.risk_per_trade:
            raise Broken(f"{order} risks too much")
        self.held["an entry keeps to what was sealed"] += 1

    def _known_to_be_held(self, symbol: str) -> int:
        """Return what the broker holds, and what it sold by orders that its books had dropped.

        After half a minute a desk believes that they are gone; the broker refuses what follows.
        """
        paper, ours = self._game.paper, self._game.desk.book.orders
        dropped = [
            row.filled - ours[row.order.tag].filled
            for row in paper.orders()
            if row.order.symbol == symbol
            and row.order.side is OrderSide.SELL
            and row.order.tag in ours
            and ours[row.order.tag].code == VANISHED
        ]
        return paper._book.held.get(symbol, 0) + sum(dropped)

    def _mark(self, symbol: str) -> Decimal:
        position = self._game.desk.book.positions.get(symbol)
        reference = self._game.references.get(symbol)
        if position is None:
            return Decimal(0)
        if reference is not None and reference.day >= position.opened_at.date():
            return reference.close
        return position.average_price

    def _uncovered(self) -> dict[str, int]:
        """Return the shares at the broker that no closing order of ours would sell."""
        bare = Counter({one.symbol: one.quantity for one in self._game.paper.positions()})
        for row in self._game.paper.orders():
            if row.state.is_working and row.order.side is OrderSide.SELL:
                view = self._game.desk.book.orders[row.order.tag]
                if view.intent.purpose in (Purpose.STOP, Purpose.EXIT, Purpose.TARGET):
                    bare[row.order.symbol] -= row.order.quantity - row.filled
        return {symbol: shares for symbol, shares in bare.items() if shares}


@dataclass
class JudgedBroker:
    """Stands before a broker and judges every order that gets this far."""

    broker: Faulty
    laws: Laws

    name = "paper"
    funds_are_exact = True

    @property
    def absence_is_proof(self) -> bool:
        return self.broker.absence_is_proof

    def place(self, order: Order, at: datetime) -> Reply:
        self.laws.judge(order, at)
        return self.broker.place(order, at)

    def cancel(self, tag: str, at: datetime) -> Reply:
        self.laws.judge_pace(at)
        return self.broker.cancel(tag, at)

    def orders(self) -> Sequence[BrokerOrder]:
        return self.broker.orders()

    def trades(self) -> Sequence[Fill]:
        return self.broker.trades()

    def positions(self) -> Sequence[BrokerPosition]:
        return self.broker.positions()

    def funds(self) -> Decimal:
        return self.broker.funds()

    def conditions(self, now: datetime) -> Conditions:
        return self.broker.conditions(now)
