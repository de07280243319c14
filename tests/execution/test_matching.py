"""At which price an order fills, and how the paper broker keeps its book."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.execution.brokers.base import Answer
from kasauti.execution.brokers.matching import Touch, execution_price
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Order, OrderSide, OrderType, Scope
from kasauti.execution.orders import OrderState
from kasauti.market.markets import NSE
from tests.execution.world import CALENDAR, OPEN, TODAY, TOMORROW, at

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
JUMP, MOVE = True, False

MATCHES: list[tuple[str, OrderSide, str | None, str, str, bool, str | None]] = [
    # case, side, trigger, limit, price, jumped, expected
    ("buy at the open below its limit", BUY, None, "101", "100", JUMP, "100.05"),
    ("buy at the open, spread capped", BUY, None, "100", "100", JUMP, "100.00"),
    ("buy, open above its limit", BUY, None, "99", "100", JUMP, None),
    ("sell at the open above its limit", SELL, None, "95", "100", JUMP, "99.95"),
    ("sell, open below its limit", SELL, None, "101", "100", JUMP, None),
    ("resting buy traded through", BUY, None, "99", "98.95", MOVE, "99"),
    ("resting buy touched only", BUY, None, "99", "99", MOVE, None),
    ("resting buy untouched", BUY, None, "99", "99.05", MOVE, None),
    ("resting sell traded through", SELL, None, "105", "105.05", MOVE, "105"),
    ("resting sell touched only", SELL, None, "105", "105", MOVE, None),
    ("stop not reached", SELL, "95", "93", "95.05", MOVE, None),
    ("stop touched", SELL, "95", "93", "95", MOVE, "94.95"),
    ("stop moved through fills at its trigger", SELL, "95", "93", "90", MOVE, "94.95"),
    ("stop gapped fills at the open", SELL, "95", "93", "94", JUMP, "93.95"),
    ("stop gapped, spread capped by its limit", SELL, "95", "94", "94", JUMP, "94"),
    ("stop gapped through its limit rests", SELL, "95", "94", "93", JUMP, None),
    ("buy stop gapped", BUY, "105", "107", "106", JUMP, "106.10"),
]


@pytest.mark.parametrize("row", MATCHES, ids=lambda row: row[0])
def test_execution_price(row: Any) -> None:
    _, side, trigger, limit, price, jumped, expected = row
    kind = OrderType.LIMIT if trigger is None else OrderType.STOPLOSS_LIMIT
    order = Order("T", "TEST", side, 10, kind, D(limit), None if trigger is None else D(trigger))
    touch = Touch(D(price), jumped, D("0.05"), D("0.0005"))
    triggered, found = execution_price(order, False, touch)
    assert found == (None if expected is None else D(expected))
    reached = trigger is not None and (D(price) - D(trigger)) * side.sign >= 0
    assert triggered is reached


def test_a_triggered_stop_is_a_limit_order() -> None:
    order = Order("T", "TEST", SELL, 10, OrderType.STOPLOSS_LIMIT, D(94), D(95))
    touch = Touch(D(93), MOVE, D("0.05"), D("0.0005"))
    assert execution_price(order, True, touch) == (True, None)
    assert execution_price(order, True, replace(touch, price=D(95))) == (True, D(94))


def buy(tag: str = "B", quantity: int = 10, limit: str = "101.00", **more: Any) -> Order:
    return Order(tag, "TEST", BUY, quantity, OrderType.LIMIT, D(limit), **more)


def sell(tag: str = "S", quantity: int = 10, limit: str = "95.00", **more: Any) -> Order:
    return Order(tag, "TEST", SELL, quantity, OrderType.LIMIT, D(limit), **more)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "l.sqlite", scope=Scope.REPLAY, market="nse", at=OPEN)


@pytest.fixture
def broker(ledger: Ledger) -> PaperBroker:
    made = PaperBroker(ledger.engine, NSE, cash=D(100_000), calendar=CALENDAR, half_spread=D(0))
    made.feed("open", OPEN, {"TEST": D(100)}, {"TEST": D(1_000)}, jumped=True)
    return made


def row(broker: PaperBroker, tag: str) -> Any:
    return next(row for row in broker.orders() if row.order.tag == tag)


def test_fill_charges_and_cash(broker: PaperBroker) -> None:
    assert broker.place(buy(), OPEN).answer is Answer.ACCEPTED
    (fill,) = broker.trades()
    charges = NSE.charges.charge(TODAY, True, True, D(1_000)).total
    assert (fill.quantity, fill.price, fill.tag) == (10, D(100), "B")
    assert fill.charges == charges.quantize(D("0.0001"))
    assert broker.funds() == D(100_000) - 1_000 - fill.charges
    assert [(p.quantity, p.settled) for p in broker.positions()] == [(10, 0)], "T+1"


def test_a_sale_in_the_session_of_the_purchase_makes_both_legs_intraday(
    broker: PaperBroker,
) -> None:
    broker.place(buy(), OPEN)
    broker.place(sell(), OPEN)
    total = sum((fill.charges for fill in broker.trades()), D(0))
    legs = [NSE.charges.charge(TODAY, side, False, D(1_000)).total for side in (True, False)]
    assert total == pytest.approx(sum(legs), abs=D("0.0002"))


def test_a_sale_on_a_later_day_is_delivery(broker: PaperBroker) -> None:
    broker.place(buy(), OPEN)
    later = at(9, 15, day=TOMORROW)
    broker.feed("next", later, {"TEST": D(110)}, jumped=True)
    assert [(p.quantity, p.settled) for p in broker.positions()] == [(10, 10)]
    broker.place(sell(), later)
    expected = NSE.charges.charge(TOMORROW, False, True, D(1_100)).total
    assert broker.trades()[-1].charges == expected.quantize(D("0.0001"))


def test_part_fills_share_the_volume_and_the_charges_of_one_order(broker: PaperBroker) -> None:
    broker.place(buy(quantity=150), OPEN)
    assert row(broker, "B").state is OrderState.PARTIALLY_FILLED
    assert row(broker, "B").filled == 100, "a tenth of the session's 1,000"
    broker.feed("later", OPEN + timedelta(hours=1), {"TEST": D(99)}, {"TEST": D(5_000)})
    assert row(broker, "B").state is OrderState.FILLED
    total = sum((fill.charges for fill in broker.trades()), D(0))
    value = 100 * D(100) + 50 * D(101)  # it rests at its limit, which the price moved through
    whole = NSE.charges.charge(TODAY, True, True, value).total
    assert total == pytest.approx(whole, abs=D("0.0002"))


def test_orders_are_day(broker: PaperBroker) -> None:
    broker.place(buy(limit="90.00"), OPEN)
    broker.end_session(at(15, 30))
    assert row(broker, "B").state is OrderState.LAPSED
    broker.feed("next", at(9, 15, day=TOMORROW), {"TEST": D(80)}, jumped=True)
    assert not broker.trades()


def test_an_order_of_yesterday_never_executes_though_nobody_ended_the_session(
    broker: PaperBroker,
) -> None:
    broker.place(buy(limit="90.00"), OPEN)
    broker.feed("next", at(9, 15, day=TOMORROW), {"TEST": D(80)}, jumped=True)
    assert (
        row(broker, "B").state is OrderState.LAPSED and f"{TODAY} is over" in row(broker, "B").text
    )
    assert not broker.trades()


def test_an_order_of_yesterday_blocks_no_money_of_today(broker: PaperBroker) -> None:
    broker.place(buy(limit="90.00", quantity=1_000), OPEN)
    reply = broker.place(buy("C", limit="90.00", quantity=1_000), at(9, 15, day=TOMORROW))
    assert reply.answer is Answer.ACCEPTED


def test_an_order_before_the_first_price_of_its_day_waits_for_it(broker: PaperBroker) -> None:
    morning = at(9, 15, day=TOMORROW)
    broker.place(buy(), morning)
    assert not broker.trades(), "yesterday's price is none"
    broker.feed("next", morning, {"TEST": D("100.50")}, jumped=True)
    assert [fill.price for fill in broker.trades()] == [D("100.50")]


def test_a_tag_is_taken_once(broker: PaperBroker) -> None:
    first = broker.place(buy(), OPEN)
    again = broker.place(buy(quantity=99), OPEN)
    assert again == first
    assert len(broker.orders()) == 1 and broker.orders()[0].order.quantity == 10


REFUSED: list[tuple[str, Order, str]] = [
    ("off tick", buy(limit="101.003"), "multiple of"),
    ("no funds", buy(quantity=2_000, limit="101.00"), "insufficient funds"),
    ("nothing to sell", sell(), "only 0 shares"),
    ("no quantity", buy(quantity=0), "quantity"),
]


@pytest.mark.parametrize(("order", "why"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_the_broker_refuses(broker: PaperBroker, order: Order, why: str) -> None:
    reply = broker.place(order, OPEN)
    assert reply.answer is Answer.REJECTED and why in reply.text
    assert row(broker, order.tag).state is OrderState.REJECTED
    assert not broker.trades()


def test_resting_purchases_block_their_money(broker: PaperBroker) -> None:
    broker.place(buy(limit="90.00", quantity=1_000), OPEN)
    assert broker.funds() == 10_000
    broker.cancel("B", OPEN)
    assert broker.funds() == 100_000
    assert broker.cancel("B", OPEN).answer is Answer.REJECTED


def test_shares_that_a_stop_offers_are_not_offered_again(broker: PaperBroker) -> None:
    broker.place(buy(), OPEN)
    stop = Order("STOP", "TEST", SELL, 6, OrderType.STOPLOSS_LIMIT, D("93.00"), D("95.00"))
    broker.place(stop, OPEN)
    assert broker.place(sell("MORE", limit="105.00"), OPEN).text == "only 4 shares to sell"
    assert broker.place(sell("REST", 4, limit="105.00"), OPEN).answer is Answer.ACCEPTED
    broker.cancel("STOP", OPEN)
    assert broker.place(sell("FREE", 6, limit="106.00"), OPEN).answer is Answer.ACCEPTED


def test_shares_that_left_meanwhile_are_not_sold(broker: PaperBroker) -> None:
    broker.place(buy(), OPEN)
    broker.place(sell("SOLD", limit="105.00"), OPEN)
    broker.transfer(shares={"TEST": -10})
    broker.feed("high", at(13), {"TEST": D(110)})
    assert row(broker, "SOLD").state is OrderState.CANCELLED
    assert not broker.positions()


def test_a_moment_is_fed_once_and_the_account_survives(ledger: Ledger, broker: PaperBroker) -> None:
    broker.place(buy(limit="99.00"), OPEN)
    for _ in range(3):
        broker.feed("low", at(11), {"TEST": D(98)})
    assert len(broker.trades()) == 1
    again = PaperBroker(ledger.engine, NSE, cash=D(5), calendar=CALENDAR)
    assert again.trades() == broker.trades()
    assert again.orders() == broker.orders()
    assert again.funds() == broker.funds()
    assert again.positions() == broker.positions()
