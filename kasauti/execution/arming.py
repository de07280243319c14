"""Going live takes two confirmations by a person, minutes apart, and ends by itself; no order here.

What is armed is one broker account with one capital profile. Whether that lets an order through is
read in `live`.
"""

import hashlib
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import UsageError
from kasauti.execution.events import Armed, ArmingAsked, Disarmed, TradingState
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.execution.paper_trial import SESSIONS, trial_of

THINK = timedelta(minutes=2)  # between the two confirmations, at least
ANSWER = timedelta(minutes=30)  # after which the phrase is worth nothing
MOST_DAYS = 30  # an arming never lasts longer
STALE = timedelta(days=7)  # since the last paper session; holidays close the market for 4 at most
TOKEN_BYTES = 5  # 8 letters of base 32


@dataclass(frozen=True)
class Asked:
    """The first confirmation, and the phrase that a person has to type for the second."""

    phrase: str
    event: ArmingAsked


def ask(
    ledger: Ledger,
    *,
    account: str,
    by: str,
    reason: str,
    now: datetime,
    token: bytes,
    days: int = MOST_DAYS,
    needed: int = SESSIONS,
) -> Asked:
    """Record the first confirmation and return the phrase for the second.

    Parameters
    ----------
    ledger : Ledger
        Of the paper trial.
    account : str
        Client code at the broker.
    by, reason : str
        The person, and why.
    now : datetime
        Exchange time.
    token : bytes
        Random, 5 bytes: makes the phrase a new one each time.
    days : int
        How long the arming lasts, 30 at most.
    needed : int
        Sessions of the trial.

    Raises
    ------
    UsageError
        If the account may not be armed, or something is missing; it says what.
    """
    if not account.strip() or not by.strip() or not reason.strip():
        raise UsageError("arming needs an account, a person's name and a reason")
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"an arming lasts 1 to {MOST_DAYS} days, not {days}")
    if len(token) < TOKEN_BYTES:
        raise UsageError(f"the phrase needs {TOKEN_BYTES} random bytes")
    _refuse(ledger, needed, now)
    limits = ledger.book().limits
    assert limits is not None  # a passed trial has sealed them
    loss, code = limits.daily_loss, b32encode(token[:TOKEN_BYTES]).decode()
    phrase = f"arm {account} {limits.profile} losing {loss:f} a day {code}"
    event = ArmingAsked(
        by,
        reason,
        account,
        limits.profile,
        loss,
        _digest(phrase),
        now + THINK,
        now + ANSWER,
        now + timedelta(days=days),
    )
    said = f"{by} asks to arm {account} for live trading: {reason}"
    alert = alert_of(Trigger.ARMING, account, said, key=f"asked {now}")
    ledger.append(event, at=now, alert=alert)
    return Asked(phrase, event)


def confirm(ledger: Ledger, *, phrase: str, now: datetime, needed: int = SESSIONS) -> Armed:
    """Record the second confirmation: from now on the account is armed.

    Raises
    ------
    UsageError
        For another phrase, outside its time, a second time, or if the account may not be armed.
    """
    asked = ledger.book().asked
    if asked is None:
        raise UsageError("nothing is to be confirmed: `kasauti arm --who NAME --reason TEXT` first")
    if _digest(phrase) != asked.digest:
        raise UsageError("this is not the phrase that was shown: type it whole, as it stands there")
    if now < asked.valid_from:
        wait = int((asked.valid_from - now).total_seconds())
        raise UsageError(f"think it over: the phrase is taken in {wait} s, not before")
    if now >= asked.valid_until:
        raise UsageError("the phrase is too old: ask again")
    ready = _refuse(ledger, needed, now)
    limits = ledger.book().limits
    if limits is None or limits.profile != asked.profile or limits.daily_loss > asked.most_loss:
        raise UsageError("the limits have changed since the phrase was shown: ask again")
    armed = Armed(
        asked.by,
        asked.reason,
        asked.account,
        asked.profile,
        asked.most_loss,
        asked.digest,
        asked.armed_until,
        ready,
    )
    said = f"ARMED for live trading by {armed.by} until {armed.until:%Y-%m-%d}: {armed.account}"
    alert = alert_of(Trigger.ARMING, armed.account, said, key=f"armed {now}")
    ledger.append(armed, at=now, unique=f"armed:{asked.digest}", alert=alert)
    return armed


def disarm(ledger: Ledger, *, by: str, reason: str, now: datetime) -> bool:
    """Take back the arming, and a phrase that waits; False if there was neither.

    Raises
    ------
    UsageError
        Without a name and a reason.
    """
    if not by.strip() or not reason.strip():
        raise UsageError("disarming needs a person's name and a reason")
    book = ledger.book()
    if book.armed is None and book.asked is None:
        return False
    said = f"Disarmed by {by}: {reason}"
    alert = alert_of(Trigger.ARMING, "account", said, key=f"disarmed {now}")
    ledger.append(Disarmed(by, reason), at=now, alert=alert)
    return True


def breakers(ledger: Ledger) -> Iterator[str]:
    """Yield what stops or restrains trading now, in plain words."""
    book = ledger.book()
    if Latch.beside(ledger.path).is_set() or book.latched:
        yield "the kill switch is set"
    for control, tripped in sorted(book.switches.breakers.items()):
        yield f"the breaker {control} is open ({tripped.reason})"
    for genome in sorted(book.switches.throttled):
        yield f"strategy {genome[:12]} is stopped for trading too often"
    if book.switches.chosen is not TradingState.ACTIVE:
        yield f"trading is {book.switches.chosen.value}"
    if book.differences:
        yield "ledger and broker differ"
    if book.limits is not None and book.streak >= book.limits.losing_streak:
        yield f"{book.streak} losing trades in a row are not acknowledged"


def _refuse(ledger: Ledger, needed: int, now: datetime) -> tuple[str, ...]:
    """Return the strategies that have passed; raise where none has, or something stops trading."""
    if ledger.scope is not Scope.PAPER:
        raise UsageError(f"a {ledger.scope.value} ledger can never be armed: use the paper ledger")
    trial = trial_of(ledger.events(), needed)
    if not trial.is_passed:
        most = max(trial.strategies.values(), default=0)
        raise UsageError(
            f"{most} of {trial.needed} paper sessions have passed with any one strategy, which "
            "must have bought and sold in them: see `kasauti trial`"
        )
    last = trial.sessions[-1].day
    if now.date() - last > STALE:
        raise UsageError(f"the last paper session was on {last}: trade on paper up to now first")
    stopped = list(breakers(ledger))
    if stopped:
        raise UsageError(f"not while {' and '.join(stopped)}: resolve it first")
    return trial.ready


def _digest(phrase: str) -> str:
    return hashlib.sha256(" ".join(phrase.upper().split()).encode()).hexdigest()
