"""What the desk can do next, and what it sees when it decides; nothing is decided here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kasauti.execution.conditions import Conditions
from kasauti.execution.model import Intent
from kasauti.execution.projections import Book
from kasauti.execution.references import Reference
from kasauti.execution.views import OrderView, Position
from kasauti.market.calendar import Session
from kasauti.market.markets import Market

NOT_NEEDED = "NOT_NEEDED"  # a protective order whose shares are sold, or are being sold
CLIPPED = "CLIPPED"  # an exit of more than is held, or outside the band: one that fits goes out


@dataclass(frozen=True)
class Expire:
    """Let a queued intent go that is never sent: past its window, or not needed any more."""

    key: str
    code: str = "EXPIRED"


@dataclass(frozen=True)
class Cancel:
    """Take the rest of a working order back."""

    tag: str


@dataclass(frozen=True)
class Release:
    """Put a committed intent before the gate."""

    intent: Intent


@dataclass(frozen=True)
class Commit:
    """Commit an intent of the desk's own: a protective order or a forced exit."""

    intent: Intent


Action = Expire | Cancel | Release | Commit


@dataclass(frozen=True)
class View:
    """What the decision is made on.

    Attributes
    ----------
    book : Book
    now : datetime
    session : Session or None
        Of today.
    latched : bool
    market : Market
    references : mapping of symbol to Reference
        Previous closes and bands, within which an order can rest, auctions, largest orders. A
        symbol without one may have an auction.
    conditions : Conditions
        What is halted.
    unheard : mapping of tag to int
        Shares of our closing orders that have filled by the broker's order book, while its trade
        book has not said so: they are not ours any more.
    freed : mapping of symbol to datetime
        When an order of ours was taken back that had offered its shares though we thought it gone:
        what the broker refused before says nothing any more.
    """

    book: Book
    now: datetime
    session: Session | None
    latched: bool
    market: Market
    references: Mapping[str, Reference]
    conditions: Conditions = field(default_factory=Conditions)
    unheard: Mapping[str, int] = field(default_factory=dict)
    freed: Mapping[str, datetime] = field(default_factory=dict)

    def unfilled(self, order: OrderView) -> int:
        """Return the shares of a live order that may still fill."""
        return order.intent.quantity - order.filled - self.unheard.get(order.intent.tag, 0)

    def held(self, position: Position) -> int:
        """Return the shares of a position that are still there to be closed."""
        gone = sum(
            shares
            for tag, shares in self.unheard.items()
            if self.book.orders[tag].intent.symbol == position.symbol
        )
        return max(abs(position.quantity) - gone, 0)

    def is_unheard(self, intent: Intent) -> bool:
        """Whether shares that it would close are gone by the broker's order book."""
        position = self.book.positions.get(intent.symbol)
        return position is not None and (
            abs(position.quantity) >= intent.quantity > self.held(position)
        )

    def ends_at(self, symbol: str) -> datetime | None:
        """Return the end of continuous trading of `symbol` today, None without a session."""
        if self.session is None:
            return None
        reference = self.references.get(symbol)
        auction = reference is None or reference.closing_auction
        return self.session.continuous_end(closing_auction=auction)

    def trades(self, symbol: str) -> bool:
        """Whether orders of `symbol` can rest: none does in its closing auction or in a halt.

        Where nobody knows of a halt an exit is tried; entries the gate refuses then (K32).
        """
        end = self.ends_at(symbol)
        halted = self.conditions.market_halted or symbol in (self.conditions.halted or ())
        if halted or self.session is None or end is None:
            return False
        return self.session.open <= self.now < end
