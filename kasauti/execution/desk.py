"""The desk: whoever holds the lease; it asks `decisions` what is next and alone acts on it.

It reconciles before it acts, releases intents through the gate, keeps positions protected.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from kasauti.errors import LedgerError
from kasauti.execution import decisions, reconcile
from kasauti.execution.controls import Comparison
from kasauti.execution.events import (
    Acknowledged,
    Event,
    IntentCommitted,
    IntentDropped,
    LimitsSealed,
    ProtectionRevised,
    Reconciled,
    SelfTested,
    SessionClosed,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.gate import Gate, Passage
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits, tighter
from kasauti.execution.model import Intent, Outcome
from kasauti.execution.orders import OrderEvent
from kasauti.execution.projections import Book
from kasauti.execution.references import References
from kasauti.execution.self_test import self_test, trip_every_control
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market

MOST_ACTIONS = 10_000  # in one step; more means that two of them undo each other


class Desk:
    """One desk on one ledger.

    Parameters
    ----------
    ledger, lease, gate, latch, calendar, market, references
        The lease must be held on the ledger; the gate must be around the broker of this account.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        lease: Lease,
        gate: Gate,
        latch: Latch,
        calendar: Calendar,
        market: Market,
        references: References,
    ) -> None:
        self.ledger = ledger
        self._lease = lease
        self._gate = gate
        self._latch = latch
        self._calendar = calendar
        self._market = market
        self._references = references
        self._comparison: Comparison | None = None

    @property
    def book(self) -> Book:
        """What the ledger amounts to now."""
        return self.ledger.book()

    def start(self, now: datetime) -> Comparison:
        """Test the whole gate and reconcile; nothing may be released before.

        Raises
        ------
        LedgerError
            If a control fails its self-test.
        """
        self_test()
        return self.reconcile(now, always_record=True)

    def open_session(self, now: datetime, limits: Limits) -> Limits:
        """Trip every control once, then seal the session's limits; both once a session.

        Limits of a session that is sealed already can only be tightened.

        Raises
        ------
        LedgerError
            If a control fails its self-test: the session does not open.
        """
        book, day = self.book, now.date()
        if book.self_tested != day:
            tested = SelfTested(day, trip_every_control())
            self._append(tested, now, unique=f"self-test:{day}")
        if book.limits_day == day and book.limits is not None:
            limits = tighter(book.limits, limits)
            if limits == book.limits:
                return limits
        sealed = LimitsSealed(day, limits, limits.hash)
        self._append(sealed, now, unique=f"limits:{day}:{limits.hash}")
        return limits

    def submit(self, intent: Intent, now: datetime) -> Outcome:
        """Commit an intent under its unique key and return its present outcome."""
        self.ledger.claim(intent, at=now)
        return self.outcome(intent.key)

    def outcome(self, key: str) -> Outcome:
        """Return what became of the intent `key`.

        Raises
        ------
        LedgerError
            If it was never committed.
        """
        order = self.book.order(key)
        if order is None:
            raise LedgerError(f"the ledger has no intent {key}: submit it first")
        return order.outcome

    def step(self, now: datetime) -> bool:
        """Reconcile and do all that is due at `now`.

        Returns
        -------
        bool
            Whether something waits for the next moment: the order rate, or a stop to reprice.
        """
        self.reconcile(now)
        for _ in range(MOST_ACTIONS):
            view = self._view(now)
            actions = decisions.next_actions(view)
            if not actions:
                return decisions.has_triggered_stop(view)
            if not self._act(actions[0], now):
                return True
        raise LedgerError(
            f"the desk found no rest in {MOST_ACTIONS} actions at {now}: {actions[0]}"
        )

    def reconcile(self, now: datetime, *, always_record: bool = False) -> Comparison:
        """Take in what happened at the broker and compare; differences close entries."""
        snapshot = self._gate.snapshot()
        book = self.book
        for news in (reconcile.new_answers, reconcile.new_fills, reconcile.new_moves):
            entries = news(book, snapshot)
            if entries:
                self.ledger.append_all(entries, at=now, epoch=self._lease.epoch)
                book = self.book
        found = reconcile.differences(book, snapshot)
        if always_record or found != book.differences:
            alert = f"Ledger and broker differ: {'; '.join(found)}" if found else None
            self._append(Reconciled(found), now, alert=alert)
        self._comparison = Comparison(now, found)
        return self._comparison

    def revise(self, symbol: str, stop_price: Decimal, version: str, now: datetime) -> None:
        """Move a position's stop from the next placement on; it only ever gets tighter."""
        position = self.book.positions.get(symbol)
        if position is None or position.stop_price is None:
            return
        if (stop_price - position.stop_price) * position.sign > 0:
            revised = ProtectionRevised(symbol, position.parent, stop_price)
            self._append(revised, now, unique=f"revise:{position.parent}:{version}")

    def close_session(self, now: datetime, marks: Mapping[str, Decimal]) -> None:
        """Mark every open position at its close; once a session."""
        held = {s: marks[s] for s in self.book.positions if s in marks}
        day = now.date()
        self._append(SessionClosed(day, held), now, unique=f"close:{day}")

    def set_state(self, state: TradingState, *, by: str, reason: str, now: datetime) -> None:
        """Change the trading state, which survives restarts."""
        changed = TradingStateChanged(state, by, reason)
        self._append(changed, now, alert=f"Trading is {state.value}, says {by}: {reason}")

    def acknowledge(self, *, by: str, reason: str, now: datetime) -> None:
        """Record that somebody looked at a losing streak."""
        self.ledger.append(Acknowledged(by, reason), at=now)

    def _view(self, now: datetime) -> decisions.View:
        book = self.book
        closes = {}
        for symbol in book.positions:
            reference = self._references(symbol)
            if reference is not None:
                closes[symbol] = reference.close
        return decisions.View(
            book,
            now,
            self._calendar.session(now.date()),
            self._latch.is_set() or book.latched,
            self._market,
            closes,
        )

    def _act(self, action: decisions.Action, now: datetime) -> bool:
        """Do one thing; False if gate or broker ask to wait."""
        match action:
            case decisions.Expire(key):
                self._append(IntentDropped(key, OrderEvent.EXPIRE, "EXPIRED"), now)
            case decisions.Commit(intent):
                self.ledger.append(IntentCommitted(intent), at=now, unique=f"intent:{intent.key}")
            case decisions.Cancel(tag):
                taken = self._gate.cancel(tag, now)
                self.reconcile(now)
                return taken or tag not in self.book.live
            case decisions.Release(intent):
                ruling = self._gate.release(intent, now, self._comparison)
                if ruling.passage is Passage.DELAYED:
                    return False
                self.reconcile(now)
        return True

    def _append(
        self,
        event: Event,
        now: datetime,
        *,
        unique: str | None = None,
        alert: str | None = None,
    ) -> None:
        self.ledger.append(event, at=now, epoch=self._lease.epoch, unique=unique, alert=alert)
