"""The paper account's money and shares over days, against a slow count of its executions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kasauti.execution.brokers.paper_book import (
    Funded,
    PaperBook,
    PaperEvent,
    Ticked,
    Transferred,
)
from kasauti.execution.brokers.venue import SQUARE_OFF_FEE, SQUARE_OFF_TAG, Venue
from kasauti.execution.model import Fill, Order, OrderSide, OrderType, Product
from kasauti.market.markets import NSE
from tests.execution.world import CALENDAR, DAYS, at

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
DELIVERY, INTRADAY = Product.DELIVERY, Product.INTRADAY
SYMBOLS = ("TEST", "OTHER")
MINUTE = timedelta(minutes=1)

# Rates of shared/reference/angel-one-and-nse.md, section 4.1, written out: nothing is shared with
# the schedule under test.
RATE, LEAST, MOST = Fraction(1, 1_000), 5, 20
LEVIES = Fraction("0.000030699") + Fraction("0.000000001") + Fraction("0.000001")
GST = Fraction(18, 100)
DEPOSITORY = 20 * (1 + GST)
STT_DELIVERED, STT_SAME_DAY_SALE = Fraction(1, 1_000), Fraction(25, 100_000)
STAMP_DELIVERED, STAMP_SAME_DAY = Fraction(15, 100_000), Fraction(3, 100_000)


@dataclass
class Account:
    """A book and the venue that writes it, without storage."""

    book: PaperBook
    venue: Venue
    now: datetime
    day: int = 0
    placed: int = 0

    def apply(self, events: Iterable[PaperEvent]) -> None:
        """Take in each event before the next is asked for."""
        for event in events:
            self.book.apply(event)

    def order(
        self, side: OrderSide, symbol: str, quantity: int, limit: Decimal, product: Product
    ) -> str:
        """Place an order; return why it is rejected, empty if it is not."""
        self.placed += 1
        tag = f"T{self.placed}"
        order = Order(tag, symbol, side, quantity, OrderType.LIMIT, limit, product=product)
        self.apply(self.venue.place(self.book, order, self.now))
        return self.book.orders[tag].text

    def tick(self, symbol: str, price: Decimal, volume: int | None, *, jumped: bool) -> None:
        """Feed one price; our share of the volume is `volume` itself."""
        self.now += MINUTE
        volumes = {} if volume is None else {symbol: D(volume)}
        self.book.apply(Ticked(self.now.date(), {symbol: price}, volumes))
        self.apply(self.venue.match(self.book, [symbol], self.now, jumped=jumped))

    def next_day(self) -> None:
        """Go on to the next session's open."""
        self.day = min(self.day + 1, len(DAYS) - 1)
        self.now = max(self.now, at(9, 15, day=DAYS[self.day]))


def account(cash: int = 100_000, **shares: int) -> Account:
    book = PaperBook()
    book.apply(Funded(D(cash)))
    book.apply(Transferred(D(0), shares))
    return Account(book, Venue(NSE, CALENDAR, half_spread=D(0)), at(9, 15, day=DAYS[0]))


def note_of(fills: Sequence[Fill], products: dict[str, Product]) -> Fraction:
    """Return what a day's executions of one symbol cost, order by order and part by part."""
    quantity: dict[str, int] = defaultdict(int)
    value: dict[str, Fraction] = defaultdict(Fraction)
    side = {fill.tag: fill.side for fill in fills}
    for fill in fills:
        quantity[fill.tag] += fill.quantity
        value[fill.tag] += fill.quantity * Fraction(fill.price)
    bought, sold = (
        sum(n for tag, n in quantity.items() if side[tag] is one and products[tag] is DELIVERY)
        for one in (BUY, SELL)
    )
    total = DEPOSITORY if sold > bought else Fraction(0)
    for tag, worth in value.items():
        passed_on = min(max(worth * RATE, Fraction(LEAST)), Fraction(MOST)) + worth * LEVIES
        same_day = Fraction(1)
        if products[tag] is DELIVERY:
            same_day = Fraction(min(bought, sold), bought if side[tag] is BUY else sold)
        delivered = worth * (1 - same_day)
        taxes = STT_DELIVERED * delivered
        if side[tag] is BUY:
            taxes += STAMP_SAME_DAY * worth * same_day + STAMP_DELIVERED * delivered
        else:
            taxes += STT_SAME_DAY_SALE * worth * same_day
        fee = Fraction(SQUARE_OFF_FEE) if tag.startswith(SQUARE_OFF_TAG) else 0
        total += passed_on * (1 + GST) + taxes + fee
    return total


def charges_due(book: PaperBook) -> tuple[Fraction, int]:
    """Return the sum of all days' notes of all symbols, and how many notes that are."""
    products = {tag: row.order.product for tag, row in book.orders.items()}
    notes: dict[tuple[date, str], list[Fill]] = defaultdict(list)
    for fill in book.trades:
        notes[fill.at.date(), fill.symbol].append(fill)
    return sum((note_of(fills, products) for fills in notes.values()), Fraction(0)), len(notes)


PRICES = st.integers(1_960, 2_040).map(lambda steps: steps * D("0.05"))
ORDERS = st.tuples(
    st.just("order"),
    st.sampled_from([BUY, SELL]),
    st.sampled_from(SYMBOLS),
    st.one_of(st.integers(1, 10), st.integers(1, 400)),
    PRICES,
    st.sampled_from([DELIVERY, DELIVERY, DELIVERY, INTRADAY]),
)
TICKS = st.tuples(
    st.just("tick"),
    st.sampled_from(SYMBOLS),
    PRICES,
    st.one_of(st.none(), st.integers(0, 300)),
    st.booleans(),
)
DAYS_OF_STEPS = st.lists(
    st.tuples(st.lists(st.one_of(ORDERS, ORDERS, TICKS), min_size=4, max_size=20), st.booleans()),
    min_size=1,
    max_size=len(DAYS),
)
EVENING = ("evening",)


def steps_of(days: list[tuple[list[Any], bool]]) -> Iterable[Any]:
    """Yield the steps of all days: each begins with prices, some end after the square-off."""
    for steps, has_evening in days:
        yield from (("tick", symbol, D(100), None, True) for symbol in SYMBOLS)
        yield from steps
        if has_evening:
            yield EVENING
            yield from (("tick", symbol, D(100), None, False) for symbol in SYMBOLS)
        yield ("day",)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(DAYS_OF_STEPS)
def test_cash_is_what_was_traded_less_the_notes_of_all_days(
    days: list[tuple[list[Any], bool]],
) -> None:
    made = account(60_000, TEST=300)
    book = made.book
    for kind, *more in steps_of(days):
        if kind == "order":
            made.order(*more)
        elif kind == "tick":
            symbol, price, volume, jumped = more
            made.tick(symbol, price, volume, jumped=jumped)
        elif kind == "day":
            made.next_day()
        else:
            made.now = max(made.now, at(15, 20, day=DAYS[made.day]))
        traded = sum(f.side.sign * f.quantity * f.price for f in book.trades)
        due, notes = charges_due(book)
        charged = 60_000 - traded - book.cash
        assert abs(Fraction(charged) - due) <= notes * Fraction(1, 10_000)
        assert charged == sum(f.charges for f in book.trades)
        assert book.cash >= 0, (book.cash, book.trades)
        assert all(held >= 0 for held in [*book.held.values(), *book.intraday.values()])


# By hand, with the rates above: the purchase 10 + 10 + .307 + .01 + 1.5 + 1.8571 = 23.6741, its
# sale for delivery 10 + 10 + .307 + .01 + 0 + 1.8571 + 23.6; on one day both are 27.1481.
@pytest.mark.parametrize(
    ("bought_on", "sold_on", "charged"),
    [
        pytest.param(3, 3, "27.1481", id="the same day: intraday"),
        pytest.param(3, 4, "69.4482", id="the next day: delivery, though not settled"),
        pytest.param(4, 5, "69.4482", id="Friday to Monday"),
    ],
)
def test_shares_can_be_sold_from_the_moment_of_their_purchase(
    bought_on: int, sold_on: int, charged: str
) -> None:
    made = account()
    made.day, made.now = bought_on, at(9, 15, day=DAYS[bought_on])
    made.tick("TEST", D(100), None, jumped=True)
    assert not made.order(BUY, "TEST", 100, D(101), DELIVERY)
    assert (made.book.held_as("TEST", DELIVERY), made.book.unsettled("TEST")) == (100, 100)
    if sold_on > bought_on:
        made.next_day()
        made.tick("TEST", D(100), None, jumped=True)
        assert (made.book.held_as("TEST", DELIVERY), made.book.unsettled("TEST")) == (100, 0)
    assert made.now.date() == DAYS[sold_on]
    assert made.order(SELL, "TEST", 1, D(99), INTRADAY) == "only 0 shares to sell"
    assert not made.order(SELL, "TEST", 100, D(99), DELIVERY)
    assert made.book.held_as("TEST", DELIVERY) == 0
    assert 100_000 - made.book.cash == D(charged)


def leave_just_enough(made: Account, quantity: int, limit: Decimal) -> None:
    """Withdraw all cash but the paise without which the venue refuses the purchase."""

    def refuses(cash: int) -> str:
        tried = deepcopy(made)
        tried.book.apply(Transferred(D(cash) / 100 - tried.book.cash, {}))
        return tried.order(BUY, "TEST", quantity, limit, DELIVERY)

    low, high = 0, int(made.book.cash * 100)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if refuses(middle) else (low, middle)
    made.book.apply(Transferred(D(high) / 100 - made.book.cash, {}))


TRADES = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 500), PRICES), min_size=0, max_size=6
)


# No shrinking: every example searches for its cash, it would take minutes.
@settings(deadline=None, max_examples=60, derandomize=True, phases=[Phase.generate])
@given(TRADES, st.lists(st.integers(1, 500), min_size=1, max_size=3), PRICES)
@pytest.mark.parametrize("limit_under", ["0.00", "5.00"])
def test_just_enough_cash_for_a_purchase_is_enough_whatever_was_traded_before(
    limit_under: str, before: list[tuple[OrderSide, int, Decimal]], fills: list[int], last: Decimal
) -> None:
    made = account(10_000_000, TEST=300)
    for side, quantity, price in before:
        made.tick("TEST", price, None, jumped=True)
        made.order(side, "TEST", quantity, price + side.sign, DELIVERY)
    made.tick("TEST", last, 0, jumped=True)
    limit = last - D(limit_under)
    leave_just_enough(made, sum(fills), limit)
    assert not made.order(BUY, "TEST", sum(fills), limit, DELIVERY)
    tag = f"T{made.placed}"
    assert made.order(BUY, "OTHER", 1, limit, DELIVERY) == "insufficient funds"
    for shares in fills:
        made.tick("TEST", limit - D("0.05"), shares, jumped=False)
        assert made.book.cash >= 0
    assert made.book.trades[-1].tag == tag
