"""A broker that fails on purpose, between gate and broker, for tests; it decides no fills.

Every fault is one that real brokers show: an answer that is lost before or after the order was
taken, a book that lags or lacks rows, executions that come late or twice.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kasauti.errors import BrokerError
from kasauti.execution.brokers.base import Answer, BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.conditions import Conditions
from kasauti.execution.model import Fill, Order
from kasauti.execution.orders import OrderState


class Fault(StrEnum):
    """What can go wrong between us and a broker."""

    TIMEOUT_BEFORE = "timeout before acceptance"
    TIMEOUT_AFTER = "timeout after acceptance"
    EMPTY_BODY = "empty body"
    DISCONNECT = "disconnect"
    REJECTED_AFTER = "rejection after acceptance"
    LATE_FILL = "late fill"
    DUPLICATE_FILL = "duplicate fill"
    STALE_BOOK = "stale order book"
    PARTIAL_BOOK = "partial order book"
    BOOK_RAISES = "order book raises"


WRITING = (
    Fault.TIMEOUT_BEFORE,
    Fault.TIMEOUT_AFTER,
    Fault.EMPTY_BODY,
    Fault.DISCONNECT,
    Fault.REJECTED_AFTER,
)
READING = tuple(fault for fault in Fault if fault not in WRITING)
MISSING_ROWS = frozenset({Fault.STALE_BOOK, Fault.PARTIAL_BOOK})


@dataclass(frozen=True)
class FaultPlan:
    """Which faults strike, how often and from when on.

    Attributes
    ----------
    rates : mapping of Fault to float
        Probability at each call that the fault applies to: placements and cancels for those that
        lose an answer, placements that rest for a rejection, one reading of the books for the
        others. 1.0 strikes at every such call.
    seed : int
    skip : int
        Of each fault, the first calls that it lets pass.
    most : int or None
        Of each fault, how often it strikes; afterwards it is over. None: for ever.
    """

    rates: Mapping[Fault, float]
    seed: int = 0
    skip: int = 0
    most: int | None = None

    @classmethod
    def once(cls, fault: Fault, *, skip: int = 0, times: int = 1) -> "FaultPlan":
        """Return the plan in which `fault` strikes `times` times in a row, `skip` calls late."""
        return cls({fault: 1.0}, skip=skip, most=times)


@dataclass(frozen=True)
class _Books:
    """One reading of a broker's books."""

    orders: Sequence[BrokerOrder] = ()
    trades: Sequence[Fill] = ()
    positions: Sequence[BrokerPosition] = ()


@dataclass
class Faulty:
    """A `Broker` around the paper broker, with the faults of a plan.

    It has no state that outlives its process: a restarted one begins its plan anew.

    Attributes
    ----------
    broker : PaperBroker
    plan : FaultPlan
    struck : Counter of Fault
        How often each fault has struck.
    """

    broker: PaperBroker
    plan: FaultPlan
    struck: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.plan.seed)
        self._calls: Counter[Fault] = Counter()
        self._before = _Books()
        self._now = _Books()

    @property
    def name(self) -> str:
        """The name of the broker inside."""
        return self.broker.name

    @property
    def absence_is_proof(self) -> bool:
        """A book that may lag or lack rows proves nothing by what it lacks."""
        return self.broker.absence_is_proof and not MISSING_ROWS & set(self.plan.rates)

    @property
    def funds_are_exact(self) -> bool:
        """As those of the broker inside."""
        return self.broker.funds_are_exact

    def place(self, order: Order, at: datetime) -> Reply:
        """Send an order, or lose it, or lose the answer."""
        return self._send(lambda: self.broker.place(order, at), order.tag, at)

    def cancel(self, tag: str, at: datetime) -> Reply:
        """Ask for a cancel, or lose it, or lose the answer."""
        return self._send(lambda: self.broker.cancel(tag, at), None, at)

    def orders(self) -> Sequence[BrokerOrder]:
        """Return the order book as it is, as it was, with a row missing, or raise."""
        if self._strikes(Fault.BOOK_RAISES):
            raise BrokerError("the order book cannot be read: HTTP 502, read it again")
        fresh = _Books(self.broker.orders(), self.broker.trades(), self.broker.positions())
        self._before, self._now = self._now, fresh
        if self._strikes(Fault.STALE_BOOK):
            self._now = self._before
        rows = list(self._now.orders)
        if rows and self._strikes(Fault.PARTIAL_BOOK):
            del rows[self._random.randrange(len(rows))]
        return rows

    def trades(self) -> Sequence[Fill]:
        """Return the executions of the book that was read last, late or twice."""
        self._read_once()
        fills = list(self._now.trades)
        if fills and self._strikes(Fault.LATE_FILL):
            fills = fills[:-1]
        if fills and self._strikes(Fault.DUPLICATE_FILL):
            fills += [self._random.choice(fills)]
        return fills

    def positions(self) -> Sequence[BrokerPosition]:
        """Return what is held, as of the book that was read last."""
        self._read_once()
        return self._now.positions

    def funds(self) -> Decimal:
        """Return the cash of the broker inside."""
        return self.broker.funds()

    def conditions(self, now: datetime) -> Conditions:
        """Return the conditions of the broker inside."""
        return self.broker.conditions(now)

    def _read_once(self) -> None:
        if self._now == _Books():
            self._now = _Books(self.broker.orders(), self.broker.trades(), self.broker.positions())

    def _send(self, send: Callable[[], Reply], placed: str | None, at: datetime) -> Reply:
        if self._strikes(Fault.TIMEOUT_BEFORE):
            return Reply(Answer.LOST, text="timeout")
        if self._strikes(Fault.DISCONNECT):
            if self._random.random() < 0.5:
                send()
            raise BrokerError("the connection to the broker broke: look the order up by its tag")
        reply = send()
        if placed is not None and self._rests(placed) and self._strikes(Fault.REJECTED_AFTER):
            self.broker.end(placed, OrderState.REJECTED, "rejected by risk management", at)
            return reply
        if self._strikes(Fault.TIMEOUT_AFTER):
            return Reply(Answer.LOST, text="timeout")
        if self._strikes(Fault.EMPTY_BODY):
            return Reply(Answer.LOST, text="empty body")
        return reply

    def _rests(self, tag: str) -> bool:
        """Whether an order can still be rejected: one that has filled, or has ended, cannot."""
        return any(row.order.tag == tag and row.state.is_working for row in self.broker.orders())

    def _strikes(self, fault: Fault) -> bool:
        rate = self.plan.rates.get(fault, 0.0)
        if not rate or (self.plan.most is not None and self.struck[fault] >= self.plan.most):
            return False
        self._calls[fault] += 1
        if self._calls[fault] <= self.plan.skip or self._random.random() >= rate:
            return False
        self.struck[fault] += 1
        return True
