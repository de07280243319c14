"""Protective orders and forced exits: there whenever they can rest, never where they must not."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.execution.brokers.base import Reply
from kasauti.execution.brokers.faults import Fault, FaultPlan
from kasauti.execution.brokers.matching import Instrument, Quote
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.closing import MOST_PATIENCE, square_off_at
from kasauti.execution.events import GateDecided, IntentCommitted, LatchChanged, OrderMoved
from kasauti.execution.model import Offset, Order, OrderSide, Product, Purpose
from kasauti.execution.orders import OrderEvent, OrderState
from kasauti.execution.references import Reference
from kasauti.market.calendar import Session, TableCalendar
from tests.execution.world import (
    AUCTIONS,
    OPEN,
    PROTECTION,
    TODAY,
    TOMORROW,
    YESTERDAY,
    World,
    at,
    closing,
    entry,
    world,
)

D = Decimal
SECOND = timedelta(seconds=1)
INTRADAY = Product.INTRADAY
FOUND = {
    "TEST": Reference("TEST", YESTERDAY, D(100)),
    "OTHER": Reference("OTHER", YESTERDAY, D(100), closing_auction=False),
}


def buy(w: World, symbol: str = "TEST", when: datetime = OPEN, **changes: object) -> None:
    w.desk.submit(entry(symbol, **changes), when)
    w.tick(when, "100", symbol=symbol, jumped=True)
    assert w.desk.book.positions[symbol].quantity == 10


def stops(w: World, symbol: str = "TEST") -> list[Order]:
    """Return the stops that rest at the broker."""
    known = w.desk.book.orders
    return [
        row.order
        for row in w.broker.orders()
        if row.state.is_working
        and row.order.symbol == symbol
        and row.order.tag in known
        and known[row.order.tag].intent.purpose is Purpose.STOP
    ]


def alerts(w: World) -> str:
    return "\n".join(message for _, message in w.ledger.outbox())


def test_a_stop_cancelled_from_outside_is_placed_again_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        (first,) = stops(w)
        w.broker.end(first.tag, OrderState.CANCELLED, "by hand", at(11))
        w.desk.step(at(11))
        (second,) = stops(w)
        assert second.tag != first.tag
        assert (second.quantity, second.trigger_price) == (first.quantity, first.trigger_price)
        assert "STOP cancelled by the broker: by hand" in alerts(w)


def test_a_stop_that_is_halved_from_outside_is_filled_up(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", volume=40, jumped=True)
        w.tick(at(9, 16), "99", volume=1_000)
        first, second = stops(w)
        w.broker.end(second.tag, OrderState.CANCELLED, "by hand", at(11))
        w.desk.step(at(11))
        assert sum(order.quantity for order in stops(w)) == 10
        assert first in stops(w)


def test_nothing_of_ours_rests_in_a_closing_auction(tmp_path: Path) -> None:
    with world(tmp_path, calendar=AUCTIONS, references=FOUND) as w:
        buy(w)
        buy(w, "OTHER", OPEN + 2 * SECOND)
        w.desk.step(at(15, 14, 59))
        assert stops(w) and stops(w, "OTHER")
        w.desk.step(at(15, 15))
        assert not stops(w), "it has a closing auction"
        assert stops(w, "OTHER"), "it has none"
        for minute in (16, 20, 29):
            w.desk.step(at(15, minute))
            assert not stops(w) and stops(w, "OTHER")
        w.broker.end_session(at(15, 30))
        w.desk.step(at(15, 30))
        assert not stops(w, "OTHER"), "none rests after the close"
        w.references["TEST"] = replace(FOUND["TEST"], day=TODAY)
        w.references["OTHER"] = replace(FOUND["OTHER"], day=TODAY)
        w.desk.step(at(9, 15, day=TOMORROW))
        assert stops(w) and stops(w, "OTHER")


def test_intraday_positions_are_gone_before_the_broker_comes(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, product=INTRADAY)
        w.tick(at(15, 9, 59), "99")
        assert w.desk.book.positions
        w.tick(at(15, 10), "99")
        assert not w.desk.book.positions
        w.tick(at(15, 20), "99")
        assert [row.order.tag for row in w.broker.orders() if "SQUAREOFF" in row.order.tag] == []
        assert all(fill.charges < D("23.60") for fill in w.broker.trades())


def test_an_intraday_position_that_nobody_closed_is_closed_at_the_next_chance(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as w:
        buy(w, product=INTRADAY)
        w.broker.end_session(at(15, 30))
        w.desk.step(at(15, 30))
        assert w.desk.book.positions
        w.references["TEST"] = replace(FOUND["TEST"], day=TODAY)
        w.tick(at(9, 15, day=TOMORROW), "99", jumped=True)
        assert not w.desk.book.positions


def test_a_desk_that_was_down_takes_the_brokers_square_off_over(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, product=INTRADAY)
        w.broker.feed("while the desk is down", at(15, 20), {"TEST": D(99)})
    with world(tmp_path, now=at(15, 20, 1)) as w:
        for second in range(2, 50, 3):
            w.desk.step(at(15, 20, second))
        assert not w.desk.book.positions and not w.desk.book.live
        assert w.desk.book.trades[0].reason is Purpose.FOREIGN
        assert w.desk.book.differences == ()
        assert w.broker.funds() == w.desk.book.capital + w.desk.book.cash_flow, "the fee, too"


MUHURAT = TableCalendar("muhurat", TODAY, TODAY, (Session(TODAY, at(18, 15), at(19, 15)),))


@pytest.mark.parametrize(
    ("calendar", "when", "expected"),
    [
        pytest.param(None, OPEN, at(15, 10), id="ordinary"),
        pytest.param(AUCTIONS, OPEN, at(15, 10), id="before the auction"),
        pytest.param(MUHURAT, at(18, 15), at(18, 55), id="Muhurat"),
    ],
)
def test_the_time_of_the_square_off(
    tmp_path: Path, calendar: TableCalendar | None, when: datetime, expected: datetime
) -> None:
    with world(tmp_path) as w:
        view = w.desk._view(OPEN)
        if calendar is not None:
            view = replace(view, session=calendar.session(TODAY), now=when)
        assert square_off_at("TEST", view) == expected


class Refusing(PaperBroker):
    """Refuses every stop, and notes when it was asked."""

    asked: list[datetime]

    def place(self, order: Order, at: datetime) -> Reply:
        if order.trigger_price is not None:
            self.asked = [*getattr(self, "asked", []), at]
            order = replace(order, quantity=10**6)
        return super().place(order, at)


def test_a_stop_that_is_refused_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    with world(tmp_path, broker_class=Refusing) as w:
        assert isinstance(w.broker, Refusing)
        buy(w)
        for second in [*range(1, 65), *range(65, 1_300, 6)]:
            w.desk.step(OPEN + second * SECOND)
        waits = [b - a for a, b in zip(w.broker.asked, w.broker.asked[1:], strict=False)]
        assert waits[:5] == [timedelta(seconds=2**n) for n in range(1, 6)]
        assert MOST_PATIENCE <= max(waits) == waits[-1] <= MOST_PATIENCE + 6 * SECOND
        assert "TEST: only 10 shares to sell" in alerts(w)


def flatten(w: World, now: datetime) -> None:
    w.latch.path.touch()
    w.ledger.append(LatchChanged(True, "test", "enough", flatten=True), at=now)


def test_flattening_cancels_each_stop_only_as_its_exit_goes_out(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        buy(w, "OTHER", OPEN + 2 * SECOND)
        w.desk.step(OPEN + 4 * SECOND)
        assert stops(w) and stops(w, "OTHER")
        before = w.ledger.head()[0]
        flatten(w, at(11))
        now = at(11)
        while w.desk.step(now):
            for symbol in w.desk.book.positions:
                assert stops(w, symbol), "no position waits without its stop"
            now += SECOND
        assert not w.desk.book.positions and not w.desk.book.live
        told = []
        for record in w.ledger.events(before):
            match record.event:
                case OrderMoved(tag, OrderEvent.CANCEL):
                    told.append(f"cancel {w.desk.book.orders[tag].intent.symbol}")
                case GateDecided(key, True):
                    view = w.desk.book.order(key)
                    assert view is not None
                    told.append(f"{view.intent.purpose.value} {view.intent.symbol}")
        assert told == ["cancel TEST", "EXIT TEST", "cancel OTHER", "EXIT OTHER"]
        assert w.desk.book.latched


def test_a_kill_without_flatten_keeps_positions_and_stops(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        w.latch.set(w.ledger, by="test", reason="enough", at=at(11))
        w.desk.step(at(11))
        assert w.desk.book.positions and stops(w)
        flatten(w, at(12))
        w.desk.step(at(12))
        w.desk.step(at(12, 0, 1))
        assert not w.desk.book.positions


def test_a_lift_ends_the_flattening(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        flatten(w, OPEN)
        w.desk.step(OPEN)
        w.latch.lift(w.ledger, by="me", reason="all is well", at=OPEN + SECOND)
        buy(w, when=OPEN + 2 * SECOND)
        w.desk.step(OPEN + 3 * SECOND)
        assert w.desk.book.positions and stops(w)
        assert not w.desk.book.flatten


def test_an_exit_of_a_flattening_that_lapses_is_tried_again_next_day(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        w.broker.halt(at(11), "TEST")
        flatten(w, at(11))
        w.desk.step(at(11))
        w.desk.step(at(11, 0, 1))
        assert w.desk.book.positions, "a halted share cannot be sold"
        w.broker.resume("TEST")
        w.broker.end_session(at(15, 30))
        w.desk.step(at(15, 30))
        w.references["TEST"] = replace(FOUND["TEST"], day=TODAY)
        opens = at(9, 15, day=TOMORROW)
        w.tick(opens, "90", jumped=True)
        w.desk.step(opens + SECOND)
        assert not w.desk.book.positions
        exits = [
            record.event.intent.key
            for record in w.ledger.events()
            if isinstance(record.event, IntentCommitted)
            and record.event.intent.purpose is Purpose.EXIT
        ]
        assert exits[-1].endswith(f"FLATTEN|{TOMORROW}")


def test_shares_from_outside_are_not_flattened(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.transfer(-10 * D(100), {"TEST": 10})
        for second in range(0, 40, 5):
            w.desk.step(OPEN + second * SECOND)
        assert w.desk.book.positions["TEST"].is_foreign
        flatten(w, at(11))
        w.desk.step(at(11))
        assert w.desk.book.positions and stops(w), "whoever bought them sells them"


def test_stops_wait_for_the_end_of_a_halt_and_come_back_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        w.broker.halt(at(11))
        for second in range(0, 40, 5):
            w.desk.step(at(11, 0, second))
            assert not stops(w)
        sent = [row for row in w.broker.orders() if row.state is OrderState.REJECTED]
        assert not sent, "nothing is sent into a halted market"
        w.broker.resume()
        w.desk.step(at(11, 45))
        assert stops(w)


@pytest.mark.parametrize(
    ("band", "trigger", "limit"),
    [
        pytest.param("0.20", "95.05", "93.14", id="20 %"),
        pytest.param("0.05", "95.05", "95.00", id="5 %: the limit is clipped"),
        pytest.param("0.02", "98.00", "98.00", id="2 %: the trigger, too"),
    ],
)
def test_a_stop_is_clipped_into_the_band_of_its_share(
    tmp_path: Path, band: str, trigger: str, limit: str
) -> None:
    found = {"TEST": replace(FOUND["TEST"], band=D(band))}
    with world(tmp_path, references=found) as w:
        w.broker.list_instruments(TODAY, {"TEST": Instrument(D(100), D(band))})
        buy(w)
        (stop,) = stops(w)
        assert (stop.trigger_price, stop.limit_price) == (D(trigger), D(limit))


def test_a_large_position_is_stopped_in_orders_that_the_exchange_takes(tmp_path: Path) -> None:
    found = {"TEST": replace(FOUND["TEST"], freeze_quantity=4)}
    with world(tmp_path, references=found) as w:
        w.broker.transfer(-10 * D(100), {"TEST": 10})
        for second in range(0, 60, 5):
            w.desk.step(OPEN + second * SECOND)
        assert sorted(order.quantity for order in stops(w)) == [2, 4, 4]


@pytest.mark.parametrize("late", [True, False], ids=["square-off", "flattening"])
def test_what_must_be_sold_now_overtakes_a_strategys_exit_and_is_sold_once(
    tmp_path: Path, late: bool
) -> None:
    with world(tmp_path) as w:
        buy(w, product=INTRADAY if late else Product.DELIVERY)
        now = at(15, 9) if late else at(11)
        until = now + timedelta(minutes=10)
        far = closing(entry(), valid_from=now, valid_until=until, limit_price=D("110.00"))
        far = replace(far, product=INTRADAY) if late else far
        w.desk.submit(far, now)
        w.desk.step(now)
        assert w.order(far).state is OrderState.OPEN and not stops(w)
        now += timedelta(minutes=1)
        if not late:
            flatten(w, now)
        for second in range(5):
            w.desk.step(now + second * SECOND)
        assert w.order(far).state is OrderState.CANCELLED
        assert not w.desk.book.positions and not w.desk.book.live
        assert sum(fill.quantity for fill in w.broker.trades()) == 20, "bought once, sold once"


@pytest.mark.parametrize("lost", [2, 3], ids=["the stop's cancel", "the exit"])
def test_an_exit_whose_answer_is_lost_is_not_doubled(tmp_path: Path, lost: int) -> None:
    plan = FaultPlan({Fault.TIMEOUT_BEFORE: 1.0, Fault.PARTIAL_BOOK: 0.0}, skip=lost, most=1)
    with world(tmp_path, plan=plan) as w:
        buy(w)
        leave = closing(entry(), valid_from=at(11), valid_until=at(11, 10))
        w.desk.submit(leave, OPEN)
        w.desk.step(at(11))
        flatten(w, at(11))
        for second in range(1, 20, 3):
            w.desk.step(at(11, 0, second))
            exits = [v for v in w.desk.book.live_orders() if v.intent.purpose is Purpose.EXIT]
            assert len(exits) <= 1
        for second in range(20, 59, 3):
            w.desk.step(at(11, 0, second))
        assert w.faulty is not None and w.faulty.struck[Fault.TIMEOUT_BEFORE] == 1
        assert not w.desk.book.positions
        assert sum(fill.quantity for fill in w.broker.trades()) == 20


def test_a_stop_that_gives_way_again_and_again_ends_at_the_band(tmp_path: Path) -> None:
    """Each try that was triggered and taken back gives way by 2 %: fifty would reach nothing."""
    with world(tmp_path) as w:
        buy(w)
        for number in range(60):
            now = at(9, 30, number)
            w.tick(now, "94", volume=0)
            for order in stops(w):
                w.broker.end(order.tag, OrderState.CANCELLED, "by hand", now)
        w.desk.step(at(9, 31))
        (stop,) = stops(w)
        assert stop.limit_price == D("80.00")


# -- targets --------------------------------------------------------------------------------------

BOTH = replace(PROTECTION, target=Offset(D(5)))  # bought at 100.05: the target is 105.05


def sales(w: World) -> list[Order]:
    """Return what the broker was ever asked to sell, but for stops."""
    asked = [row.order for row in w.broker.orders() if row.order.side is OrderSide.SELL]
    return [order for order in asked if order.trigger_price is None]


@pytest.mark.parametrize(
    ("quote", "sold"),
    [
        pytest.param(Quote(D("105.05")), False, id="only touched"),
        pytest.param(Quote(D("105.10")), True, id="traded through"),
        pytest.param(Quote(D("105.10"), D("105.00"), D("105.10")), False, id="not bid"),
        pytest.param(Quote(D("105.00"), D("105.05"), D("105.10")), True, id="bid"),
    ],
)
def test_a_target_goes_out_when_it_can_be_had(tmp_path: Path, quote: Quote, sold: bool) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.broker.quote("q", at(10), {"TEST": quote})
        w.desk.step(at(10))
        assert len(sales(w)) == sold
        assert ("TEST" not in w.desk.book.positions) is sold
        assert sold or stops(w)
        assert all(fill.price == D("105.05") for fill in w.broker.trades()[1:])


def test_no_stop_is_taken_back_for_an_old_price(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.broker.quote("q", at(10), {"TEST": Quote(D(106), D("105.95"), D(106), D(0))})
        w.desk.step(at(10, 1, 1))
        assert stops(w) and not sales(w)
        w.broker.quote("r", at(10, 2), {"TEST": Quote(D(106), D("105.95"), D(106))})
        w.desk.step(at(10, 2))
        assert len(sales(w)) == 1


def test_a_target_that_is_not_had_gives_the_stop_back_and_is_tried_ever_more_rarely(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        bare: list[int] = []
        for second in range(600):
            w.tick(at(10) + second * SECOND, "106", volume=0)
            if not stops(w):
                bare.append(second)
                (target,) = w.working(Purpose.TARGET)
                assert target.intent.limit_price == D("105.05")
        tried = len(sales(w))
        assert 5 <= tried <= 9, "at first soon, then every five minutes"
        assert len(bare) <= tried * 11, "ten seconds each"
        w.tick(at(11), "104", volume=0)
        w.desk.step(at(11) + SECOND)
        assert stops(w) and not w.working(Purpose.TARGET)


def test_what_a_target_did_not_sell_comes_under_its_stop_again(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.tick(at(10), "106", volume=40)
        assert w.desk.book.positions["TEST"].quantity == 6
        for second in (10, 11, 12):
            w.tick(at(10, 0, second), "103", volume=0)
        assert [order.quantity for order in stops(w)] == [6] and not w.working(Purpose.TARGET)


def test_a_target_that_a_dead_desk_left_at_the_broker_gives_the_stop_back(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.tick(at(10), "106", volume=0)
        assert w.working(Purpose.TARGET) and not stops(w)
    with world(tmp_path, now=at(10, 1)) as w:
        w.broker.feed("down", at(10, 1), {"TEST": D(99)}, {"TEST": D(0)})
        for second in range(3):
            w.desk.step(at(10, 1, second))
        assert stops(w) and not w.working(Purpose.TARGET)


def test_a_target_whose_price_has_gone_before_it_went_out_stays_at_home(tmp_path: Path) -> None:
    """Two orders a second: entry and stop went out, the cancel and the target have to wait."""
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.tick(OPEN, "106")
        w.tick(OPEN, "104")
        for second in range(3):
            w.desk.step(OPEN + second * SECOND)
        assert not sales(w) and stops(w)
        assert not [o for o in w.desk.book.live_orders() if o.state is OrderState.QUEUED]


def test_a_target_of_an_earlier_version_does_not_keep_its_stop_out_all_day(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        w.broker.feed("up", at(10), {"TEST": D(106)}, {"TEST": D(0)})
        resting = closing(entry(protection=BOTH), Purpose.TARGET, limit_price=D("105.05"))
        resting = replace(resting, valid_from=at(10), valid_until=at(15, 30))
        w.ledger.append(IntentCommitted(resting), at=at(10), epoch=w.lease.epoch)
        w.desk.step(at(10))
        assert w.order(resting).state is OrderState.OPEN and not stops(w)
        w.tick(at(10, 0, 9), "104", volume=0)
        assert w.order(resting).state is OrderState.OPEN
        w.desk.step(at(10, 0, 10))
        w.desk.step(at(10, 0, 11))
        assert w.order(resting).state is OrderState.CANCELLED and stops(w)


@pytest.mark.parametrize("late", [True, False], ids=["square-off", "flattening"])
def test_what_must_be_sold_now_overtakes_a_target(tmp_path: Path, late: bool) -> None:
    now = at(15, 9, 58) if late else at(10)
    with world(tmp_path) as w:
        product = INTRADAY if late else Product.DELIVERY
        buy(w, protection=BOTH, product=product)
        w.tick(now, "106", volume=0)
        assert w.working(Purpose.TARGET)
        if not late:
            flatten(w, now)
        w.broker.feed("down", now + SECOND, {"TEST": D(99)}, {"TEST": D(10_000)})
        for second in range(1, 6):
            w.desk.step(now + second * SECOND)
        assert "TEST" not in w.desk.book.positions
        assert w.desk.book.trades[-1].reason is Purpose.EXIT


def test_a_target_waits_for_the_strategys_exit(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w, protection=BOTH)
        leave = closing(entry(protection=BOTH), limit_price=D(110), valid_until=at(10, 10))
        w.desk.submit(leave, at(10))
        for second in range(3):
            w.tick(at(10, 0, second), "106")
        assert [order.limit_price for order in sales(w)] == [D(110)]


def test_shares_whose_sale_only_the_order_book_shows_are_not_sold_again(tmp_path: Path) -> None:
    """The stop has filled; its trade comes late, and the price has come back to the target."""
    with world(tmp_path, plan=FaultPlan({})) as w:
        buy(w, protection=BOTH)
        w.desk.step(OPEN + SECOND)
        assert w.faulty is not None
        w.faulty.plan = FaultPlan({Fault.LATE_FILL: 1.0})
        w.tick(at(10), "94")
        w.tick(at(10, 0, 2), "106")
        assert w.desk.book.positions["TEST"].quantity == 10, "the ledger has not heard of it"
        assert not sales(w)
        w.faulty.plan = FaultPlan({})
        w.desk.step(at(10, 1))
        assert "TEST" not in w.desk.book.positions and not sales(w)


def test_no_target_goes_out_beside_a_stop_that_was_not_seen_yet(tmp_path: Path) -> None:
    """The stop was executed as it arrived, and the broker's book is a moment old."""
    with world(tmp_path, plan=FaultPlan({})) as w:
        buy(w, protection=BOTH)
        w.desk.step(OPEN + SECOND)
        (first,) = stops(w)
        w.broker.end(first.tag, OrderState.CANCELLED, "by hand", at(10))
        assert w.faulty is not None
        w.faulty.orders()
        w.faulty.plan = FaultPlan({Fault.STALE_BOOK: 1.0})  # from here on it stays as it was read
        w.tick(at(10), "94")
        w.tick(at(10, 0, 2), "106")
        w.desk.step(at(10, 0, 4))
        assert not sales(w)
        w.faulty.plan = FaultPlan({})
        w.desk.step(at(10, 0, 6))
        assert "TEST" not in w.desk.book.positions
        sold = [fill for fill in w.broker.trades() if fill.side is OrderSide.SELL]
        assert sum(fill.quantity for fill in sold) == 10


def test_an_exit_of_more_than_is_held_sells_what_is_held(tmp_path: Path) -> None:
    """Limits never trap an exit: a stop may have sold some of its shares meanwhile."""
    with world(tmp_path) as w:
        buy(w)
        too_much = closing(entry(), quantity=11, valid_from=at(10), valid_until=at(10, 10))
        w.desk.submit(too_much, at(10))
        w.desk.step(at(10))
        w.desk.step(at(10, 0, 1))
        assert (w.order(too_much).state, w.order(too_much).code) == (OrderState.EXPIRED, "CLIPPED")
        assert w.desk.book.trades[-1].quantity == 10
        assert w.broker.positions() == []


def test_an_exit_of_nothing_is_denied(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        nothing = closing(entry(), valid_from=at(10), valid_until=at(10, 10))
        w.desk.submit(nothing, at(10))
        w.desk.step(at(10))
        assert w.order(nothing).code == "WOULD_FLIP"


def test_a_flattening_goes_on_where_two_stops_stand_in_its_way(tmp_path: Path) -> None:
    """The entry filled in two parts: two cancels and an exit, two orders a second are allowed."""
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", volume=60, jumped=True)
        w.tick(OPEN + SECOND, "99.50", volume=5_000)
        for second in range(2, 6):
            w.desk.step(OPEN + second * SECOND)
        assert sorted(stop.quantity for stop in stops(w)) == [4, 6]
        flatten(w, at(11))
        for second in range(4):
            w.desk.step(at(11, 0, second))
        assert not w.desk.book.positions and not stops(w)


def test_an_exit_that_waits_for_another_takes_no_stop_away(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        buy(w)
        given: dict[str, Any] = {
            "limit_price": D(104),
            "valid_from": at(10),
            "valid_until": at(10, 10),
        }
        w.desk.submit(closing(entry(), quantity=4, **given), at(10))
        for second in range(3):
            w.desk.step(at(10, 0, second))
        w.desk.submit(closing(entry(), key="another", quantity=5, **given), at(10, 1))
        for second in range(3):
            w.desk.step(at(10, 1, second))
            assert [stop.quantity for stop in stops(w)] == [6]
        assert [view.intent.quantity for view in w.working(Purpose.EXIT)] == [4]
