"""Which incidents were posted lately, so that none is posted twice; sending is `slack`'s."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

WINDOW = timedelta(hours=6)  # a check that fails each 5 minutes gives 4 messages a day, not 288
MOST_INCIDENTS = 500  # a sensor's cursor is one database cell


@dataclass(frozen=True)
class AlertMemory:
    """When each incident was last accepted by Slack.

    Remember an incident only *after* it was delivered: a message that was lost is then tried
    again on the next tick.

    Attributes
    ----------
    posted : mapping of str to aware datetime
        By the message's fingerprint.
    window : timedelta
        How long the same incident stays quiet.
    """

    posted: Mapping[str, datetime] = field(default_factory=dict)
    window: timedelta = WINDOW

    def __post_init__(self) -> None:
        object.__setattr__(self, "posted", MappingProxyType(dict(self.posted)))

    def is_new(self, fingerprint: str, now: datetime) -> bool:
        """Return whether the incident was not posted within the window before `now`.

        A post from the future (the clock was set back) counts as posted for one window only.
        """
        last = self.posted.get(fingerprint)
        return last is None or abs(now - last) >= self.window

    def remember(self, fingerprint: str, now: datetime) -> "AlertMemory":
        """Return the memory with this incident posted at `now`, and the expired ones forgotten."""
        alive = {
            known: at
            for known, at in self.posted.items()
            if known != fingerprint and abs(now - at) < self.window
        }
        newest = sorted(alive.items(), key=lambda item: item[1])[1 - MOST_INCIDENTS :]
        return AlertMemory({**dict(newest), fingerprint: now}, self.window)

    def to_text(self) -> str:
        """Return the memory as JSON, for a sensor's cursor."""
        return json.dumps({name: at.isoformat() for name, at in self.posted.items()})

    @classmethod
    def from_text(cls, text: str | None, window: timedelta = WINDOW) -> "AlertMemory":
        """Read what `to_text` wrote; None or an unreadable cursor is an empty memory.

        Forgetting costs one repeated message; refusing would silence every later one.
        """
        try:
            known = json.loads(text) if text else {}
            posted = {str(name): datetime.fromisoformat(at) for name, at in known.items()}
        except (ValueError, TypeError, AttributeError):
            return cls(window=window)
        return cls({name: at for name, at in posted.items() if at.tzinfo is not None}, window)
