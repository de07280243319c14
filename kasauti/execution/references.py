"""The fresh price that an order is held against: the last completed bar, and how old it may be."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from kasauti.execution.model import Money
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar


@dataclass(frozen=True)
class Reference:
    """The last completed bar of one symbol.

    Attributes
    ----------
    symbol : str
    day : date
        Its session.
    close : Decimal
        Not negative; NaN never, a missing close makes an older bar the reference.
    lot : int
    tick : Decimal or None
        Of the broker's instrument master, where there is one.
    freeze_quantity : int or None
        Most shares that the exchange takes in one order, where it says so.
    band : Decimal or None
        Price band as a fraction of the close, where the exchange has said so.
    sector : str
        Empty where nobody knows; such symbols count as one sector.
    series : str or None
        Of the broker's instrument master, where there is one: EQ, BE ...
    closing_auction : bool
        Whether it may have one; False only where somebody knows that it has none.
    """

    symbol: str
    day: date
    close: Money
    lot: int = 1
    tick: Money | None = None
    closing_auction: bool = True
    freeze_quantity: int | None = None
    band: Money | None = None
    sector: str = ""
    series: str | None = None


References = Callable[[str], Reference | None]
"""Looks up the reference of a symbol, None for one that is not known."""


class BarReferences:
    """References from a panel of daily bars."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def __call__(self, symbol: str) -> Reference | None:
        """Return the last bar of `symbol` that has a close, None without any."""
        if symbol not in self._bars.symbols:
            return None
        closes = self._bars.close[self._bars.symbols.index(symbol)]
        known = np.flatnonzero(np.isfinite(closes))
        if len(known) == 0:
            return None
        last = int(known[-1])
        day: date = self._bars.sessions[last].astype(object)
        return Reference(symbol, day, Decimal(repr(float(closes[last]))))


def last_completed(calendar: Calendar, now: datetime) -> date:
    """Return the last session that had closed at `now`.

    Raises
    ------
    DataError
        If the calendar does not know; nobody can then say what is fresh.
    """
    today = calendar.session(now.date())
    if today is not None and now >= today.close:
        return today.day
    return calendar.previous_session(now.date()).day
