"""The desk: reconciles, protects, expires, stops."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import LeaseError
from kasauti.execution.events import TradingState
from kasauti.execution.model import (
    Offset,
    OrderSide,
    OrderType,
    Outcome,
    Product,
    Protection,
    Purpose,
)
from kasauti.execution.orders import OrderState
from kasauti.execution.references import Reference
from tests.execution.world import (
    LIMITS,
    OPEN,
    TODAY,
    TOMORROW,
    World,
    at,
    closing,
    entry,
    world,
)

D = Decimal
SECOND = timedelta(seconds=1)


def bought(w: World, **changes: Any) -> None:
    """Fill one entry at 100.05, half a spread above the open."""
    w.desk.submit(entry(**changes), OPEN)
    w.tick(OPEN, "100", jumped=True)
    assert w.order(entry()).filled > 0


def next_day(w: World, price: str) -> None:
    """Close the session and open the next one at `price`."""
    w.broker.end_session(at(15, 30))
    w.desk.reconcile(at(15, 30))
    w.desk.close_session(at(15, 30), {"TEST": D(100)})
    w.references["TEST"] = Reference("TEST", TODAY, D(100))
    opens = at(9, 15, day=TOMORROW)
    w.desk.open_session(opens, LIMITS)
    w.tick(opens, price, jumped=True)


def test_an_intent_waits_for_its_window_and_expires_after_it(tmp_path: Path) -> None:
    early, late = entry("TEST", valid_from=at(9, 20)), entry("OTHER", valid_until=at(9, 16))
    with world(tmp_path) as w:
        w.desk.submit(early, OPEN)
        w.desk.step(OPEN)
        assert w.desk.outcome(early.key) is Outcome.QUEUED
        w.desk.submit(late, at(9, 16))
        w.desk.step(at(9, 16))
        assert w.desk.outcome(late.key) is Outcome.EXPIRED
        w.desk.step(at(9, 20))
        assert w.desk.outcome(early.key) is Outcome.ACCEPTED
        assert [r.order.symbol for r in w.broker.orders()] == ["TEST"]


def test_what_the_order_rate_holds_up_past_its_window_is_never_sent(tmp_path: Path) -> None:
    symbols = ("TEST", "OTHER", "THIRD")
    limits = replace(LIMITS, orders_a_second=1, trades_a_day=3, slots=3)
    with world(tmp_path, limits=limits) as w:
        for number, symbol in enumerate(symbols):
            until = OPEN + 2 * SECOND
            w.desk.submit(entry(symbol, valid_until=until, score=D(-number)), OPEN)
        for second in range(5):
            w.desk.step(OPEN + second * SECOND)
        outcomes = [w.order(entry(symbol)).outcome for symbol in symbols]
        assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.EXPIRED]
        assert [r.order.symbol for r in w.broker.orders()] == ["TEST", "OTHER"]


def test_an_unfilled_entry_is_taken_back_at_the_end_of_its_window(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "103", jumped=True)
        assert w.order(entry()).state is OrderState.OPEN
        w.desk.step(at(9, 24, 59))
        assert w.order(entry()).state is OrderState.OPEN
        w.desk.step(at(9, 25))
        assert w.order(entry()).state is OrderState.CANCELLED
        w.tick(at(10), "90")
        assert not w.desk.book.positions


def test_a_stop_rests_as_soon_as_the_entry_fills(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        (stop,) = w.working(Purpose.STOP)
        row = next(r for r in w.broker.orders() if r.order.tag == stop.intent.tag)
        assert (row.order.side, row.order.order_type) == (OrderSide.SELL, OrderType.STOPLOSS_LIMIT)
        assert row.order.trigger_price == D("95.05"), "5 % under the fill at 100.05, on the tick"
        assert stop.state is OrderState.TRIGGER_PENDING
        w.tick(at(11), "95")
        assert not w.desk.book.positions
        (trade,) = w.desk.book.trades
        assert (trade.reason, trade.exit_price) == (Purpose.STOP, D("95.00"))
        assert w.desk.book.streak == 1


def test_the_stop_covers_what_has_filled_and_grows_with_it(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", volume=40, jumped=True)
        assert w.order(entry()).filled == 4
        assert sum(v.intent.quantity for v in w.working(Purpose.STOP)) == 4
        w.tick(at(9, 16), "99", volume=1_000)
        assert w.order(entry()).state is OrderState.FILLED
        assert sum(v.intent.quantity for v in w.working(Purpose.STOP)) == 10


def test_a_lapsed_stop_is_placed_again_at_the_next_open(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        first = w.working(Purpose.STOP)[0].intent
        next_day(w, "101")
        (again,) = w.working(Purpose.STOP)
        assert again.intent.key != first.key
        assert again.intent.trigger_price == first.trigger_price


def test_a_gap_through_the_stop_sells_at_the_open(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        next_day(w, "94")
        (trade,) = w.desk.book.trades
        assert trade.exit_price == D("93.95")


def test_a_stop_that_stays_unfilled_is_repriced_towards_the_band(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        next_day(w, "85")
        now = at(9, 15, day=TOMORROW)
        steps = 0
        while w.desk.book.positions:
            steps += 1
            now += SECOND
            assert w.desk.step(now) or not w.desk.book.positions
            assert steps < 20
        (trade,) = w.desk.book.trades
        assert trade.exit_price == D("84.95")
        limits = [
            v.intent.limit_price
            for v in w.desk.book.orders.values()
            if v.intent.purpose is Purpose.STOP and v.intent.valid_from.date() == TOMORROW
        ]
        assert limits == sorted(limits, reverse=True) and len(limits) == 1 + steps
        assert min(limits) >= 80, "never outside the band"


def test_a_trail_only_ever_tightens(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.desk.revise("TEST", D("97"), "a", at(15, 30))
        w.desk.revise("TEST", D("96"), "b", at(15, 30))
        next_day(w, "101")
        assert [v.intent.trigger_price for v in w.working(Purpose.STOP)] == [D("97.00")]


def test_a_target_goes_out_as_its_stop_is_taken_back(tmp_path: Path) -> None:
    protection = Protection(Offset(D("0.05"), of_price=True), target=Offset(D("4.95")))
    with world(tmp_path) as w:
        bought(w, protection=protection)
        w.desk.step(OPEN + SECOND)
        (stop,) = w.desk.book.live_orders()
        assert stop.intent.purpose is Purpose.STOP, "the stop alone rests at the broker"
        w.tick(at(12), "106")
        assert w.order(stop.intent).state is OrderState.CANCELLED
        (trade,) = w.desk.book.trades
        assert trade.reason is Purpose.TARGET and trade.exit_price >= D("105.00")
        assert not w.desk.book.live


def test_an_exit_goes_out_as_its_stop_is_taken_back(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        leave = closing(entry(), valid_from=at(10), valid_until=at(10, 10))
        w.desk.submit(leave, OPEN)
        assert w.working(Purpose.STOP)
        w.desk.step(at(10))
        assert not w.desk.book.positions
        assert w.desk.book.trades[0].reason is Purpose.EXIT
        assert not w.desk.book.live


def test_an_exit_that_does_not_fill_gives_the_stop_back(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        leave = closing(entry(), valid_from=at(10), valid_until=at(10, 10), limit_price=D("105.00"))
        w.desk.submit(leave, OPEN)
        w.desk.step(at(10))
        assert not w.working(Purpose.STOP) and w.working(Purpose.EXIT)
        assert w.desk.book.positions["TEST"].leaving
        w.desk.step(at(10, 10))
        assert w.working(Purpose.STOP) and not w.working(Purpose.EXIT)


def test_the_latch_cancels_entries_and_keeps_stops(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.desk.submit(entry("OTHER"), OPEN)
        w.tick(OPEN + SECOND, "103", symbol="OTHER", jumped=True)
        assert w.order(entry("OTHER")).state is OrderState.OPEN
        w.latch.set(w.ledger, by="test", reason="enough", at=OPEN)
        w.desk.step(OPEN + 2 * SECOND)
        assert w.order(entry("OTHER")).state is OrderState.CANCELLED
        assert w.working(Purpose.STOP)
        next_day(w, "101")
        assert w.working(Purpose.STOP), "a stop is placed again while the latch is set"
        w.tick(at(11, day=TOMORROW), "94")
        assert not w.desk.book.positions


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_trading_states_survive_restarts_and_close_entries(
    tmp_path: Path, state: TradingState
) -> None:
    with world(tmp_path) as w:
        w.desk.set_state(state, by="test", reason="test", now=OPEN)
    with world(tmp_path) as w:
        assert w.desk.book.trading_state is state
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "TRADING_STATE"


def test_differences_close_entries_until_they_are_gone(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        stray = entry("OTHER", key="somebody else").order()
        w.broker.place(stray, OPEN)
        w.desk.submit(entry("THIRD"), OPEN)
        w.desk.step(OPEN + SECOND)
        assert w.order(entry("THIRD")).outcome is Outcome.DENIED
        assert w.desk.book.trading_state is TradingState.REDUCING
        assert any("not ours" in text for text in w.desk.book.differences)
        assert any("differ" in message for _, message in w.ledger.outbox())
        w.tick(at(11), "94")
        assert "TEST" not in w.desk.book.positions, "exits go on"
        for second in (20, 40, 41, 42):
            w.desk.step(at(11, 0, second))
        assert w.desk.book.differences == (), "the order is adopted"
        assert w.desk.book.trading_state.value == "ACTIVE"


def test_slots_and_trades_a_day_go_to_the_best_ranked(tmp_path: Path) -> None:
    scores = {"TEST": "1.0", "OTHER": "3.0", "THIRD": "2.0"}
    with world(tmp_path) as w:
        for symbol, score in scores.items():
            w.desk.submit(entry(symbol, score=D(score)), OPEN)
        now = OPEN
        while w.desk.step(now):
            now += SECOND
        outcomes = {symbol: w.order(entry(symbol)).outcome for symbol in scores}
        assert outcomes == {
            "OTHER": Outcome.ACCEPTED,
            "THIRD": Outcome.ACCEPTED,
            "TEST": Outcome.DENIED,
        }
        assert w.order(entry("TEST")).code in ("POSITION", "TRADES_A_DAY")


def test_the_rate_delays_but_loses_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        for symbol in ("TEST", "OTHER"):
            w.desk.submit(entry(symbol), OPEN)
        w.broker.feed("o", OPEN, {"TEST": D(100), "OTHER": D(100)}, jumped=True)
        assert w.desk.step(OPEN), "something waits"
        sent = [v.sent_at for v in w.desk.book.orders.values() if v.sent_at is not None]
        assert len(sent) == LIMITS.orders_a_second == 2
        now = OPEN
        while w.desk.step(now):
            now += SECOND
        assert w.desk.outcome(entry("OTHER").key) is Outcome.ACCEPTED
        assert len(w.working(Purpose.STOP)) == 2
        for second in range(10):
            moment = OPEN + second * SECOND
            assert sum(1 for s in w.desk.book.sends if s == moment) <= 2


def test_losses_close_entries_until_somebody_looked_in_a_later_session(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.tick(at(11), "94")
        w.desk.book.streak = LIMITS.losing_streak  # as if two more had been lost before
        w.desk.acknowledge(by="me", reason="same day", now=at(12))
        assert w.desk.book.streak == LIMITS.losing_streak
        w.desk.acknowledge(by="me", reason="next day", now=at(8, day=TOMORROW))
        assert w.desk.book.streak == 0


def test_the_daily_loss_counts_closed_trades_and_charges(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.tick(at(11), "94")
        (trade,) = w.desk.book.trades
        w.desk.submit(entry("OTHER", valid_until=at(12)), at(11))
        w.tick(at(11, 1), "100", symbol="OTHER", jumped=True)
        assert "OTHER" in w.desk.book.positions
        given = w.gate.look(entry("OTHER"), at(11, 2), w.desk.reconcile(at(11, 2)))
        assert given.usage is not None
        assert given.usage.profit_today < trade.profit, "the second purchase costs, too"
        assert trade.profit == 10 * (D("95.00") - D("100.05")) - trade.charges


def test_an_intraday_position_is_squared_off(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w, product=Product.INTRADAY)
        w.desk.step(at(15, 9))
        assert w.desk.book.positions
        w.desk.step(at(15, 10))
        assert not w.desk.book.positions
        assert w.desk.book.trades[0].reason is Purpose.EXIT


def test_a_delivery_position_is_kept(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.desk.step(at(15, 20))
        assert w.desk.book.positions


def test_limits_are_sealed_once_and_only_tighten(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        before = w.ledger.head()
        w.desk.open_session(OPEN, LIMITS)
        assert w.ledger.head() == before, "the same limits are sealed already"
        w.desk.open_session(at(10), replace(LIMITS, trades_a_day=1, losing_streak=9))
        assert w.desk.book.limits is not None
        assert (w.desk.book.limits.trades_a_day, w.desk.book.limits.losing_streak) == (1, 3)


def test_a_restarted_desk_learns_what_it_missed(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        w.broker.feed("while down", at(11), {"TEST": D(94)})
    with world(tmp_path, now=at(11)) as w:
        assert not w.desk.book.positions
        assert w.desk.book.trades[0].reason is Purpose.STOP
        assert w.desk.book.differences == ()


def test_a_second_desk_on_the_same_ledger_refuses(tmp_path: Path) -> None:
    with world(tmp_path), pytest.raises(LeaseError), world(tmp_path):
        raise AssertionError("two desks")


def test_the_book_equals_its_rebuild_after_a_day(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bought(w)
        next_day(w, "94")
        kept = w.desk.book.fingerprint()
    with world(tmp_path, now=at(9, 15, day=TOMORROW)) as w:
        assert w.desk.book.fingerprint() == kept
        assert w.ledger.verify().ok
        equity = w.desk.book.capital + w.desk.book.cash_flow
        assert w.broker.funds() == equity, "ledger and broker count the same money"
