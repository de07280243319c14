"""What a person sees of the alerts on a terminal: open incidents, what waits, how channels do."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from kasauti.alerts import plan, pulse
from kasauti.alerts.book import AlertBook
from kasauti.alerts.messages import Context
from kasauti.alerts.queue import Queue
from kasauti.alerts.redact import redacted, secrets_of
from kasauti.alerts.set_up import Settings, settings_of
from kasauti.alerts.state import HEALTHY, ChannelHealth, Delivery, Incident, Verdict
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.home import Home
from kasauti.plain import plain

SHOWN_FAILED = timedelta(days=7)


@dataclass(frozen=True)
class ChannelRow:
    """One channel: whether it is set up, and how it does."""

    name: str
    set_up: bool
    says: str


@dataclass(frozen=True)
class WaitingRow:
    """One delivery that waits, or was given up."""

    channel: str
    title: str
    incident: str
    until: datetime | None
    why: str


@dataclass(frozen=True)
class Listing:
    """The state of the alerts.

    Attributes
    ----------
    running : bool
        Whether the service gives a sign of life.
    incidents : tuple of Incident
        Open, the worst first.
    waiting, failed : tuple of WaitingRow
    channels : tuple of ChannelRow
    problems : tuple of str
        Settings that cannot be used, and what keeps the service from working.
    """

    running: bool
    incidents: tuple[Incident, ...]
    waiting: tuple[WaitingRow, ...]
    failed: tuple[WaitingRow, ...]
    channels: tuple[ChannelRow, ...]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        incidents = [{**asdict(one), "severity": one.severity.word} for one in self.incidents]
        found: dict[str, Any] = plain({**asdict(self), "incidents": incidents})
        return found


def listing_of(home: Home, environ: Mapping[str, str], now: datetime) -> Listing:
    """Return the state of a state folder's alerts; a folder without a book gets none."""
    settings, beat = settings_of(environ), pulse.read(home.pulse)
    running = beat is not None and beat.is_alive(now)
    problems = [*settings.problems.values()]
    if beat is not None and running:
        problems += beat.problems
    if not home.alerts.exists():
        channels = _channels(settings, {})
        return Listing(running, (), (), (), channels, tuple(problems))
    with closing(AlertBook(home.alerts)) as book:
        queue = Queue(book)
        health = queue.health()
        go, held = plan.due(queue.open_deliveries(), health, queue.lately(now), settings.rules, now)
        why = "goes out next" if running else "the alerts service does not run: `kasauti up`"
        waiting = [_row(one, None, why) for one in go]
        waiting += [_row(one.delivery, one.until, one.why) for one in held]
        failed = [_row(one, None, one.detail) for one in queue.failed(now - SHOWN_FAILED)]
        incidents = tuple(book.open_incidents(now))
    channels = _channels(settings, health)
    return Listing(running, incidents, tuple(waiting), tuple(failed), channels, tuple(problems))


@dataclass(frozen=True)
class Tried:
    """What became of a test message."""

    channel: str
    sent: bool
    says: str


def try_channels(environ: Mapping[str, str], wanted: str | None, now: datetime) -> list[Tried]:
    """Send a test message on one channel, or on every one that is set up."""
    settings = settings_of(environ)
    if wanted is not None and wanted in settings.missing:
        return [Tried(wanted, False, settings.missing[wanted])]
    alert = alert_of(Trigger.TEST, "alerts", key=now.isoformat(), at=now)
    secrets = secrets_of(environ)
    found = []
    for name, channel in settings.channels.items():
        if wanted in (None, name):
            answer = channel.send(alert, Context())
            says = redacted(answer.detail, secrets)
            found.append(Tried(name, answer.verdict is Verdict.SENT, says))
    return found


def show(listing: Listing) -> None:
    """Print it for a person."""
    from kasauti.show import say, table

    if not listing.running:
        say("The alerts service does not run: nothing is sent. `kasauti up` runs it.")
    for problem in listing.problems:
        say(problem)
    if listing.incidents:
        rows = [
            (
                one.id,
                one.severity.word,
                one.title,
                one.count,
                f"{one.opened:%d %b %H:%M}",
                f"{one.last_seen:%d %b %H:%M}",
            )
            for one in listing.incidents
        ]
        columns = ("incident", "severity", "what", ">times", "since", "last")
        table("Open incidents (kasauti alerts ack INCIDENT --who NAME)", columns, rows)
    else:
        say("No incident is open.")
    for title, waiting in (("Waiting", listing.waiting), ("Given up", listing.failed)):
        if waiting:
            lines = [
                (one.channel, one.title, "" if one.until is None else f"{one.until:%H:%M}", one.why)
                for one in waiting
            ]
            table(title, ("channel", "what", "until", "why"), lines)
    table(
        "Channels",
        ("channel", "set up", "says"),
        [(one.name, "yes" if one.set_up else "no", one.says) for one in listing.channels],
    )


def show_tested(found: Sequence[Tried]) -> None:
    """Print what became of test messages."""
    from kasauti.show import say

    for one in found:
        say(f"{one.channel}: {'sent' if one.sent else 'NOT SENT'}, {one.says}")
    if not found:
        say("No channel is set up: see docs/alerts.md.")


def _channels(settings: Settings, health: Mapping[str, ChannelHealth]) -> tuple[ChannelRow, ...]:
    rows = [
        ChannelRow(name, True, _health(health.get(name, HEALTHY))) for name in settings.channels
    ]
    return (*rows, *(ChannelRow(name, False, says) for name, says in settings.missing.items()))


def _health(health: ChannelHealth) -> str:
    if not health.failures or health.since is None:
        return "works, as far as is known"
    return f"fails since {health.since:%d %b %H:%M}, {health.failures} times: {health.detail}"


def _row(delivery: Delivery, until: datetime | None, why: str) -> WaitingRow:
    return WaitingRow(delivery.channel, delivery.alert.title, delivery.alert.incident, until, why)
