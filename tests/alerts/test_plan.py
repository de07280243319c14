"""The rules of telling, as tables: who, when, when not, and what comes next."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.alerts.model import Severity
from kasauti.alerts.plan import (
    ACKNOWLEDGED_FOR,
    ESCALATE_AFTER,
    GIVE_UP,
    LONGEST_WAIT,
    SETTLED,
    Outcome,
    admit,
    back_off,
    due,
    escalate,
)
from kasauti.alerts.rules import Rules, rules_of
from kasauti.alerts.state import ChannelHealth, Delivery, Incident, State
from kasauti.alerts.triggers import HOUR, Trigger, alert_of, window_of
from kasauti.errors import UsageError
from kasauti.market.calendar import INDIA

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=INDIA)
NIGHT = datetime(2026, 11, 20, 23, 30, tzinfo=INDIA)
MINUTE = timedelta(minutes=1)
ALL = ("slack", "email", "whatsapp", "desktop")
RULES = rules_of({}, ALL)
ALERT = alert_of(Trigger.DIFFERENCE, "ledger", "Ledger and broker differ")  # an error, 1 h
NEW = Incident(ALERT.incident, ALERT.trigger, "ledger", ALERT.title, Severity.ERROR, NOON, NOON)
TOLD = replace(NEW, told=NOON, count=1)

# -- routes, quiet hours, rate -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "severity", "route"),
    [
        pytest.param({}, Severity.CRITICAL, (("slack", "email", "whatsapp", "desktop"),), id="all"),
        pytest.param(
            {}, Severity.ERROR, (("slack", "desktop"), ("email",), ("whatsapp",)), id="in turn"
        ),
        pytest.param(
            {}, Severity.INFO, (("email", "desktop"), ("slack",), ("whatsapp",)), id="reports"
        ),
        pytest.param(
            {"KASAUTI_ALERT_ROUTE": "error: email + slack > whatsapp"},
            Severity.ERROR,
            (("email", "slack"), ("whatsapp",)),
            id="as written",
        ),
        pytest.param(
            {"KASAUTI_ALERT_ROUTE": "error: email"},
            Severity.WARNING,
            (("slack",), ("email",), ("whatsapp",), ("desktop",)),
            id="another severity",
        ),
    ],
)
def test_who_is_told(
    environ: dict[str, str], severity: Severity, route: tuple[tuple[str, ...], ...]
) -> None:
    assert rules_of(environ, ALL).route(severity) == route


def test_a_channel_that_is_not_set_up_is_left_out_of_every_route() -> None:
    rules = rules_of({}, ("email",))
    assert {rules.route(severity) for severity in Severity} == {(("email",),)}
    assert rules_of({}, ()).route(Severity.CRITICAL) == ()


@pytest.mark.parametrize(
    ("severity", "moment", "until"),
    [
        (Severity.WARNING, time(23, 30), "2026-11-21T07:00"),
        (Severity.WARNING, time(22, 0), "2026-11-21T07:00"),
        (Severity.WARNING, time(6, 59), "2026-11-20T07:00"),
        (Severity.WARNING, time(7, 0), None),
        (Severity.WARNING, time(21, 59), None),
        (Severity.ERROR, time(23, 30), None),
        (Severity.CRITICAL, time(3, 0), None),
        (Severity.INFO, time(3, 0), "2026-11-20T07:00"),
    ],
)
def test_quiet_hours(severity: Severity, moment: time, until: str | None) -> None:
    found = RULES.quiet_until(severity, datetime.combine(NOON.date(), moment, INDIA))
    assert (None if found is None else found.isoformat()[:16]) == until


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    rules = rules_of({"KASAUTI_ALERT_QUIET": "error: 11:00-13:00"}, ALL)
    assert rules.quiet_until(Severity.ERROR, NOON) == NOON + HOUR
    assert rules.quiet_until(Severity.WARNING, NIGHT) is None
    assert rules_of({"KASAUTI_ALERT_QUIET": "off"}, ALL).quiet == {}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("KASAUTI_ALERT_ROUTE", "error: pager", "is no channel"),
        ("KASAUTI_ALERT_ROUTE", "slack", "cannot be read"),
        ("KASAUTI_ALERT_ROUTE", "loud: slack", "cannot be read"),
        ("KASAUTI_ALERT_ROUTE", "error:", "cannot be read"),
        ("KASAUTI_ALERT_QUIET", "warning: at night", "write 22:00-07:00"),
        ("KASAUTI_ALERT_QUIET", "warning: 25:00-07:00", "write 22:00-07:00"),
        ("KASAUTI_ALERT_QUIET", "critical: 22:00-07:00", "cannot hold back"),
        ("KASAUTI_ALERT_RATE", "0", "1 or more"),
        ("KASAUTI_ALERT_RATE", "many", "1 or more"),
    ],
)
def test_a_setting_that_cannot_be_read_says_how_it_is_written(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        rules_of({name: value}, ALL)
    assert name in str(caught.value)


# -- admission -----------------------------------------------------------------------------------

LATER = NOON + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("incident", "now", "outcome"),
    [
        pytest.param(NEW, NOON, Outcome.TOLD, id="new"),
        pytest.param(TOLD, LATER, Outcome.REPEAT, id="told lately"),
        pytest.param(TOLD, NOON + window_of(ALERT), Outcome.TOLD, id="told long ago"),
        pytest.param(
            replace(TOLD, severity=Severity.WARNING), LATER, Outcome.TOLD, id="it got worse"
        ),
        pytest.param(
            replace(TOLD, acknowledged_by="Asha", acknowledged_at=NOON),
            NOON + 5 * HOUR,
            Outcome.ACKNOWLEDGED,
            id="somebody looks after it",
        ),
        pytest.param(
            replace(TOLD, acknowledged_at=NOON),
            NOON + ACKNOWLEDGED_FOR,
            Outcome.TOLD,
            id="a day later",
        ),
        pytest.param(
            replace(TOLD, acknowledged_at=NOON, severity=Severity.WARNING),
            LATER,
            Outcome.TOLD,
            id="acknowledged and worse",
        ),
        pytest.param(replace(TOLD, closed=LATER), LATER, Outcome.TOLD, id="it is back"),
    ],
)
def test_an_incident_is_told_once_in_its_window(
    incident: Incident, now: datetime, outcome: Outcome
) -> None:
    assert admit(ALERT, now, incident, RULES, now).outcome is outcome


def test_the_next_message_says_how_often_it_came_up_between() -> None:
    found = admit(ALERT, NOON + HOUR, replace(TOLD, unsaid=12), RULES, NOON + HOUR)
    assert (found.more, found.since) == (12, NOON)


OVER = alert_of(Trigger.DIFFERENCE, "ledger", "They agree again", closes=True)


@pytest.mark.parametrize(
    ("incident", "now", "outcome"),
    [
        pytest.param(TOLD, NOON + SETTLED, Outcome.TOLD, id="told before"),
        pytest.param(TOLD, NOON + MINUTE, Outcome.NOTHING_OPEN, id="it may flap"),
        pytest.param(NEW, NOON + HOUR, Outcome.NOTHING_OPEN, id="nobody heard of it"),
        pytest.param(replace(TOLD, closed=LATER), NOON + HOUR, Outcome.NOTHING_OPEN, id="twice"),
    ],
)
def test_the_end_is_told_to_whom_the_beginning_was(
    incident: Incident, now: datetime, outcome: Outcome
) -> None:
    found = admit(OVER, now, incident, RULES, now)
    assert found.outcome is outcome
    assert found.route == (RULES.route(Severity.ERROR) if outcome is Outcome.TOLD else ())


def test_what_nobody_can_be_told_and_what_is_too_old_is_kept_as_such() -> None:
    assert admit(ALERT, NOON, NEW, rules_of({}, ()), NOON).outcome is Outcome.NO_CHANNEL
    assert admit(ALERT, NOON, NEW, RULES, NOON + GIVE_UP).outcome is Outcome.OLD


def test_a_failing_channel_is_not_told_of_itself() -> None:
    alert = alert_of(Trigger.CHANNEL_FAILING, "slack")
    found = admit(alert, NOON, replace(NEW, id=alert.incident), RULES, NOON)
    assert found.route == (("desktop",), ("email",), ("whatsapp",))


# -- what goes out now ---------------------------------------------------------------------------


def one(number: int = 1, channel: str = "slack", **changes: object) -> Delivery:
    made = Delivery(number, ALERT, channel, 0, State.PENDING, 0, NOON, alert_id=number)
    return replace(made, **changes)  # type: ignore[arg-type]


WARNING = alert_of(Trigger.NEAR_LIMIT, "loss today")
KILL = alert_of(Trigger.KILL_SWITCH, "trading")
SICK = ChannelHealth(2, NOON - MINUTE, NOON + MINUTE, "500")
BETTER = replace(SICK, until=NOON - MINUTE)


def gone(*deliveries: Delivery, rules: Rules = RULES, now: datetime = NOON) -> list[int]:
    return [delivery.id for delivery in due(deliveries, {}, {}, rules, now)[0]]


def test_the_worst_goes_first_then_the_oldest() -> None:
    assert gone(one(1, alert=WARNING), one(2), one(3), one(4, alert=KILL)) == [4, 2, 3, 1]


@pytest.mark.parametrize(
    ("delivery", "health", "lately", "now", "why", "until"),
    [
        pytest.param(
            one(attempts=2, next_try=NOON + MINUTE),
            {},
            0,
            NOON,
            "tried 2 times",
            NOON + MINUTE,
            id="back-off",
        ),
        pytest.param(one(), SICK, 0, NOON, "slack is failing", NOON + MINUTE, id="channel"),
        pytest.param(
            one(alert=WARNING),
            {},
            0,
            NIGHT,
            "quiet hours",
            NIGHT + timedelta(hours=7.5),
            id="night",
        ),
        pytest.param(one(), {}, 30, NOON, "30 messages a minute", NOON + MINUTE, id="rate"),
    ],
)
def test_what_is_held_says_why_and_until_when(
    delivery: Delivery,
    health: ChannelHealth | None,
    lately: int,
    now: datetime,
    why: str,
    until: datetime,
) -> None:
    known = {"slack": health} if isinstance(health, ChannelHealth) else {}
    go, held = due([delivery], known, {"slack": lately}, RULES, now)
    assert go == []
    assert [(one.why, one.until) for one in held] == [(why, until)]


def test_no_more_go_at_once_than_the_rate_allows_on_each_channel() -> None:
    many = [one(number, "slack" if number % 2 else "email") for number in range(100)]
    go, held = due(many, {}, {"slack": 10}, RULES, NOON)
    count = [delivery.channel for delivery in go].count
    assert (count("slack"), count("email"), len(held)) == (20, 30, 50)


def test_one_message_tries_whether_a_channel_is_back() -> None:
    go, held = due([one(1, attempts=3), one(2), one(3)], {"slack": BETTER}, {}, RULES, NOON)
    assert [delivery.id for delivery in go] == [2] and len(held) == 2


def test_a_busy_channel_is_left_alone() -> None:
    go, _ = due([one(1), one(2, "email")], {}, {}, RULES, NOON, busy={"slack"})
    assert [delivery.id for delivery in go] == [2]


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_only_what_is_pending_goes(state: State) -> None:
    assert gone(one(state=state)) == []


# -- escalation ----------------------------------------------------------------------------------

FAILING = ChannelHealth(3, NOON - MINUTE, NOON + MINUTE, "500")
LONG = ChannelHealth(1, NOON - ESCALATE_AFTER, NOON, "429")
BACKUP = one(2, "email", step=1, state=State.STANDBY, alert_id=1)


@pytest.mark.parametrize(
    ("first", "health", "wake", "drop"),
    [
        pytest.param(one(), ChannelHealth(), (), (), id="not tried yet"),
        pytest.param(one(attempts=2), SICK, (), (), id="failed twice"),
        pytest.param(one(attempts=3), FAILING, (2,), (), id="failed three times"),
        pytest.param(one(attempts=0), FAILING, (2,), (), id="its channel failed for others"),
        pytest.param(one(attempts=1), LONG, (2,), (), id="fails for five minutes"),
        pytest.param(one(state=State.FAILED), ChannelHealth(), (2,), (), id="refused"),
        pytest.param(one(state=State.SENT), FAILING, (), (2,), id="sent"),
        pytest.param(one(state=State.SENDING), ChannelHealth(), (), (), id="just sending"),
    ],
)
def test_the_second_channel_is_asked_when_the_first_fails(
    first: Delivery, health: ChannelHealth, wake: tuple[int, ...], drop: tuple[int, ...]
) -> None:
    found = escalate([first, BACKUP], {"slack": health}, NOON)
    assert (found.wake, found.drop) == (wake, drop)


def test_all_channels_of_a_step_have_to_fail() -> None:
    both = [one(1), one(3, "desktop", alert_id=1), BACKUP]
    assert escalate(both, {"slack": FAILING}, NOON).wake == ()
    assert escalate(both, {"slack": FAILING, "desktop": FAILING}, NOON).wake == (2,)


def test_the_third_waits_for_the_second() -> None:
    third = one(3, "whatsapp", step=2, state=State.STANDBY, alert_id=1)
    chain: Sequence[Delivery] = [one(1), BACKUP, third]
    assert escalate(chain, {"slack": FAILING, "email": FAILING}, NOON).wake == (2,)
    woken = [one(1), replace(BACKUP, state=State.PENDING), third]
    assert escalate(woken, {"slack": FAILING}, NOON).wake == ()
    assert escalate(woken, {"slack": FAILING, "email": FAILING}, NOON).wake == (3,)


# -- back-off ------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 10_000), st.none() | st.floats(0, 5_000), st.integers(0, 10))
def test_back_off_grows_is_bounded_and_never_sooner_than_asked(
    failures: int, asked: float | None, seed: int
) -> None:
    wait = back_off(failures, asked, Random(seed)).total_seconds()
    longest = min(5.0 * 2 ** min(failures - 1, 20), LONGEST_WAIT)
    assert wait >= max(longest / 2, asked or 0.0) - 1e-6
    assert wait <= max(longest, asked or 0.0) + 1e-6


def test_back_off_does_not_bring_everything_back_at_once() -> None:
    rng = Random(1)
    assert len({back_off(5, None, rng) for _ in range(20)}) == 20
