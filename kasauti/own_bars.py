"""Own bars on the machine's clock: what approved strategies want; nothing is traded on them yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from kasauti.errors import UsageError
from kasauti.execution.model import Intent, Outcome
from kasauti.execution.projections import Book
from kasauti.execution.signals import Signal
from kasauti.market.bars import Bars
from kasauti.trading import ReplayDesk
from kasauti.validation.approvals import Scope as ApprovalScope

NOT_YET = "own bars are not traded yet, only the sample's replay is: run `kasauti demo`"


@dataclass(frozen=True)
class ForwardDesk(ReplayDesk):
    """What `ReplayDesk` is to the sample, for a folder of bars: signals, and an empty book.

    A replay permit counts for nothing here: a signal needs an approval.

    Attributes
    ----------
    at : datetime
        Exchange time.
    """

    at: datetime

    scope: ClassVar[ApprovalScope] = ApprovalScope.PAPER

    def now(self) -> datetime:
        """Return the machine's time at the exchange."""
        return self.at

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

    def book(self) -> Book:
        """Return an empty book: there is no account on own bars yet."""
        return Book()

    def intents(self, signals: Sequence[Signal]) -> list[Intent]:
        """Return none: the signals are shown, and ordered by nobody."""
        del signals
        return []

    def submit(self, intents: Sequence[Intent]) -> dict[str, Outcome]:
        """Refuse, whatever is asked for.

        Raises
        ------
        UsageError
            Always, unless there is nothing to submit.
        """
        if intents:
            raise UsageError(NOT_YET)
        return {}

    def trade_session(self) -> Book:
        """Refuse.

        Raises
        ------
        UsageError
            Always: there is no session to trade.
        """
        raise UsageError(NOT_YET)
