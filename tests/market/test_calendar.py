"""NSE sessions against an outside calendar, their hours, and failing closed."""

from datetime import date, datetime, time

import pytest

from kasauti.errors import DataError
from kasauti.market.calendar import INDIA, calendar_from_dates, nse_calendar
from tests.shared_data import FIXTURES

# The published list (nse-trading-calendar, MIT) was scheduled before the Muhurat session of Sunday
# 8 November 2026 was announced; angel-one-and-nse.md section 4.4 has it.
ONLY_OURS = {date(2026, 11, 8)}
ONLY_THEIRS: set[date] = set()


def test_sessions_equal_the_published_trading_days_but_for_the_listed_ones() -> None:
    lines = (FIXTURES / "nse_trading_days_1990_2026.csv").read_text().split()[1:]
    theirs = {day for day in map(date.fromisoformat, lines) if day.year in (2025, 2026)}
    ours = {session.day for session in nse_calendar().table}
    assert ours - theirs == ONLY_OURS
    assert theirs - ours == ONLY_THEIRS
    assert len(ours) == 496


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
