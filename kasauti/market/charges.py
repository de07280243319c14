"""What one executed order costs: the effective-dated schedule, exact; no slippage, no kernel.

The schedule is data (``data/nse_charges.toml``). This Decimal path is what the ledger books; the
float kernel that the engine sums stands in `charge_kernels`: the same formula on the same row.
Amounts are not rounded: the contract note rounds STT and stamp to the rupee a day, over all orders
together.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.market.bars import Floats, Times
from kasauti.market.tables import read_table

RATE_FIELDS = (
    "brokerage_rate",
    "brokerage_minimum_rupees",
    "brokerage_maximum_rupees",
    "stt_intraday_sell",
    "stt_delivery",
    "transaction",
    "ipft",
    "sebi",
    "stamp_intraday_buy",
    "stamp_delivery_buy",
    "gst",
    "dp_rupees",
)
"""Columns of a rates row: fractions of the value, or rupees an order where the name says so."""


@dataclass(frozen=True)
class ChargeRates:
    """One row of the schedule: the rates in force from a day on, in the order of `RATE_FIELDS`."""

    since: date
    brokerage_rate: Decimal
    brokerage_minimum_rupees: Decimal
    brokerage_maximum_rupees: Decimal
    stt_intraday_sell: Decimal
    stt_delivery: Decimal
    transaction: Decimal
    ipft: Decimal
    sebi: Decimal
    stamp_intraday_buy: Decimal
    stamp_delivery_buy: Decimal
    gst: Decimal
    dp_rupees: Decimal
    source: str

    def __post_init__(self) -> None:
        for name in RATE_FIELDS:
            rate = getattr(self, name)
            most = Decimal("Infinity") if name.endswith("_rupees") else Decimal(1)
            if not isinstance(rate, Decimal) or not rate.is_finite() or not 0 <= rate < most:
                unit = "rupees" if name.endswith("_rupees") else "a fraction of the value under 1"
                raise DataError(
                    f"charge {name} from {self.since} is {rate!r}: give a Decimal, zero or more, "
                    f"{unit}"
                )


@dataclass(frozen=True)
class ChargeBreakdown:
    """The charges of one executed order, in rupees, unrounded.

    Attributes
    ----------
    dp : Decimal
        Depository charge of a delivery sale *with* its GST; ``gst`` is that of the rest.
    """

    brokerage: Decimal
    stt: Decimal
    transaction: Decimal
    ipft: Decimal
    sebi: Decimal
    stamp: Decimal
    gst: Decimal
    dp: Decimal

    @property
    def total(self) -> Decimal:
        """Sum of all the parts."""
        return (
            self.brokerage
            + self.stt
            + self.transaction
            + self.ipft
            + self.sebi
            + self.stamp
            + self.gst
            + self.dp
        )


@dataclass(frozen=True)
class ChargeSchedule:
    """Charges of one market and broker over time.

    Attributes
    ----------
    name : str
        What a report calls it.
    rows : tuple of ChargeRates
        By strictly increasing first day. Days before the first row use the first row.
    """

    name: str
    rows: tuple[ChargeRates, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise DataError(f"charge schedule {self.name} has no rows: give at least one")
        if any(later.since <= earlier.since for earlier, later in pairwise(self.rows)):
            raise DataError(f"charge schedule {self.name}: order its rows by 'from', each day once")

    def in_force(self, day: date) -> ChargeRates:
        """Return the row that applies on `day`."""
        return self.rows[max(bisect_right([row.since for row in self.rows], day) - 1, 0)]

    def rates(self, times: Times) -> Floats:
        """Return the rates in force at each time.

        Parameters
        ----------
        times : ndarray of shape (T,), datetime64
            Session dates or bar starts.

        Returns
        -------
        ndarray of shape (T, len(RATE_FIELDS)), float64
            Columns as in `RATE_FIELDS`.
        """
        days = np.asarray(times).astype("datetime64[D]")
        since = np.array([row.since for row in self.rows], dtype="datetime64[D]")
        table = np.array([[float(getattr(row, name)) for name in RATE_FIELDS] for row in self.rows])
        position: NDArray[np.intp] = np.searchsorted(since, days, side="right") - 1
        return np.ascontiguousarray(table[np.maximum(position, 0)])

    def charge(self, day: date, is_buy: bool, is_delivery: bool, value: Decimal) -> ChargeBreakdown:
        """Return the exact charges of one executed order.

        Parameters
        ----------
        day : date
            Session of the execution.
        is_buy, is_delivery : bool
            Side, and whether the position is held over the close (or was, for a sale).
        value : Decimal
            Price times quantity in rupees, not negative. Zero costs nothing.

        Raises
        ------
        DataError
            For a negative or undefined value.
        """
        if not value.is_finite() or value < 0:
            raise DataError(f"an order's value is {value}: it must be a number, zero or more")
        rates = self.in_force(day)
        zero = Decimal(0)
        if value == 0:
            return ChargeBreakdown(zero, zero, zero, zero, zero, zero, zero, zero)
        brokerage = max(
            min(value * rates.brokerage_rate, rates.brokerage_maximum_rupees),
            rates.brokerage_minimum_rupees,
        )
        transaction, ipft, sebi = (
            value * rates.transaction,
            value * rates.ipft,
            value * rates.sebi,
        )
        if is_delivery:
            stt, stamp = value * rates.stt_delivery, value * rates.stamp_delivery_buy
        else:
            stt, stamp = value * rates.stt_intraday_sell, value * rates.stamp_intraday_buy
        return ChargeBreakdown(
            brokerage=brokerage,
            stt=stt if is_delivery or not is_buy else zero,
            transaction=transaction,
            ipft=ipft,
            sebi=sebi,
            stamp=stamp if is_buy else zero,
            gst=rates.gst * (brokerage + transaction + ipft + sebi),
            dp=rates.dp_rupees * (1 + rates.gst) if is_delivery and not is_buy else zero,
        )


def _row(entry: Mapping[str, Any]) -> ChargeRates:
    rates = {name: Decimal(entry[name]) for name in RATE_FIELDS}
    return ChargeRates(since=entry["from"], source=entry["source"], **rates)


NSE_CHARGES = ChargeSchedule(
    "nse", tuple(_row(entry) for entry in read_table("nse_charges.toml")["rates"])
)
NO_CHARGES = ChargeSchedule(
    "none", (_row({"from": date.min, "source": "none", **dict.fromkeys(RATE_FIELDS, 0)}),)
)
