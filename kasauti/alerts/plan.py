"""What is told, to which channel, when; pure: it reads no clock and sends nothing.

An alert is admitted once: told, or silent because its incident was told lately or acknowledged.
A delivery that failed comes again with back-off; where all channels of a step fail, the next step
goes out as well, and the first ones get it once they are back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from kasauti.alerts.model import Alert
from kasauti.alerts.rules import Route, Rules
from kasauti.alerts.state import HEALTHY, ChannelHealth, Delivery, Incident, State
from kasauti.alerts.triggers import Trigger, window_of

ESCALATE_FAILURES = 3  # tries in a row that a channel may fail before the next one is asked
ESCALATE_AFTER = timedelta(minutes=5)
FIRST_WAIT, LONGEST_WAIT = 5.0, 900.0  # seconds
GIVE_UP = timedelta(days=7)
ACKNOWLEDGED_FOR = timedelta(days=1)  # who looks after it has a day before it is told again
SETTLED = timedelta(minutes=5)  # what is over sooner may flap: its end is not told


class Outcome(StrEnum):
    """What becomes of an alert that was raised."""

    TOLD = "told"
    REPEAT = "told lately"
    ACKNOWLEDGED = "acknowledged"
    NOTHING_OPEN = "nothing was open"  # the end of what nobody was told of
    OLD = "too old"
    NO_CHANNEL = "no channel"  # `kasauti alerts` lists its incident all the same


@dataclass(frozen=True)
class Admission:
    """The decision on one alert."""

    outcome: Outcome
    route: Route = ()
    more: int = 0
    since: datetime | None = None


def admit(
    alert: Alert, raised: datetime, incident: Incident, rules: Rules, now: datetime
) -> Admission:
    """Decide once what becomes of an alert.

    Parameters
    ----------
    alert : Alert
    raised : datetime
        When it came into the book.
    incident : Incident
        As it stands before this alert; a new one was never told.
    rules : Rules
    now : datetime
    """
    if now - raised >= GIVE_UP:
        return Admission(Outcome.OLD)
    about = alert.subject if alert.trigger == Trigger.CHANNEL_FAILING else ""
    severity = incident.severity if alert.closes else alert.severity
    route = rules.route(severity, without=about)
    if not route:
        return Admission(Outcome.NO_CHANNEL)
    told, rises = incident.told, alert.severity > incident.severity
    if alert.closes:
        if told is None or incident.closed is not None or now - told < SETTLED:
            return Admission(Outcome.NOTHING_OPEN)
        return Admission(Outcome.TOLD, route)
    if is_acknowledged(incident, now) and not rises:
        return Admission(Outcome.ACKNOWLEDGED)
    lately = told is not None and now - told < window_of(alert) and incident.closed is None
    if lately and not rises:
        return Admission(Outcome.REPEAT)
    return Admission(Outcome.TOLD, route, incident.unsaid, told)


def is_acknowledged(incident: Incident, now: datetime) -> bool:
    """Whether somebody looks after the incident; a word counts for a day."""
    at = incident.acknowledged_at
    return at is not None and now - at < ACKNOWLEDGED_FOR


def is_failing(health: ChannelHealth, now: datetime) -> bool:
    """Whether a channel has failed so often, or for so long, that the next one is asked."""
    since = health.since
    return health.failures >= ESCALATE_FAILURES or (
        since is not None and now - since >= ESCALATE_AFTER
    )


@dataclass(frozen=True)
class Escalation:
    """Which deliveries on standby go out, and which are not needed any more."""

    wake: tuple[int, ...]
    drop: tuple[int, ...]


def escalate(
    deliveries: Sequence[Delivery], health: Mapping[str, ChannelHealth], now: datetime
) -> Escalation:
    """Return what becomes of the deliveries on standby.

    Parameters
    ----------
    deliveries : sequence of Delivery
        All of every alert that has one on standby.
    """
    wake: list[int] = []
    drop: list[int] = []
    for alert_id in {delivery.alert_id for delivery in deliveries}:
        own = [delivery for delivery in deliveries if delivery.alert_id == alert_id]
        for waiting in (delivery for delivery in own if delivery.state is State.STANDBY):
            before = [delivery for delivery in own if delivery.step < waiting.step]
            if any(delivery.state is State.SENT for delivery in before):
                drop.append(waiting.id)
            elif all(_fails(delivery, health, now) for delivery in before):
                wake.append(waiting.id)
    return Escalation(tuple(sorted(wake)), tuple(sorted(drop)))


def _fails(delivery: Delivery, health: Mapping[str, ChannelHealth], now: datetime) -> bool:
    if delivery.state is State.FAILED:
        return True
    waits = delivery.state in (State.PENDING, State.SENDING)
    return waits and is_failing(health.get(delivery.channel, HEALTHY), now)


@dataclass(frozen=True)
class Held:
    """A delivery that does not go out now, until when and why."""

    delivery: Delivery
    until: datetime
    why: str


def due(
    deliveries: Sequence[Delivery],
    health: Mapping[str, ChannelHealth],
    lately: Mapping[str, int],
    rules: Rules,
    now: datetime,
    busy: Collection[str] = (),
) -> tuple[list[Delivery], list[Held]]:
    """Return the pending deliveries that go out now, worst first, and those that are held.

    Parameters
    ----------
    lately : mapping of str to int
        Tries on each channel in the last minute.
    busy : collection of str
        Channels that are just sending.
    """
    go: list[Delivery] = []
    held: list[Held] = []
    sends = dict(lately)
    probing: set[str] = set(busy)
    for delivery in sorted(deliveries, key=_urgency):
        if delivery.state is not State.PENDING:
            continue
        channel = delivery.channel
        found = health.get(channel, HEALTHY)
        reasons = list(_reasons(delivery, found, sends.get(channel, 0), rules, now))
        if reasons:
            held.append(max(reasons, key=lambda reason: reason.until))
        elif channel in probing:
            held.append(Held(delivery, now, "another message goes first"))
        else:
            go.append(delivery)
            sends[channel] = sends.get(channel, 0) + 1
            if found.failures:
                probing.add(channel)  # one tries whether it is back, the others wait for that
    return go, held


def _urgency(delivery: Delivery) -> tuple[int, int, int]:
    return (-delivery.alert.severity, delivery.attempts, delivery.id)


def _reasons(
    delivery: Delivery, health: ChannelHealth, lately: int, rules: Rules, now: datetime
) -> Iterator[Held]:
    if delivery.next_try is not None and delivery.next_try > now:
        yield Held(delivery, delivery.next_try, f"tried {delivery.attempts} times")
    if health.until is not None and health.until > now:
        yield Held(delivery, health.until, f"{delivery.channel} is failing")
    quiet = rules.quiet_until(delivery.alert.severity, now)
    if quiet is not None:
        yield Held(delivery, quiet, "quiet hours")
    if lately >= rules.rate:
        yield Held(delivery, now + timedelta(seconds=60), f"{rules.rate} messages a minute")


def back_off(failures: int, asked: float | None, rng: Random) -> timedelta:
    """Return how long to wait after the given number of failures in a row.

    Doubles from 5 seconds to 15 minutes, less up to half of it by chance, so that not everything
    comes back at once; never sooner than the provider asked.
    """
    longest = min(FIRST_WAIT * 2.0 ** min(failures - 1, 10), LONGEST_WAIT)
    return timedelta(seconds=max(longest * rng.uniform(0.5, 1.0), asked or 0.0))


def is_hopeless(delivery: Delivery, now: datetime) -> bool:
    """Whether the delivery has been tried for so long that it is no news any more."""
    return now - delivery.raised >= GIVE_UP
