"""What only the broker's side can tell about the moment: login, address, feeds, clock, halts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from kasauti.execution.model import Money


@dataclass(frozen=True)
class LiveQuote:
    """The last price of one symbol, best bid and ask where the feed has them, and their time."""

    last: Money
    bid: Money | None = None
    ask: Money | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Conditions:
    """The state of the connection and of the market, as a broker reports it; None is not known.

    Attributes
    ----------
    login_day : date or None
        Exchange day of the login; sessions end every day.
    ip, registered_ip : str or None
        Address that the broker sees, and the one that is registered for orders.
    feed_at, order_feed_at : datetime or None
        Last sign of life of the price feed and of the order feed.
    broker_time : datetime or None
        The broker's own clock.
    halted : frozenset of str or None
        Symbols that do not trade.
    market_halted : bool or None
        A market-wide circuit breaker is in force.
    restricted : frozenset of str or None
        Symbols that must not be entered: F&O ban, surveillance, trade to trade.
    quoted : bool
        Whether prices come as quotes. Only a feed of bars says False: its reference is the last
        completed bar, and no order is held against a quote that it cannot have.
    quotes : mapping of symbol to LiveQuote
    prices : mapping of symbol to Decimal
        The last ones of today, of quotes or of bars.
    """

    login_day: date | None = None
    ip: str | None = None
    registered_ip: str | None = None
    feed_at: datetime | None = None
    order_feed_at: datetime | None = None
    broker_time: datetime | None = None
    halted: frozenset[str] | None = None
    market_halted: bool | None = None
    restricted: frozenset[str] | None = None
    quoted: bool = True
    quotes: Mapping[str, LiveQuote] = field(default_factory=dict)
    prices: Mapping[str, Money] = field(default_factory=dict)
