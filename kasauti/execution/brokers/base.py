"""What the core asks of a broker; adapters implement it, only the gate sends through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from kasauti.execution.conditions import Conditions
from kasauti.execution.model import Fill, Order, Product
from kasauti.execution.orders import OrderState


class Answer(StrEnum):
    """What became of a placement, as far as the reply says."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    LOST = "lost"


@dataclass(frozen=True)
class Reply:
    """The broker's reply to a placement or a cancel; a lost one says nothing about the order."""

    answer: Answer
    broker_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class BrokerOrder:
    """One row of the broker's order book.

    The tag is ours, echoed; an order that came from elsewhere has its broker id there, and so have
    its executions.
    """

    broker_id: str
    order: Order
    state: OrderState
    filled: int
    triggered: bool
    text: str
    at: datetime


@dataclass(frozen=True)
class BrokerPosition:
    """Shares held at the broker, negative if short.

    `settled` are those bought before this session (T+1).
    """

    symbol: str
    quantity: int
    settled: int
    product: Product = Product.DELIVERY


class Broker(Protocol):
    """A broker as the gate and the reconciliation see it.

    Attributes
    ----------
    name : str
    absence_is_proof : bool
        Whether a tag that is missing from `orders` was certainly never received.
    funds_are_exact : bool
        Whether `funds` must equal the ledger's own count of the cash.
    """

    @property
    def name(self) -> str:
        """Which broker this is."""
        ...

    @property
    def absence_is_proof(self) -> bool:
        """Whether a tag missing from `orders` was certainly never received."""
        ...

    @property
    def funds_are_exact(self) -> bool:
        """Whether `funds` must equal the ledger's own count of the cash."""
        ...

    def place(self, order: Order, at: datetime) -> Reply:
        """Send a new order. A tag that the broker has already seen changes nothing."""
        ...

    def cancel(self, tag: str, at: datetime) -> Reply:
        """Ask for the rest of an order to be cancelled."""
        ...

    def orders(self) -> Sequence[BrokerOrder]:
        """Return the order book."""
        ...

    def trades(self) -> Sequence[Fill]:
        """Return the executions, oldest first."""
        ...

    def positions(self) -> Sequence[BrokerPosition]:
        """Return what is held."""
        ...

    def funds(self) -> Decimal:
        """Return the cash that may be used for a new order."""
        ...

    def conditions(self, now: datetime) -> Conditions:
        """Return the state of connection and market at `now`."""
        ...
