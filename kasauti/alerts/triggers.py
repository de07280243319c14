"""Everything that raises an alert: one table of how much it matters, what it says, what to do.

Every alert is built by `alert_of`, whoever raises it; how it reaches a person is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kasauti.alerts.model import MOST_FIGURES, Alert, Severity, incident_id, shortened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Trigger(StrEnum):
    """What an alert is about."""

    DAILY_LOSS = "daily loss limit"
    LOSING_STREAK = "consecutive losses"
    BREAKER = "circuit breaker"
    STRATEGY_LATCHED = "strategy latched"
    KILL_SWITCH = "kill switch"
    TRADING_ALLOWED = "trading allowed again"
    API_FAILURE = "API failure"
    STALE_FEED = "stale feed"
    DIFFERENCE = "reconciliation difference"
    FOREIGN = "taken over from outside"
    CHECK_FAILED = "failed asset check"
    CHECK_WARNED = "asset check warns"
    RUN_FAILED = "failed run"
    TRADE_RUN_FAILED = "failed trade run"
    MISSED_SCHEDULE = "missed schedule"
    BACKUP_NOT_PROVED = "backup not proved"
    DISK_LOW = "disk low"
    CALENDAR_ENDS = "calendar ends"
    NEAR_LIMIT = "approaching limit"
    APPROVAL_EXPIRED = "approval expired"
    TWIN = "nightly twin over tolerance"
    NOT_DECIDED = "nobody decided"
    ORDER_DENIED = "order denied"
    ORDER_TROUBLE = "order in trouble"
    SELF_TEST_FAILED = "session-open self-test failed"
    DESK_SILENT = "desk does not answer"
    DESK_ENDED = "desk ended"
    CHANNEL_FAILING = "alert channel failing"
    LIMITS_SEALED = "limits sealed"
    LIMITS_TIGHTENED = "limits tightened"
    REVIEWED = "trades reviewed"
    ARMING = "live trading armed or disarmed"
    REPORT = "new report"
    TEST = "test"
    NOTE = "note"


@dataclass(frozen=True)
class Meaning:
    """One row of the table.

    Attributes
    ----------
    severity : Severity
    happened : str
        The sentence that `alert_of` begins with; ``{subject}`` is what it is about.
    remedy : str
        What to do.
    window : timedelta
        How long the same incident stays quiet after it was told.
    source : str
        Who raises it.
    """

    severity: Severity
    happened: str
    remedy: str
    window: timedelta
    source: str


INFO, WARNING, ERROR, CRITICAL = Severity
LEDGER, SENSOR, WATCH, SERVICE = "desk", "Dagster", "watch", "alerts service"
PERSON, NIGHT = "a person", "nightly twin"
_LOOK = "Run `kasauti status`, find the cause"
_RESUME = "then allow entries again with `kasauti resume --who NAME --reason TEXT`."

TABLE: Mapping[Trigger, Meaning] = {
    Trigger.DAILY_LOSS: Meaning(
        CRITICAL,
        "The daily loss limit is reached: no new entry is taken, stops and exits go on.",
        f"Look at the trades with `kasauti ledger show`, {_RESUME}",
        DAY,
        LEDGER,
    ),
    Trigger.LOSING_STREAK: Meaning(
        ERROR,
        "Too many losses in a row: no new entry is taken.",
        "Look at the trades. From the next session on, `kasauti review --who NAME --reason TEXT` "
        "opens entries again.",
        DAY,
        LEDGER,
    ),
    Trigger.BREAKER: Meaning(
        CRITICAL,
        "The circuit breaker {subject} opened.",
        f"{_LOOK}, {_RESUME}",
        6 * HOUR,
        LEDGER,
    ),
    Trigger.STRATEGY_LATCHED: Meaning(
        WARNING,
        "The strategy {subject} entered too often in one session and takes no entry any more.",
        "Look at its orders with `kasauti ledger show`; `kasauti resume` releases it.",
        DAY,
        LEDGER,
    ),
    Trigger.KILL_SWITCH: Meaning(
        CRITICAL,
        "The kill switch is set: no new entry is sent, working ones are cancelled.",
        f"Nothing, if it was you. Else look with `kasauti status`, {_RESUME}",
        HOUR,
        f"{PERSON}, or a program",
    ),
    Trigger.TRADING_ALLOWED: Meaning(
        INFO,
        "Trading is allowed again.",
        "Nothing, if you know of it. Else stop with `kasauti kill --reason TEXT`.",
        HOUR,
        PERSON,
    ),
    Trigger.API_FAILURE: Meaning(
        ERROR,
        "The broker cannot be reached, or refuses the login.",
        "Look at the broker's status page and at your login. Stops that rest at the broker stay. "
        "Entries are closed until it answers.",
        HOUR,
        LEDGER,
    ),
    Trigger.STALE_FEED: Meaning(
        ERROR,
        "A price or order feed has gone silent: no new entry is taken until it is back.",
        "Look at the network and at the feed; entries open by themselves once it is back.",
        HOUR,
        LEDGER,
    ),
    Trigger.DIFFERENCE: Meaning(
        ERROR,
        "Ledger and broker differ: no new entry is taken until they agree.",
        "Compare with the broker's own page, then run `kasauti reconcile`.",
        HOUR,
        LEDGER,
    ),
    Trigger.FOREIGN: Meaning(
        ERROR,
        "The broker has something that Kasauti did not order: it was taken into the ledger.",
        "Look at the broker's own page whether it was you; if not, change your password there.",
        HOUR,
        LEDGER,
    ),
    Trigger.CHECK_FAILED: Meaning(
        ERROR,
        "A check on {subject} did not pass. Nothing that depends on this data was computed from "
        "it, and nothing is traded.",
        "Open the run, read the figures, mend the data or its source, then materialise {subject} "
        "again.",
        6 * HOUR,
        SENSOR,
    ),
    Trigger.CHECK_WARNED: Meaning(
        WARNING,
        "A check on {subject} did not pass. Work goes on.",
        "Look at it when you have time; it becomes an error when it matters.",
        DAY,
        SENSOR,
    ),
    Trigger.RUN_FAILED: Meaning(
        ERROR,
        "The run of {subject} stopped and did not finish.",
        "Open the run, read the first error, mend it, then start the run again.",
        6 * HOUR,
        SENSOR,
    ),
    Trigger.TRADE_RUN_FAILED: Meaning(
        CRITICAL,
        "The run of {subject}, which sends orders, stopped and did not finish.",
        "Do not start it again by hand before `kasauti status` shows what became of its orders: "
        "an order may have been accepted before the failure.",
        HOUR,
        SENSOR,
    ),
    Trigger.MISSED_SCHEDULE: Meaning(
        ERROR,
        "The schedule {subject} was due and did not start.",
        "Look whether Dagster's daemon runs (`kasauti up`), then start its job on Dagster's page.",
        DAY,
        WATCH,
    ),
    Trigger.BACKUP_NOT_PROVED: Meaning(
        ERROR,
        "The last proved backup is too old, or there is none.",
        "Run `kasauti backup` and read what it says.",
        DAY,
        WATCH,
    ),
    Trigger.DISK_LOW: Meaning(
        ERROR,
        "The disk of the state folder is nearly full; once it is full, no position is opened.",
        "Delete what you do not need, or move the state folder to a larger disk.",
        6 * HOUR,
        WATCH,
    ),
    Trigger.CALENDAR_ENDS: Meaning(
        WARNING,
        "The table of the exchange's sessions ends soon; after its last day nothing is traded, "
        "exits neither.",
        "Take the version of Kasauti that has the exchange's next list of holidays.",
        7 * DAY,
        WATCH,
    ),
    Trigger.NEAR_LIMIT: Meaning(
        WARNING,
        "The limit on {subject} is used to 80 % or more.",
        "Nothing has to be done: the limit holds. `kasauti limits` shows all of them.",
        DAY,
        LEDGER,
    ),
    Trigger.APPROVAL_EXPIRED: Meaning(
        WARNING,
        "The approval of the strategy {subject} has ended: it takes no new entry.",
        "Judge it again on newer bars with `kasauti judge`, or let it rest.",
        DAY,
        WATCH,
    ),
    Trigger.TWIN: Meaning(
        ERROR,
        "Paper trading and engine are too far apart: the strategy {subject} is demoted, its "
        "approval ends.",
        "Read the differences with `kasauti trial`; until they are explained, do not approve it "
        "again.",
        DAY,
        NIGHT,
    ),
    Trigger.NOT_DECIDED: Meaning(
        ERROR,
        "A session opened for which nobody asked the strategies: {subject} is held, and no rule "
        "of its strategy closes it today. Its stop stays, and what was ordered before goes on.",
        "Look whether Dagster runs (`kasauti status`) and whether the bars of the last session "
        "were taken in; close by hand what you would not hold.",
        DAY,
        LEDGER,
    ),
    Trigger.ORDER_DENIED: Meaning(
        WARNING,
        "An order in {subject} was denied by the gate.",
        "Nothing has to be done; `kasauti ledger show` says what the control compared.",
        DAY,
        LEDGER,
    ),
    Trigger.ORDER_TROUBLE: Meaning(
        ERROR,
        "An order in {subject} did not go as it was meant.",
        "Look with `kasauti ledger show` whether the position has its stop.",
        HOUR,
        LEDGER,
    ),
    Trigger.SELF_TEST_FAILED: Meaning(
        CRITICAL,
        "A control failed its self-test: the session does not open, nothing is traded.",
        "Do not trade. Go back to the version that you had, and report what is said here.",
        HOUR,
        "desk process",
    ),
    Trigger.DESK_SILENT: Meaning(
        CRITICAL,
        "The desk gives no sign of life: nobody reconciles, and no stop is moved.",
        "Look whether `kasauti up` runs; stops that rest at the broker stay.",
        HOUR,
        f"{WATCH}, or the sender",
    ),
    Trigger.DESK_ENDED: Meaning(
        CRITICAL,
        "The desk has ended with an error; it is started again, which may not help.",
        "Read the error, run `kasauti status` and `kasauti ledger verify`.",
        HOUR,
        "desk process",
    ),
    Trigger.CHANNEL_FAILING: Meaning(
        ERROR,
        "Alerts do not get through on the channel {subject}; they wait for it and are sent again.",
        "Run `kasauti alerts test --channel {subject}` and mend its settings, see docs/alerts.md.",
        6 * HOUR,
        SERVICE,
    ),
    Trigger.LIMITS_SEALED: Meaning(
        INFO,
        "The session of {subject} is open, its limits are sealed.",
        "Nothing; `kasauti limits` shows them.",
        HOUR,
        LEDGER,
    ),
    Trigger.LIMITS_TIGHTENED: Meaning(
        INFO,
        "The limits of the running session were tightened.",
        "Nothing, if it was you; `kasauti limits` shows them.",
        HOUR,
        LEDGER,
    ),
    Trigger.REVIEWED: Meaning(
        INFO, "The trades were reviewed by {subject}.", "Nothing.", HOUR, PERSON
    ),
    Trigger.ARMING: Meaning(
        WARNING,
        "Live trading of {subject}: somebody asked for it, armed it, or took it back.",
        "Nothing, if it was you. Else `kasauti kill --reason TEXT` at once.",
        HOUR,
        PERSON,
    ),
    Trigger.REPORT: Meaning(
        INFO, "A new report is there.", "Read it when you have time.", HOUR, "evening job"
    ),
    Trigger.TEST: Meaning(
        INFO, "This is a test. If you read it, the channel works.", "Nothing.", timedelta(0), PERSON
    ),
    Trigger.NOTE: Meaning(
        WARNING, "The ledger says something.", "See `kasauti ledger show`.", HOUR, LEDGER
    ),
}
"""Every trigger, once."""


def alert_of(
    trigger: Trigger,
    subject: str,
    said: str = "",
    *,
    key: str = "",
    title: str = "",
    detail: str = "",
    figures: Mapping[str, object] | None = None,
    link: str = "",
    at: datetime | None = None,
    closes: bool = False,
    attachment: str = "",
) -> Alert:
    """Return the alert of a trigger.

    It never fails, since it is built where an order's life goes on: what is too long is cut.

    Parameters
    ----------
    trigger : Trigger
    subject : str
        What it is about.
    said : str
        What exactly happened; it comes first, the table's sentence follows.
    key : str
        What else tells this incident from others, for instance the day.
    title : str
        Instead of trigger and subject.
    detail, figures, link, at, closes, attachment
        See `Alert`.
    """
    meaning, about = TABLE[trigger], shortened(subject, 200)
    general = "" if closes else meaning.happened.replace("{subject}", about)
    said = said.strip()
    if said and not said.endswith((".", "!", "?")):
        said += "."
    name = f"{trigger.value[0].upper()}{trigger.value[1:]}"
    shown = list((figures or {}).items())[:MOST_FIGURES]
    return Alert(
        trigger=trigger.value,
        severity=Severity.INFO if closes else meaning.severity,
        subject=about,
        title=shortened(title or f"{name}: {about}", 150),
        happened=shortened(" ".join(part for part in (said, general) if part)),
        remedy="" if closes else meaning.remedy.replace("{subject}", about),
        incident=incident_id(trigger.value, subject, key),
        detail=shortened(detail.strip()),
        figures=tuple(
            (shortened(str(name), 100), shortened(str(value), 200)) for name, value in shown
        ),
        link=link,
        at=at,
        closes=closes,
        attachment=attachment,
    )


def window_of(alert: Alert) -> timedelta:
    """Return how long the alert's incident stays quiet after it was told."""
    try:
        return TABLE[Trigger(alert.trigger)].window
    except ValueError:
        return HOUR


def note(text: str) -> Alert:
    """Return the alert of a plain sentence, as older ledgers hold them."""
    return alert_of(Trigger.NOTE, "ledger", text, key=text)


def of_message(message: str) -> Alert:
    """Return the alert that a ledger's outbox holds: JSON, or a plain sentence in an older one."""
    try:
        return Alert.from_text(message)
    except ValueError:
        return note(message)


def table_rows() -> list[tuple[str, ...]]:
    """Return the table for the documentation: trigger, severity, who, happened, remedy, window."""
    return [
        (
            trigger.value,
            meaning.severity.word,
            meaning.source,
            meaning.happened.replace("{subject}", "…"),
            meaning.remedy.replace("{subject}", "…"),
            f"{meaning.window / HOUR:g} h",
        )
        for trigger, meaning in TABLE.items()
    ]
