"""Makes the alerts service of a state folder from the environment; it does not run here."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TypeVar

from kasauti.alerts.book import AlertBook
from kasauti.alerts.channels.base import Channel
from kasauti.alerts.channels.configured import MAKERS
from kasauti.alerts.pulse import Pinger
from kasauti.alerts.relay import LedgerReader
from kasauti.alerts.rules import Rules, rules_of
from kasauti.alerts.service import AlertService, Red, unhealthy
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.alerts.watch import Watch
from kasauti.errors import UsageError
from kasauti.execution.clock import Clock
from kasauti.execution.place import paper_place
from kasauti.home import Home

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the environment says; a setting that cannot be used costs its channel, not the service.

    Attributes
    ----------
    channels : dict of str to Channel
        Those that can send.
    missing : dict of str to str
        What the others lack.
    rules : Rules
    pinger : Pinger
    problems : dict of str to str
        Settings that cannot be used, by channel or subject.
    """

    channels: dict[str, Channel]
    missing: dict[str, str]
    rules: Rules
    pinger: Pinger
    problems: dict[str, str]


def settings_of(environ: Mapping[str, str]) -> Settings:
    """Read every setting of the alerts."""
    problems: dict[str, str] = {}

    def usable(subject: str, make: Callable[[], T], default: T) -> T:
        try:
            return make()
        except UsageError as error:
            problems[subject] = str(error)
            return default

    channels: dict[str, Channel] = {}
    missing: dict[str, str] = {}
    for name, maker in MAKERS.items():
        channel: Channel | None = usable(name, partial(maker, environ), None)
        if channel is None:
            missing[name] = problems[name]
        elif channel.missing:
            missing[name] = channel.missing
        else:
            channels[name] = channel
    names = list(channels)
    rules = usable("rules", lambda: rules_of(environ, names), rules_of({}, names))
    pinger = usable("heartbeat", lambda: Pinger.from_environment(environ), Pinger(None))
    return Settings(channels, missing, rules, pinger, problems)


def service_of(
    home: Home,
    book: AlertBook,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    rng: Random,
    red: Red | None = None,
) -> AlertService:
    """Return the service of a state folder; settings that cannot be used are alerts themselves.

    Parameters
    ----------
    red : callable or None
        What is red, for the outside watcher; None: errors in the book that nobody looks after.
    """
    found, now = settings_of(environ), clock.now()
    for subject, said in found.problems.items():
        alert = alert_of(Trigger.CHANNEL_FAILING, subject, said, key=said)
        book.raise_alert(alert, f"setting:{subject}:{alert.incident}:{now.date()}", now)
        log.warning("%s", said)
    return AlertService(
        book,
        found.channels,
        found.rules,
        clock=clock,
        rng=rng,
        reader=LedgerReader(paper_place(home)),
        reports=home.reports,
        look=Watch(home, now, environ).look,
        red=red or unhealthy(book),
        beat=home.pulse,
        pinger=found.pinger,
    )
