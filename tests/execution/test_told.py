"""What the ledger tells a person: each kind of event raises its trigger, with its incident."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.alerts.model import Alert, Severity
from kasauti.alerts.triggers import Trigger
from kasauti.execution.breakers import BREAKERS, alert_for
from kasauti.execution.brokers.faults import Fault, FaultPlan
from kasauti.execution.brokers.matching import Quote
from kasauti.execution.decided import record_decision
from kasauti.execution.events import (
    LimitNeared,
    SignalsDecided,
    StrategyLatched,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.limits_used import Unit, Used, limits_used, near
from kasauti.execution.model import Scope
from kasauti.execution.reconcile import UNREAD
from kasauti.execution.reconcile import alert_for as comparison_alert
from tests.execution.world import LIMITS, OPEN, TOMORROW, World, at, entry, world

D = Decimal
DAY = date(2026, 7, 15)


def alerts_of(w: World) -> list[Alert]:
    return [Alert.from_text(text) for _, text in w.ledger.outbox()]


def change(breaker: str, state: TradingState = TradingState.REDUCING) -> TradingStateChanged:
    return TradingStateChanged(state, "desk", "why", breaker)


@pytest.mark.parametrize(
    ("breaker", "trigger"),
    [
        ("K22", Trigger.DAILY_LOSS),
        ("K23", Trigger.BREAKER),
        ("K26", Trigger.API_FAILURE),
        ("K27", Trigger.STALE_FEED),
        ("K28", Trigger.DIFFERENCE),
        ("K29", Trigger.BREAKER),
        ("K37", Trigger.LOSING_STREAK),
    ],
)
def test_every_breaker_has_its_trigger_and_its_end_the_same_incident(
    breaker: str, trigger: Trigger
) -> None:
    opened, closed = (
        alert_for(change(breaker), DAY),
        alert_for(change(breaker, TradingState.ACTIVE), DAY),
    )
    assert opened.trigger == closed.trigger == trigger
    assert opened.incident == closed.incident and closed.closes and not opened.closes
    assert breaker in opened.happened


def test_the_table_above_has_every_breaker() -> None:
    assert {breaker.control for breaker in BREAKERS} == {
        *("K22", "K23", "K26", "K27", "K28", "K29", "K37")
    }


def test_a_loss_on_another_day_is_another_incident_and_a_lost_feed_is_not() -> None:
    tomorrow = DAY + timedelta(days=1)
    assert alert_for(change("K22"), DAY).incident != alert_for(change("K22"), tomorrow).incident
    assert alert_for(change("K27"), DAY).incident == alert_for(change("K27"), tomorrow).incident


def test_a_difference_and_its_breaker_are_one_incident() -> None:
    told = comparison_alert(("TEST: 0 in the ledger, 5 at the broker",), ())
    assert told is not None
    assert told.incident == alert_for(change("K28"), DAY).incident


@pytest.mark.parametrize(
    ("found", "before", "trigger", "closes"),
    [
        ((), (), None, False),
        (("funds",), (), Trigger.DIFFERENCE, False),
        ((), ("funds",), Trigger.DIFFERENCE, True),
        ((f"{UNREAD}: timeout",), (), Trigger.API_FAILURE, False),
        ((), (f"{UNREAD}: timeout",), Trigger.API_FAILURE, True),
        ((f"{UNREAD}: timeout", "funds"), (), Trigger.DIFFERENCE, False),
    ],
    ids=["nothing", "differs", "agrees again", "unread", "read again", "both"],
)
def test_what_a_comparison_tells(
    found: tuple[str, ...], before: tuple[str, ...], trigger: Trigger | None, closes: bool
) -> None:
    told = comparison_alert(found, before)
    assert (None if told is None else told.trigger) == trigger
    assert told is None or told.closes is closes


def test_a_latched_strategy_is_told() -> None:
    told = alert_for(StrategyLatched("f" * 64, "6 entries"), DAY)
    assert told.trigger == Trigger.STRATEGY_LATCHED and "6 entries" in told.happened


def halt(w: World) -> None:
    w.desk.set_state(TradingState.HALTED, by="Asha", reason="test", now=OPEN)


def kill(w: World) -> None:
    w.latch.set(w.ledger, by="Asha", reason="a feeling", at=OPEN)


def lift(w: World) -> None:
    w.latch.lift(w.ledger, by="Asha", reason="all is well", at=OPEN)


def foreign(w: World) -> None:
    w.broker.transfer(shares={"OTHER": 5})
    w.desk.reconcile(OPEN)


def deny(w: World) -> None:
    w.desk.submit(entry(quantity=10**7), OPEN)
    w.desk.step(OPEN)


def tighten(w: World) -> None:
    w.desk.open_session(OPEN, replace(LIMITS, daily_loss=LIMITS.daily_loss / 2))


def test_the_open_is_told_once_with_what_is_allowed_and_a_replay_tells_nobody(
    tmp_path: Path,
) -> None:
    with world(tmp_path / "paper", scope=Scope.PAPER) as w:
        w.desk.open_session(OPEN, LIMITS)
        (told,) = [alert for alert in alerts_of(w) if alert.trigger == Trigger.LIMITS_SEALED]
        assert told.severity is Severity.INFO
        assert "custom: at most 2 trades and 2000 of loss today, 1000 at risk" in told.happened
    with world(tmp_path / "replay") as w:
        assert not alerts_of(w)


@pytest.mark.parametrize(
    ("decided", "genomes", "tells"),
    [
        pytest.param(None, (), ["TEST"], id="nobody asked"),
        pytest.param(at(8, day=TOMORROW), ("g",), [], id="asked before the open"),
        pytest.param(at(8, day=TOMORROW), ("other",), ["TEST"], id="another strategy was asked"),
        pytest.param(at(9, 16, day=TOMORROW), ("g",), ["TEST"], id="asked too late"),
    ],
)
def test_a_session_that_nobody_decided_on_is_told_where_something_is_held(
    tmp_path: Path, decided: datetime | None, genomes: tuple[str, ...], tells: list[str]
) -> None:
    """Dagster was down in the evening: the stop stays, but no rule closes the position."""
    with world(tmp_path, scope=Scope.PAPER) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100")
        assert not [one for one in alerts_of(w) if one.trigger == Trigger.NOT_DECIDED]
        opens = at(9, 15, day=TOMORROW)
        if decided is not None:
            record_decision(w.ledger, SignalsDecided(TOMORROW, opens, (), genomes), decided)
        w.desk.open_session(opens + timedelta(minutes=2), LIMITS)
        w.desk.open_session(opens + timedelta(minutes=3), LIMITS)
        told = [one for one in alerts_of(w) if one.trigger == Trigger.NOT_DECIDED]
        assert [one.subject for one in told] == tells


@pytest.mark.parametrize(
    ("does", "trigger", "severity"),
    [
        (halt, Trigger.KILL_SWITCH, Severity.CRITICAL),
        (kill, Trigger.KILL_SWITCH, Severity.CRITICAL),
        (lift, Trigger.TRADING_ALLOWED, Severity.INFO),
        (foreign, Trigger.DIFFERENCE, Severity.ERROR),
        (deny, Trigger.ORDER_DENIED, Severity.WARNING),
        (tighten, Trigger.LIMITS_TIGHTENED, Severity.INFO),
    ],
    ids=["halt", "kill", "lift", "foreign", "deny", "tighten"],
)
def test_what_a_desk_does_is_told(
    tmp_path: Path, does: Callable[[World], None], trigger: Trigger, severity: Severity
) -> None:
    with world(tmp_path) as w:
        does(w)
        told = [alert for alert in alerts_of(w) if alert.trigger == trigger]
    assert {alert.severity for alert in told} == {severity}
    assert len({alert.incident for alert in told}) == 1, "one incident, one message"


def test_a_broker_that_cannot_be_read_is_an_api_failure_and_over_when_it_answers(
    tmp_path: Path,
) -> None:
    plan = FaultPlan.once(Fault.BOOK_RAISES, skip=0, times=1)
    with world(tmp_path, plan=plan) as w:
        w.desk.reconcile(OPEN + timedelta(seconds=5))
        told = [alert for alert in alerts_of(w) if alert.trigger == Trigger.API_FAILURE]
    assert [alert.closes for alert in told] == [False, True]
    assert len({alert.incident for alert in told}) == 1


# -- limits that are nearly used up --------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "is_near"),
    [
        (Used("loss", "K22", D(79), D(100), Unit.MONEY), False),
        (Used("loss", "K22", D(80), D(100), Unit.MONEY), True),
        (Used("loss", "K22", D(250), D(100), Unit.MONEY), True),
        (Used("loss", "K22", D("NaN"), D(100), Unit.MONEY), False),
        (Used("orders", "K16D", 16, 20), True),
        (Used("trades", "K35", 1, 1), False),
        (Used("trades", "K35", 4, 5), True),
        (Used("price", "K08", None, D("0.1"), Unit.SHARE), False),
        (Used("fall", "K23", D("0.17"), D("0.2"), Unit.SHARE), True),
        (Used("list", "K21", None, "none", Unit.TEXT), False),
    ],
)
def test_which_limits_are_nearly_used_up(row: Used, is_near: bool) -> None:
    assert near([row]) == [row] * is_near


def test_the_same_figures_of_one_control_are_told_once() -> None:
    strategy = Used("value of one strategy", "K14", D(90), D(100), Unit.MONEY)
    sector, gross = replace(strategy, limit="one sector"), replace(strategy, control="K15")
    assert near([gross, strategy, sector]) == [gross, strategy]


def test_a_limit_on_sectors_shows_what_is_used(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(quantity=10), OPEN)
        w.tick(OPEN, "100.00")
        w.desk.submit(entry("OTHER", quantity=5, limit_price=D("99.00")), OPEN)
        w.tick(OPEN + timedelta(seconds=1), "100.00", symbol="OTHER")
        (row,) = [
            row
            for row in limits_used(w.desk.book, LIMITS, OPEN)
            if row.limit == "value in one sector"
        ]
        held = w.desk.book.positions["TEST"]
        assert row.used == held.cost + 5 * D(99), "shares held and an entry that works"


def neared(w: World) -> list[LimitNeared]:
    return [r.event for r in w.ledger.events() if isinstance(r.event, LimitNeared)]


def test_a_limit_that_is_nearly_used_up_is_told_once_a_day_even_after_a_restart(
    tmp_path: Path,
) -> None:
    tight = replace(LIMITS, max_gross=D(1_200))
    with world(tmp_path, limits=tight, scope=Scope.PAPER) as w:
        w.desk.submit(entry(quantity=10), OPEN)
        for minutes in range(4):
            w.tick(OPEN + timedelta(minutes=minutes), "100.00")
        assert w.desk.book.positions["TEST"].quantity == 10
        told = [event for event in neared(w) if event.control == "K15"]
        w.desk._told.clear()  # what a new process knows
        w.tick(OPEN + timedelta(minutes=5), "100.00")
        assert [event for event in neared(w) if event.control == "K15"] == told
        alerts = [alert for alert in alerts_of(w) if alert.trigger == Trigger.NEAR_LIMIT]
    (event,) = told
    assert (event.limit, event.allowed) == ("value of positions and entries", "1200")
    assert any("value of positions and entries: 1000" in alert.happened for alert in alerts)


def test_a_replay_tells_of_no_limit(tmp_path: Path) -> None:
    with world(tmp_path, limits=replace(LIMITS, max_gross=D(1_200))) as w:
        w.desk.submit(entry(quantity=10), OPEN)
        w.tick(OPEN, "100.00")
        w.tick(OPEN + timedelta(minutes=1), "100.00")
        assert w.desk.book.positions and neared(w) == []


def test_a_loss_at_fresh_prices_is_told_before_it_closes_entries(tmp_path: Path) -> None:
    limits = replace(LIMITS, daily_loss=D(100))
    with world(tmp_path, limits=limits, scope=Scope.PAPER) as w:
        w.desk.submit(entry(quantity=20), OPEN)
        w.broker.quote("1", OPEN, {"TEST": Quote(D(100), D("99.95"), D("100.05"))})
        w.desk.step(OPEN)
        later = OPEN + timedelta(minutes=1)
        w.broker.quote("2", later, {"TEST": Quote(D("95.70"), D("95.65"), D("95.75"))})
        w.desk.step(later)
        told = [event for event in neared(w) if event.control == "K22"]
        assert w.desk.book.trading_state is TradingState.ACTIVE
    assert len(told) == 1 and told[0].limit == "loss today"
