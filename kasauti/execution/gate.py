"""The only way to a broker: every control's word, the record, the latch once more, then the send.

The broker handle is private to the gate. Nothing else in the project calls a broker's `place`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import BrokerError, LeaseError, LedgerError
from kasauti.execution import failpoints
from kasauti.execution.approvals import Permits
from kasauti.execution.brokers.base import Answer, Broker, BrokerOrder, BrokerPosition, Reply
from kasauti.execution.conditions import Conditions
from kasauti.execution.controls import CONTROLS, Comparison, Control, GateInput
from kasauti.execution.controls.flow import RATE_CEILING
from kasauti.execution.controls.model import FAULTS, need
from kasauti.execution.events import CancelAsked, Decision, GateDecided, OrderMoved
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Fill, Intent, Purpose
from kasauti.execution.orders import OrderEvent, OrderState
from kasauti.execution.references import Reference, References, last_completed
from kasauti.execution.reserve import Reserve
from kasauti.execution.square_off import square_off
from kasauti.execution.text import storable
from kasauti.execution.usage import SECOND, Usage, quotes_of, sent_within, usage
from kasauti.execution.views import OrderView
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market

T = TypeVar("T")

_ANSWERS = {
    Answer.ACCEPTED: OrderEvent.ACKNOWLEDGE,
    Answer.REJECTED: OrderEvent.REJECT,
    Answer.LOST: OrderEvent.LOSE,
}


STATE = "K03"
MOST_CANCELS = 1_000  # more than a minute may hold


class Passage(StrEnum):
    """What the gate did with an intent."""

    SENT = "sent"
    DENIED = "denied"
    DELAYED = "delayed"


@dataclass(frozen=True)
class Ruling:
    """The gate's decision on one intent and every control's word."""

    passage: Passage
    code: str
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class Snapshot:
    """What the broker says happened; read-only."""

    orders: Sequence[BrokerOrder]
    trades: Sequence[Fill]
    positions: Sequence[BrokerPosition]
    absence_is_proof: bool
    funds: Decimal | None = None


class Gate:
    """The controls around one broker.

    Parameters
    ----------
    broker : Broker
        Not reachable from outside afterwards.
    ledger, lease, latch, calendar, market, references, permits
        Where the controls' input comes from.
    controls : sequence of Control
    reserve : Reserve or None
        Of the ledger's disk; None where the ledger can be played again.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ledger: Ledger,
        lease: Lease,
        latch: Latch,
        calendar: Calendar,
        market: Market,
        references: References,
        permits: Permits,
        controls: Sequence[Control] = CONTROLS,
        reserve: Reserve | None = None,
    ) -> None:
        self.__broker = broker
        self._ledger = ledger
        self._lease = lease
        self._latch = latch
        self._calendar = calendar
        self._market = market
        self._references = references
        self._permits = permits
        self._controls = tuple(controls)
        self._reserve = reserve
        self._cancels: deque[datetime] = deque(maxlen=MOST_CANCELS)  # when they were asked for

    def release(self, intent: Intent, now: datetime, comparison: Comparison | None) -> Ruling:
        """Judge a committed intent and, if every binding control is content, send it.

        Raises
        ------
        LeaseError
            If another desk has raised the epoch: nothing was sent.
        LedgerError
            If the intent is not queued, or the decision cannot be written: nothing was sent.
        """
        view = self._queued(intent)
        given = self.look(intent, now, comparison)
        ruling = judge(self._controls, given)
        failpoints.reach("gate.judged")
        if ruling.passage is Passage.DELAYED:
            return ruling
        allowed = ruling.passage is Passage.SENT
        sealed = self._ledger.book().limits_hash
        decided = GateDecided(intent.key, allowed, ruling.code, ruling.decisions, sealed)
        if allowed:
            unique = f"send:{intent.tag}:{view.never_arrived}"
            self._ledger.append_new(decided, at=now, epoch=self._lease.epoch, unique=unique)
            failpoints.reach("gate.recorded")
            self._send(intent, now)
        else:
            said = f"{intent.purpose.value} {intent.symbol} denied: {ruling.code}"
            is_entry = intent.purpose is Purpose.ENTRY
            trigger = Trigger.ORDER_DENIED if is_entry else Trigger.ORDER_TROUBLE
            alert = alert_of(trigger, intent.symbol, said, key=f"{now.date()}{said}")
            self._ledger.append(decided, at=now, epoch=self._lease.epoch, alert=alert)
        return ruling

    def cancel(self, tag: str, now: datetime) -> bool:
        """Ask the broker to cancel the rest of an order; what became of it shows in its book.

        The request is on record before it goes out: where nothing can be written, no exit could
        follow the stop that is taken back. An entry is taken back all the same.

        Returns
        -------
        bool
            Whether the broker took the request.

        Raises
        ------
        LeaseError
            If the lease is lost.
        LedgerError
            If the request cannot be written; nothing that closes was cancelled.
        """
        if not self._lease.is_held:
            raise LeaseError("the lease is lost: nothing was cancelled")
        try:
            self._ledger.append(CancelAsked(tag), at=now, epoch=self._lease.epoch)
        except LedgerError:
            view = self._ledger.book().orders.get(tag)
            if view is None or view.intent.purpose is not Purpose.ENTRY:
                raise
        failpoints.reach("gate.before_cancel")
        self._cancels.append(now)
        try:
            taken = self.__broker.cancel(tag, now).answer is Answer.ACCEPTED
        except FAULTS:
            taken = False
        failpoints.reach("gate.cancel_answered")
        return taken

    def is_too_fast(self, now: datetime) -> bool:
        """Whether one more cancel would be over the order rate (K16); a placement is judged."""
        book = self._ledger.book()
        most = RATE_CEILING if book.limits is None else book.limits.orders_a_second
        return sent_within(book, now, SECOND, self._cancels) >= most

    def snapshot(self) -> Snapshot:
        """Return what the broker knows; the funds only where they must equal ours.

        Raises
        ------
        BrokerError
            If it cannot be read.
        """
        broker = self.__broker
        try:
            return Snapshot(
                broker.orders(),
                broker.trades(),
                broker.positions(),
                broker.absence_is_proof,
                broker.funds() if broker.funds_are_exact else None,
            )
        except FAULTS as fault:
            raise BrokerError(f"{type(fault).__name__}: {fault}") from fault

    def conditions(self, now: datetime) -> Conditions | None:
        """Return what the broker says of connection and market, None if it cannot be asked."""
        try:
            return self.__broker.conditions(now)
        except FAULTS:
            return None

    def look(self, intent: Intent, now: datetime, comparison: Comparison | None) -> GateInput:
        """Gather what the controls judge by; what cannot be learnt is None and says why."""
        faults: dict[str, str] = {}

        def learn(name: str, source: Callable[[], T]) -> T | None:
            try:
                return source()
            except FAULTS as fault:
                faults[name] = f"{type(fault).__name__}: {fault}"
                return None

        book = learn("ledger", self._ledger.book)
        conditions = learn("conditions", lambda: self.__broker.conditions(now))
        reference = learn("reference", lambda: self._references(intent.symbol))
        stop = learn("protective stop", lambda: _stop_of(intent))
        return GateInput(
            now=now,
            intent=intent,
            scope=self._ledger.scope,
            broker=learn("broker", lambda: self.__broker.name),
            latched=learn("latch", lambda: self._latch.is_set() or need(book, "ledger").latched),
            lease_held=learn("lease", lambda: self._lease.is_held),
            trading_state=None if book is None else book.trading_state,
            permit=learn("permit", lambda: self._permits(intent.genome_hash)),
            limits=None if book is None else book.limits,
            limits_day=None if book is None else book.limits_day,
            reference=reference,
            fresh_day=learn("fresh day", lambda: last_completed(self._calendar, now)),
            session=learn("session", lambda: self._calendar.session(now.date())),
            square_off=learn("square-off", lambda: self._square_off(intent, now)),
            tick=learn("tick", lambda: self._tick(intent, now)),
            funds=learn("funds", self.__broker.funds),
            entry_charges=learn(
                "entry charges", lambda: self._charges(intent, intent.limit_price, now, True)
            ),
            exit_charges=learn(
                "exit charges", lambda: self._charges(intent, need(stop, "stop"), now, False)
            ),
            usage=learn("usage", lambda: self._usage(intent, now, conditions)),
            comparison=comparison,
            ledger_head=learn("ledger head", lambda: self._ledger.head()[1]),
            room=learn(
                "room on the disk", lambda: self._reserve is None or self._reserve.is_whole()
            ),
            conditions=conditions,
            self_tested=None if book is None else book.self_tested,
            faults=faults,
        )

    def _usage(self, intent: Intent, now: datetime, conditions: Conditions | None) -> Usage:
        """Return the usage; a closing order's without prices, where they cannot be had."""
        book = self._ledger.book()
        try:
            quotes = quotes_of(conditions)
            return usage(book, intent, self._references, now, quotes, self._cancels)
        except FAULTS:
            if intent.purpose is Purpose.ENTRY:
                raise
            unknown: dict[str, Reference] = {}
            return usage(book, intent, unknown.get, now, cancels=self._cancels)

    def _queued(self, intent: Intent) -> OrderView:
        view = self._ledger.book().order(intent.key)
        if view is None or view.intent != intent:
            raise LedgerError(f"intent {intent.key} is not committed as it stands: commit it first")
        if view.state is not OrderState.QUEUED:
            raise LedgerError(f"intent {intent.key} is {view.state.value}: it is released once")
        return view

    def _send(self, intent: Intent, now: datetime) -> None:
        if not self._lease.is_held:
            raise LeaseError(f"the lease is lost: {intent.symbol} was not sent, stop this desk")
        if intent.purpose is Purpose.ENTRY and self._is_stopped():
            moved = OrderMoved(intent.tag, OrderEvent.CANCEL, text="KILLED", at=now)
        else:
            reply = self._place(intent, now)
            failpoints.reach("gate.answered")
            moved = OrderMoved(
                intent.tag, _ANSWERS[reply.answer], reply.broker_id, storable(reply.text), at=now
            )
        alert = None
        if moved.event is not OrderEvent.ACKNOWLEDGE:
            said = f"{intent.symbol}: {moved.text or moved.event.value}"
            alert = alert_of(Trigger.ORDER_TROUBLE, intent.symbol, said, key=intent.tag)
        self._ledger.append(moved, at=now, epoch=self._lease.epoch, alert=alert)
        failpoints.reach("gate.answer_recorded")

    def _is_stopped(self) -> bool:
        """Whether the latch is set, on file or, by somebody on another machine, on record."""
        return self._latch.is_set() or self._ledger.book().latched

    def _place(self, intent: Intent, now: datetime) -> Reply:
        failpoints.reach("gate.before_send")
        try:
            return self.__broker.place(intent.order(), now)
        except FAULTS as fault:  # it may have arrived: its tag tells, in the order book
            return Reply(Answer.LOST, text=str(fault) or type(fault).__name__)

    def _tick(self, intent: Intent, now: datetime) -> Decimal:
        reference = self._references(intent.symbol)
        if reference is not None and reference.tick is not None:
            return reference.tick
        return self._market.tick_size(intent.limit_price, now.date())

    def _square_off(self, intent: Intent, now: datetime) -> datetime | None:
        session, reference = self._calendar.session(now.date()), self._references(intent.symbol)
        if session is None:
            return None
        auction = reference is None or reference.closing_auction
        return square_off(session, self._market, session.continuous_end(closing_auction=auction))

    def _charges(self, intent: Intent, price: Decimal, now: datetime, is_entry: bool) -> Decimal:
        is_buy = (intent.side.sign > 0) == is_entry
        value = intent.quantity * price
        return self._market.charges.charge(now.date(), is_buy, True, value).total


def judge(controls: Sequence[Control], given: GateInput) -> Ruling:
    """Return the ruling of `controls`; the first binding refusal, by number, gives the code.

    The trading state gives it last: where a breaker's own control refuses too, that says why.
    """
    decisions = tuple(control.decide(given) for control in controls)
    waits = {control.id for control in controls if control.delays}
    refusals = [decision for decision in decisions if decision.binding and not decision.passed]
    hard = [refusal for refusal in refusals if refusal.control not in waits]
    if hard:
        first = min(hard, key=lambda refusal: refusal.control == STATE)
        return Ruling(Passage.DENIED, first.code, decisions)
    if refusals:
        return Ruling(Passage.DELAYED, refusals[0].code, decisions)
    return Ruling(Passage.SENT, "", decisions)


def _stop_of(intent: Intent) -> Decimal:
    if intent.purpose is not Purpose.ENTRY:
        return intent.limit_price
    protection = need(intent.protection, "protection")
    return protection.stop_price(intent.limit_price, intent.side)
