"""What all executions of one share on one day cost together; one order's charges are in `charges`.

An order alone does not know its charges: what is bought and sold on the same day is intraday, even
if it was ordered for delivery, and the depository is paid once a share and day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kasauti.market.charges import ChargeSchedule

PAISA_HUNDREDTH = Decimal("0.0001")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Executed:
    """One order as far as it was executed on the day.

    Attributes
    ----------
    is_buy : bool
    quantity : int
        Shares, at least one.
    value : Decimal
        Rupees.
    squared_off : bool
        It was ordered as intraday.
    """

    is_buy: bool
    quantity: int
    value: Decimal
    squared_off: bool = False


def contract_note(schedule: ChargeSchedule, day: date, orders: Iterable[Executed]) -> Decimal:
    """Return the charges of one share's orders of one day, to a hundredth of a paisa.

    Of shares bought and sold for delivery the smaller number is intraday, each order with its part
    of it: STT is on the average price of the day (NSE circular on STT, "weighted average price").
    Brokerage, with its minimum and maximum, is an order's; the depository's charge is once.

    Parameters
    ----------
    schedule : ChargeSchedule
    day : date
    orders : iterable of Executed
        Of one symbol.
    """
    orders = list(orders)
    delivered = [order for order in orders if not order.squared_off]
    shares = {
        side: sum(o.quantity for o in delivered if o.is_buy is side) for side in (True, False)
    }
    matched = min(shares.values())
    total, depository = ZERO, ZERO
    for order in orders:
        intraday = schedule.charge(day, order.is_buy, False, order.value).total
        if order.squared_off:
            total += intraday
            continue
        delivery = schedule.charge(day, order.is_buy, True, order.value)
        same_day = Decimal(matched) / shares[order.is_buy]
        total += same_day * intraday + (1 - same_day) * (delivery.total - delivery.dp)
        depository = max(depository, delivery.dp)
    if shares[False] > matched:
        total += depository
    return total.quantize(PAISA_HUNDREDTH)


def purchase_reserve(
    schedule: ChargeSchedule, day: date, orders: Iterable[Executed], quantity: int, limit: Decimal
) -> Decimal:
    """Return the most that a purchase for delivery can cost, the day's charges included.

    One that is cheaper than those before it lowers the average price at which shares sold today
    were bought: a part of their value is taxed as delivery again, however many shares it fills.

    Parameters
    ----------
    schedule : ChargeSchedule
    day : date
    orders : iterable of Executed
        Those of the day in the same symbol, before the purchase.
    quantity : int
    limit : Decimal
        The highest price that it may have.
    """
    delivered = [order for order in orders if not order.squared_off]
    bought, sold = (
        sum(o.quantity for o in delivered if o.is_buy is side) for side in (True, False)
    )
    value = quantity * limit
    most = value + schedule.charge(day, True, True, value).total + PAISA_HUNDREDTH  # two roundings
    matched = min(bought, sold)
    if not matched:
        return most
    average = sum((o.value for o in delivered if o.is_buy), ZERO) / bought
    rates = schedule.in_force(day)
    dearer = rates.stt_delivery + rates.stamp_delivery_buy - rates.stamp_intraday_buy
    return most + matched * max(average - limit, ZERO) * dearer
