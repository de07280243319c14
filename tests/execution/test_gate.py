"""Nothing reaches a broker but through the gate, and the gate says why."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.errors import LeaseError, LedgerError
from kasauti.execution.brokers.base import Answer, Reply
from kasauti.execution.brokers.matching import Quote
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.conditions import LiveQuote
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import GateDecided, OrderMoved
from kasauti.execution.frames import controls_frame, not_evaluated
from kasauti.execution.gate import Passage
from kasauti.execution.limits import Review
from kasauti.execution.model import Intent, Offset, Order, OrderSide, Outcome, Protection, Scope
from kasauti.execution.references import BarReferences, Reference
from kasauti.execution.usage import usage
from tests.execution.world import (
    DAYS,
    LIMITS,
    OPEN,
    TOMORROW,
    YESTERDAY,
    World,
    at,
    bars_of,
    entry,
    permit,
    world,
)


def test_an_accepted_order_was_judged_by_every_control(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        intent = entry()
        assert w.desk.submit(intent, OPEN) is Outcome.QUEUED
        w.desk.step(OPEN)
        assert w.desk.outcome(intent.key) is Outcome.ACCEPTED
        decided = [r.event for r in w.ledger.events() if isinstance(r.event, GateDecided)]
        assert len(decided) == 1 and decided[0].allowed
        assert {d.control for d in decided[0].decisions} == {c.id for c in CONTROLS}
        assert all(d.passed for d in decided[0].decisions)
        limits = w.desk.book.limits
        assert limits is not None and decided[0].limits_hash == limits.hash
        assert w.desk.book.evaluated == {control.id: OPEN for control in CONTROLS}
        assert not controls_frame(w.desk.book)["red"].any()


def test_a_control_that_was_never_evaluated_is_red(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        assert controls_frame(w.desk.book)["red"].all()


def test_a_control_that_spoke_once_and_fell_silent_is_red(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert not not_evaluated(w.desk.book)
        w.gate._controls = tuple(control for control in CONTROLS if control.id != "K15")
        now = at(9, 15, day=TOMORROW)
        late = entry("OTHER", valid_from=now, valid_until=now + timedelta(minutes=1))
        w.desk.submit(late, now)
        assert not not_evaluated(w.desk.book), "no order was judged since"
        w.desk.step(now)
        assert not_evaluated(w.desk.book) == ["K15"]
        shown = controls_frame(w.desk.book)
        assert list(shown["control"][shown["red"]]) == ["K15"]


def test_the_same_order_is_denied_when_one_bar_is_stale(tmp_path: Path) -> None:
    row = (100.0, 101.0, 99.0, 100.0)
    fresh = bars_of({"TEST": [row, row], "OTHER": [row, row]})
    for name, bars, outcome in (
        ("fresh", fresh, Outcome.ACCEPTED),
        ("stale", fresh.between(0, 1), Outcome.DENIED),
    ):
        references = {s: BarReferences(bars)(s) for s in ("TEST", "OTHER")}
        known = {s: r for s, r in references.items() if r is not None}
        with world(tmp_path / name, references=known) as w:
            w.desk.submit(entry(), OPEN)
            w.desk.step(OPEN)
            assert w.desk.outcome(entry().key) is outcome, name
            assert bool(w.broker.orders()) is (outcome is Outcome.ACCEPTED)
    assert w.order(entry()).code == "STALE_REFERENCE"
    refused = [
        d.control
        for record in w.ledger.events()
        if isinstance(record.event, GateDecided)
        for d in record.event.decisions
        if not d.passed
    ]
    assert refused == ["K09"], "nothing else is wrong with it"


def test_one_missing_close_is_a_stale_bar(tmp_path: Path) -> None:
    row = (100.0, 101.0, 99.0, 100.0)
    bars = bars_of({"TEST": [row, (*row[:3], float("nan"))], "OTHER": [row, row]})
    reference = BarReferences(bars)
    assert reference("TEST") == Reference("TEST", DAYS[0], Decimal("100.0"))
    assert reference("OTHER") == Reference("OTHER", DAYS[1], Decimal("100.0"))
    assert reference("NOBODY") is None


BAD_ORDERS: list[tuple[str, dict[str, Any], str]] = [
    ("negative price", {"limit_price": Decimal(-101)}, "INSTRUMENT"),
    ("price 0", {"limit_price": Decimal(0)}, "INSTRUMENT"),
    ("NaN price", {"limit_price": Decimal("NaN")}, "INSTRUMENT"),
    ("infinite price", {"limit_price": Decimal("Infinity")}, "INSTRUMENT"),
    ("NaN trigger", {"trigger_price": Decimal("NaN")}, "ORDER_TYPE"),
    ("quantity 0", {"quantity": 0}, "INSTRUMENT"),
    ("negative quantity", {"quantity": -10}, "INSTRUMENT"),
    ("off tick", {"limit_price": Decimal("101.003")}, "INSTRUMENT"),
    ("unknown symbol", {"symbol": "NOBODY"}, "INSTRUMENT"),
    ("without protection", {"protection": None}, "TRADE_RISK"),
    ("NaN stop", {"protection": Protection(Offset(Decimal("NaN")))}, "TRADE_RISK"),
    ("no permit", {"genome_hash": "unknown"}, "NO_PERMIT"),
]


@pytest.mark.parametrize(
    ("changes", "code"), [row[1:] for row in BAD_ORDERS], ids=[row[0] for row in BAD_ORDERS]
)
def test_a_bad_order_is_refused_by_its_code(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    with world(tmp_path) as w:
        refused(w, entry(**changes), OPEN, code)


def refused(w: World, intent: Intent, when: datetime, code: str) -> None:
    """Submit the order; it is denied by its code, told, never sent, and the ledger verifies."""
    w.desk.submit(intent, when)
    w.desk.step(when)
    order = w.order(intent)
    assert (order.outcome, order.code) == (Outcome.DENIED, code)
    assert not w.broker.orders()
    assert w.ledger.verify().ok
    assert any(code in message for _, message in w.ledger.outbox())


QUOTE = LiveQuote(Decimal(100), Decimal("99.95"), Decimal("100.05"), OPEN)
BAD_MOMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("stale quote", {"quotes": {"TEST": replace(QUOTE, at=OPEN - timedelta(hours=1))}}, "STALE"),
    ("crossed quote", {"quotes": {"TEST": replace(QUOTE, bid=Decimal(101))}}, "CROSSED"),
    ("one side missing", {"quotes": {"TEST": replace(QUOTE, ask=None)}}, "CROSSED"),
    ("absurd price", {"quotes": {"TEST": replace(QUOTE, last=Decimal(1))}}, "UNREASONABLE"),
    ("NaN price", {"quotes": {"TEST": replace(QUOTE, last=Decimal("NaN"))}}, "UNREASONABLE"),
    ("F&O ban", {"restricted": frozenset({"TEST"})}, "RESTRICTED"),
    ("yesterday's login", {"login_day": YESTERDAY}, "LOGIN"),
    ("another address", {"ip": "192.0.2.7"}, "LOGIN"),
    ("silent feed", {"feed_at": OPEN - timedelta(minutes=5)}, "FEED"),
    ("silent order feed", {"order_feed_at": None}, "FEED"),
    ("clock off", {"broker_time": OPEN + timedelta(seconds=10)}, "CLOCK"),
]
CODES = {"STALE": "STALE_QUOTE", "CROSSED": "CROSSED_QUOTE", "UNREASONABLE": "UNREASONABLE_QUOTE"}


@pytest.mark.parametrize(
    ("changes", "code"), [row[1:] for row in BAD_MOMENTS], ids=[row[0] for row in BAD_MOMENTS]
)
def test_a_bad_moment_is_refused_by_its_code(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    with world(tmp_path) as w:
        w.broker.trip(**changes, quoted="quotes" in changes)
        refused(w, entry(), OPEN, CODES.get(code, code))


@pytest.mark.parametrize(
    "halt", [{"halted": frozenset({"TEST"})}, {"market_halted": True}], ids=["symbol", "market"]
)
def test_what_is_halted_is_not_entered(tmp_path: Path, halt: dict[str, Any]) -> None:
    with world(tmp_path) as w:
        w.broker.trip(**halt)
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.desk.outcome(entry().key) is Outcome.QUEUED, "the desk waits"
        assert w.gate.release(entry(), OPEN, w.desk.reconcile(OPEN)).code == "HALTED_SYMBOL"
        assert not w.broker.orders()


def test_an_order_waits_for_the_first_quote_of_its_symbol_and_the_others_do_not(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.submit(entry("OTHER"), OPEN)
        quotes = {"OTHER": Quote(Decimal(100), Decimal("99.95"), Decimal("100.05"))}
        w.broker.quote("1", OPEN, quotes)
        assert w.desk.step(OPEN), "something waits"
        assert w.desk.outcome(entry().key) is Outcome.QUEUED
        assert w.desk.outcome(entry("OTHER").key) is Outcome.ACCEPTED
        later = OPEN + timedelta(seconds=2)
        w.broker.quote("2", later, {"TEST": quotes["OTHER"]})
        w.desk.step(later)
        assert w.desk.outcome(entry().key) is Outcome.ACCEPTED


def test_a_clock_set_back_behind_our_own_orders_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN + timedelta(seconds=20))
        w.desk.step(OPEN + timedelta(seconds=20))
        assert w.desk.outcome(entry().key) is Outcome.ACCEPTED
        other = entry("OTHER")
        w.desk.submit(other, OPEN + timedelta(seconds=10))
        w.desk.step(OPEN + timedelta(seconds=10))
        assert (w.order(other).outcome, w.order(other).code) == (Outcome.DENIED, "CLOCK")
        assert len(w.broker.orders()) == 1
        assert w.ledger.verify().ok


def test_no_entry_goes_out_before_the_sessions_self_test(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.book.self_tested = YESTERDAY
        refused(w, entry(), OPEN, "NOT_SELF_TESTED")


def test_we_do_not_trade_with_ourselves(tmp_path: Path) -> None:
    """Two strategies of opposite minds: what the second wants would meet the first's order."""
    permits = {"g": permit(), "h": permit(genome_hash="h")}
    with world(tmp_path, permits=permits) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        against: dict[str, Any] = {
            "side": OrderSide.SELL,
            "genome_hash": "h",
            "key": "h|short",
            "protection": Protection(Offset(Decimal(-5))),
        }
        later = OPEN + timedelta(seconds=2)
        used = usage(
            w.desk.book, entry(**against, limit_price=Decimal("100")), w.references.get, later
        )
        assert used.crossing == 1
        apart = entry(**against, limit_price=Decimal("101.05"))
        assert usage(w.desk.book, apart, w.references.get, later).crossing == 0


def test_a_review_overdue_closes_entries_until_a_person_has_looked(tmp_path: Path) -> None:
    limits = replace(LIMITS, review=Review.EACH_TRADE, trades_a_day=9)
    with world(tmp_path, limits=limits) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100.00")
        w.tick(OPEN + timedelta(seconds=5), "94.00")
        assert w.desk.book.trades
        for minute, code in ((1, "REVIEW_OVERDUE"), (3, "")):
            when = OPEN + timedelta(minutes=minute)
            other = entry("OTHER", key=f"other {minute}")
            w.desk.submit(other, when)
            w.desk.step(when)
            assert w.order(other).code == code
            w.desk.review(by="Asha", reason="looked", now=when + timedelta(seconds=30))


def test_a_replay_permit_is_worth_nothing_in_a_paper_ledger(tmp_path: Path) -> None:
    permits = {"g": permit(Scope.REPLAY)}
    with world(tmp_path, scope=Scope.PAPER, permits=permits) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "NO_PERMIT"


@pytest.mark.parametrize("unreadable", [False, True], ids=["set", "unreadable"])
def test_the_latch_denies_entries(tmp_path: Path, unreadable: bool) -> None:
    with world(tmp_path) as w:
        if unreadable:
            w.latch.path = tmp_path / "gone" / "kill"
        else:
            w.latch.set(w.ledger, by="test", reason="test", at=OPEN)
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "KILLED"


class LatchingBroker(PaperBroker):
    """Its funds are asked for while the gate looks: then somebody sets the latch."""

    funds_are_exact = False  # the gate alone asks for them

    def funds(self) -> Decimal:
        self.latch_path.touch()
        return super().funds()

    latch_path: Path


def test_the_latch_is_read_again_next_to_the_send(tmp_path: Path) -> None:
    with world(tmp_path, broker_class=LatchingBroker) as w:
        assert isinstance(w.broker, LatchingBroker)
        w.broker.latch_path = w.latch.path
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        order = w.order(entry())
        assert (order.state.value, order.code) == ("cancelled", "KILLED")
        assert order.sent_at is not None, "every control had let it pass"
        assert not w.broker.orders()


def test_the_decision_is_on_disk_before_the_broker_sees_the_order(tmp_path: Path) -> None:
    class Watching(PaperBroker):
        seen: list[str]

        def place(self, order: Order, at: Any) -> Reply:
            last = list(w.ledger.events())[-1]
            assert isinstance(last.event, GateDecided) and last.event.allowed
            assert last.unique == f"send:{order.tag}:0"
            self.seen = [order.tag]
            return super().place(order, at)

    with world(tmp_path, broker_class=Watching) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert isinstance(w.broker, Watching)
        assert w.broker.seen == [entry().tag]


def test_a_desk_with_an_old_epoch_sends_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.ledger.raise_epoch(host="another", at=OPEN)
        with pytest.raises(LeaseError):
            w.gate.release(entry(), OPEN, None)
        with pytest.raises(LeaseError):
            w.gate.cancel(entry().tag, OPEN)
        assert not w.broker.orders()


def test_what_cannot_be_learnt_is_told_and_denies(tmp_path: Path) -> None:
    class Broke(PaperBroker):
        def funds(self) -> Decimal:
            raise OSError("connection reset")

    with world(tmp_path, broker_class=Broke) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "FUNDS"
        last = [r.event for r in w.ledger.events() if isinstance(r.event, GateDecided)][-1]
        figures = next(d.figures for d in last.decisions if d.control == "K13")
        assert "connection reset" in figures["funds"]


def test_a_second_release_of_the_same_intent_is_impossible(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        later = OPEN + timedelta(seconds=30)
        with pytest.raises(LedgerError, match="is open"):
            w.gate.release(entry(), later, w.desk.reconcile(later))
        assert len(w.broker.orders()) == 1


def test_only_the_committed_intent_is_released(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        compared = w.desk.reconcile(OPEN)
        with pytest.raises(LedgerError, match="not committed"):
            w.gate.release(entry(), OPEN, compared)
        w.desk.submit(entry(), OPEN)
        with pytest.raises(LedgerError, match="not committed"):
            w.gate.release(entry(quantity=11), OPEN, compared)
        assert w.gate.release(entry(), OPEN, compared).passage is Passage.SENT


class Losing(PaperBroker):
    """Answers nothing; the order arrives or not."""

    arrives: bool = True

    def place(self, order: Order, at: Any) -> Reply:
        if self.arrives:
            super().place(order, at)
        return Reply(Answer.LOST, text="time-out")


@pytest.mark.parametrize("arrives", [True, False], ids=["arrived", "never arrived"])
@pytest.mark.parametrize("scope", list(Scope), ids=lambda scope: scope.value)
def test_an_unknown_placement_is_looked_up_and_never_sent_again(
    tmp_path: Path, arrives: bool, scope: Scope
) -> None:
    with world(tmp_path, scope=scope, broker_class=Losing) as w:
        assert isinstance(w.broker, Losing)
        w.broker.arrives = arrives
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        w.desk.step(OPEN + timedelta(seconds=5))
        expected = Outcome.ACCEPTED if arrives else Outcome.REJECTED
        assert w.desk.outcome(entry().key) is expected
        assert len(w.broker.orders()) == int(arrives)
        moves = [r.event.event for r in w.ledger.events() if isinstance(r.event, OrderMoved)]
        assert moves[0].value == "lose"


def test_the_broker_handle_is_private_to_the_gate(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        handles = [name for name, value in vars(w.gate).items() if value is w.broker]
        assert handles == ["_Gate__broker"]
        assert w.broker not in vars(w.desk).values()
    assert OPEN.date() > YESTERDAY
