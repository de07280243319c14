"""Runs the desk of a state folder as a process, and reconciles it on request; decides nothing.

Nothing is imported here that a takeover would have to wait for.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kasauti.desk_account import OwnAccount, market_of, open_ledger
from kasauti.errors import KasautiError, LeaseError, LedgerError, SelfTestError
from kasauti.execution import heartbeat
from kasauti.execution.clock import Clock, SystemClock
from kasauti.execution.custom_limits import chosen
from kasauti.execution.desk_process import RECONCILE_EVERY, DeskProcess, spool_of
from kasauti.execution.events import Reconciled, ReconciliationRequested
from kasauti.execution.heartbeat import BEAT, Heartbeat, Mode
from kasauti.execution.host import DESK_PROCESS, RECONCILE_COMMAND, paper_desk
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import profile as limits_of
from kasauti.execution.model import Scope
from kasauti.execution.place import Place, paper_place
from kasauti.execution.replay import MovingReferences
from kasauti.execution.stop import last_time, ledgers_of
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from kasauti.market.markets import get_market

IDLE_LOOK = timedelta(milliseconds=200)
ANSWER = timedelta(seconds=10)
NOTHING = "nothing to trade: no bars of your own were taken in, see `kasauti ingest`"

Stopped = Callable[[], bool]


def run_desk(
    home: Home,
    profile: str,
    *,
    stopped: Stopped,
    every: timedelta = RECONCILE_EVERY,
    clock: Clock | None = None,
) -> None:
    """Host the desk of the paper ledger until told to stop; idle while there is nothing to trade.

    Parameters
    ----------
    home : Home
    profile : str
        Capital profile of the account.
    stopped : callable
    every : timedelta
        How often it reconciles without a reason.
    clock : Clock or None
        None: the machine's, in the market's zone.

    Raises
    ------
    LeaseError
        If another desk holds the lease, or has taken over.
    LedgerError
        If the ledger cannot be used, or a control fails its self-test.
    """
    try:
        _run(home, profile, stopped=stopped, every=every, clock=clock)
    except LeaseError:
        raise  # another desk is there
    except Exception as error:
        _tell(home, error, (clock or SystemClock(INDIA)).now())
        raise


def _tell(home: Home, error: Exception, now: datetime) -> None:
    """Tell a person why the desk ends; imported only then: a takeover must not wait for it."""
    from kasauti.alerts.raising import tell
    from kasauti.alerts.triggers import Trigger, alert_of

    ended = Trigger.DESK_ENDED
    trigger = Trigger.SELF_TEST_FAILED if isinstance(error, SelfTestError) else ended
    said = str(error) if isinstance(error, KasautiError) else f"{type(error).__name__}: {error}"
    alert = alert_of(trigger, "desk", said, key=str(now.date()))
    tell(home.alerts, alert, f"desk ended:{now.isoformat()}", now)


def _run(
    home: Home, profile: str, *, stopped: Stopped, every: timedelta, clock: Clock | None
) -> None:
    limits = chosen(profile, home.limits, os.environ)
    name = _market(home, clock or SystemClock(INDIA), stopped)
    if name is None:
        return
    market = get_market(name)
    clock = clock or SystemClock(market.zone)
    account = OwnAccount(home, name, profile, clock)
    references = MovingReferences(_none)
    with ExitStack() as stack:
        ledger = stack.enter_context(closing(open_ledger(home, name, clock.now())))
        hosted = stack.enter_context(
            paper_desk(
                ledger,
                market=market,
                calendar=market.calendar,
                references=references,
                permits=account.permit,
                cash=limits.capital,
                at=clock.now(),
                host=DESK_PROCESS,
            )
        )
        process = DeskProcess(
            hosted,
            ledger,
            account,
            references,
            clock=clock,
            spool=spool_of(home.feed, ledger),
            beat=home.heartbeat,
            every=every,
        )
        process.run(stopped)


def _market(home: Home, clock: Clock, stopped: Stopped) -> str | None:
    """Wait for a ledger or for bars and return their market; None if told to stop before."""
    beaten: datetime | None = None
    place = paper_place(home)
    idle = Heartbeat(os.getpid(), 0, clock.now(), Mode.IDLE, NOTHING)
    while not stopped():
        if place.exists():
            with closing(Ledger.existing(place)) as ledger:
                return ledger.market
        found = market_of(home)
        if found is not None:
            return found
        now = clock.now()
        if beaten is None or now - beaten >= BEAT:
            heartbeat.write(home.heartbeat, replace(idle, at=now))
            beaten = now
        clock.wait(IDLE_LOOK)
    heartbeat.write(home.heartbeat, replace(idle, at=clock.now(), mode=Mode.STOPPED))
    return None


def _none(symbol: str) -> None:
    del symbol


@dataclass(frozen=True)
class Compared:
    """One ledger against its broker.

    Attributes
    ----------
    ledger : str
        ``paper`` or ``replay``.
    at : datetime
        Exchange time of the comparison.
    by : str
        Who made it.
    differences : tuple of str
        Empty if they agree.
    """

    ledger: str
    at: datetime
    by: str
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        plain = asdict(self)
        return {**plain, "at": self.at.isoformat(), "differences": list(self.differences)}


def reconcile(home: Home, who: str, now: datetime) -> list[Compared]:
    """Compare every ledger of the state folder with its broker.

    The running desk is asked; where none runs, one is hosted for the moment.

    Raises
    ------
    LedgerError
        If a running desk does not answer.
    """
    return [_reconcile(path, who, now) for path in ledgers_of(home).values() if path.exists()]


def _reconcile(path: Place, who: str, now: datetime) -> Compared:
    with closing(Ledger.existing(path)) as ledger:
        at = last_time(ledger) if ledger.scope is Scope.REPLAY else now
        if not is_taken(ledger.path, ledger.engine):
            try:
                return _hosted(ledger, at)
            except LeaseError:
                pass  # a desk has just started: it is asked
        return _asked(ledger, who, at)


def _hosted(ledger: Ledger, at: datetime) -> Compared:
    market = get_market(ledger.market)
    with paper_desk(
        ledger,
        market=market,
        calendar=market.calendar,
        references=_none,
        permits=_none,
        cash=ledger.book().capital or limits_of().capital,
        at=at,
        host=RECONCILE_COMMAND,
    ) as hosted:
        return Compared(ledger.scope.value, at, RECONCILE_COMMAND, hosted.desk.book.differences)


def _asked(ledger: Ledger, who: str, at: datetime) -> Compared:
    clock = SystemClock(get_market(ledger.market).zone)
    asked = ledger.append(ReconciliationRequested(who), at=at)
    until = clock.now() + ANSWER
    while clock.now() < until:
        for record in ledger.events(asked.seq):
            if isinstance(record.event, Reconciled):
                scope = ledger.scope.value
                return Compared(scope, record.at, DESK_PROCESS, record.event.differences)
        clock.wait(timedelta(milliseconds=20))
    raise LedgerError(
        f"the desk of {ledger.path} holds the lease and has not answered in {ANSWER.seconds} s: "
        "see `kasauti status`, end it and start it again"
    )
