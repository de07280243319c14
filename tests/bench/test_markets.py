"""The bars of the benchmark: real ones without holes, and a series that could be real."""

import numpy as np
import pytest

from kasauti.bench.markets import BARS_A_SESSION, daily_bars, intraday_bars
from kasauti.market.bars import FIELDS, Bars


@pytest.fixture(scope="module")
def intraday() -> Bars:
    return intraday_bars(30_000, seed=3)


def test_the_daily_bars_have_no_hole() -> None:
    bars = daily_bars()
    assert bars.shape == (1, 5023)
    assert all(np.isfinite(getattr(bars, name)).all() for name in FIELDS)


def test_a_session_has_75_bars_of_five_minutes_on_weekdays(intraday: Bars) -> None:
    assert intraday.shape == (1, 30_000)
    assert intraday.bars_a_session == BARS_A_SESSION == 75
    assert np.is_busday(np.unique(intraday.sessions)).all()
    first = intraday.times[:75].astype(str)
    assert (first[0][11:], first[1][11:], first[-1][11:]) == ("09:15:00", "09:20:00", "15:25:00")


def test_every_bar_holds_its_open_and_close_and_stands_on_the_tick(intraday: Bars) -> None:
    assert (intraday.high >= np.maximum(intraday.open, intraday.close)).all()
    assert (intraday.low <= np.minimum(intraday.open, intraday.close)).all()
    assert (intraday.low > 0).all() and (intraday.volume > 0).all()
    ticks = intraday.close * 20
    assert np.allclose(ticks, np.rint(ticks))


def test_nights_gap_and_the_edges_of_a_session_are_busy(intraday: Bars) -> None:
    steps = np.diff(np.log(intraday.close[0]))
    nights = steps[BARS_A_SESSION - 1 :: BARS_A_SESSION]
    assert nights.std() > 3 * np.median(np.abs(steps))
    volume = intraday.volume[0].reshape(-1, BARS_A_SESSION).mean(axis=0)
    assert min(volume[0], volume[-1]) > 1.5 * volume[BARS_A_SESSION // 2]
    a_year = steps.std() * np.sqrt(252 * BARS_A_SESSION)
    assert 0.1 < a_year < 0.5


def test_the_seed_decides_everything() -> None:
    versions = [intraday_bars(500, seed).data_version for seed in (1, 1, 2)]
    assert versions[0] == versions[1] != versions[2]
