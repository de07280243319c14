from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from kasauti.operations.words import day, grouped, money, percent, short_money


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0, 0, "0"),
        (999, 0, "999"),
        (1000, 0, "1,000"),
        (100_000, 0, "1,00,000"),
        (12_345_678.5, 1, "1,23,45,678.5"),
        (-100_000, 0, "−1,00,000"),
        (-0.004, 2, "0.00"),
        (999.996, 2, "1,000.00"),
        (Decimal("1234.05"), 2, "1,234.05"),
        (float("nan"), 2, "unknown"),
        (float("-inf"), 0, "unknown"),
    ],
)
def test_digits_are_grouped_the_indian_way(
    value: float | Decimal, decimals: int, expected: str
) -> None:
    assert grouped(value, decimals) == expected


def test_money_puts_the_sign_before_the_currency() -> None:
    assert money(1_00_000) == "₹1,00,000"
    assert money(Decimal("-152.35"), 2) == "−₹152.35"
    assert money(5, currency="$") == "$5"
    assert money(float("nan")) == "unknown"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (99_999, "₹99,999"),
        (1_00_000, "₹1 lakh"),
        (2_50_000, "₹2.5 lakh"),
        (-1_25_00_000, "−₹1.25 crore"),
        (float("nan"), "unknown"),
    ],
)
def test_short_money_speaks_of_lakh_and_crore(value: float, expected: str) -> None:
    assert short_money(value) == expected


def test_percent() -> None:
    assert percent(-0.1234) == "−12.3 %"
    assert percent(0.05, 0, signed=True) == "+5 %"
    assert percent(-0.0001, 1) == "0.0 %"
    assert percent(float("nan")) == "unknown"


def test_days() -> None:
    assert day(date(2016, 3, 4)) == "4 Mar 2016"
    assert day(np.datetime64("2016-03-04")) == "4 Mar 2016"
    assert day(np.datetime64("2016-03-04T09:15:00")) == "4 Mar 2016, 09:15"
    assert day(datetime(2016, 3, 4, 15, 30, tzinfo=UTC)) == "4 Mar 2016, 15:30"
    assert day(np.datetime64("NaT")) == "unknown"
    assert day(None) == "still open"
