"""The words of execution: intents, orders, fills and their outcomes; no state machine, no storage.

A market order cannot be expressed here, nor any validity but DAY: Indian exchanges bar market and
IOC orders from algorithms, so "at market" is a limit order with a bounded slip.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from kasauti.errors import UsageError

# A bad price must reach the gate, which refuses it by its code, and the ledger, which keeps it.
Money = Annotated[Decimal, Field(allow_inf_nan=True)]

ADOPTED = "ADOPTED|"  # begins the key of what came from outside; its tag follows
TAG_LENGTH = 19  # Angel One's ordertag: fewer than 20 characters, [A-Za-z0-9]
BASE_32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = [first + second for first in BASE_32 for second in BASE_32]  # of ten bits


class Scope(StrEnum):
    """What a ledger counts for, for ever."""

    PAPER = "paper"
    REPLAY = "replay"


class OrderSide(StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a purchase, -1 for a sale."""
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> "OrderSide":
        """The side that undoes this one."""
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class Purpose(StrEnum):
    """Why an order is wanted; only an entry may raise the exposure. A foreign one is not ours.

    A stop rests at the broker. A target is watched by the desk and goes out as an exit does: for
    shares that a stop offers already, a broker takes no second order.
    """

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    STOP = "STOP"
    TARGET = "TARGET"
    FOREIGN = "FOREIGN"


class OrderType(StrEnum):
    """The order types that exist."""

    LIMIT = "LIMIT"
    STOPLOSS_LIMIT = "STOPLOSS_LIMIT"


class Product(StrEnum):
    """Held over the close, or squared off in the session."""

    DELIVERY = "DELIVERY"
    INTRADAY = "INTRADAY"


class Outcome(StrEnum):
    """What became of an intent, as its sender sees it."""

    QUEUED = "queued"
    DENIED = "denied"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Offset:
    """A distance from a fill price: an amount of money a share, or a fraction of the price."""

    value: Money
    of_price: bool = False

    def amount(self, price: Decimal) -> Decimal:
        """Return the distance at `price`, in money a share."""
        return price * self.value if self.of_price else self.value


@dataclass(frozen=True)
class Protection:
    """How an entry is protected once filled; distances are frozen when the signal is decided."""

    stop: Offset
    target: Offset | None = None
    trail: Offset | None = None

    def stop_price(self, price: Decimal, side: OrderSide) -> Decimal:
        """Return the first stop of a position entered at `price`: stop or trail, the tighter."""
        distance = self.stop.amount(price)
        if self.trail is not None:
            distance = min(distance, self.trail.amount(price))
        return price - side.sign * distance

    def target_price(self, price: Decimal, side: OrderSide) -> Decimal | None:
        """Return the target of a position entered at `price`, None without one."""
        return None if self.target is None else price + side.sign * self.target.amount(price)


@dataclass(frozen=True)
class Intent:
    """One order that a strategy or the desk wants; committed before anything is sent.

    Attributes
    ----------
    key : str
        Unique for ever, for instance strategy, signal version and symbol. The same key is the same
        intent, whoever commits it again.
    genome_hash, signal_version : str
        What decided it, and on which bars.
    symbol, side, quantity, purpose, product
        Quantity in shares.
    limit_price : Decimal
        Never pay more, or take less, than this.
    trigger_price : Decimal or None
        Makes it a STOPLOSS_LIMIT order.
    valid_from, valid_until : datetime
        Aware. Released from the first and before the second; past that never.
    reference_price : Decimal or None
        Close of the bar that the decision was made on.
    protection : Protection or None
        Of an entry; an entry without one is refused.
    score : Decimal
        Approved score; the higher goes first where slots are few.
    parent : str or None
        Key of the entry whose position this order closes.
    """

    key: str
    genome_hash: str
    signal_version: str
    symbol: str
    side: OrderSide
    quantity: int
    purpose: Purpose
    limit_price: Money
    valid_from: datetime
    valid_until: datetime
    trigger_price: Money | None = None
    reference_price: Money | None = None
    protection: Protection | None = None
    score: Money = Decimal(0)
    parent: str | None = None
    product: Product = Product.DELIVERY

    def __post_init__(self) -> None:
        if not self.key:
            raise UsageError("an intent needs a key: strategy, signal version and symbol")
        for name in ("valid_from", "valid_until"):
            if getattr(self, name).tzinfo is None:
                raise UsageError(f"{name} of intent {self.key} has no time zone: use exchange time")

    @property
    def tag(self) -> str:
        """The deterministic order tag of this intent."""
        return tag_of(self.key)

    @property
    def order_type(self) -> OrderType:
        """LIMIT, or STOPLOSS_LIMIT with a trigger."""
        return OrderType.LIMIT if self.trigger_price is None else OrderType.STOPLOSS_LIMIT

    def order(self) -> "Order":
        """Return what goes to the broker."""
        return Order(
            self.tag,
            self.symbol,
            self.side,
            self.quantity,
            self.order_type,
            self.limit_price,
            self.trigger_price,
            self.product,
        )


@dataclass(frozen=True)
class Order:
    """What a broker is asked for. Its validity is DAY; there is no other."""

    tag: str
    symbol: str
    side: OrderSide
    quantity: int
    order_type: OrderType
    limit_price: Money
    trigger_price: Money | None = None
    product: Product = Product.DELIVERY


@dataclass(frozen=True)
class Fill:
    """One execution; `charges` are what it added to the order's charges."""

    id: str
    tag: str
    symbol: str
    side: OrderSide
    quantity: int
    price: Money
    charges: Money
    at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What makes it this one and no other: an exchange's ids are unique within an order."""
        return self.tag, self.id


@lru_cache(maxsize=1 << 16)
def tag_of(key: str) -> str:
    """Return the order tag of an intent's key: 19 characters of base 32 over its sha256.

    What was adopted keeps the tag that it has at the broker. `base64.b32encode` gives the same in
    three times the time, which was a twentieth of that of rebuilding a book.
    """
    if key.startswith(ADOPTED):
        return key.removeprefix(ADOPTED)
    bits = int.from_bytes(hashlib.sha256(key.encode()).digest()[:13], "big")  # 104 of them
    return "".join([_PAIRS[bits >> low & 1023] for low in range(94, 0, -10)])[:TAG_LENGTH]


def round_to_tick(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """Return `price` on the tick, rounded up or down."""
    steps = (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return (steps * tick).quantize(tick)
