"""Charges: golden contract notes, dates of effect, and the kernel equal to the exact path."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import DataError
from kasauti.market.charge_kernels import leg_charges, variable_buy_rate
from kasauti.market.charges import NO_CHARGES, NSE_CHARGES, RATE_FIELDS, ChargeSchedule

NOVEMBER = date(2026, 11, 20)
RATES = NSE_CHARGES.rates(np.array([NOVEMBER], dtype="datetime64[D]"))[0]


# shared/reference/angel-one-and-nse.md, section 4.1, test vectors (unrounded, NSE).
@pytest.mark.parametrize(
    ("is_delivery", "bought", "sold", "expected"),
    [
        pytest.param(False, 50_000, 50_500, "65.0843", id="intraday"),
        pytest.param(True, 100_000, 110_000, "303.6553", id="delivery"),
        pytest.param(True, 5_000, 5_500, "47.6328", id="delivery-small"),
    ],
)
def test_a_round_trip_costs_what_the_contract_note_says(
    is_delivery: bool, bought: int, sold: int, expected: str
) -> None:
    buy = NSE_CHARGES.charge(NOVEMBER, True, is_delivery, Decimal(bought))
    sell = NSE_CHARGES.charge(NOVEMBER, False, is_delivery, Decimal(sold))
    assert round(buy.total + sell.total, 4) == Decimal(expected)
    kernel = leg_charges(RATES, True, is_delivery, float(bought)) + leg_charges(
        RATES, False, is_delivery, float(sold)
    )
    assert round(kernel, 4) == float(expected)


def test_the_parts_of_the_intraday_vector() -> None:
    buy = NSE_CHARGES.charge(NOVEMBER, True, False, Decimal(50_000))
    sell = NSE_CHARGES.charge(NOVEMBER, False, False, Decimal(50_500))
    parts = {
        name: round(getattr(buy, name) + getattr(sell, name), 4)
        for name in ("brokerage", "stt", "transaction", "ipft", "sebi", "stamp", "gst", "dp")
    }
    assert parts == {
        "brokerage": Decimal("40.0000"),
        "stt": Decimal("12.6250"),
        "transaction": Decimal("3.0852"),
        "ipft": Decimal("0.0001"),
        "sebi": Decimal("0.1005"),
        "stamp": Decimal("1.5000"),
        "gst": Decimal("7.7735"),
        "dp": Decimal("0"),
    }


def test_statutory_charges_without_brokerage_match_openalgo() -> None:
    # shared/reference/risk-controls.md, oracles: buy and sell 5,000 x Rs 1,000 at no brokerage is
    # Rs 11,124.06. It has no IPFT and takes 0.00307 % where NSE has 0.0030699 %, and no DP charge.
    rows = tuple(
        replace(
            row,
            brokerage_minimum_rupees=Decimal(0),
            brokerage_maximum_rupees=Decimal(0),
            dp_rupees=Decimal(0),
            ipft=Decimal(0),
            transaction=Decimal("0.0000307"),
        )
        for row in NSE_CHARGES.rows
    )
    schedule = ChargeSchedule("openalgo", rows)
    value = Decimal(5_000_000)
    legs = [schedule.charge(NOVEMBER, is_buy, True, value).total for is_buy in (True, False)]
    assert sum(legs) == Decimal("11124.06")


@pytest.mark.parametrize(
    ("value", "brokerage"),
    [
        pytest.param("100", "5", id="minimum"),
        pytest.param("5000", "5.000", id="minimum-edge"),
        pytest.param("12000", "12.000", id="proportional"),
        pytest.param("20000", "20.000", id="maximum-edge"),
        pytest.param("900000", "20", id="maximum"),
        pytest.param("0", "0", id="nothing-traded"),
    ],
)
def test_brokerage_has_a_floor_and_a_ceiling(value: str, brokerage: str) -> None:
    assert NSE_CHARGES.charge(NOVEMBER, True, True, Decimal(value)).brokerage == Decimal(brokerage)


def test_dp_with_its_gst_is_charged_on_a_delivery_sale_only() -> None:
    dp = {
        (is_buy, is_delivery): NSE_CHARGES.charge(NOVEMBER, is_buy, is_delivery, Decimal(5_000)).dp
        for is_buy in (True, False)
        for is_delivery in (True, False)
    }
    assert dp.pop((False, True)) == Decimal("23.60")
    assert set(dp.values()) == {Decimal(0)}


@pytest.mark.parametrize(
    ("day", "transaction", "ipft"),
    [
        pytest.param("2003-05-05", 0.0000297, 1e-6, id="before-the-first-row"),
        pytest.param("2026-02-28", 0.0000297, 1e-6, id="last-day-of-the-old-rate"),
        pytest.param("2026-03-01", 0.000030699, 1e-9, id="first-day-of-the-new-rate"),
        pytest.param("2031-01-01", 0.000030699, 1e-9, id="long-after"),
    ],
)
def test_rates_are_those_in_force_on_the_day(day: str, transaction: float, ipft: float) -> None:
    row = NSE_CHARGES.rates(np.array([day], dtype="datetime64[D]"))[0]
    assert row[RATE_FIELDS.index("transaction")] == transaction
    assert row[RATE_FIELDS.index("ipft")] == ipft
    exact = NSE_CHARGES.in_force(date.fromisoformat(day))
    assert (float(exact.transaction), float(exact.ipft)) == (transaction, ipft)


def test_rates_take_the_date_of_an_intraday_bar() -> None:
    times = np.array(["2026-02-28T15:25", "2026-03-01T09:15"], dtype="datetime64[s]")
    rates = NSE_CHARGES.rates(times)
    assert rates.shape == (2, len(RATE_FIELDS))
    assert rates[0, RATE_FIELDS.index("ipft")] == 1e-6
    assert rates[1, RATE_FIELDS.index("ipft")] == 1e-9


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    day=st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    is_buy=st.booleans(),
    is_delivery=st.booleans(),
    paise=st.integers(0, 10**11),
)
def test_the_kernel_is_the_exact_formula(
    day: date, is_buy: bool, is_delivery: bool, paise: int
) -> None:
    value = Decimal(paise) / 100
    exact = NSE_CHARGES.charge(day, is_buy, is_delivery, value)
    row = NSE_CHARGES.rates(np.array([day], dtype="datetime64[D]"))[0]
    kernel = leg_charges(row, is_buy, is_delivery, float(value))
    assert kernel == pytest.approx(float(exact.total), rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(is_delivery=st.booleans(), value=st.floats(20_000.0, 1e9))
def test_the_variable_rate_and_the_brokerage_make_up_a_purchase(
    is_delivery: bool, value: float
) -> None:
    brokerage_with_gst = 20.0 * 1.18  # its maximum, from Rs 20,000 up
    expected = value * variable_buy_rate(RATES, is_delivery) + brokerage_with_gst
    assert leg_charges(RATES, True, is_delivery, value) == pytest.approx(expected, rel=1e-12)


def test_no_charges_costs_nothing() -> None:
    row = NO_CHARGES.rates(np.array(["2026-01-01"], dtype="datetime64[D]"))[0]
    assert leg_charges(row, False, True, 1e6) == 0.0
    assert variable_buy_rate(row, True) == 0.0
    assert NO_CHARGES.charge(NOVEMBER, False, True, Decimal(10**6)).total == 0


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity"])
def test_a_value_that_cannot_be_is_refused(value: str) -> None:
    with pytest.raises(DataError, match="value"):
        NSE_CHARGES.charge(NOVEMBER, True, True, Decimal(value))


def test_a_schedule_out_of_order_is_refused() -> None:
    with pytest.raises(DataError, match="order its rows"):
        ChargeSchedule("wrong", NSE_CHARGES.rows[::-1])


def test_every_row_names_its_source() -> None:
    assert all(len(row.source) > 20 for row in NSE_CHARGES.rows)
