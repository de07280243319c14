"""NSE sessions against an outside calendar, their hours, and failing closed."""

from datetime import date, datetime, time
from typing import Any

import pytest

from kasauti.errors import DataError
from kasauti.market.calendar import INDIA, calendar_from_dates, nse_calendar
from tests.shared_data import FIXTURES

# The published list (nse-trading-calendar, MIT) was scheduled before the Muhurat session of Sunday
# 8 November 2026 was announced; angel-one-and-nse.md section 4.4 has it.
ONLY_OURS = {date(2026, 11, 8)}
ONLY_THEIRS: set[date] = set()

WEEKEND = "trades on a weekend, and exchange-calendars' BSE calendar knows only weekdays"
MUHURAT = "one hour in the evening of a holiday: exchange-calendars takes the day for shut"
NOT_IN_XBOM = {
    date(2025, 2, 1): WEEKEND,  # Union Budget
    date(2025, 10, 21): MUHURAT,
    date(2026, 2, 1): WEEKEND,  # Union Budget
    date(2026, 11, 8): WEEKEND,  # Muhurat
}

# The published list against exchange-calendars as far back as the latter goes: by how much an
# outside source could be trusted, if the table were ever extended to the past.
PAST_WEEKENDS = """
2009-10-17 2010-02-06 2010-05-16 2012-01-07 2012-03-03 2012-04-28 2012-09-08 2012-11-11 2013-05-11
2013-11-03 2014-03-22 2015-02-28 2016-10-30 2019-10-27 2020-02-01 2020-11-14 2023-11-12 2024-01-20
2024-03-02 2024-05-18 2025-02-01 2026-02-01
"""
PAST_MUHURATS = "2014-10-23 2015-11-11 2017-10-19 2018-11-07 2021-11-04 2022-10-24 2024-11-01"
PAST_ONLY_LISTED = {
    **{date.fromisoformat(day): WEEKEND for day in PAST_WEEKENDS.split()},
    **{date.fromisoformat(day): MUHURAT for day in PAST_MUHURATS.split()},
    date(2013, 11, 14): "Muharram: shut on the 15th there, on the 14th in XBOM",
    date(2025, 10, 21): MUHURAT,
}
PAST_ONLY_XBOM = {date(2013, 11, 15): "Muharram: see the 14th"}


def test_sessions_equal_the_published_trading_days_but_for_the_listed_ones() -> None:
    lines = (FIXTURES / "nse_trading_days_1990_2026.csv").read_text().split()[1:]
    theirs = {day for day in map(date.fromisoformat, lines) if day.year in (2025, 2026)}
    ours = {session.day for session in nse_calendar().table}
    assert ours - theirs == ONLY_OURS
    assert theirs - ours == ONLY_THEIRS
    assert len(ours) == 496


@pytest.fixture(scope="module")
def xbom() -> Any:
    """BSE trades on the days of NSE; the package has no calendar of NSE itself."""
    import exchange_calendars

    return exchange_calendars.get_calendar("XBOM")


def test_sessions_equal_exchange_calendars_but_for_the_listed_ones(xbom: Any) -> None:
    calendar = nse_calendar()
    found = xbom.sessions_in_range(calendar.first.isoformat(), calendar.last.isoformat())
    theirs = {stamp.date() for stamp in found}
    ours = {session.day for session in calendar.table}
    assert ours - theirs == NOT_IN_XBOM.keys()
    assert theirs <= ours


def test_ordinary_hours_equal_exchange_calendars(xbom: Any) -> None:
    for session in nse_calendar().table:
        if session.day not in NOT_IN_XBOM:
            assert xbom.session_open(session.day.isoformat()) == session.open
            assert xbom.session_close(session.day.isoformat()) == session.close


def test_the_two_outside_sources_differ_as_listed(xbom: Any) -> None:
    lines = (FIXTURES / "nse_trading_days_1990_2026.csv").read_text().split()[1:]
    first, last = xbom.first_session.date(), xbom.last_session.date()
    assert last == date(2026, 12, 31)
    listed = {day for day in map(date.fromisoformat, lines) if first <= day <= last}
    theirs = {stamp.date() for stamp in xbom.sessions}
    assert listed - theirs == PAST_ONLY_LISTED.keys()
    assert theirs - listed == PAST_ONLY_XBOM.keys()


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        pytest.param("2025-01-01", "09:15", "15:30", id="ordinary"),
        pytest.param("2025-02-01", "09:15", "15:30", id="budget-saturday"),
        pytest.param("2026-02-01", "09:15", "15:30", id="budget-sunday"),
        pytest.param("2025-10-21", "13:45", "14:45", id="muhurat-2025"),
        pytest.param("2026-11-08", "18:15", "19:15", id="muhurat-sunday-2026"),
    ],
)
def test_a_session_has_its_own_hours_in_india(day: str, opens: str, closes: str) -> None:
    session = nse_calendar().session(date.fromisoformat(day))
    assert session is not None
    assert session.open == datetime.fromisoformat(f"{day}T{opens}:00+05:30")
    assert session.close == datetime.fromisoformat(f"{day}T{closes}:00+05:30")
    assert session.open in session
    assert session.close not in session


@pytest.mark.parametrize(
    "day",
    [
        pytest.param("2025-02-22", id="saturday"),
        pytest.param("2025-02-26", id="holiday-2025"),
        pytest.param("2025-10-22", id="day-after-muhurat"),
        pytest.param("2026-11-24", id="holiday-2026"),
    ],
)
def test_the_market_is_shut(day: str) -> None:
    assert nse_calendar().session(date.fromisoformat(day)) is None


@pytest.mark.parametrize(
    ("day", "closing_auction", "end"),
    [
        pytest.param("2026-07-31", True, "15:30", id="before-the-auction-existed"),
        pytest.param("2026-08-03", True, "15:15", id="first-day-share-with-derivatives"),
        pytest.param("2026-08-03", False, "15:30", id="first-day-other-share"),
        pytest.param("2026-11-08", True, "19:15", id="muhurat-has-no-auction"),
        pytest.param("2026-12-31", True, "15:15", id="last-day-of-the-table"),
    ],
)
def test_the_end_of_continuous_trading(day: str, closing_auction: bool, end: str) -> None:
    session = nse_calendar().session(date.fromisoformat(day))
    assert session is not None
    expected = time.fromisoformat(end)
    assert session.continuous_end(closing_auction=closing_auction).time() == expected


def test_neighbouring_sessions_step_over_weekends_and_holidays() -> None:
    calendar = nse_calendar()
    assert calendar.next_session(date(2025, 4, 17)).day == date(2025, 4, 21)  # Good Friday
    assert calendar.next_session(date(2026, 11, 6)).day == date(2026, 11, 8)  # Muhurat Sunday
    assert calendar.previous_session(date(2025, 4, 21)).day == date(2025, 4, 17)
    week = calendar.sessions(date(2025, 4, 12), date(2025, 4, 20))
    assert [session.day.day for session in week] == [15, 16, 17]


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2027, 1, 1)])
def test_a_day_outside_the_table_is_never_guessed(day: date) -> None:
    calendar = nse_calendar()
    with pytest.raises(DataError, match="does not know"):
        calendar.session(day)
    with pytest.raises(DataError, match="does not know"):
        calendar.next_session(day)
    with pytest.raises(DataError, match="does not know"):
        calendar.sessions(min(day, date(2025, 1, 1)), max(day, date(2025, 1, 1)))


def test_there_is_no_session_after_the_last() -> None:
    with pytest.raises(DataError, match="no session after 2026-12-31: it covers 2025-01-01"):
        nse_calendar().next_session(date(2026, 12, 31))
    with pytest.raises(DataError, match="no session before 2025-01-01"):
        nse_calendar().previous_session(date(2025, 1, 1))


def test_own_dates_make_a_calendar() -> None:
    days = [date(2004, 11, 12), date(2004, 11, 10), date(2004, 11, 10)]
    calendar = calendar_from_dates(days, time(9, 15), time(15, 30), INDIA)
    assert [session.day for session in calendar.table] == [date(2004, 11, 10), date(2004, 11, 12)]
    assert calendar.session(date(2004, 11, 11)) is None
    assert calendar.next_session(date(2004, 11, 10)).open == datetime(
        2004, 11, 12, 9, 15, tzinfo=INDIA
    )
    with pytest.raises(DataError, match="does not know 2004-11-13"):
        calendar.session(date(2004, 11, 13))
    with pytest.raises(DataError, match="at least one"):
        calendar_from_dates([], time(9, 15), time(15, 30), INDIA)
