"""The float kernels of `charges`, compiled; apart from it since the desk must not await numba."""

from kasauti.compiled import njit
from kasauti.market.bars import Floats


@njit
def leg_charges(rates_row: Floats, is_buy: bool, is_delivery: bool, value: float) -> float:
    """Return the charges of one executed order in rupees; the kernel of `ChargeSchedule.charge`.

    Parameters
    ----------
    rates_row : ndarray of shape (len(RATE_FIELDS),), float64
        One row of `ChargeSchedule.rates`.
    is_buy, is_delivery : bool
        Side, and whether the position is held over the close (or was, for a sale).
    value : float
        Price times quantity in rupees. Zero or less costs nothing, NaN gives NaN.
    """
    if value <= 0.0:
        return 0.0
    brokerage = max(min(value * rates_row[0], rates_row[2]), rates_row[1])
    levies = value * (rates_row[5] + rates_row[6] + rates_row[7])
    total = brokerage + levies + rates_row[10] * (brokerage + levies)
    if is_delivery:
        total += value * rates_row[4]
        if is_buy:
            total += value * rates_row[9]
        else:
            total += rates_row[11] * (1.0 + rates_row[10])
    elif is_buy:
        total += value * rates_row[8]
    else:
        total += value * rates_row[3]
    return float(total)


@njit
def variable_buy_rate(rates_row: Floats, is_delivery: bool) -> float:
    """Return the fraction of its value that a purchase costs beside the brokerage.

    Brokerage is left out: between its minimum and its maximum it is not proportional, so a
    quantity sized with this rate is an upper bound, to be lowered until it is affordable.
    """
    rate = (rates_row[5] + rates_row[6] + rates_row[7]) * (1.0 + rates_row[10])
    if is_delivery:
        return float(rate + rates_row[4] + rates_row[9])
    return float(rate + rates_row[8])
