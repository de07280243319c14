"""Numbers, money and dates as a trader reads them; no markup and no layout."""

import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np

UNKNOWN_TEXT = "unknown"
MINUS = "−"

_LAKH = 100_000
_CRORE = 100 * _LAKH


def grouped(value: float | Decimal, decimals: int = 0) -> str:
    """Return `value` with Indian digit grouping: ``1234567.5`` is ``12,34,568``.

    NaN and infinities, which no trader can act on, read ``unknown``.
    """
    if not math.isfinite(value):
        return UNKNOWN_TEXT
    whole, _, fraction = f"{abs(value):.{decimals}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = []
    while head:
        groups.append(head[-2:])
        head = head[:-2]
    text = ",".join([*reversed(groups), tail]) + (f".{fraction}" if fraction else "")
    is_zero = not any(digit in "123456789" for digit in text)
    return f"{MINUS}{text}" if value < 0 and not is_zero else text


def money(value: float | Decimal, decimals: int = 0, currency: str = "₹") -> str:
    """Return an amount with its currency sign: ``₹1,00,000``, ``−₹250``."""
    text = grouped(value, decimals)
    if text == UNKNOWN_TEXT:
        return text
    return f"{MINUS}{currency}{text[1:]}" if text.startswith(MINUS) else f"{currency}{text}"


def short_money(value: float, currency: str = "₹") -> str:
    """Return an amount short enough for an axis: ``₹2.5 lakh``, ``₹1.2 crore``."""
    for unit, name in ((_CRORE, "crore"), (_LAKH, "lakh")):
        if abs(value) >= unit:
            number = f"{abs(value) / unit:.2f}".rstrip("0").rstrip(".")
            return f"{MINUS if value < 0 else ''}{currency}{number} {name}"
    return money(value, currency=currency)


def percent(fraction: float, decimals: int = 1, *, signed: bool = False) -> str:
    """Return a fraction as a percentage: ``-0.123`` is ``−12.3 %``."""
    if not math.isfinite(fraction):
        return UNKNOWN_TEXT
    text = f"{abs(fraction) * 100:.{decimals}f}"
    if float(text) == 0:
        return f"{text} %"
    sign = MINUS if fraction < 0 else "+" if signed else ""
    return f"{sign}{text} %"


def number(value: float, decimals: int = 2) -> str:
    """Return a plain number, ``unknown`` for NaN."""
    return grouped(value, decimals)


def day(value: date | datetime | np.datetime64 | None) -> str:
    """Return a date as ``14 Mar 2016``, with the time where it has one; ``still open`` for None."""
    if value is None:
        return "still open"
    moment = value.item() if isinstance(value, np.datetime64) else value
    if not isinstance(moment, date):
        return UNKNOWN_TEXT
    text = f"{moment.day} {moment:%b %Y}"
    if isinstance(moment, datetime) and (moment.hour or moment.minute):
        return f"{text}, {moment:%H:%M}"
    return text
