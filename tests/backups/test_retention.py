"""Which backups are kept: a law over any history, and a year of daily ones."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kasauti.backups.names import BackupName
from kasauti.backups.retention import DAILY, MONTHLY, WEEKLY, to_delete
from kasauti.market.calendar import INDIA

START = datetime(2026, 1, 1, 20, 0, tzinfo=INDIA)

moments = st.integers(0, 800 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
names = st.builds(
    BackupName,
    at=moments,
    digest=st.sampled_from(["a" * 32, "b" * 32]),
    encrypted=st.just(False),
    proved=st.booleans(),
)


@given(st.sets(names, max_size=60))
def test_what_is_kept(given: set[BackupName]) -> None:
    deleted = to_delete(given)
    kept = given - deleted
    assert deleted <= given
    assert to_delete(kept) == set(), "deciding again deletes nothing more"
    proved = sorted(name for name in given if name.proved)
    if proved:
        assert proved[-1] in kept, "the last proved one is never deleted"
        assert all(name.proved or name > proved[-1] for name in kept)
    else:
        assert kept == given, "without a proved one everything is kept"
    days = sorted({name.at.date() for name in proved})
    kept_days = {name.at.date() for name in kept if name.proved}
    assert set(days[-DAILY:]) <= kept_days, "each of the last seven days has one"
    months = {(day.year, day.month) for day in days}
    kept_months = {(day.year, day.month) for day in kept_days}
    assert set(sorted(months)[-MONTHLY:]) <= kept_months
    weeks = {day.isocalendar()[:2] for day in days}
    assert set(sorted(weeks)[-WEEKLY:]) <= {day.isocalendar()[:2] for day in kept_days}
    assert len([name for name in kept if name.proved]) <= DAILY + WEEKLY + MONTHLY


def test_two_years_of_daily_backups() -> None:
    given: set[BackupName] = set()
    for day in range(730):
        given.add(BackupName(START + timedelta(days=day), "a" * 32, False, True))
        given -= to_delete(given)
    kept = sorted(str(name.at.date()) for name in given)
    last = START + timedelta(days=729)
    assert kept[-DAILY:] == [str((last - timedelta(days=6 - n)).date()) for n in range(7)]
    assert kept[0] == "2027-01-31", "the last day of the twelfth month back"
    assert 18 <= len(kept) <= DAILY + WEEKLY + MONTHLY
