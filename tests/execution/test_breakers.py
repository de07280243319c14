"""Breakers stop what must stop, once they are sure, and only a person starts it again."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.execution.brokers.matching import Quote
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.events import (
    Event,
    SessionClosed,
    StrategyLatched,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.model import Offset, Outcome, Protection, Purpose
from tests.execution.world import (
    DAYS,
    LIMITS,
    OPEN,
    TODAY,
    TOMORROW,
    World,
    at,
    closing,
    entry,
    permit,
    world,
)

D = Decimal
SECOND = timedelta(seconds=1)
WIDE = Protection(Offset(D("0.09"), of_price=True))  # no stop in the way of an open loss
BIG: dict[str, Any] = {"quantity": 100, "protection": WIDE, "limit_price": D("101.00")}
LOOSE = replace(LIMITS, risk_per_trade=D(5_000), daily_loss=D(500))


def events(w: World, kind: type[Event]) -> list[Any]:
    return [record.event for record in w.ledger.events() if isinstance(record.event, kind)]


def state_of(w: World) -> TradingState:
    return w.desk.book.trading_state


def quote(w: World, when: datetime, price: str) -> None:
    """Feed one quote and let the desk act on it."""
    last, half = D(price), D("0.05")
    w.broker.quote(f"{when}", when, {"TEST": Quote(last, last - half, last + half)})
    w.desk.step(when)


def hold(w: World, **changes: Any) -> None:
    w.desk.submit(entry(**(BIG | changes)), OPEN)
    quote(w, OPEN, "100.00")
    assert w.desk.book.positions["TEST"].quantity == 100


def test_one_bad_tick_does_not_halt_and_three_do(tmp_path: Path) -> None:
    with world(tmp_path, limits=LOOSE) as w:
        hold(w)
        now = OPEN + timedelta(minutes=1)
        for number, price in enumerate(["93.00", "99.00", "93.00", "93.00"]):
            quote(w, now + number * SECOND, price)
            assert state_of(w) is TradingState.ACTIVE, price
        w.desk.step(now + 3 * SECOND)
        assert state_of(w) is TradingState.ACTIVE, "the same moment read twice"
        quote(w, now + 4 * SECOND, "93.00")
        assert state_of(w) is TradingState.REDUCING
        assert list(w.desk.book.switches.breakers) == ["K22"]
        assert any("K22 opened" in message for _, message in w.ledger.outbox())
        assert w.working(Purpose.STOP), "what is held stays protected"
        other = entry("OTHER", valid_until=OPEN + timedelta(hours=1))
        w.desk.submit(other, now + 5 * SECOND)
        quote(w, now + 5 * SECOND, "93.00")
        assert w.desk.outcome(other.key) is Outcome.DENIED


def test_a_price_that_is_no_number_neither_counts_nor_resets_and_traps_no_exit(
    tmp_path: Path,
) -> None:
    with world(tmp_path, limits=LOOSE) as w:
        hold(w)
        now = OPEN + timedelta(minutes=1)
        states = []
        for number, price in enumerate(["93", "NaN", "93", "Infinity", "NaN", "93"]):
            seen = LiveQuote(D(price), at=now + number * SECOND)
            w.broker.trip(quoted=True, quotes={"TEST": seen})
            w.desk.step(now + number * SECOND)
            states.append(state_of(w).value)
        assert states == ["ACTIVE"] * 5 + ["REDUCING"]
        w.broker.trip(quoted=True, quotes={"TEST": LiveQuote(D("NaN"), at=now)})
        leaving = closing(entry(**BIG), quantity=100)
        w.desk.submit(replace(leaving, valid_until=at(15)), now + 10 * SECOND)
        w.desk.step(now + 10 * SECOND)
        assert w.order(leaving).outcome is Outcome.ACCEPTED


def test_an_open_loss_flattens_where_the_setting_says_so(tmp_path: Path) -> None:
    with world(tmp_path, limits=replace(LOOSE, flatten_on_loss=True)) as w:
        hold(w)
        now = OPEN + timedelta(minutes=1)
        for number in range(4):
            quote(w, now + number * SECOND, "93.00")
        assert events(w, TradingStateChanged)[-1].flatten
        assert "TEST" not in w.desk.book.positions
        assert not w.desk.book.live_orders(), "its stop went as its exit went out"


def test_a_fall_from_the_peak_halts_until_a_person_resumes(tmp_path: Path) -> None:
    limits = replace(LIMITS, max_drawdown=D("0.005"), risk_per_trade=D(5_000))
    with world(tmp_path, limits=limits) as w:
        hold(w)
        for number in range(3):
            quote(w, OPEN + timedelta(minutes=1, seconds=number), "94.00")
        assert state_of(w) is TradingState.HALTED
        later = OPEN + timedelta(minutes=2)
        quote(w, later, "100.00")
        assert state_of(w) is TradingState.HALTED, "it does not close by itself"
        w.desk.resume(by="Asha", reason="accepted", now=later)
        for number in range(4):
            quote(w, later + number * SECOND, "99.80")
        assert state_of(w) is TradingState.ACTIVE, "measured from here on"


@pytest.mark.parametrize("restart", [False, True], ids=["same desk", "after a restart"])
def test_a_breaker_survives_a_restart(tmp_path: Path, restart: bool) -> None:
    with world(tmp_path, limits=LOOSE) as w:
        hold(w)
        for number in range(3):
            quote(w, OPEN + timedelta(minutes=1, seconds=number), "93.00")
        if not restart:
            assert state_of(w) is TradingState.REDUCING
            return
    with world(tmp_path, limits=LOOSE, now=OPEN + timedelta(minutes=3)) as w:
        assert state_of(w) is TradingState.REDUCING
        w.desk.resume(by="Asha", reason="looked", now=OPEN + timedelta(minutes=4))
        assert state_of(w) is TradingState.ACTIVE


def test_a_difference_reduces_until_it_is_resolved(tmp_path: Path) -> None:
    class Absent(PaperBroker):
        gone = False

        def positions(self) -> Any:
            if self.gone:
                raise OSError("connection reset")
            return super().positions()

    with world(tmp_path, broker_class=Absent) as w:
        assert isinstance(w.broker, Absent)
        w.broker.gone = True
        w.desk.step(OPEN)
        assert list(w.desk.book.switches.breakers) == ["K28"]
        w.broker.gone = False
        for second in (1, 1, 2):
            w.desk.step(OPEN + second * SECOND)
            assert state_of(w) is TradingState.REDUCING, "one good reading is not yet agreement"
        w.broker.gone = True
        w.desk.step(OPEN + 3 * SECOND)
        w.broker.gone = False
        for second in (4, 5, 6):
            assert state_of(w) is TradingState.REDUCING, "counted anew"
            w.desk.step(OPEN + second * SECOND)
        assert state_of(w) is TradingState.ACTIVE
        assert [e.state.value for e in events(w, TradingStateChanged)] == ["REDUCING", "ACTIVE"]


def test_a_reconciliation_between_steps_opens_the_breaker_itself(tmp_path: Path) -> None:
    """The desk's process compares by a timer and after a gap, where no step may follow for long."""
    with world(tmp_path) as w:
        w.broker.transfer(D(50))
        w.desk.reconcile(OPEN + SECOND)
        assert list(w.desk.book.switches.breakers) == ["K28"]
        assert state_of(w) is TradingState.REDUCING


def test_the_desk_never_lifts_what_a_person_or_a_loss_set(tmp_path: Path) -> None:
    class Absent(PaperBroker):
        gone = True

        def positions(self) -> Any:
            if self.gone:
                raise OSError("connection reset")
            return super().positions()

    with world(tmp_path, broker_class=Absent) as w:
        assert isinstance(w.broker, Absent)
        w.desk.set_state(TradingState.REDUCING, by="Asha", reason="holiday", now=OPEN)
        w.desk.step(OPEN)
        w.broker.gone = False
        for second in (1, 2, 3):
            w.desk.step(OPEN + second * SECOND)
        assert not w.desk.book.switches.breakers
        assert state_of(w) is TradingState.REDUCING


LOST: list[tuple[str, dict[str, Any], str, TradingState, int]] = [
    ("price feed", {"feed_at": OPEN - timedelta(minutes=1)}, "K27", TradingState.REDUCING, 1),
    ("order feed", {"order_feed_at": None}, "K27", TradingState.REDUCING, 1),
    ("login", {"login_day": DAYS[0]}, "K26", TradingState.HALTED, 3),
    ("address", {"ip": "192.0.2.9"}, "K26", TradingState.HALTED, 3),
    ("clock", {"broker_time": OPEN - timedelta(hours=1)}, "K29", TradingState.HALTED, 3),
]


@pytest.mark.parametrize(
    ("changes", "control", "state", "reads"), [row[1:] for row in LOST], ids=[r[0] for r in LOST]
)
def test_what_the_connection_loses(
    tmp_path: Path, changes: dict[str, Any], control: str, state: TradingState, reads: int
) -> None:
    with world(tmp_path) as w:
        w.broker.trip(**changes)
        for number in range(reads):
            assert not w.desk.book.switches.breakers
            w.desk.step(OPEN + number * SECOND)
        assert list(w.desk.book.switches.breakers) == [control]
        assert state_of(w) is state
        w.broker.trip()
        w.desk.step(OPEN + reads * SECOND)
        assert (state_of(w) is TradingState.ACTIVE) is (control == "K27")


def test_the_connection_may_sleep_while_the_market_is_shut(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.trip(feed_at=None, login_day=None, broker_time=None)
        for number in range(4):
            w.desk.step(at(20, 0, number))
        assert state_of(w) is TradingState.ACTIVE


def test_a_broker_that_cannot_tell_its_conditions_reduces_and_denies(tmp_path: Path) -> None:
    class Mute(PaperBroker):
        def conditions(self, now: datetime) -> Conditions:
            raise OSError("connection reset")

    with world(tmp_path, broker_class=Mute) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.desk.outcome(entry().key) is Outcome.DENIED
        assert "K27" in w.desk.book.switches.breakers
        assert not w.broker.orders()


def lose(w: World, symbol: str, when: datetime) -> None:
    """Enter and be stopped out."""
    w.desk.submit(entry(symbol, valid_until=when + timedelta(hours=1)), when)
    w.tick(when, "100.00", symbol=symbol)
    w.tick(when + SECOND, "94.00", symbol=symbol)


def test_a_losing_streak_reduces_until_the_next_session_and_a_word(tmp_path: Path) -> None:
    with world(tmp_path, limits=replace(LIMITS, losing_streak=2)) as w:
        lose(w, "TEST", OPEN)
        lose(w, "OTHER", OPEN + timedelta(minutes=1))
        w.desk.step(OPEN + timedelta(minutes=2))
        assert list(w.desk.book.switches.breakers) == ["K37"]
        w.desk.acknowledge(by="Asha", reason="seen", now=at(15))
        assert state_of(w) is TradingState.REDUCING, "not on the day itself"
        w.desk.resume(by="Asha", reason="seen", now=at(15, 1))
        w.desk.step(at(15, 2))
        assert state_of(w) is TradingState.REDUCING, "its cause is still there"
        w.desk.acknowledge(by="Asha", reason="seen", now=at(9, day=TOMORROW))
        assert state_of(w) is TradingState.ACTIVE


def test_a_strategy_that_repeats_itself_is_latched_until_a_person_releases_it(
    tmp_path: Path,
) -> None:
    limits = replace(LIMITS, trades_a_day=20, repeats=2, cooldown_sessions=0, losing_streak=10)
    permits = {"g": permit(), "h": permit(genome_hash="h")}
    until = OPEN + timedelta(hours=1)

    def round_trip(w: World, number: int, genome: str = "g") -> Any:
        when = OPEN + timedelta(minutes=number)
        quantity = 10 + number  # not a duplicate (K17)
        intent = entry(
            key=f"{genome}|{number}", genome_hash=genome, quantity=quantity, valid_until=until
        )
        w.desk.submit(intent, when)
        w.tick(when, "100.00")
        w.tick(when + SECOND, "94.00")
        return w.order(intent)

    with world(tmp_path, limits=limits, permits=permits) as w:
        assert [round_trip(w, number).outcome.value for number in range(3)] == [
            "accepted",
            "accepted",
            "denied",
        ]
        assert [event.genome_hash for event in events(w, StrategyLatched)] == ["g"]
        assert round_trip(w, 3).code == "REPEATED"
        assert round_trip(w, 4, "h").outcome is Outcome.ACCEPTED, "the others go on"
        w.desk.resume(by="Asha", reason="looked", now=OPEN + timedelta(minutes=5))
        assert not w.desk.book.switches.throttled


def test_closing_marks_carry_the_peak(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        hold(w, quantity=100)
        for day, mark, peak in ((TODAY, "103", True), (TOMORROW, "101", False)):
            closed = SessionClosed(day, {"TEST": D(mark)})
            w.ledger.append(closed, at=at(16, day=day), epoch=w.lease.epoch)
            book = w.desk.book
            assert (book.peak == book.equity()) is peak
        assert w.desk.book.peak > LIMITS.capital
