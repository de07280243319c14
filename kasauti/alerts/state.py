"""What the alert book knows of incidents, deliveries and channels, as values; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kasauti.alerts.model import Alert, Severity


class State(StrEnum):
    """Where one delivery, an alert on one channel, stands."""

    STANDBY = "standby"  # goes out if the channels before it fail
    PENDING = "pending"
    SENDING = "sending"  # asked of the provider, its answer is not recorded
    SENT = "sent"
    FAILED = "failed"  # refused for good, or tried for days
    UNNEEDED = "unneeded"  # a channel before took it, or somebody acknowledged it


class Verdict(StrEnum):
    """What a provider made of a message."""

    SENT = "sent"
    RETRY = "retry"
    REFUSED = "refused"  # this message, for good


@dataclass(frozen=True)
class Answer:
    """A channel's answer; `detail` never holds a secret.

    Attributes
    ----------
    verdict : Verdict
    detail : str
    provider_id : str
        The provider's name of the message, and what a reply in its thread names.
    wait : float or None
        Seconds that the provider asks to wait.
    doubtful : bool
        Whether the provider may have taken it: its answer did not come, or was cut off.
    """

    verdict: Verdict
    detail: str
    provider_id: str = ""
    wait: float | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class Incident:
    """One incident, however often it was raised.

    Attributes
    ----------
    id, trigger, subject, title : str
    severity : Severity
        The highest that was raised.
    opened, last_seen : datetime
    count : int
        How often it was raised.
    told : datetime or None
        When an alert of it was last given to the channels.
    unsaid : int
        How often it was raised since then.
    acknowledged_by, acknowledged_at
        Who looks after it.
    closed : datetime or None
        When it was said to be over.
    thread : str
        The first message on Slack, under which the next ones stand.
    """

    id: str
    trigger: str
    subject: str
    title: str
    severity: Severity
    opened: datetime
    last_seen: datetime
    count: int = 0
    told: datetime | None = None
    unsaid: int = 0
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    closed: datetime | None = None
    thread: str = ""


@dataclass(frozen=True)
class Delivery:
    """One alert on one channel.

    Attributes
    ----------
    id : int
    alert : Alert
    channel : str
    step : int
        0 goes out at once, the next one if all before it fail.
    state : State
    attempts : int
    raised : datetime
        When the alert came into the book.
    next_try : datetime or None
        Not before.
    detail : str
        What the provider said last.
    doubtful : bool
        Whether nobody knows what became of an earlier try: it may have arrived.
    more, since
        How often its incident was raised without a message since the last one.
    thread : str
        The incident's thread.
    alert_id : int
    """

    id: int
    alert: Alert
    channel: str
    step: int
    state: State
    attempts: int
    raised: datetime
    next_try: datetime | None = None
    detail: str = ""
    doubtful: bool = False
    more: int = 0
    since: datetime | None = None
    thread: str = ""
    alert_id: int = 0


@dataclass(frozen=True)
class ChannelHealth:
    """How a channel has done lately.

    Attributes
    ----------
    failures : int
        Tries in a row that did not arrive.
    since : datetime or None
        The first of them.
    until : datetime or None
        Nothing is tried before.
    detail : str
        What the last one said.
    """

    failures: int = 0
    since: datetime | None = None
    until: datetime | None = None
    detail: str = ""


HEALTHY = ChannelHealth()
