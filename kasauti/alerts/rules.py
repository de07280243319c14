"""Who is told when: routes, quiet hours and rate from the environment; deciding is `plan`'s.

- ``KASAUTI_ALERT_ROUTE``: ``critical: slack + email; warning: slack > email``. What a plus joins
  is told at once, what follows a ``>`` only if everything before it fails.
- ``KASAUTI_ALERT_QUIET``: ``info: 20:00-08:00; warning: 22:00-07:00``, or ``off``.
- ``KASAUTI_ALERT_RATE``: messages a minute on one channel.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from kasauti.alerts.model import Severity
from kasauti.errors import UsageError

CHANNELS = ("slack", "email", "whatsapp", "desktop")
"""Every channel, in the order in which they are tried."""

RATE = 30  # a minute; Slack takes about one a second
Route = tuple[tuple[str, ...], ...]
Hours = tuple[time, time]

QUIET: Mapping[Severity, Hours] = {
    Severity.INFO: (time(22), time(7)),
    Severity.WARNING: (time(22), time(7)),
}
_HOURS = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


@dataclass(frozen=True)
class Rules:
    """Who is told when.

    Attributes
    ----------
    routes : mapping of Severity to Route
        Steps of channels, configured ones only; empty where there is none.
    quiet : mapping of Severity to (time, time)
        Exchange time; across midnight where the end is before the start.
    rate : int
        Messages a minute on one channel.
    """

    routes: Mapping[Severity, Route]
    quiet: Mapping[Severity, Hours]
    rate: int = RATE

    def route(self, severity: Severity, without: str = "") -> Route:
        """Return the steps for a severity, leaving out the channel that the alert is about."""
        steps = (tuple(c for c in step if c != without) for step in self.routes[severity])
        return tuple(step for step in steps if step)

    def quiet_until(self, severity: Severity, now: datetime) -> datetime | None:
        """Return when the quiet hours that `now` lies in end, None outside of them."""
        hours = self.quiet.get(severity)
        if hours is None:
            return None
        start, end = hours
        clock = now.time()
        inside = start <= clock < end if start <= end else clock >= start or clock < end
        if not inside:
            return None
        over = now.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
        return over if over > now else over + timedelta(days=1)


def rules_of(environ: Mapping[str, str], configured: Sequence[str]) -> Rules:
    """Return the rules of an environment for the channels that are configured.

    By default a critical alert goes to all of them; others to the first, and to the next where
    that one fails. The desktop gets each at once.

    Raises
    ------
    UsageError
        If a setting cannot be read; it says how it is written.
    """
    given = dict(_routes(environ.get("KASAUTI_ALERT_ROUTE", "")))
    routes = {severity: given.get(severity, _usual(severity)) for severity in Severity}
    known = set(configured)
    kept = {
        severity: tuple(step for steps in route if (step := tuple(c for c in steps if c in known)))
        for severity, route in routes.items()
    }
    if "KASAUTI_ALERT_ROUTE" not in environ or not environ["KASAUTI_ALERT_ROUTE"].strip():
        kept = {severity: _with_desktop(route) for severity, route in kept.items()}
    quiet = _quiet(environ.get("KASAUTI_ALERT_QUIET", ""))
    return Rules(kept, quiet, _rate(environ.get("KASAUTI_ALERT_RATE", "")))


def _usual(severity: Severity) -> Route:
    if severity is Severity.CRITICAL:
        return (CHANNELS,)
    if severity is Severity.INFO:  # a report is attached to mails only
        return (("email",), ("slack",), ("whatsapp",), ("desktop",))
    return tuple((channel,) for channel in CHANNELS)


def _with_desktop(route: Route) -> Route:
    """Move the desktop, which costs nothing and is seen only by who sits there, to the front."""
    steps = [tuple(c for c in step if c != "desktop") for step in route]
    steps = [step for step in steps if step]
    if not any("desktop" in step for step in route):
        return tuple(steps)
    first = steps[0] if steps else ()
    return ((*first, "desktop"), *steps[1:])


def _routes(text: str) -> Iterator[tuple[Severity, Route]]:
    for severity, value in _entries("KASAUTI_ALERT_ROUTE", text, "critical: slack + email"):
        steps = tuple(
            tuple(name.strip().lower() for name in step.split("+")) for step in value.split(">")
        )
        unknown = sorted({name for step in steps for name in step} - set(CHANNELS))
        if unknown:
            raise UsageError(
                f"KASAUTI_ALERT_ROUTE names {unknown[0]!r}, which is no channel: "
                f"use {', '.join(CHANNELS)}"
            )
        yield severity, steps


def _quiet(text: str) -> Mapping[Severity, Hours]:
    if not text.strip():
        return QUIET
    if text.strip().lower() == "off":
        return {}
    found: dict[Severity, Hours] = {}
    for severity, value in _entries("KASAUTI_ALERT_QUIET", text, "warning: 22:00-07:00"):
        match = _HOURS.fullmatch(value)
        try:
            if match is None:
                raise ValueError(value)
            a, b, c, d = map(int, match.groups())
            hours = (time(a, b), time(c, d))
        except ValueError:
            raise UsageError(
                f"KASAUTI_ALERT_QUIET has {value!r} where hours belong: write 22:00-07:00"
            ) from None
        if severity is Severity.CRITICAL:
            raise UsageError("KASAUTI_ALERT_QUIET cannot hold back critical alerts: leave them out")
        found[severity] = hours
    return found


def _entries(name: str, text: str, example: str) -> Iterator[tuple[Severity, str]]:
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        word, colon, value = entry.partition(":")
        try:
            severity = Severity.of(word)
        except KeyError:
            severity = None
        if severity is None or not colon or not value.strip():
            raise UsageError(f"{name} has {entry!r}, which cannot be read: write {example!r}")
        yield severity, value.strip()


def _rate(text: str) -> int:
    if not text.strip():
        return RATE
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(f"KASAUTI_ALERT_RATE is {text!r}: write messages a minute, 1 or more")
    return int(text)
