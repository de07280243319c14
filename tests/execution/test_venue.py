"""The paper venue: quotes, priority, bands, halts, auctions and the broker's own square-off."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError

from kasauti.execution.brokers.base import Answer
from kasauti.execution.brokers.matching import (
    Instrument,
    Quote,
    Touch,
    by_priority,
    execution_price,
)
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.conditions import LiveQuote
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Order, OrderSide, OrderType, Product, Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.place import Place
from kasauti.execution.schema import broker_events
from kasauti.market.calendar import Session, TableCalendar
from kasauti.market.contract_note import Executed, contract_note
from kasauti.market.markets import NSE
from tests.execution.world import AUCTIONS, CALENDAR, OPEN, TODAY, TOMORROW, YESTERDAY, at

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
ARRIVES, RESTS = True, False
MINUTE = timedelta(minutes=1)

QUOTED: list[tuple[str, OrderSide, str | None, str, tuple[str, str, str], bool, str | None]] = [
    # case, side, trigger, limit, (bid, last, ask), arrives, expected
    ("a buy takes the ask", BUY, None, "101", ("99", "100", "100.5"), ARRIVES, "100.5"),
    ("a sale takes the bid", SELL, None, "95", ("99", "100", "100.5"), ARRIVES, "99"),
    ("a buy under the ask rests", BUY, None, "100.4", ("99", "100", "100.5"), ARRIVES, None),
    ("a resting buy touched", BUY, None, "99", ("98", "99", "99.5"), RESTS, None),
    ("a resting buy traded through", BUY, None, "99", ("98", "98.9", "99.5"), RESTS, "99"),
    ("a resting buy under a lower ask", BUY, None, "99", ("98", "99", "98.9"), RESTS, "99"),
    ("a resting sale over a higher bid", SELL, None, "99", ("99.1", "99", "99.5"), RESTS, "99"),
    ("a stop not reached", SELL, "95", "93", ("95", "95.1", "95.2"), RESTS, None),
    ("a stop sells at the bid", SELL, "95", "93", ("94.8", "95", "95.2"), RESTS, "94.8"),
    ("a stop that was jumped over", SELL, "95", "93", ("93.8", "94", "94.2"), RESTS, "93.8"),
    ("a stop over an empty book", SELL, "95", "94", ("93.8", "94", "94.2"), RESTS, None),
]


@pytest.mark.parametrize("row", QUOTED, ids=lambda row: row[0])
def test_execution_on_quotes(row: Any) -> None:
    _, side, trigger, limit, (bid, last, ask), arrives, expected = row
    kind = OrderType.LIMIT if trigger is None else OrderType.STOPLOSS_LIMIT
    order = Order("T", "TEST", side, 10, kind, D(limit), None if trigger is None else D(trigger))
    touch = Touch(D(last), arrives, D("0.05"), D("0.0005"), Quote(D(last), D(bid), D(ask)))
    _, found = execution_price(order, False, touch)
    assert found == (None if expected is None else D(expected))


def test_a_quote_without_depth_costs_half_a_spread() -> None:
    order = Order("T", "TEST", BUY, 10, OrderType.LIMIT, D(101))
    touch = Touch(D(100), ARRIVES, D("0.05"), D("0.0005"), Quote(D(100)))
    assert execution_price(order, False, touch) == (False, D("100.05"))


def test_price_goes_before_time_and_stops_before_limits() -> None:
    def order(tag: str, side: OrderSide, limit: str, trigger: str | None = None) -> Order:
        kind = OrderType.LIMIT if trigger is None else OrderType.STOPLOSS_LIMIT
        symbol = "OTHER" if tag.startswith("o") else "TEST"
        stop = None if trigger is None else D(trigger)
        return Order(tag, symbol, side, 1, kind, D(limit), stop)

    orders = {
        made.tag: made
        for made in (
            order("b99", BUY, "99"),
            order("b100", BUY, "100"),
            order("o1", BUY, "50"),
            order("b100 later", BUY, "100"),
            order("s106", SELL, "106"),
            order("s105", SELL, "105"),
            order("o2", BUY, "51"),
            order("t94", SELL, "93", "94"),
            order("t95", SELL, "93", "95"),
        )
    }
    assert by_priority(list(orders), orders) == [
        "t95",
        "t94",
        "b100",
        "b100 later",
        "o2",
        "b99",
        "s105",
        "s106",
        "o1",
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "l.sqlite", scope=Scope.PAPER, market="nse", at=OPEN)


Make = Callable[..., PaperBroker]


@pytest.fixture
def make(ledger: Ledger) -> Make:
    def made(**changes: Any) -> PaperBroker:
        given: dict[str, Any] = {"cash": D(100_000), "calendar": CALENDAR, "half_spread": D(0)}
        return PaperBroker(ledger.engine, NSE, **(given | changes))

    return made


def order(
    broker: PaperBroker,
    tag: str,
    side: OrderSide = BUY,
    quantity: int = 10,
    limit: str = "101.00",
    when: datetime = OPEN,
    **more: Any,
) -> str:
    """Place an order; return why it is rejected, empty if it is not."""
    kind = OrderType.STOPLOSS_LIMIT if "trigger_price" in more else OrderType.LIMIT
    order = Order(tag, "TEST", side, quantity, kind, D(limit), **more)
    reply = broker.place(order, when)
    return reply.text if reply.answer is Answer.REJECTED else ""


def row(broker: PaperBroker, tag: str) -> Any:
    return next(row for row in broker.orders() if row.order.tag == tag)


def test_scarce_volume_goes_to_the_better_price_then_to_who_came_first(make: Make) -> None:
    broker = make()
    for tag, limit in (("first", "99.00"), ("better", "99.50"), ("later", "99.00")):
        order(broker, tag, limit=limit)
    broker.feed("low", OPEN + MINUTE, {"TEST": D(98)}, {"TEST": D(150)})
    assert [(fill.tag, fill.quantity) for fill in broker.trades()] == [("better", 10), ("first", 5)]
    broker.feed("lower", OPEN + 2 * MINUTE, {"TEST": D(97)}, {"TEST": D(150)})
    assert [(f.tag, f.quantity) for f in broker.trades()][2:] == [("first", 5), ("later", 10)]


def test_our_share_of_the_traded_volume_adds_up(make: Make) -> None:
    broker = make()
    broker.quote("1", OPEN, {"TEST": Quote(D(100), D("99.95"), D("100.05"), D(45))})
    order(broker, "B")
    assert row(broker, "B").filled == 4, "a tenth of 45, whole shares"
    broker.quote("2", OPEN + MINUTE, {"TEST": Quote(D(100), D("99.95"), D("100.05"), D(900))})
    assert row(broker, "B").state is OrderState.FILLED, "its limit of 101 lies over the ask"
    assert [fill.price for fill in broker.trades()] == [D("100.05"), D("101.00")]
    broker.quote("2", OPEN + MINUTE, {"TEST": Quote(D(1), D(1), D(1), D(900))})
    assert broker.last_prices(TODAY) == {"TEST": D(100)}, "a moment is taken in once"
    assert not broker.last_prices(TOMORROW)


def test_a_quote_without_any_volume_fills_nothing_and_one_that_does_not_say_fills(
    make: Make,
) -> None:
    broker = make()
    broker.quote("1", OPEN, {"TEST": Quote(D(100), volume=D(0)), "OTHER": Quote(D(100))})
    order(broker, "B")
    broker.place(Order("O", "OTHER", BUY, 10, OrderType.LIMIT, D(101)), OPEN)
    broker.quote("2", OPEN + MINUTE, {"TEST": Quote(D(99), volume=D(0))})
    assert [(fill.tag, fill.quantity) for fill in broker.trades()] == [("O", 10)]


def test_the_account_survives_with_quotes_halts_and_listings(make: Make, ledger: Ledger) -> None:
    broker = make()
    broker.list_instruments(TODAY, {"TEST": Instrument(D(100), D("0.05"))})
    broker.quote("1", OPEN, {"TEST": Quote(D(100), D("99.95"), D("100.05"), D(450))})
    order(broker, "B", product=Product.INTRADAY)
    broker.halt(OPEN, "TEST")
    broker.transfer(D("12.50"), {"OTHER": 3})
    again = make()
    assert again.orders() == broker.orders()
    assert again.positions() == broker.positions()
    assert again.funds() == broker.funds()
    assert again.conditions(OPEN).halted == frozenset({"TEST"})
    assert "halted" in order(again, "C")


BANDS = [
    ("2 %", "0.02", "98.00", "102.00", "97.95", "102.05"),
    ("5 %", "0.05", "95.00", "105.00", "94.95", "105.05"),
    ("10 %", "0.10", "90.00", "110.00", "89.95", "110.05"),
    ("20 %", "0.20", "80.00", "120.00", "79.95", "120.05"),
    # 5 % of 300.10 are 285.095 and 315.105: the ticks outside of them lie outside of the band
    ("rounded inward", "0.05", "285.10", "315.10", "285.05", "315.15", "300.10"),
    # 5 % of 1,020 are 969 and 1,071; below 1,000 the tick is 0.05, from there on 0.10
    ("each end on its own tick", "0.05", "969.00", "1071.00", "968.95", "1071.10", "1020"),
]


@pytest.mark.parametrize("case", BANDS, ids=lambda case: case[0])
def test_an_order_outside_the_band_is_rejected(make: Make, case: Any) -> None:
    _, band, low, high, below, above, *close = case
    broker = make()
    broker.list_instruments(TODAY, {"TEST": Instrument(D(*close or [100]), D(band))})
    assert order(broker, "low", limit=low) == order(broker, "high", limit=high) == ""
    assert "outside the day's band" in order(broker, "below", limit=below)
    assert "outside the day's band" in order(broker, "above", limit=above)
    assert order(broker, "unlisted", limit=low) == ""


def test_a_morning_file_counts_on_its_day_and_the_later_one_of_a_day_counts(make: Make) -> None:
    broker = make()
    broker.list_instruments(YESTERDAY, {"TEST": Instrument(D(100), D("0.02"), tick=D(1))})
    assert order(broker, "B", limit="110.05") == ""
    broker.list_instruments(TODAY, {"TEST": Instrument(D(110), D("0.02"))})
    assert "outside the day's band" in order(broker, "C", limit="112.25")
    before = broker._book.seq
    broker.list_instruments(TODAY, {"TEST": Instrument(D(110), D("0.02"))})
    assert broker._book.seq == before, "it says nothing new"
    broker.list_instruments(TODAY, {"TEST": Instrument(D(110), D("0.05"))})
    assert order(broker, "D", limit="112.25") == ""
    assert order(broker, "E", limit="200", when=at(9, 15, day=TOMORROW)) == ""


def test_a_trigger_outside_the_band_is_rejected(make: Make) -> None:
    broker = make()
    broker.list_instruments(TODAY, {"TEST": Instrument(D(100), D("0.05"))})
    broker.transfer(shares={"TEST": 10})
    why = order(broker, "S", SELL, limit="95.00", trigger_price=D("105.05"))
    assert "outside the day's band" in why


STOPS = [
    ("a sale above its trigger", SELL, "96.00", "95.00", "better than its trigger"),
    ("a purchase under its trigger", BUY, "104.00", "105.00", "better than its trigger"),
    ("a sale at its trigger", SELL, "95.00", "95.00", ""),
    ("a purchase at its trigger", BUY, "105.00", "105.00", ""),
    ("a trigger off the tick of its own price", SELL, "990.00", "1000.05", "multiple of 0.10"),
    ("a limit off the tick of its own price", BUY, "1000.05", "999.95", "multiple of 0.10"),
    ("each on its own tick", SELL, "999.95", "1000.10", ""),
    ("a trigger of nothing", SELL, "95.00", "0", "must be positive"),
]


@pytest.mark.parametrize("case", STOPS, ids=lambda case: case[0])
def test_a_stop_is_taken_if_both_of_its_prices_can_be(make: Make, case: Any) -> None:
    """A buy's trigger is at most its limit, a sale's at least; each is on the tick of its price."""
    _, side, limit, trigger, why = case
    broker = make()
    broker.transfer(shares={"TEST": 10})
    found = order(broker, "S", side, limit=limit, trigger_price=D(trigger))
    assert why in found and bool(why) is bool(found)


def test_a_halted_symbol_neither_matches_nor_takes_orders(make: Make) -> None:
    broker = make()
    order(broker, "B", limit="99.00")
    broker.halt(OPEN, "TEST")
    broker.feed("low", OPEN + MINUTE, {"TEST": D(90)})
    assert not broker.trades() and row(broker, "B").state is OrderState.OPEN
    assert "halted" in order(broker, "C")
    assert broker.conditions(OPEN).halted == frozenset({"TEST"})
    broker.resume("TEST")
    broker.feed("lower", OPEN + 2 * MINUTE, {"TEST": D(89)})
    assert row(broker, "B").state is OrderState.FILLED


def test_a_market_wide_halt_cancels_all_and_reopens_with_a_call_auction(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B", limit="99.00")
    broker.halt(OPEN + MINUTE)
    assert row(broker, "B").state is OrderState.CANCELLED
    assert "market-wide" in row(broker, "B").text
    assert broker.conditions(OPEN).market_halted and "halted" in order(broker, "C")
    broker.call()
    assert order(broker, "D", limit="95.00") == "", "the call auction takes orders"
    broker.feed("indicative", OPEN + 2 * MINUTE, {"TEST": D(90)})
    assert not broker.trades(), "nothing matches before the auction has its price"
    broker.feed("auction", OPEN + 3 * MINUTE, {"TEST": D(91)}, jumped=True)
    assert [fill.price for fill in broker.trades()] == [D(91)]
    assert not broker.conditions(OPEN).market_halted
    assert order(broker, "E", limit="92.00") == "" and row(broker, "E").filled == 10


def test_a_call_auction_ends_with_the_price_of_its_own_symbol(make: Make) -> None:
    broker = make()
    for symbol in ("TEST", "OTHER"):
        broker.halt(OPEN, symbol)
        broker.call(symbol)
    order(broker, "B", limit="99.00")
    broker.feed("another's", OPEN + MINUTE, {"OTHER": D(5)}, jumped=True)
    assert broker.conditions(OPEN).halted == frozenset({"TEST"})
    broker.feed("indicative", OPEN + 2 * MINUTE, {"TEST": D(98)})
    assert not broker.trades()
    assert "closed" in order(broker, "NIGHT", when=at(3)), "a call auction has its session's hours"
    broker.feed("its own", OPEN + 3 * MINUTE, {"TEST": D(98)}, jumped=True)
    assert [fill.price for fill in broker.trades()] == [D(98)]


def test_a_market_wide_halt_ends_with_its_day_and_a_suspension_does_not(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    broker.halt(OPEN)
    broker.halt(OPEN, "OTHER")
    broker.feed("next", at(9, 15, day=TOMORROW), {"TEST": D(100)}, jumped=True)
    found = broker.conditions(at(9, 15, day=TOMORROW))
    assert (found.market_halted, found.halted) == (False, frozenset({"OTHER"}))


def test_the_closing_auction_keeps_no_stops_and_matches_once(make: Make) -> None:
    broker = make(calendar=AUCTIONS)
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B")
    order(broker, "STOP", SELL, limit="93.00", trigger_price=D(95))
    order(broker, "LOW", BUY, limit="98.00")
    broker.feed("auction", at(15, 15), {"TEST": D(94)})
    assert row(broker, "STOP").state is OrderState.LAPSED
    assert row(broker, "LOW").filled == 0, "no continuous match"
    late = at(15, 16)
    assert "closed" in order(broker, "S2", SELL, limit="93", when=late, trigger_price=D(95))
    assert order(broker, "LIMIT", SELL, limit="96.00", when=late) == ""
    broker.feed("after a silence", at(15, 29), {"TEST": D(97)}, jumped=True)
    assert row(broker, "LOW").filled == 0, "orders are still being taken: nothing has matched"
    broker.feed("price", at(15, 31), {"TEST": D(97)}, jumped=True)
    assert [(f.tag, f.price) for f in broker.trades()][1:] == [("LOW", D(97)), ("LIMIT", D(97))]


CLOSED = [
    ("at night", at(3), "closed"),
    ("before the open", at(9, 14, 59), "closed"),
    ("in the auction, on a move", at(15, 20), ""),
    ("after the close", at(15, 30), "closed"),
]


@pytest.mark.parametrize(("when", "why"), [c[1:] for c in CLOSED], ids=[c[0] for c in CLOSED])
def test_nothing_executes_outside_of_continuous_trading(
    make: Make, when: datetime, why: str
) -> None:
    """A share of which nobody says that it has no auction is taken for one with it."""
    broker = make(calendar=AUCTIONS)
    broker.feed("price", when, {"TEST": D(100)}, jumped=True)
    assert (why in order(broker, "B", when=when)) and bool(why) is bool(row(broker, "B").text)
    broker.feed("lower", when + MINUTE, {"TEST": D(90)})
    assert not broker.trades()


def test_a_share_without_auction_trades_on_to_the_close(make: Make) -> None:
    broker = make(calendar=AUCTIONS)
    broker.list_instruments(TODAY, {"TEST": Instrument(closing_auction=False)})
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B")
    order(broker, "STOP", SELL, limit="93.00", trigger_price=D(95))
    broker.feed("late", at(15, 20), {"TEST": D(94)})
    assert row(broker, "STOP").state is OrderState.FILLED
    assert "closed" in order(broker, "C", when=at(15, 30))
    assert "closed" in order(broker, "D", when=at(9, 14))


def test_conditions_are_healthy_and_each_can_be_tripped(make: Make) -> None:
    broker = make()
    healthy = broker.conditions(OPEN)
    assert healthy.login_day == TODAY and healthy.ip == healthy.registered_ip is not None
    assert {healthy.feed_at, healthy.order_feed_at, healthy.broker_time} == {OPEN}
    assert not healthy.halted and not healthy.market_halted and not healthy.restricted
    trips: dict[str, Any] = {
        "login_day": YESTERDAY,
        "ip": "10.0.0.1",
        "registered_ip": None,
        "feed_at": OPEN - MINUTE,
        "order_feed_at": None,
        "broker_time": OPEN + MINUTE,
        "halted": frozenset({"TEST"}),
        "market_halted": True,
        "restricted": frozenset({"TEST"}),
        "quoted": True,
        "quotes": {"TEST": LiveQuote(D(100), at=OPEN)},
        "prices": {"TEST": D(99)},
    }
    assert set(trips) == set(vars(healthy))
    for name, value in trips.items():
        broker.trip(**{name: value})
        assert getattr(broker.conditions(OPEN), name) == value
        broker.trip()
        assert broker.conditions(OPEN) == healthy


def test_the_broker_squares_off_what_is_left_of_the_day_for_a_fee(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B", product=Product.INTRADAY)
    order(broker, "STOP", SELL, limit="93.00", trigger_price=D(95), product=Product.INTRADAY)
    order(broker, "KEPT", quantity=3)
    broker.feed("before", at(15, 19, 59), {"TEST": D(99)})
    assert len(broker.trades()) == 2
    broker.feed("after", at(15, 20), {"TEST": D(99)})
    fill = broker.trades()[-1]
    assert (fill.side, fill.quantity, fill.price) == (SELL, 10, D(99))
    legs = NSE.charges.charge(TODAY, False, False, D(990)).total
    assert fill.charges - D("23.60") == pytest.approx(legs, abs=D("0.0001"))
    assert row(broker, "STOP").state is OrderState.CANCELLED
    assert [(p.quantity, p.product) for p in broker.positions()] == [(3, Product.DELIVERY)]
    broker.feed("again", at(15, 21), {"TEST": D(98)})
    assert len(broker.trades()) == 3, "once"


def test_with_an_auction_the_broker_squares_off_before_it(make: Make) -> None:
    broker = make(calendar=AUCTIONS)
    broker.list_instruments(TODAY, {"TEST": Instrument(D(100), closing_auction=True)})
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B", product=Product.INTRADAY)
    broker.feed("before", at(15, 13), {"TEST": D(99)})
    assert len(broker.trades()) == 1
    broker.feed("last", at(15, 14), {"TEST": D(99)})
    assert len(broker.trades()) == 2
    assert NSE.square_off == time(15, 10), "ours come first"


def test_in_a_short_session_the_broker_squares_off_as_long_before_the_close(make: Make) -> None:
    """Ten minutes before 19:15, not at 15:20: that is before such a session has begun."""
    evening = Session(TODAY, at(18, 15), at(19, 15))
    broker = make(calendar=TableCalendar("muhurat", TODAY, TODAY, (evening,)))
    broker.feed("open", at(18, 15), {"TEST": D(100)}, jumped=True)
    order(broker, "B", when=at(18, 15), product=Product.INTRADAY)
    broker.feed("before", at(19, 4, 59), {"TEST": D(99)})
    assert len(broker.trades()) == 1
    broker.feed("after", at(19, 5), {"TEST": D(99)})
    assert len(broker.trades()) == 2


def test_part_fills_of_several_orders_add_up_to_the_days_contract_note(make: Make) -> None:
    broker = make()
    broker.transfer(shares={"TEST": 100})
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B", quantity=100)
    broker.feed("thin", OPEN + MINUTE, {"TEST": D(100)}, {"TEST": D(700)})
    order(broker, "S", SELL, quantity=150, limit="100.00", when=OPEN + 2 * MINUTE)
    broker.feed("more", OPEN + 3 * MINUTE, {"TEST": D("100.05")}, {"TEST": D(9_000)})
    assert [fill.quantity for fill in broker.trades()] == [100, 70, 80]
    sale = 70 * D(100) + 80 * D("100.00")
    note = contract_note(
        NSE.charges, TODAY, [Executed(True, 100, D(10_000)), Executed(False, 150, sale)]
    )
    assert sum(fill.charges for fill in broker.trades()) == note


PURCHASES = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(["95.00", "98.00", "99.50", "101.00"])),
    min_size=1,
    max_size=12,
)


@settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PURCHASES, st.lists(st.sampled_from(["94.00", "97.00", "99.00", "102.00"]), max_size=4))
def test_what_the_broker_accepts_it_can_pay_charges_included(
    tmp_path: Path, wanted: list[tuple[int, str]], prices: list[str]
) -> None:
    place = tmp_path / f"{len(list(tmp_path.iterdir()))}.sqlite"
    with closing(Ledger(place, scope=Scope.PAPER, market="nse", at=OPEN)) as ledger:
        broker = PaperBroker(ledger.engine, NSE, cash=D(10_000), calendar=CALENDAR)
        broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
        for number, (quantity, limit) in enumerate(wanted):
            order(broker, f"B{number}", quantity=quantity, limit=limit)
        for number, price in enumerate(prices):
            broker.feed(f"{number}", OPEN + (number + 1) * MINUTE, {"TEST": D(price)})
            spent = sum(fill.quantity * fill.price + fill.charges for fill in broker.trades())
            assert spent <= 10_000


def test_intraday_pays_intraday_charges_and_sells_only_its_own_shares(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B", product=Product.INTRADAY)
    expected = NSE.charges.charge(TODAY, True, False, D(1_000)).total
    assert broker.trades()[0].charges == expected.quantize(D("0.0001"))
    assert "only 0 shares" in order(broker, "S", SELL, limit="95")
    assert order(broker, "T", SELL, limit="95", product=Product.INTRADAY) == ""
    assert not broker.positions()


def test_bought_shares_settle_in_the_next_session(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B")
    broker.transfer(shares={"TEST": 5})
    assert [(p.quantity, p.settled) for p in broker.positions()] == [(15, 5)]
    broker.feed("next", at(9, 15, day=TOMORROW), {"TEST": D(100)}, jumped=True)
    assert [(p.quantity, p.settled) for p in broker.positions()] == [(15, 15)]


def test_a_book_that_was_forgotten_after_a_failure_is_read_again(make: Make) -> None:
    broker = make()
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    order(broker, "B")
    with pytest.raises(AttributeError):
        broker.place(None, OPEN)  # type: ignore[arg-type]  # breaks inside the transaction
    assert [row.order.tag for row in broker.orders()] == ["B"], "an empty book would be a lie"
    assert len(broker.trades()) == 1 and broker.positions()


def test_the_account_on_either_database(place: Place) -> None:
    """All kinds of events, written and read again; a database refuses to forget one."""
    ledger = Ledger(place.path, scope=Scope.PAPER, market="nse", at=OPEN, url=place.url)
    with closing(ledger):
        made = [
            PaperBroker(ledger.engine, NSE, cash=D(100_000), calendar=CALENDAR) for _ in range(2)
        ]
        broker = made[0]
        broker.list_instruments(TODAY, {"TEST": Instrument(D(100), D("0.10"), tick=D("0.05"))})
        broker.list_instruments(YESTERDAY, {})
        broker.list_instruments(TODAY, {"TEST": Instrument(D(100), D("0.10"), tick=D("0.05"))})
        quoted = {"TEST": Quote(D(100), D("99.95"), D("100.05"), D(450))}
        broker.quote("1", OPEN, quoted)
        assert order(broker, "B") == ""
        assert order(broker, "STOP", SELL, limit="93.00", trigger_price=D(95)) == ""
        assert "outside the day's band" in order(broker, "BAD", limit="111.00")
        broker.feed("2", OPEN + MINUTE, {"TEST": D("94.50")})
        broker.feed("2", OPEN + MINUTE, {"TEST": D(1)})
        broker.halt(OPEN, "OTHER")
        broker.transfer(D("-0.05"), {"OTHER": 2})
        broker.end_session(at(15, 30))
        assert [fill.tag for fill in broker.trades()] == ["B", "STOP"]
        late = made[1]
        late.resume("OTHER")
        for again in (late, PaperBroker(ledger.engine, NSE, cash=D(5), calendar=CALENDAR)):
            assert again.orders() == broker.orders()
            assert again.trades() == broker.trades()
            assert again.positions() == broker.positions()
            assert again.funds() == broker.funds()
        with pytest.raises(DatabaseError, match="append-only"), ledger.engine.begin() as connection:
            connection.execute(delete(broker_events))
