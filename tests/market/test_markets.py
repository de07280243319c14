"""Markets: price steps by date and price, and what a short may do."""

import pickle
from datetime import date, time
from decimal import Decimal

import pytest

from kasauti.errors import DataError
from kasauti.market.charges import NSE_CHARGES
from kasauti.market.markets import get_market


# shared/reference/angel-one-and-nse.md, section 4.2.
@pytest.mark.parametrize(
    ("price", "day", "tick"),
    [
        pytest.param("100", "2024-06-09", "0.05", id="uniform-before-june-2024"),
        pytest.param("249.99", "2024-06-10", "0.01", id="2024-cheap"),
        pytest.param("250", "2024-06-10", "0.05", id="2024-from-250"),
        pytest.param("21000", "2025-04-14", "0.05", id="2024-dear"),
        pytest.param("249.99", "2025-04-15", "0.01", id="below-250"),
        pytest.param("250", "2025-04-15", "0.05", id="250"),
        pytest.param("999.95", "2025-04-15", "0.05", id="below-1000"),
        pytest.param("1900", "2026-11-20", "0.10", id="bhartiartl-as-in-the-master"),
        pytest.param("7000", "2026-11-20", "0.50", id="5000-to-10000"),
        pytest.param("15000", "2026-11-20", "1.00", id="10000-to-20000"),
        pytest.param("20000.5", "2026-11-20", "5.00", id="above-20000"),
    ],
)
def test_the_tick_follows_price_and_date(price: str, day: str, tick: str) -> None:
    found = get_market("nse").tick_size(Decimal(price), date.fromisoformat(day))
    assert found == Decimal(tick)


@pytest.mark.parametrize("price", ["0", "-5", "NaN"])
def test_a_price_that_cannot_be_has_no_tick(price: str) -> None:
    with pytest.raises(DataError, match="positive"):
        get_market("nse").tick_size(Decimal(price), date(2026, 1, 1))


def test_nse() -> None:
    nse = get_market("nse")
    assert (nse.currency, nse.zone.key, nse.square_off) == ("INR", "Asia/Kolkata", time(15, 10))
    assert not nse.daily_shorts
    assert nse.calendar.session(date(2025, 8, 15)) is None


def test_the_sample_trades_on_its_own_dates_at_indian_cost() -> None:
    sample = get_market("sample")
    assert (sample.currency, sample.zone.key) == ("INR", "America/New_York")
    assert sample.charges is NSE_CHARGES
    assert not sample.daily_shorts
    assert "One dollar is read as one rupee" in sample.description
    assert sample.tick_size(Decimal("1228.1"), date(1999, 1, 4)) == Decimal("0.01")
    calendar = sample.calendar
    assert (calendar.first, calendar.last) == (date(1999, 1, 4), date(2018, 12, 31))
    assert len(calendar.table) == 5031
    assert calendar.session(date(2001, 9, 11)) is None
    monday = calendar.next_session(date(2001, 9, 10))
    assert (monday.day, monday.open.time()) == (date(2001, 9, 17), time(9, 30))


def test_a_market_can_be_sent_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(get_market("nse"))) == get_market("nse")


def test_an_unknown_market_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no market 'bse': use one of \['nse', 'sample'\]"):
        get_market("bse")
