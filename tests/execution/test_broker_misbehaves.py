"""A broker that refuses, lies or says nonsense: every other position stays protected, and it shows.

Random faults are in `test_stateful`; here each behaviour stands alone and does not heal.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.execution.brokers.base import Answer, BrokerOrder, Reply
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import LatchChanged, TradingState
from kasauti.execution.gate import Gate
from kasauti.execution.model import Fill, Order, OrderSide, Purpose, Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from tests.execution.world import OPEN, World, at, entry, world

D = Decimal
SECOND = timedelta(seconds=1)
Rows = list[BrokerOrder]


class Misbehaving(PaperBroker):
    """A paper broker whose words can be changed on their way to us."""

    uncancellable: frozenset[str] = frozenset()
    changed: Callable[[BrokerOrder], BrokerOrder] | None = None
    twice: frozenset[str] = frozenset()
    filled: Callable[[list[Fill]], list[Fill]] | None = None
    frozen: tuple[Rows, list[Fill]] | None = None
    fault: type[Exception] | None = None
    funds_are_exact = False

    def place(self, order: Order, at: datetime) -> Reply:
        reply = super().place(order, at)
        if self.fault is not None:
            raise self.fault("no answer")
        return reply

    def cancel(self, tag: str, at: datetime) -> Reply:
        if tag in self.uncancellable:
            return Reply(Answer.REJECTED, text="the exchange does not answer")
        return super().cancel(tag, at)

    def orders(self) -> Rows:
        if self.frozen is not None:
            return self.frozen[0]
        rows = [row if self.changed is None else self.changed(row) for row in super().orders()]
        return rows + [replace(row, broker_id="X") for row in rows if row.order.tag in self.twice]

    def trades(self) -> list[Fill]:
        if self.frozen is not None:
            return self.frozen[1]
        fills = list(super().trades())
        return fills if self.filled is None else self.filled(fills)

    def freeze(self) -> None:
        """Let both books stay as they are now; the positions go on."""
        self.frozen = (list(super().orders()), list(super().trades()))


def hosted(folder: Path, **given: Any) -> Any:
    return world(folder, scope=Scope.PAPER, broker_class=Misbehaving, **given)


def broker_of(w: World) -> Misbehaving:
    assert isinstance(w.broker, Misbehaving)
    return w.broker


def wait(w: World, start: datetime, seconds: int, every: int = 5) -> None:
    for second in range(0, seconds, every):
        w.desk.step(start + second * SECOND)


def alerts(w: World) -> str:
    return "\n".join(message for _, message in w.ledger.outbox())


def stops(w: World) -> Sequence[Order]:
    return [view.intent.order() for view in w.working(Purpose.STOP)]


def test_a_cancel_that_is_refused_holds_up_no_other_order(tmp_path: Path) -> None:
    with hosted(tmp_path) as w:
        resting = entry("OTHER", limit_price=D("96.00"))
        w.desk.submit(resting, OPEN)
        w.tick(OPEN, "100", symbol="OTHER", jumped=True)
        broker_of(w).uncancellable = frozenset({resting.tag})
        w.desk.submit(entry(), OPEN + SECOND)
        w.tick(OPEN + SECOND, "100", jumped=True)
        (stop,) = stops(w)
        w.desk.step(resting.valid_until)  # it should be taken back, and stays
        w.broker.end(stop.tag, OrderState.CANCELLED, "by the exchange", at(9, 30))
        wait(w, at(9, 30), 60)
        assert [one.quantity for one in stops(w)] == [10], "placed again"
        assert w.desk.book.differences == (f"order {resting.tag} of OTHER cannot be cancelled",)
        assert w.desk.book.trading_state is TradingState.REDUCING
        assert "cannot be cancelled" in alerts(w)
        w.ledger.append(LatchChanged(True, "me", "out", flatten=True), at=at(10))
        wait(w, at(10), 10, 1)
        assert "TEST" not in w.desk.book.positions
        broker_of(w).uncancellable = frozenset()
        wait(w, at(10, 1), 10)
        assert w.desk.book.differences == ()


def test_a_flattening_that_is_called_off_sells_nothing_afterwards(tmp_path: Path) -> None:
    """Its exit is on record and waits for the stop, which the broker does not take back."""
    with hosted(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        (stop,) = stops(w)
        broker_of(w).uncancellable = frozenset({stop.tag})
        w.latch.set(w.ledger, by="me", reason="out", at=at(10), flatten=True)
        wait(w, at(10), 3, 1)
        (leaving,) = [o for o in w.desk.book.live_orders() if o.intent.purpose is Purpose.EXIT]
        assert leaving.state is OrderState.QUEUED
        w.latch.lift(w.ledger, by="me", reason="no", at=at(10, 0, 5))
        broker_of(w).uncancellable = frozenset()
        wait(w, at(10, 1), 10)
        assert w.order(leaving.intent).code == "NOT_NEEDED"
        assert w.desk.book.positions and [one.quantity for one in stops(w)] == [10]


def moved(row: BrokerOrder) -> BrokerOrder:
    return replace(row, order=replace(row.order, trigger_price=D(80), limit_price=D(80)))


def cut(row: BrokerOrder) -> BrokerOrder:
    return replace(row, order=replace(row.order, quantity=1))


@pytest.mark.parametrize("change", [moved, cut])
def test_a_stop_that_was_changed_at_the_broker_is_replaced(
    tmp_path: Path, change: Callable[[BrokerOrder], BrokerOrder]
) -> None:
    with hosted(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        (first,) = stops(w)

        def change_first(row: BrokerOrder) -> BrokerOrder:
            return change(row) if row.order.tag == first.tag else row

        broker_of(w).changed = change_first
        w.desk.step(at(10))
        w.desk.step(at(10, 0, 1))
        (second,) = stops(w)
        assert second.tag != first.tag
        assert (second.quantity, second.trigger_price) == (10, first.trigger_price)
        assert w.desk.book.differences == ()
        assert "STOP cancelled by the broker" in alerts(w)


def test_a_broker_that_changes_every_stop_is_told_and_not_fought_for_ever(tmp_path: Path) -> None:
    with hosted(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)

        def change(row: BrokerOrder) -> BrokerOrder:
            return moved(row) if row.order.trigger_price else row

        broker_of(w).changed = change
        wait(w, at(10), 600)
        placed = [v for v in w.desk.book.orders.values() if v.intent.purpose is Purpose.STOP]
        assert len(placed) == 4
        assert len(stops(w)) == 1
        assert "was changed at the broker: limit_price" in "".join(w.desk.book.differences)
        assert w.desk.book.trading_state is TradingState.REDUCING


def test_two_orders_under_one_tag_close_entries(tmp_path: Path) -> None:
    with hosted(tmp_path) as w:
        resting = entry(limit_price=D("96.00"))
        w.desk.submit(resting, OPEN)
        w.tick(OPEN, "100", jumped=True)
        broker_of(w).twice = frozenset({resting.tag})
        w.desk.step(OPEN + SECOND)
        assert w.desk.book.differences == (
            f"order {resting.tag} of TEST works twice at the broker",
        )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param({"quantity": 0}, "quantity 0", id="no shares"),
        pytest.param({"quantity": -10}, "quantity -10", id="negative"),
        pytest.param({"quantity": 11}, "quantity 11", id="more than was ordered"),
        pytest.param({"price": D("NaN")}, "price NaN", id="price that is no number"),
        pytest.param({"price": D(0)}, "price 0", id="for nothing"),
        pytest.param({"charges": D("Infinity")}, "charges Infinity", id="charges without end"),
        pytest.param({"symbol": "OTHER"}, "symbol OTHER", id="of another symbol"),
        pytest.param({"side": OrderSide.SELL}, "side SELL", id="of the other side"),
        pytest.param({"at": datetime(2026, 7, 15, 9, 15)}, "at 2026-07-15", id="time without zone"),
    ],
)
def test_an_execution_that_cannot_be_true_is_not_booked(
    tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    with hosted(tmp_path) as w:
        wanted = entry()
        w.desk.submit(wanted, OPEN)
        broker_of(w).filled = lambda fills: [replace(fill, **wrong) for fill in fills]
        w.tick(OPEN, "100", jumped=True)
        wait(w, OPEN, 20)
        found = "".join(w.desk.book.differences)
        assert f"of order {wanted.tag} cannot be true: {told}" in found
        assert w.order(wanted).filled == 0
        broker_of(w).filled = None
        wait(w, OPEN + 30 * SECOND, 20)
        assert (w.order(wanted).filled, len(stops(w))) == (10, 1)
        again = Book()
        for record in w.ledger.events():
            again.apply(record)
        assert again.fingerprint() == w.desk.book.fingerprint()


def test_shares_that_no_execution_explains_come_under_a_stop(tmp_path: Path) -> None:
    """Order book and positions say that they are there; the trade book never does."""
    with hosted(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        broker_of(w).filled = lambda fills: []
        w.tick(OPEN, "100", jumped=True)
        wait(w, OPEN, 150)
        assert [stop.quantity for stop in stops(w)] == [10]
        broker_of(w).filled = None
        wait(w, OPEN + 180 * SECOND, 60)
        position = w.desk.book.positions["TEST"]
        assert (position.quantity, position.foreign) == (10, 0), "it was ours all the time"
        assert w.broker.funds() == w.desk.book.capital + w.desk.book.cash_flow
        assert w.desk.book.differences == ()


@pytest.mark.parametrize(
    ("held", "seconds"),
    [
        pytest.param(False, 60, id="a purchase, told a minute late"),
        pytest.param(True, 720, id="a stop's sale, told twelve minutes late"),
    ],
)
def test_what_is_told_after_it_was_adopted_counts_once(
    tmp_path: Path, held: bool, seconds: int
) -> None:
    with hosted(tmp_path) as w:
        w.broker.feed("open", OPEN, {"TEST": D(102)}, jumped=True)
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        if held:
            w.tick(OPEN + SECOND, "100")
        broker_of(w).freeze()
        w.broker.feed("late", OPEN + 9 * SECOND, {"TEST": D("94.5") if held else D(100)})
        wait(w, OPEN + 10 * SECOND, seconds)
        assert ("TEST" in w.desk.book.positions) is not held, "positions alone were believed"
        broker_of(w).frozen = None
        wait(w, OPEN + (seconds + 60) * SECOND, 60)
        book = w.desk.book
        assert w.broker.funds() == book.capital + book.cash_flow
        assert book.capital == 100_000
        assert book.equity() - book.opening_equity() > -100, "no loss that never was"
        assert book.differences == ()


def test_two_orders_whose_executions_have_one_id_both_count(tmp_path: Path) -> None:
    with hosted(tmp_path) as w:
        broker_of(w).filled = lambda fills: [replace(fill, id="1") for fill in fills]
        for symbol in ("TEST", "OTHER"):
            w.desk.submit(entry(symbol), OPEN)
            w.tick(OPEN, "100", symbol=symbol, jumped=True)
        wait(w, OPEN, 5, 1)
        assert {s: p.quantity for s, p in w.desk.book.positions.items()} == {
            "TEST": 10,
            "OTHER": 10,
        }


def test_a_holding_that_nobody_knows_a_price_of_is_taken_over_without_a_stop(
    tmp_path: Path,
) -> None:
    with hosted(tmp_path) as w:
        w.broker.transfer(D(0), {"ITC": 5})
        wait(w, OPEN, 660, 10)
        position = w.desk.book.positions["ITC"]
        assert (position.quantity, position.foreign, position.stop_price) == (5, 5, None)
        assert w.desk.book.differences == ()
        assert w.desk.book.trading_state is TradingState.ACTIVE
        assert "its price is not known" in alerts(w)
        w.desk.submit(entry(valid_until=at(10)), at(9, 40))
        w.tick(at(9, 40), "100", jumped=True)
        assert w.desk.book.positions["TEST"].quantity == 10, "entries go on"


@pytest.mark.parametrize("fault", [TimeoutError, ConnectionResetError, ValueError, KeyError])
def test_whatever_a_broker_raises_the_answer_is_lost_and_looked_up(
    tmp_path: Path, fault: type[Exception]
) -> None:
    with hosted(tmp_path) as w:
        broker_of(w).fault = fault
        wanted = entry(limit_price=D("99.00"))
        w.desk.submit(wanted, OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert w.order(wanted).state is OrderState.OPEN, "found by its tag"
        assert len(w.broker.orders()) == 1


def test_a_kill_on_record_alone_stops_an_entry_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody on another machine kills, with the same database, after the gate has judged."""
    with hosted(tmp_path) as w:
        send = Gate._send

        def kill_and_send(self: Gate, *given: Any) -> None:
            w.ledger.append(LatchChanged(True, "another machine", "stop"), at=OPEN)
            send(self, *given)

        monkeypatch.setattr(Gate, "_send", kill_and_send)
        wanted = entry()
        w.desk.submit(wanted, OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert (w.order(wanted).state, w.order(wanted).code) == (OrderState.CANCELLED, "KILLED")
        assert list(w.broker.orders()) == []


def test_a_slow_broker_gets_nothing_after_its_time_nor_too_fast(tmp_path: Path) -> None:
    """Each placement takes seven seconds, the time-out of Angel One's own client."""
    clock, left = [at(9, 24, 50)], []

    class Slow(PaperBroker):
        def place(self, order: Order, at: datetime) -> Reply:
            left.append(clock[0])
            reply = super().place(order, at)
            clock[0] += timedelta(seconds=7)
            return reply

    with world(tmp_path, scope=Scope.PAPER, broker_class=Slow) as w:
        w.broker.feed("open", OPEN, {s: D(100) for s in ("TEST", "OTHER", "THIRD")}, jumped=True)
        wanted = [entry(s, limit_price=D("99.00")) for s in ("TEST", "OTHER", "THIRD")]
        for intent in wanted:
            w.desk.submit(intent, OPEN)
        w.desk.step(clock[0], lambda: clock[0])
        assert left
        assert all(moment < wanted[0].valid_until for moment in left)
        sent = [view.sent_at for view in w.desk.book.orders.values() if view.sent_at is not None]
        assert sorted(sent) == sorted(left), "what is on record is when it left"
