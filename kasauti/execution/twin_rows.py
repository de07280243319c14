"""The words of the nightly twin: what a row of its table says and what is tolerated; no comparison.

They stand in the ledger's events, so nothing slow is imported here.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from kasauti.execution.model import Money, OrderSide


class Leg(StrEnum):
    """The side of a trade that a row is about."""

    ENTRY = "entry"
    EXIT = "exit"


class Kind(StrEnum):
    """How paper and engine differ; SAME: they do not."""

    SAME = "same"
    MISSED = "missed"
    EXTRA = "extra"
    PRICE = "price"
    QUANTITY = "quantity"
    TIME = "time"
    CHARGES = "charges"


@dataclass(frozen=True)
class Tolerance:
    """How far paper and engine may be apart before it counts against the strategy.

    Attributes
    ----------
    price : Decimal
        Fraction of the engine's fill, its half-spread and impact included. 15 bp: both count 5 bp
        of half-spread, and the rest is the engine's impact on a small order.
    ticks : int
        On top of it, since orders stand on ticks and the engine's prices do not.
    quantity : Decimal
        Fraction of the engine's shares: an order is sized at its limit, 1 % above the close.
    charges : Decimal
        Money a leg: charges are exact, and rounded to the paisa.
    """

    price: Money = Decimal("0.0015")
    ticks: int = 2
    quantity: Money = Decimal("0.05")
    charges: Money = Decimal("0.02")


class Word(NamedTuple):
    """An explanation, whether it is tolerated, and whether Kasauti itself failed."""

    said: str
    within: bool
    fault: bool = False


@dataclass(frozen=True)
class TwinRow:
    """One leg of one strategy in one symbol on one day, and one way in which it differs.

    Attributes
    ----------
    engine_quantity, engine_price, engine_reason
        What the engine does on the bars of the day; 0, None and "" where it does nothing.
    paper_quantity, paper_price, paper_reason
        What the account did.
    explanation : str
        In plain words.
    within : bool
        Whether it is explained and tolerated.
    control : str
        Of a missed leg: the control that refused it.
    side : OrderSide or None
        Of the account's order, where it had one.
    fault : bool
        Whether Kasauti itself failed: such a session counts for nothing, and against no strategy.
    """

    day: date
    genome_hash: str
    symbol: str
    leg: Leg
    kind: Kind
    engine_quantity: int
    paper_quantity: int
    engine_price: Money | None
    paper_price: Money | None
    engine_reason: str
    paper_reason: str
    explanation: str
    within: bool
    control: str = ""
    side: OrderSide | None = None
    fault: bool = False

    @property
    def worse(self) -> int:
        """+1 where a higher price is the worse one, -1 where a lower one is."""
        if self.side is not None:
            return self.side.sign
        return 1 if self.leg is Leg.ENTRY else -1
