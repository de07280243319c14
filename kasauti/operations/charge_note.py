"""What charges take from a capital profile, in figures and in plain words."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from kasauti.execution.limits import Limits
from kasauti.market.markets import Market
from kasauti.operations.words import money, percent
from kasauti.plain import plain

SESSIONS_A_MONTH = 20
HEAVY = Decimal("0.10")  # of the risk that a trade may take: from here on charges decide


@dataclass(frozen=True)
class ChargeNote:
    """The charges of one delivery round trip with all the capital, bought and sold at one price.

    Attributes
    ----------
    value, charges : Decimal
        Of one leg, and of both together.
    of_value, of_risk : Decimal
        Charges as a fraction of that value, and of the risk that a trade may take.
    of_capital_a_month : Decimal
        What as many trades as the profile allows would cost in 20 sessions.
    """

    value: Decimal
    charges: Decimal
    of_value: Decimal
    of_risk: Decimal
    of_capital_a_month: Decimal

    @property
    def is_heavy(self) -> bool:
        """Whether charges take a large part of what a trade may risk."""
        return self.of_risk >= HEAVY

    @property
    def words(self) -> str:
        """What that means, for a person."""
        told = (
            f"Buying and selling shares for {money(self.value)} costs "
            f"{money(self.charges, 2)} in charges: the price has to move "
            f"{percent(float(self.of_value), 2)} before anything is earned"
        )
        if not self.is_heavy:
            return f"{told}."
        return (
            f"{told}, and {percent(float(self.of_risk), 0)} of what a trade may lose is gone "
            "before it begins. Charges eat this profile: at as many trades as it allows they would "
            f"take {percent(float(self.of_capital_a_month), 0)} of the capital a month. "
            "Trade seldom, hold long."
        )

    def to_json(self) -> dict[str, Any]:
        """Return figures and words as plain values."""
        found: dict[str, Any] = plain({**vars(self), "heavy": self.is_heavy, "words": self.words})
        return found


def round_trip(market: Market, bought: Decimal, sold: Decimal, day: date) -> Decimal:
    """Return the charges of a delivery purchase worth `bought` and its sale worth `sold`.

    A purchase and a sale of 5,000 and 5,500 rupees cost 47.6328 at Angel One on the NSE.
    """
    buy = market.charges.charge(day, True, True, bought)
    sell = market.charges.charge(day, False, True, sold)
    return buy.total + sell.total


def note_of(limits: Limits, market: Market, day: date) -> ChargeNote:
    """Return what charges take from the profile that `limits` belong to."""
    value = min(limits.capital, limits.max_order_value)
    charges = round_trip(market, value, value, day)
    a_month = charges * limits.trades_a_day * SESSIONS_A_MONTH
    return ChargeNote(
        value,
        charges,
        charges / value,
        charges / limits.risk_per_trade,
        a_month / limits.capital,
    )
