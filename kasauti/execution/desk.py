"""The desk: whoever holds the lease; it asks `decisions` what is next and alone acts on it.

It reconciles before it acts, releases intents through the gate, keeps positions protected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import BrokerError, LedgerError
from kasauti.execution import breakers, decisions, failpoints, reconcile
from kasauti.execution.conditions import Conditions, LiveQuote
from kasauti.execution.controls import Comparison
from kasauti.execution.controls.model import FAULTS
from kasauti.execution.events import (
    Acknowledged,
    Event,
    IntentCommitted,
    IntentDropped,
    LeftUndecided,
    LimitNeared,
    LimitsSealed,
    ProtectionRevised,
    Reconciled,
    Resumed,
    Reviewed,
    SelfTested,
    SessionClosed,
    StrategyLatched,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.gate import Gate, Passage, Snapshot
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Entry, Ledger
from kasauti.execution.limits import Limits, tighter
from kasauti.execution.limits_used import limits_used, near
from kasauti.execution.model import Intent, Outcome, Purpose, Scope
from kasauti.execution.orders import OrderEvent
from kasauti.execution.projections import Book
from kasauti.execution.references import References
from kasauti.execution.self_test import self_test, trip_every_control
from kasauti.execution.usage import current_marks, quotes_of
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market

RECALL_AGAIN = timedelta(seconds=5)
MOST_RECALLS = 3  # of orders of one symbol; then a person has to look
PATIENCE = timedelta(seconds=10)  # of an entry for a better one; liquid shares trade in the first
RATE = "ORDER_RATE"  # the only reason to wait that holds for every order
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
        self._standing = reconcile.Standing()
        self._seen = breakers.NOTHING_SEEN
        self._waiting: set[str] = set()  # orders that gate or broker told to wait at this moment
        self._refused: dict[str, int] = {}  # how often the broker would not cancel an order
        self._asked: dict[str, datetime] = {}  # when this desk last asked for an order's cancel
        self._unheard: dict[str, int] = {}  # fills that the broker's order book alone knows
        self._told_undecided: set[date] = set()
        self._told: set[tuple[date, str]] = set()  # limits that were nearly used up, by day
        self._snapshot: Snapshot | None = None  # the last one
        self._recalled: dict[str, datetime] = {}  # those that should not work as they do
        self._freed: dict[str, datetime] = {}  # when the last of them was taken back, by symbol

    @property
    def book(self) -> Book:
        """What the ledger amounts to now."""
        return self.ledger.book()

    @property
    def holds_lease(self) -> bool:
        """Whether no other desk has taken over."""
        return self._lease.is_held

    def start(self, now: datetime) -> Comparison:
        """Trip every control and reconcile; nothing may be released before.

        Raises
        ------
        LedgerError
            If a control fails its self-test.
        """
        trip_every_control()
        return self.reconcile(now, always_record=True)

    def open_session(self, now: datetime, limits: Limits) -> Limits:
        """Trip every control once, then seal the session's limits; both once a session.

        In paper trading they are tripped through a whole gate with a ledger and latch of its own;
        a replay, which plays many sessions and counts for nothing, does without.

        Limits of a session that is sealed already can only be tightened.

        Raises
        ------
        LedgerError
            If a control fails its self-test: the session does not open.
        """
        book, day = self.book, now.date()
        replayed = self.ledger.scope is Scope.REPLAY
        alert = None if replayed else alert_of(Trigger.LIMITS_SEALED, str(day), _in_short(limits))
        if book.self_tested != day:
            tested = SelfTested(day, trip_every_control() if replayed else self_test())
            self._append(tested, now, unique=f"self-test:{day}")
            failpoints.reach("desk.self_tested")
        if not replayed:
            self.tell_undecided(now)
        if book.limits_day == day and book.limits is not None:
            limits = tighter(book.limits, limits)
            if limits == book.limits:
                return limits
            said = f"The limits of {day} were tightened"
            alert = alert_of(Trigger.LIMITS_TIGHTENED, str(day), said)
        sealed = LimitsSealed(day, limits, limits.hash)
        self._append(sealed, now, unique=f"limits:{day}:{limits.hash}", alert=alert)
        failpoints.reach("desk.limits_sealed")
        return limits

    def tell_undecided(self, now: datetime) -> None:
        """Tell once a day of what is held and nobody decided on; nothing is done about it."""
        day = now.date()
        symbols = self.book.undecided(day)
        if symbols and day not in self._told_undecided:
            self._told_undecided.add(day)
            said = f"Nobody decided on {day}"
            alert = alert_of(Trigger.NOT_DECIDED, ", ".join(symbols), said, key=str(day))
            entry = Entry(LeftUndecided(day, symbols), f"undecided:{day}", alert)
            self.ledger.append_all([entry], at=now, epoch=self._lease.epoch)

    def submit(self, intent: Intent, now: datetime) -> Outcome:
        """Commit an intent under its unique key and return its present outcome."""
        self.ledger.claim(intent, at=now)
        return self.outcome(intent.key)

    def deny(self, intent: Intent, code: str, now: datetime) -> None:
        """Deny a queued intent that cannot be traded as this session is; the gate is not asked."""
        said = f"{intent.purpose.value} {intent.symbol} denied: {code}"
        alert = alert_of(Trigger.ORDER_DENIED, intent.symbol, said, key=f"{now.date()}{said}")
        self._append(IntentDropped(intent.key, OrderEvent.DENY, code), now, alert=alert)

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

    def step(self, now: datetime, clock: Callable[[], datetime] | None = None) -> bool:
        """Reconcile and do all that is due at `now`.

        Parameters
        ----------
        now : datetime
        clock : callable or None
            Tells the time before each action, since a broker may take seconds to answer: what is
            due then goes out then. None: no time passes in a step, as in a replay.

        Returns
        -------
        bool
            Whether something waits for the next moment: the order rate, or a stop to reprice.
        """
        compared = self._reconcile(now)
        self._watch(compared, now)
        self._waiting.clear()
        for _ in range(MOST_ACTIONS):
            now = now if clock is None else max(now, clock())
            view = self._view(now)
            actions = list(self._ready(decisions.next_actions(view), now))
            if not actions:
                return bool(self._waiting) or decisions.is_waiting(view)
            if not self._act(actions[0], now):
                return True
        raise LedgerError(
            f"the desk found no rest in {MOST_ACTIONS} actions at {now}: {actions[0]}"
        )

    def _ready(
        self, actions: Iterable[decisions.Action], now: datetime
    ) -> Iterator[decisions.Action]:
        """Yield what need not wait; an entry waits behind a better ranked one for a while.

        Else the share that happens to trade first at the open would take the day's only slot.
        """
        behind = False
        for action in actions:
            entry = action.intent if isinstance(action, decisions.Release) else None
            if entry is None or entry.purpose is not Purpose.ENTRY:
                if not self._waits(action):
                    yield action
            elif self._waits(action):
                behind = behind or now < entry.valid_from + PATIENCE
            elif not behind:
                yield action

    def _waits(self, action: decisions.Action) -> bool:
        """Whether it has to wait; all other orders go on meanwhile."""
        match action:
            case decisions.Release(intent):
                return intent.tag in self._waiting
            case decisions.Cancel(tag):
                return tag in self._waiting
        return False

    def reconcile(self, now: datetime, *, always_record: bool = False) -> Comparison:
        """Take in what happened at the broker and compare; differences close entries at once.

        What the broker has said for long enough is taken over. A broker that cannot be read is a
        difference itself.
        """
        compared = self._reconcile(now, always_record=always_record)
        reading = breakers.Reading(now, None, None, compared.differences, is_open=False)
        self._move_breakers(reading)  # of what was not looked at it says nothing
        return compared

    def _reconcile(self, now: datetime, *, always_record: bool = False) -> Comparison:
        failpoints.reach("desk.before_snapshot")
        try:
            snapshot = self._gate.snapshot()
        except BrokerError as error:
            found: tuple[str, ...] = (f"{reconcile.UNREAD}: {error}",)
        else:
            self._learn(snapshot, now)
            closes = self._closes_of(snapshot)
            differences = reconcile.compare(self.book, snapshot, closes)
            settled = self._standing.settled(differences, now)
            if settled:
                failpoints.reach("desk.before_adopting")
                self.ledger.append_all(settled, at=now, epoch=self._lease.epoch)
                failpoints.reach("desk.adopted")
                self._learn(snapshot, now)
                differences = reconcile.compare(self.book, snapshot, closes)
            stuck = reconcile.stuck(self.book, self._refused)
            found = tuple(sorted([*(difference.text for difference in differences), *stuck]))
            self._unheard = reconcile.unheard(self.book, snapshot)
        return self._compared(found, now, always_record)

    def _watch(self, compared: Comparison, now: datetime) -> None:
        """Let the breakers look at all that can be read."""
        book, conditions = self.book, self._gate.conditions(now)
        session = self._calendar.session(now.date())
        reading = breakers.Reading(
            now,
            self._equity(quotes_of(conditions), now),
            conditions,
            compared.differences,
            session is not None and now in session,
        )
        self._move_breakers(reading, *breakers.repeated(book, now))
        self._tell_near(reading)

    def _move_breakers(self, reading: breakers.Reading, *latched: StrategyLatched) -> None:
        changes, self._seen = breakers.watch(self.book, reading, self._seen)
        now = reading.now
        moved: list[TradingStateChanged | StrategyLatched] = [*changes, *latched]
        for change in moved:
            self._append(change, now, alert=breakers.alert_for(change, now.date()))
            failpoints.reach("desk.breaker_moved")

    def _tell_near(self, reading: breakers.Reading) -> None:
        """Tell of each limit that is nearly used up, once a day; a replay tells nobody."""
        book, now = self.book, reading.now
        if self.ledger.scope is not Scope.PAPER or book.limits is None:
            return
        try:
            rows = near(limits_used(book, book.limits, now, reading.equity))
        except FAULTS:  # a price that is no number: its own controls deny, nothing is used up
            return
        day = now.date()
        for row in rows:
            if (day, row.limit) in self._told:
                continue
            self._told.add((day, row.limit))
            said = f"{row.limit}: {row.used} of {row.allowed} is used ({row.control})"
            neared = LimitNeared(day, row.limit, row.control, f"{row.used}", f"{row.allowed}")
            alert = alert_of(Trigger.NEAR_LIMIT, row.limit, said, key=str(day))
            self._append(neared, now, unique=f"near:{day}:{row.limit}", alert=alert)

    def _equity(self, quotes: Mapping[str, LiveQuote], now: datetime) -> Decimal | None:
        """Return the equity at fresh prices, None where they cannot be had."""
        book = self.book
        try:
            return book.equity(current_marks(book, self._references, quotes, now))
        except FAULTS:
            return None

    def _learn(self, snapshot: Snapshot, now: datetime) -> None:
        """Take in the news of our orders; one that should not work as it does is taken back."""
        asked = self._asked.keys()

        def moves(book: Book, snapshot: Snapshot) -> list[Entry]:
            return reconcile.new_moves(book, snapshot, asked)

        self._snapshot = snapshot
        book = self.book
        for news in (reconcile.new_sends, reconcile.new_answers, reconcile.new_fills, moves):
            entries = news(book, snapshot)
            if entries:
                failpoints.reach("desk.before_news")
                self.ledger.append_all(entries, at=now, epoch=self._lease.epoch)
                failpoints.reach("desk.news_recorded")
                book = self.book
        for tag in [*reconcile.revenants(book, snapshot), *self._altered(snapshot)]:
            asked_at = self._recalled.get(tag)
            again = asked_at is None or now - asked_at >= RECALL_AGAIN
            if again and not self._gate.is_too_fast(now):
                self._recalled[tag] = now
                if self._gate.cancel(tag, now):
                    self._freed[book.orders[tag].intent.symbol] = now

    def _altered(self, snapshot: Snapshot) -> list[str]:
        """Return our orders that were changed at the broker; but one that changes all is let be."""
        book, recalled = self.book, Counter[str]()
        for tag in self._recalled:
            recalled[book.orders[tag].intent.symbol] += 1
        return [
            tag
            for tag in reconcile.altered(book, snapshot)
            if tag in self._recalled or recalled[book.orders[tag].intent.symbol] < MOST_RECALLS
        ]

    def _closes_of(self, snapshot: Snapshot) -> dict[str, Decimal]:
        known = {row.symbol: self._references(row.symbol) for row in snapshot.positions}
        known |= {symbol: self._references(symbol) for symbol in self.book.positions}
        return {symbol: found.close for symbol, found in known.items() if found is not None}

    def _compared(self, found: tuple[str, ...], now: datetime, always_record: bool) -> Comparison:
        if always_record or found != self.book.differences:
            alert = reconcile.alert_for(found, self.book.differences)
            failpoints.reach("desk.before_comparison")
            self._append(Reconciled(found), now, alert=alert)
            failpoints.reach("desk.compared")
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
            failpoints.reach("desk.revised")

    def close_session(self, now: datetime, marks: Mapping[str, Decimal]) -> None:
        """Mark every open position at its close; once a session."""
        held = {s: marks[s] for s in self.book.positions if s in marks}
        day = now.date()
        failpoints.reach("desk.before_close")
        self._append(SessionClosed(day, held), now, unique=f"close:{day}")
        failpoints.reach("desk.closed")

    def set_state(self, state: TradingState, *, by: str, reason: str, now: datetime) -> None:
        """Change the trading state, which survives restarts."""
        changed = TradingStateChanged(state, by, reason)
        said = f"Trading is {state.value}, says {by}: {reason}"
        trigger = Trigger.TRADING_ALLOWED if state is TradingState.ACTIVE else Trigger.KILL_SWITCH
        self._append(changed, now, alert=alert_of(trigger, "trading state", said, key=said))

    def acknowledge(self, *, by: str, reason: str, now: datetime) -> None:
        """Record that somebody looked at a losing streak."""
        self.ledger.append(Acknowledged(by, reason), at=now)

    def review(self, *, by: str, reason: str, now: datetime) -> None:
        """Record that somebody looked at the trades."""
        self.ledger.append(Reviewed(by, reason), at=now)

    def resume(self, *, by: str, reason: str, now: datetime) -> None:
        """Let every breaker, state and latched strategy go, as a person wants it."""
        said = f"Resumed by {by}: {reason}"
        alert = alert_of(Trigger.TRADING_ALLOWED, "all breakers", said, key=str(now))
        self.ledger.append(Resumed(by, reason), at=now, alert=alert)

    def _view(self, now: datetime) -> decisions.View:
        book = self.book
        symbols = {order.intent.symbol for order in book.live_orders()} | book.positions.keys()
        known = {s: found for s in symbols if (found := self._references(s)) is not None}
        return decisions.View(
            book,
            now,
            self._calendar.session(now.date()),
            self._latch.is_set() or book.latched,
            self._market,
            known,
            self._gate.conditions(now) or Conditions(),
            self._unheard,
            self._freed,
        )

    def _act(self, action: decisions.Action, now: datetime) -> bool:
        """Do one thing; False if gate or broker ask to wait."""
        match action:
            case decisions.Expire(key, code):
                self._append(IntentDropped(key, OrderEvent.EXPIRE, code), now)
                failpoints.reach("desk.expired")
            case decisions.Commit(intent):
                failpoints.reach("desk.before_own_intent")
                self._append(IntentCommitted(intent), now, unique=f"intent:{intent.key}")
                failpoints.reach("desk.own_intent_committed")
            case decisions.Cancel(tag) if self._gate.is_too_fast(now):
                return False
            case decisions.Cancel(tag):
                self._asked[tag] = now
                taken = self._gate.cancel(tag, now)
                self._reconcile(now)
                if not taken and tag in self.book.live:
                    self._waiting.add(tag)
                    self._refused[tag] = self._refused.get(tag, 0) + 1
            case decisions.Release(intent) if self._is_at_broker(intent.tag):
                self._reconcile(now)  # which takes in that it went out before a restore
                return self.outcome(intent.key) is not Outcome.QUEUED
            case decisions.Release(intent):
                ruling = self._gate.release(intent, now, self._comparison)
                if ruling.passage is Passage.DELAYED:
                    if ruling.code == RATE:
                        return False
                    self._waiting.add(intent.tag)
                    return True
                self._reconcile(now)
        return True

    def _is_at_broker(self, tag: str) -> bool:
        """Whether the broker had an order with this tag when it was last read."""
        rows = () if self._snapshot is None else self._snapshot.orders
        return any(row.order.tag == tag for row in rows)

    def _append(
        self,
        event: Event,
        now: datetime,
        *,
        unique: str | None = None,
        alert: Alert | None = None,
    ) -> None:
        self.ledger.append(event, at=now, epoch=self._lease.epoch, unique=unique, alert=alert)


def _in_short(limits: Limits) -> str:
    return (
        f"{limits.profile}: at most {limits.trades_a_day} trades and {limits.daily_loss} of loss "
        f"today, {limits.risk_per_trade} at risk in one"
    )
