"""Values as JSON has them: text, numbers, lists and objects; what they mean is not known here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from numbers import Real
from typing import Any


def plain(value: object) -> Any:
    """Return `value` as JSON can hold it.

    Decimals become floats, dates and times ISO 8601, bytes hexadecimal digits. What is undefined
    (NaN, NaT, an infinity) becomes None: JSON knows none of them.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(inner) for inner in value]
        case bytes():
            return value.hex()
    if value != value:  # NaN and NaT alone differ from themselves
        return None
    match value:
        case date() | time():
            return value.isoformat()
        case Decimal() | Real():
            number = float(value)
            return number if math.isfinite(number) else None
    return str(value)


def rows(columns: Sequence[str], values: Iterable[Sequence[object]]) -> list[dict[str, Any]]:
    """Return one mapping a row; a column name that comes again gets a number."""
    names: list[str] = []
    for name in columns:
        again = names.count(name)
        names.append(f"{name}_{again + 1}" if again else name)
    return [dict(zip(names, map(plain, row), strict=True)) for row in values]
