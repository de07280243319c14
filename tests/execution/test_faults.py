"""A broker that fails: nothing is sent twice, nothing is lost, and the truth is found again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.errors import BrokerError
from kasauti.execution.brokers.base import Answer
from kasauti.execution.brokers.faults import READING, WRITING, Fault, FaultPlan, Faulty
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import GateDecided, OrderMoved
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import OrderSide, Outcome, Purpose, Scope
from kasauti.execution.orders import OrderEvent, OrderState
from kasauti.market.markets import NSE
from tests.execution.world import CALENDAR, OPEN, World, at, closing, entry, world

D = Decimal
SECOND = timedelta(seconds=1)


@contextmanager
def faulty_world(folder: Path, plan: FaultPlan) -> Iterator[tuple[World, Faulty]]:
    with world(folder, plan=plan) as w:
        assert w.faulty is not None
        yield w, w.faulty


def settle(w: World, now: datetime, seconds: int = 45) -> datetime:
    """Let the desk look again, every three seconds."""
    for _ in range(seconds // 3):
        now += 3 * SECOND
        w.desk.step(now)
    return now


def assert_sound(w: World) -> None:
    """Nothing doubled, nothing lost: every order once at the broker, both books equal."""
    tags = [row.order.tag for row in w.broker.orders()]
    assert len(tags) == len(set(tags))
    sent = [r.event for r in w.ledger.events() if isinstance(r.event, GateDecided)]
    allowed = [event.key for event in sent if event.allowed]
    assert len(allowed) == len(set(allowed)), "an intent was released twice"
    for row in w.broker.orders():
        view = w.desk.book.orders[row.order.tag]
        assert (view.filled, view.state.is_working) == (row.filled, row.state.is_working)
    held = {p.symbol: p.quantity for p in w.broker.positions()}
    assert {s: p.quantity for s, p in w.desk.book.positions.items()} == held
    for position in w.desk.book.positions.values():
        stops = [v for v in w.working(Purpose.STOP) if v.intent.symbol == position.symbol]
        assert sum(v.intent.quantity - v.filled for v in stops) == position.quantity
    assert w.desk.book.differences == ()
    assert w.broker.funds() == w.desk.book.capital + w.desk.book.cash_flow
    assert w.ledger.verify().ok


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_after_any_fault_the_desk_finds_the_truth(tmp_path: Path, fault: Fault, skip: int) -> None:
    with faulty_world(tmp_path, FaultPlan.once(fault, skip=skip, times=2)) as (w, faulty):
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", volume=60, jumped=True)
        w.broker.feed("more", OPEN + SECOND, {"TEST": D("99.50")}, {"TEST": D(5_000)})
        now = settle(w, OPEN + SECOND)
        held = w.desk.book.positions.get("TEST")
        if held is not None:
            assert_sound(w)
            until = now + 60 * SECOND
            leave = closing(entry(), valid_from=now, valid_until=until, quantity=held.quantity)
            w.desk.submit(leave, now)
        settle(w, now)
        assert faulty.struck[fault] >= 1, "the fault never struck: this case shows nothing"
        assert_sound(w)
        assert not w.desk.book.positions
        assert not [row for row in w.broker.orders() if row.state.is_working]


@pytest.mark.parametrize("seed", range(6))
def test_many_faults_at_once(tmp_path: Path, seed: int) -> None:
    rates = dict.fromkeys(Fault, 0.15)
    with faulty_world(tmp_path, FaultPlan(rates, seed=seed, most=12)) as (w, faulty):
        for symbol in ("TEST", "OTHER"):
            w.desk.submit(entry(symbol), OPEN)
        prices = {"TEST": D(100), "OTHER": D(100)}
        w.broker.feed("open", OPEN, prices, dict.fromkeys(prices, D(60)), jumped=True)
        now = settle(w, OPEN, 30)
        w.broker.feed("later", now, dict.fromkeys(prices, D("99.5")), dict.fromkeys(prices, D(900)))
        now = settle(w, now, 30)
        w.broker.feed("low", now, dict.fromkeys(prices, D(94)))
        now = settle(w, now, 60)
        assert sum(faulty.struck.values()) > 5
        faulty.plan = FaultPlan({})
        settle(w, now, 90)
        assert_sound(w)


def test_an_entry_whose_answer_was_lost_is_looked_up_by_its_tag(tmp_path: Path) -> None:
    with faulty_world(tmp_path, FaultPlan.once(Fault.TIMEOUT_AFTER)) as (w, _):
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert w.order(entry()).outcome is Outcome.ACCEPTED
        assert w.order(entry()).filled == 10
        assert any("timeout" in message for _, message in w.ledger.outbox())


def test_an_entry_that_never_arrived_is_not_sent_again(tmp_path: Path) -> None:
    with faulty_world(tmp_path, FaultPlan.once(Fault.TIMEOUT_BEFORE)) as (w, _):
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        settle(w, OPEN)
        assert (w.order(entry()).outcome, w.order(entry()).code) == (
            Outcome.REJECTED,
            "NEVER_ARRIVED",
        )
        assert not w.broker.orders()


def test_a_book_that_lacks_rows_proves_nothing_for_half_a_minute(tmp_path: Path) -> None:
    plan = FaultPlan({Fault.TIMEOUT_BEFORE: 1.0, Fault.PARTIAL_BOOK: 0.0}, most=1)
    with faulty_world(tmp_path, plan) as (w, faulty):
        assert not faulty.absence_is_proof
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        now = settle(w, OPEN, 20)
        assert w.order(entry()).outcome is Outcome.UNKNOWN
        assert w.desk.book.differences
        settle(w, now, 20)
        assert w.order(entry()).outcome is Outcome.REJECTED


def test_an_order_that_was_thought_lost_and_works_is_taken_back(tmp_path: Path) -> None:
    plan = FaultPlan({Fault.PARTIAL_BOOK: 1.0}, skip=10**6)
    with faulty_world(tmp_path, plan) as (w, _):
        w.desk.submit(entry(valid_until=at(12)), OPEN)
        w.tick(OPEN, "103", jumped=True)
        tag = entry().tag
        gone = OrderMoved(tag, OrderEvent.CANCEL, text="VANISHED")
        w.ledger.append(gone, at=OPEN, epoch=w.lease.epoch)
        assert w.order(entry()).state is OrderState.CANCELLED
        w.desk.step(OPEN + SECOND)
        row = next(r for r in w.broker.orders() if r.order.tag == tag)
        assert row.state is OrderState.CANCELLED, "what has ended here must not work there"
        w.desk.step(OPEN + 2 * SECOND)
        assert w.desk.book.differences == ()


def test_an_unreadable_broker_closes_entries_and_is_recorded(tmp_path: Path) -> None:
    with faulty_world(tmp_path, FaultPlan({Fault.BOOK_RAISES: 1.0})) as (w, _):
        assert any("cannot be read" in text for text in w.desk.book.differences)
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert w.order(entry()).outcome is Outcome.DENIED
        assert not w.broker.orders()
        assert any("cannot be read" in message for _, message in w.ledger.outbox())


def test_an_order_that_has_filled_is_not_rejected_and_the_fault_is_not_used_up(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "l.sqlite", scope=Scope.PAPER, market="nse", at=OPEN)
    broker = PaperBroker(ledger.engine, NSE, cash=D(100_000), calendar=CALENDAR)
    broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
    faulty = Faulty(broker, FaultPlan.once(Fault.REJECTED_AFTER))
    for key, limit in (("fills", D(101)), ("rests", D(95))):
        faulty.place(entry(key=key, limit_price=limit).order(), OPEN)
    assert [row.state for row in broker.orders()] == [OrderState.FILLED, OrderState.REJECTED]
    assert faulty.struck == {Fault.REJECTED_AFTER: 1}


def test_a_fault_strikes_as_often_as_its_plan_says(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite", scope=Scope.PAPER, market="nse", at=OPEN)
    broker = PaperBroker(ledger.engine, NSE, cash=D(100_000), calendar=CALENDAR)
    orders = [entry(key=str(number), limit_price=D(90 + number)).order() for number in range(6)]
    plan = FaultPlan.once(Fault.TIMEOUT_AFTER, skip=1, times=2)
    answers = [Faulty(broker, plan).place(order, OPEN).answer for order in orders[:1]]
    faulty = Faulty(broker, plan)
    answers += [faulty.place(order, OPEN).answer for order in orders[1:]]
    kept, lost = Answer.ACCEPTED, Answer.LOST
    assert answers == [kept, kept, lost, lost, kept, kept]
    assert faulty.struck == {Fault.TIMEOUT_AFTER: 2}
    assert len(broker.orders()) == 6
    with pytest.raises(BrokerError, match="by its tag"):
        Faulty(broker, FaultPlan.once(Fault.DISCONNECT)).place(orders[0], OPEN)
    seeds = [
        [Faulty(broker, FaultPlan({Fault.EMPTY_BODY: 0.5}, seed=s)).place(o, OPEN).answer]
        for s in range(8)
        for o in orders[:1]
    ]
    assert [kept] in seeds and [lost] in seeds
    assert set(WRITING) | set(READING) == set(Fault)
    assert orders[0].side is OrderSide.BUY
