"""A day's contract note of one share, against arithmetic by hand and a second implementation."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.market.charges import NSE_CHARGES
from kasauti.market.contract_note import Executed, contract_note, purchase_reserve

D = Decimal
DAY = date(2026, 7, 15)


def bought(quantity: int, value: int, *, squared_off: bool = False) -> Executed:
    return Executed(True, quantity, D(value), squared_off)


def sold(quantity: int, value: int, *, squared_off: bool = False) -> Executed:
    return Executed(False, quantity, D(value), squared_off)


# Rates of shared/reference/angel-one-and-nse.md, section 4.1, in the order brokerage + STT +
# transaction + SEBI and IPFT + stamp + GST + DP.
@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        pytest.param(
            [bought(100, 10_000), sold(100, 10_000)],
            "27.1481",  # 20 + 2.5 + .614 + .02 + .3 + 3.7141 + 0
            id="sold on the day of the purchase: intraday",
        ),
        pytest.param(
            [bought(100, 10_000), sold(40, 4_000), sold(60, 6_000)],
            "28.3281",  # two sales: 10 + max(4, 5) + 6 of brokerage
            id="sold in two orders: each has its least brokerage",
        ),
        pytest.param(
            [bought(500, 50_000), bought(500, 50_000), sold(1_000, 100_000)],
            "106.2812",  # 20 + 20 + 20 + 25 + 6.14 + .2 + 3 + 11.9412
            id="two purchases, one sale: each order has its own maximum",
        ),
        pytest.param(
            [sold(50, 5_000), sold(50, 5_000)],
            "45.7741",  # 10 + 10 + .307 + .01 + 0 + 1.8571 + 23.6
            id="two sales of what was held: the depository is paid once",
        ),
        pytest.param(
            [bought(100, 10_000), sold(200, 20_000)],
            "72.9222",  # 30 + 2.5 + 10 + .921 + .03 + .3 + 5.5712 + 23.6
            id="half of the sale was bought today",
        ),
        pytest.param(
            [bought(1, 100), sold(501, 50_100)],
            "105.0058",  # 25 + 50.025 + 1.54109 + .05025 + .003 + 4.78644 + 23.6
            id="one of five hundred and one was bought today",
        ),
        pytest.param(
            [sold(100, 10_000), bought(100, 10_000)],
            "27.1481",
            id="sold from the holdings and bought back: nothing is delivered",
        ),
        pytest.param(
            [bought(10, 1_000, squared_off=True), sold(10, 1_000)],
            "36.5048",  # 5 + .0307 + .001 + .03 + .9057, and 5 + 1 + .0307 + .001 + .9057 + 23.6
            id="an intraday purchase is no part of a delivery",
        ),
        pytest.param([], "0", id="nothing"),
    ],
)
def test_a_note_is_what_the_rates_give_by_hand(orders: list[Executed], expected: str) -> None:
    assert contract_note(NSE_CHARGES, DAY, orders) == D(expected)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # 47525 + 20 + 47.525 + 1.459 + .0476 + 7.1288 + 3.8712, and .0001 for two roundings
        pytest.param([], "47605.0316", id="nothing before"),
        pytest.param([bought(500, 52_500)], "47605.0316", id="nothing was given back"),
        # ... + 500 x (105 - 95.05) x (.001 + .00015 - .00003)
        pytest.param(
            [bought(500, 52_500), sold(500, 52_500)],
            "47610.6036",
            id="a dearer round trip before: a part of it is delivery again",
        ),
        pytest.param(
            [bought(500, 45_000), sold(500, 45_000)], "47605.0316", id="a cheaper round trip before"
        ),
        pytest.param(
            [bought(500, 52_500, squared_off=True), sold(500, 52_500, squared_off=True)],
            "47605.0316",
            id="an intraday round trip is apart",
        ),
    ],
)
def test_a_purchase_reserves_what_it_can_cost_at_most(
    before: list[Executed], expected: str
) -> None:
    reserve = purchase_reserve(NSE_CHARGES, DAY, before, 500, D("95.05"))
    assert round(reserve, 4) == D(expected)


def second_opinion(orders: Sequence[Executed]) -> float:
    """The note part by part in floats, with the rates written out."""
    brokerage = sum(max(min(float(o.value) * 0.001, 20.0), 5.0) for o in orders)
    turnover = sum(float(o.value) for o in orders)
    passed_on = turnover * (0.000030699 + 0.000001) + turnover * 1e-9
    stt = stamp = 0.0
    intraday = [o for o in orders if o.squared_off]
    stt += sum(0.00025 * float(o.value) for o in intraday if not o.is_buy)
    stamp += sum(0.00003 * float(o.value) for o in intraday if o.is_buy)
    rest = [o for o in orders if not o.squared_off]
    buys, sells = ([o for o in rest if o.is_buy is side] for side in (True, False))
    shares_in, shares_out = (sum(o.quantity for o in side) for side in (buys, sells))
    in_at = sum(float(o.value) for o in buys) / shares_in if buys else 0.0
    out_at = sum(float(o.value) for o in sells) / shares_out if sells else 0.0
    both = min(shares_in, shares_out)
    stt += 0.00025 * both * out_at + 0.001 * ((shares_in - both) * in_at)
    stt += 0.001 * (shares_out - both) * out_at
    stamp += 0.00003 * both * in_at + 0.00015 * (shares_in - both) * in_at
    depository = 23.6 if shares_out > both else 0.0
    return brokerage + stt + stamp + passed_on + 0.18 * (brokerage + passed_on) + depository


ORDERS = st.lists(
    st.builds(
        Executed,
        st.booleans(),
        st.integers(1, 5_000),
        st.decimals(D("0.05"), D("500000"), places=2),
        st.booleans(),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(ORDERS)
def test_a_second_implementation_finds_the_same(orders: list[Executed]) -> None:
    found = contract_note(NSE_CHARGES, DAY, orders)
    assert float(found) == pytest.approx(second_opinion(orders), abs=2e-4, rel=1e-9)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(ORDERS)
def test_the_order_of_the_orders_is_of_no_matter(orders: list[Executed]) -> None:
    assert contract_note(NSE_CHARGES, DAY, orders) == contract_note(
        NSE_CHARGES, DAY, reversed(orders)
    )
