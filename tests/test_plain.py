"""Values as JSON has them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pandas as pd
import pytest

from kasauti.plain import plain, rows


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (Colour.RED, "red"),
        (1.5, 1.5),
        (Decimal("1.50"), 1.5),
        (np.float64(2.5), 2.5),
        (np.int64(3), 3.0),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("NaN"), None),
        (np.float64("nan"), None),
        (pd.NaT, None),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (time(9, 15), "09:15:00"),
        (timedelta(days=1), "1 day, 0:00:00"),
        (b"\xff\x00", "ff00"),
        ((1, {"a": [float("nan")]}), [1, {"a": [None]}]),
    ],
    ids=repr,
)
def test_plain(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_a_column_that_comes_again_is_kept() -> None:
    assert rows(["a", "a", "b"], [(1, 2, 3)]) == [{"a": 1, "a_2": 2, "b": 3}]
