"""What a data source must know of its market: calendar, currency, tick, charges, square-off."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from kasauti.errors import DataError
from kasauti.market.calendar import (
    INDIA,
    NEW_YORK,
    TableCalendar,
    calendar_from_dates,
    nse_calendar,
)
from kasauti.market.charges import NSE_CHARGES, ChargeSchedule
from kasauti.market.tables import read_table


@dataclass(frozen=True)
class TickRule:
    """Price steps in force from a day on: (lowest price, tick) pairs by rising price."""

    since: date
    bands: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True)
class Market:
    """One market, as a strategy and the desk need to know it.

    Attributes
    ----------
    name, description : str
        The name in a data source; the description says in plain words what to know about it.
    currency : str
        ISO code of prices, charges and accounts.
    zone : ZoneInfo
        Exchange time.
    charges : ChargeSchedule
        What an executed order costs.
    opens, closes : time
        Ordinary trading hours, exchange time.
    daily_shorts : bool
        Whether a short position may be held over the close.
    square_off : time or None
        When intraday positions are closed by us, before the broker does it for a fee.
    ticks : tuple of TickRule
        Price steps by the day they apply from; days before the first rule use it.
    find_calendar : callable
        Gives the calendar when it is first wanted.
    """

    name: str
    description: str
    currency: str
    zone: ZoneInfo
    charges: ChargeSchedule
    opens: time
    closes: time
    daily_shorts: bool
    square_off: time | None
    ticks: tuple[TickRule, ...]
    find_calendar: Callable[[], TableCalendar]

    @property
    def calendar(self) -> TableCalendar:
        """The market's sessions and holidays."""
        return self.find_calendar()

    def replay_calendar(self, days: list[date]) -> TableCalendar:
        """Return a calendar of the sessions `days` of a data set, at the ordinary hours."""
        return calendar_from_dates(days, self.opens, self.closes, self.zone, f"{self.name} replay")

    def tick_size(self, price: Decimal, day: date) -> Decimal:
        """Return the price step of a share at `price` on `day`.

        Where a broker's instrument master names a tick, that one wins: the exchange sets a
        share's band by its last close of the month, not by today's price.

        Raises
        ------
        DataError
            For a price that is not positive.
        """
        if not price.is_finite() or price <= 0:
            raise DataError(f"no tick for a price of {price}: prices are positive numbers")
        rule = next((rule for rule in reversed(self.ticks) if rule.since <= day), self.ticks[0])
        return next(tick for lowest, tick in reversed(rule.bands) if price >= lowest)


def get_market(name: str) -> Market:
    """Return the market called `name`: ``nse`` or ``sample``.

    Raises
    ------
    DataError
        For any other name.
    """
    if name not in MARKETS:
        raise DataError(f"there is no market {name!r}: use one of {sorted(MARKETS)}")
    return MARKETS[name]


def _nse_ticks() -> tuple[TickRule, ...]:
    return tuple(
        TickRule(
            entry["from"], tuple((Decimal(low), Decimal(tick)) for low, tick in entry["bands"])
        )
        for entry in read_table("nse_ticks.toml")["ticks"]
    )


def _sample_calendar() -> TableCalendar:
    from kasauti.market.sample import sample_calendar  # only the demo's market needs its data

    return sample_calendar()


NSE = Market(
    name="nse",
    description="NSE cash segment through Angel One. A short position cannot be held overnight.",
    currency="INR",
    zone=INDIA,
    charges=NSE_CHARGES,
    opens=time(9, 15),
    closes=time(15, 30),
    daily_shorts=False,
    square_off=time(15, 10),
    ticks=_nse_ticks(),
    find_calendar=nse_calendar,
)
SAMPLE = Market(
    name="sample",
    description=(
        "US indices and shares that ship inside Python packages, for the demo and to learn on. "
        "One dollar is read as one rupee and NSE charges apply, so that the cost of trading "
        "small is the cost that you would pay. Indices cannot be bought as such."
    ),
    currency="INR",
    zone=NEW_YORK,
    charges=NSE_CHARGES,
    opens=time(9, 30),
    closes=time(16, 0),
    daily_shorts=False,
    square_off=None,
    ticks=(TickRule(date(1999, 1, 1), ((Decimal(0), Decimal("0.01")),)),),
    find_calendar=_sample_calendar,
)
MARKETS = {market.name: market for market in (NSE, SAMPLE)}
