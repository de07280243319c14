"""Hindsight dating: the published tables, date for date; and no way for it into a strategy."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import Backtester
from kasauti.errors import DataError
from kasauti.market.bars import Bars, Floats
from kasauti.regimes.dating import HindsightLabels, between_turns, date_legs, filter_turns
from kasauti.regimes.model import OnlineLabels
from kasauti.regimes.pagan_sossounov import CENSOR, CYCLE, Turn, date_months
from tests.regimes.markets import nifty, sp500
from tests.validation.synthetic import make_bars

NAN = np.nan


@pytest.fixture(scope="module")
def american() -> "pd.Series[float]":
    return sp500()


def _table(closes: "pd.Series[float]") -> list[tuple[str, str, float]]:
    days = pd.DatetimeIndex(closes.index).strftime("%Y-%m-%d")
    legs = date_legs(np.asarray(closes)).legs
    return [(days[leg.peak], days[leg.trough], round(100 * leg.fall, 2)) for leg in legs]


# Ned Davis Research's table, shared/reference/validation-and-stress.md 2.1, but for its first leg:
# 1987 lies before skfolio's closes. 1990 (-19.92), 1998 (-19.34), 2011 (-19.39), 2018 (-19.78) are
# near misses and not in it.
AMERICAN_LEGS = [
    ("2000-03-24", "2001-09-21", -36.77),
    ("2002-01-04", "2002-10-09", -33.75),
    ("2007-10-09", "2008-11-20", -51.93),
    ("2009-01-06", "2009-03-09", -27.62),
    ("2020-02-19", "2020-03-23", -33.92),
    ("2022-01-03", "2022-10-12", -25.43),
]


def test_the_legs_of_the_sp500_are_those_of_the_published_table(
    american: "pd.Series[float]",
) -> None:
    assert _table(american) == AMERICAN_LEGS


def test_the_near_misses_count_from_the_size_that_they_have(american: "pd.Series[float]") -> None:
    missed = {
        ("1990-07-16", "1990-10-11", -19.92),
        ("1998-07-17", "1998-08-31", -19.34),
        ("2011-04-29", "2011-10-03", -19.39),
        ("2018-09-20", "2018-12-24", -19.78),
    }
    days = pd.DatetimeIndex(american.index).strftime("%Y-%m-%d")
    legs = date_legs(np.asarray(american), 0.193).legs
    found = {(days[leg.peak], days[leg.trough], round(100 * leg.fall, 2)) for leg in legs}
    assert missed <= found


def test_the_legs_of_nifty_are_those_of_the_reference() -> None:
    # validation-and-stress.md 4.2, those of its falls that are single legs
    found = _table(nifty())
    assert len(found) == 11
    assert {
        ("2006-05-10", "2006-06-14", -29.87),
        ("2010-11-05", "2011-12-20", -28.01),
        ("2015-03-03", "2016-02-25", -22.52),
        ("2020-01-14", "2020-03-23", -38.44),
    } <= set(found)


@pytest.mark.parametrize(
    ("up", "down", "phases", "share"),
    [(0.20, 0.20, 12, 0.1330), (0.20, 0.15, 24, 0.1749), (0.15, 0.15, 30, 0.1654)],
    ids=["20/20", "20/15", "15/15"],
)
def test_lunde_timmermann_on_the_sp500(
    up: float, down: float, phases: int, share: float, american: "pd.Series[float]"
) -> None:
    closes = np.asarray(american)  # counts of validation-and-stress.md 2.1
    turns = filter_turns(closes, up, down)
    assert len(turns) + 1 == phases
    assert between_turns(closes, turns).is_bear.mean() == pytest.approx(share, abs=5e-5)


def test_the_filter_ends_2002_in_july_and_the_table_in_october(
    american: "pd.Series[float]",
) -> None:
    days = pd.DatetimeIndex(american.index).strftime("%Y-%m-%d")
    turns = [days[turn] for turn in filter_turns(np.asarray(american))]
    assert "2002-07-23" in turns
    assert "2002-10-09" not in turns


def test_pagan_sossounov_on_the_sp500(american: "pd.Series[float]") -> None:
    months = american.resample("ME").last()
    names = pd.DatetimeIndex(months.index).strftime("%Y-%m")
    found = [(names[at], kind) for at, kind in date_months(np.asarray(months))]
    peaks = ["1994-01", "2000-08", "2007-10", "2011-04", "2015-05", "2021-12"]
    troughs = ["1990-10", "1994-06", "2002-09", "2009-02", "2011-09", "2015-09"]
    dated = [(month, Turn.PEAK) for month in peaks] + [(month, Turn.TROUGH) for month in troughs]
    assert found == sorted(dated)  # validation-and-stress.md 2.1: all twelve, and no other


@pytest.mark.parametrize(
    ("closes", "legs"),
    [
        ([100, 80, 96], [(0, 1)]),
        ([100, 80.01, 96], []),
        ([100, 70, 83, 69, 90], [(0, 3)]),  # +18.6 % ends nothing
        ([100, 70, 90, 69, 90], [(0, 1), (2, 3)]),  # +28.6 %, then -23.3 %: a leg of its own
        ([100, 80, 97, 79, 120], [(0, 3)]),  # +21 %, undone by -18.6 %
        ([100, NAN, 80, NAN, 75], [(0, 4)]),  # unfinished
        ([100, 100, 80, 80, 120], [(0, 2)]),  # the first of equals
        ([], []),
        ([NAN, NAN], []),
    ],
    ids=["exact", "near", "rally", "two", "undone", "holes", "equals", "empty", "none"],
)
def test_legs_by_hand(closes: list[float], legs: list[tuple[int, int]]) -> None:
    values = np.array(closes, dtype=np.float64)
    found = date_legs(values)
    assert [(leg.peak, leg.trough) for leg in found.legs] == legs
    for leg in found.legs:
        assert leg.fall == pytest.approx(values[leg.trough] / values[leg.peak] - 1.0)
    inside = {bar for peak, trough in legs for bar in range(peak + 1, trough + 1)}
    assert set(np.flatnonzero(found.is_bear).tolist()) == inside


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.2, 0.3]))
def test_laws_of_legs(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    closes: Floats = np.exp(np.cumsum(rng.normal(0.0, 0.03, 600)))
    legs = date_legs(closes, size).legs
    ends = [bar for leg in legs for bar in (leg.peak, leg.trough)]
    assert ends == sorted(set(ends))
    for leg in legs:
        inside = closes[leg.peak : leg.trough + 1]
        assert leg.fall <= -size
        assert inside[0] == inside.max()
        assert inside[-1] == inside.min()
    for low, high in zip(ends[1:-1:2], ends[2::2], strict=True):
        assert closes[high] >= (1.0 + size) * closes[low]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_laws_of_months(seed: int) -> None:
    closes: Floats = np.exp(np.cumsum(np.random.default_rng(seed).normal(0.003, 0.05, 360)))
    turns = date_months(closes)
    kinds = [kind for _, kind in turns]
    assert all(one is not other for one, other in pairwise(kinds))
    places = [at for at, _ in turns]
    assert all(CENSOR <= at < 360 - CENSOR for at in places)
    assert all(later - at >= CYCLE for at, later in zip(places, places[2:], strict=False))
    for (at, kind), (after, _) in pairwise(turns):
        assert bool(closes[at] > closes[after]) is (kind is Turn.PEAK)


@pytest.mark.parametrize(
    ("closes", "size", "words"),
    [
        ([1.0, 0.0], 0.2, "close 1 is 0.0"),
        ([1.0, -1.0], 0.2, "positive"),
        ([1.0, np.inf], 0.2, "close 1 is inf"),
        ([[1.0]], 0.2, "2 dimensions"),
        ([1.0, 2.0], 20.0, "between 0 and 1"),
        ([1.0, 2.0], 0.0, "between 0 and 1"),
    ],
)
def test_refusals(closes: list[float], size: float, words: str) -> None:
    with pytest.raises(DataError, match=words):
        date_legs(np.array(closes), size)


def test_months_must_be_whole() -> None:
    with pytest.raises(DataError, match="1 month-ends are missing"):
        date_months(np.array([1.0, NAN, 1.0]))


# -- no way into a strategy. mypy refuses each of these calls too: were one accepted, its ignore
# -- would be unused, which --strict reports.


@pytest.fixture(scope="module")
def hindsight() -> HindsightLabels:
    return date_legs(make_bars(sessions=300).close[0])


def test_the_engine_refuses_hindsight(hindsight: HindsightLabels) -> None:
    with pytest.raises(DataError, match="know the future"):
        Backtester(make_bars(sessions=300), labels=hindsight)  # type: ignore[arg-type]  # refused


def test_bars_refuse_hindsight_as_a_series(hindsight: HindsightLabels) -> None:
    bars = make_bars(sessions=300)
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    for leaked in (hindsight, hindsight.is_bear):
        with pytest.raises(DataError):
            Bars(
                bars.market,
                bars.symbols,
                bars.times,
                *prices,
                series={"index": leaked},  # type: ignore[dict-item]  # refused
            )


def test_hindsight_makes_no_online_labels(hindsight: HindsightLabels) -> None:
    with pytest.raises(DataError, match="know the future"):
        OnlineLabels(hindsight)  # type: ignore[arg-type]  # refused
    with pytest.raises(DataError, match="type bool"):
        OnlineLabels(hindsight.is_bear)  # type: ignore[arg-type]  # refused


def test_hindsight_cannot_be_changed(hindsight: HindsightLabels) -> None:
    with pytest.raises(ValueError, match="read-only"):
        hindsight.is_bear[0] = True
