"""Own bars on the machine's clock: what approved strategies want, and paper trading of it.

The desk process trades; while none runs, the job that wants something done hosts the same desk.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from kasauti.desk_account import OwnAccount, open_ledger
from kasauti.errors import LeaseError, LedgerError
from kasauti.execution.account import Arrived, days_of, playable
from kasauti.execution.clock import RunningClock
from kasauti.execution.desk_process import DeskProcess, spool_of
from kasauti.execution.guarded import outcome_of, submit_and_wait
from kasauti.execution.host import SESSION_JOB, TRADE_JOB, paper_desk
from kasauti.execution.lease import is_taken
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Intent, Outcome, Scope
from kasauti.execution.place import paper_place
from kasauti.execution.projections import Book
from kasauti.execution.replay import MovingReferences
from kasauti.market.bars import Bars
from kasauti.market.calendar import Session
from kasauti.trading import ReplayDesk
from kasauti.validation.approvals import Approval
from kasauti.validation.approvals import Scope as ApprovalScope

ANSWER = timedelta(seconds=5)  # that a run waits for the desk's word on an order that is due
PLAYED = timedelta(seconds=60)  # that it waits for the desk to play the sessions that arrived
LOOK = timedelta(milliseconds=100)


@dataclass(frozen=True)
class ForwardDesk(ReplayDesk):
    """What `ReplayDesk` is to the sample, for a folder of bars and the paper ledger.

    A replay permit counts for nothing here: a signal needs an approval.

    Attributes
    ----------
    at : datetime
        Exchange time.
    """

    at: datetime

    scope: ClassVar[ApprovalScope] = ApprovalScope.PAPER
    ledger_scope: ClassVar[Scope] = Scope.PAPER

    def __post_init__(self) -> None:
        _ = self.clock  # it runs from here on

    @property
    def ledger_path(self) -> Path:
        """Where the paper ledger lies."""
        return self.space.home.ledger

    @cached_property
    def clock(self) -> RunningClock:
        """The machine's clock at the exchange; it runs on from `at`."""
        return RunningClock(self.at)

    def now(self) -> datetime:
        """Return the exchange time at which this was made."""
        return self.at

    # -- bars ------------------------------------------------------------------------------------

    @property
    def forward(self) -> Bars:
        """All bars after the sealed ones; none until some arrive."""
        found = self.admitted.forward
        return self.admitted.searched.between(0, 0) if found is None else found

    def arrived(self) -> Bars:
        """Return the forward bars whose session is over; today's may still be growing."""
        day = self.at.date()
        session = self.calendar.session(day)
        if session is not None and self.at < session.close:
            day -= timedelta(days=1)
        return self.forward.between(0, int((self.forward.sessions <= np.datetime64(day)).sum()))

    def traded(self) -> Arrived:
        """Return the bars that the desk trades on: those that arrived, and a close before them.

        Sealed bars are read for a strategy that may trade, and that is recorded.
        """
        arrived = self.arrived()
        forward = days_of(arrived)[0] if arrived.shape[1] else None
        permitted = self.candidates() if self.admitted.seal is not None else []
        return Arrived(self.history(permitted[0][1]) if permitted else arrived, forward)

    # -- signals and orders ----------------------------------------------------------------------

    def catch_up(self) -> None:
        """Have the sessions played whose bars arrived."""
        self.trade_session()

    def next_session(self) -> Session | None:
        """Return the session after the last bar, whether it has opened or not.

        An intent that comes too late is committed all the same, and never sent: it expires, on
        record.
        """
        return self.calendar.next_session(self.last_day)

    def ledger(self) -> Ledger:
        """Open the paper ledger, made if missing."""
        return open_ledger(self.space.home, self.market.name, self.at)

    @property
    def has_ledger(self) -> bool:
        """Whether there is a paper ledger, in its file or on PostgreSQL."""
        return paper_place(self.space.home).exists()

    def submit(self, intents: Sequence[Intent]) -> dict[str, Outcome]:
        """Commit the intents; wait a little for the desk's word on those that are due now."""
        if not intents:
            return {}
        with closing(self.ledger()) as ledger:
            return {intent.key: self._submit(ledger, intent) for intent in intents}

    def _submit(self, ledger: Ledger, intent: Intent) -> Outcome:
        if not intent.valid_from <= self.clock.now() < intent.valid_until:
            ledger.claim(intent, at=self.clock.now())
            return outcome_of(ledger, intent.key)
        return submit_and_wait(
            ledger,
            intent,
            clock=self.clock,
            wait=ANSWER,
            host=lambda: self._turning(ledger, TRADE_JOB),
        )

    def trade_session(self) -> Book:
        """Have the sessions played whose bars arrived: by the running desk, else hosted here.

        Raises
        ------
        LedgerError
            If the running desk does not get it done.
        """
        if not self.has_ledger:
            return Book()
        arrived, until = self.traded(), self.clock.now() + PLAYED
        with closing(self.ledger()) as ledger:
            while playable(ledger, self.calendar, arrived):
                if self.clock.now() >= until:
                    raise LedgerError(
                        f"the desk has not played the session of {self.last_day} in "
                        f"{PLAYED.seconds} s: see `kasauti status`"
                    )
                self._have_played(ledger)
            return ledger.book()

    def _have_played(self, ledger: Ledger) -> None:
        if is_taken(ledger.path, ledger.engine):
            self.clock.wait(LOOK)
            return
        try:
            with self._turning(ledger, SESSION_JOB) as process:
                process.turn()
        except LeaseError:
            self.clock.wait(LOOK)  # a desk has just started: it does the work

    @contextmanager
    def _turning(self, ledger: Ledger, host: str) -> Iterator[DeskProcess]:
        """Host the desk of the paper ledger as long as the block runs."""
        home = self.space.home
        account = OwnAccount(home, self.market.name, self.profile, self.clock)
        references = MovingReferences(self.references())
        with paper_desk(
            ledger,
            market=self.market,
            calendar=self.calendar,
            references=references,
            permits=account.permit,
            cash=self.limits.capital,
            at=self.clock.now(),
            host=host,
        ) as hosted:
            yield DeskProcess(
                hosted,
                ledger,
                account,
                references,
                clock=self.clock,
                spool=spool_of(home.feed, ledger),
            )

    def permitted_until(self, approval: Approval) -> datetime:
        """Return the end of the approval's last day."""
        last = date.fromisoformat(approval.expires) + timedelta(days=1)
        return datetime.combine(last, time(0), tzinfo=self.market.zone)
