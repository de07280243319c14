"""Online regimes: causal bit for bit, made for no one market, and what each rule means."""

import importlib
import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from kasauti.features.causality import choose_cuts, find_leaks
from kasauti.market.bars import Bars
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels, Regime
from kasauti.regimes.online import (
    CONFIRMED,
    WARM_UP,
    expanding_median,
    label_closes,
    label_online,
    panel_index,
)
from kasauti.regimes.scoring import score_labels
from tests.regimes import markets
from tests.shared_data import NSE_STOCKS

Floats = NDArray[np.float64]
BULL, BEAR, SIDEWAYS, VOLATILE = (REGIMES.index(regime) for regime in Regime)
NAN = np.nan


def _bars(
    close: Floats, times: NDArray[np.datetime64] | None = None, index: Floats | None = None
) -> Bars:
    panel = np.atleast_2d(close)
    if times is None:
        times = np.datetime64("2000-01-03") + np.arange(panel.shape[1])
    symbols = tuple(f"S{row}" for row in range(len(panel)))
    series = {} if index is None else {"index": index}
    return Bars(
        "nse",
        symbols,
        times,
        open=panel,
        high=panel,
        low=panel,
        close=panel,
        volume=np.full(panel.shape, NAN),
        series=series,
    )


@pytest.fixture(scope="module")
def nifty() -> pd.Series:
    return markets.nifty()


def test_shares_and_switches_on_nifty(nifty: pd.Series) -> None:
    """As measured; how accurate they are stands in test_scoring."""
    labels = label_online(_bars(nifty.to_numpy())).codes
    known = labels[labels != UNKNOWN]
    shares = np.bincount(known, minlength=4) / len(known)
    assert shares == pytest.approx([0.578, 0.189, 0.107, 0.126], abs=0.001)
    assert shares.min() >= 0.05
    assert int((np.diff(known) != 0).sum()) == 80  # in 21.5 years: one in 13 weeks


@pytest.mark.parametrize(
    ("market", "accuracy"), [("sp500", 0.798), ("nasdaq", 0.832)], ids=["S&P 500", "NASDAQ"]
)
def test_the_rule_is_not_made_for_one_market(market: str, accuracy: float) -> None:
    module = importlib.import_module(f"arch.data.{market}")
    closes = module.load()["Close"].to_numpy(dtype=np.float64)  # 1999 to 2018
    labels = label_closes(closes)
    assert np.bincount(labels[labels != UNKNOWN]).min() / len(labels) >= 0.05
    scores = score_labels(closes, OnlineLabels(labels))
    assert scores["bear or volatile"].balanced_accuracy == pytest.approx(accuracy, abs=0.001)


@pytest.mark.parametrize(
    ("day", "regime"),
    [
        ("2007-10-01", Regime.BULL),
        ("2008-10-27", Regime.VOLATILE),
        ("2011-12-20", Regime.BEAR),
        ("2020-03-23", Regime.VOLATILE),
        ("2021-06-01", Regime.BULL),
    ],
)
def test_days_that_everybody_remembers(day: str, regime: Regime, nifty: pd.Series) -> None:
    codes = label_online(_bars(nifty.to_numpy())).codes
    assert REGIMES[codes[nifty.index.get_loc(pd.Timestamp(day))]] is regime


def test_labels_are_causal_at_200_cuts(nifty: pd.Series) -> None:
    bars = _bars(nifty.to_numpy())
    whole = label_online(bars).codes
    cuts = choose_cuts(bars, np.random.default_rng(8), count=200)
    assert len(cuts) >= 200
    for cut in cuts:
        np.testing.assert_array_equal(label_online(bars.between(0, cut)).codes, whole[:cut])
    assert find_leaks(lambda b: label_online(b).codes, bars, cuts[::10]) == []


def test_labels_of_an_unindexed_panel_are_causal() -> None:
    frames = [pd.read_csv(path) for path in sorted(NSE_STOCKS.glob("*.csv"))]
    close = np.array([frame["close"] for frame in frames], dtype=float)
    assert close.shape == (24, 618)
    rng = np.random.default_rng(2)
    close[rng.random(close.shape) < 0.05] = NAN
    bars = _bars(close)
    codes = label_online(bars).codes
    assert len(set(codes.tolist())) >= 4
    cuts = choose_cuts(bars, rng, count=60)
    assert find_leaks(lambda b: label_online(b).codes, bars, cuts) == []
    assert find_leaks(lambda b: panel_index(b.close), bars, cuts) == []


def _grown(rate: float, bars: int, start: float = 100.0) -> Floats:
    # returns alternate about the rate, so that the volatility is steady and not zero
    return start * np.cumprod(1.0 + rate + 0.005 * (-1.0) ** np.arange(bars))


@pytest.mark.parametrize(
    ("rate", "regime"),
    [(0.001, BULL), (-0.001, BEAR), (0.0, SIDEWAYS)],
    ids=["rising", "falling", "flat"],
)
def test_a_steady_market(rate: float, regime: int) -> None:
    labels = label_closes(_grown(rate, 600))
    assert (labels[:WARM_UP] == UNKNOWN).all()
    if regime == SIDEWAYS:
        assert not np.isin(labels, (BEAR, VOLATILE)).any()
        assert (labels[WARM_UP:] == SIDEWAYS).mean() > 0.9
    else:
        assert (labels[WARM_UP:] == regime).all()


def test_turmoil_is_volatile_and_ends_when_it_is_over() -> None:
    calm = _grown(0.001, 500)
    wild = calm[-1] * np.cumprod(1.0 + 0.001 + 0.03 * (-1.0) ** np.arange(40))
    after = _grown(0.001, 100, wild[-1])
    labels = label_closes(np.r_[calm, wild, after])
    assert (labels[WARM_UP:500] == BULL).all()
    assert (labels[500:504] == BULL).all()  # not confirmed yet
    assert (labels[510:540] == VOLATILE).all()
    assert (labels[-60:] == BULL).all()


def test_a_new_state_waits_for_five_sessions_in_a_row() -> None:
    rng = np.random.default_rng(0)
    closes: Floats = np.cumprod(1.0 + rng.normal(0.0, 0.01, 4000), dtype=np.float64)
    noisy = label_closes(closes)
    runs = np.diff(np.flatnonzero(np.diff(noisy)))
    assert len(runs) > 20
    assert runs.min() >= CONFIRMED


def test_a_missing_close_carries_the_label_and_is_no_session() -> None:
    closes = np.asarray(markets.nifty(), dtype=np.float64)[:1500]
    holes = np.random.default_rng(1).choice(1500, 100, replace=False)
    gappy = np.insert(closes, holes, NAN)
    found = label_closes(gappy)
    there = ~np.isnan(gappy)
    np.testing.assert_array_equal(found[there], label_closes(closes))
    for hole in np.flatnonzero(~there):
        assert found[hole] == (found[hole - 1] if hole else UNKNOWN)


# -- the rule again, word by word and one session after the other


def _by_the_words(closes: Floats) -> list[int]:
    """Return the labels by the docstring of `online`, from plain lists."""
    labels: list[int] = []
    traded: list[float] = []
    averages: list[float] = []
    volatilities: list[float] = []
    states: list[int] = []
    turmoil = False
    for close in closes.tolist():
        if not math.isnan(close):
            traded.append(close)
            averages.append(float(np.mean(traded[-200:])))
            if len(traded) > 20:
                last = np.array(traded[-21:])
                volatilities.append(float(np.std(last[1:] / last[:-1] - 1.0)))
                median = statistics.median(volatilities)
                turmoil = volatilities[-1] > (1.25 if turmoil else 1.75) * median
            if len(traded) < 220:
                states.append(UNKNOWN)
            elif turmoil:
                states.append(VOLATILE)
            elif close < averages[-1] and close <= 0.9 * max(traded[-200:]):
                states.append(BEAR)
            elif close > averages[-1] > averages[-21]:
                states.append(BULL)
            else:
                states.append(SIDEWAYS)
        before = labels[-1] if labels else UNKNOWN
        due = bool(states) and (before == UNKNOWN or len(set(states[-5:])) == 1)
        labels.append(states[-1] if due else before)
    return labels


def _markets() -> Floats:
    """Return walks, calm and wild by turns, of which some begin late and others have holes."""
    rng = np.random.default_rng(6)
    moves = rng.normal(0.0004, 0.008, (12, 1500))
    moves[:, 600:700] *= 4.0
    moves[::3, 900:1000] -= 0.004
    closes: Floats = 100.0 * np.cumprod(1.0 + moves, axis=1, dtype=np.float64)
    closes[1, :300] = NAN
    closes[2, :1400] = NAN
    closes[3][rng.random(1500) < 0.1] = NAN
    closes[4][rng.random(1500) < 0.6] = NAN
    closes[5] = NAN
    return closes


def test_the_rule_is_what_its_words_say() -> None:
    seen = set()
    for closes in _markets():
        expected = _by_the_words(closes)
        assert label_closes(closes).tolist() == expected
        seen.update(expected)
    assert seen == {UNKNOWN, BULL, BEAR, SIDEWAYS, VOLATILE}


def test_many_markets_are_labelled_as_each_one() -> None:
    closes = _markets()
    together = label_closes(closes)
    assert together.shape == closes.shape
    for labels, row in zip(together, closes, strict=True):
        np.testing.assert_array_equal(labels, label_closes(row))
    np.testing.assert_array_equal(label_closes(np.asfortranarray(closes)), together)
    assert label_closes(closes[:0]).shape == (0, 1500)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=30),
        elements=st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 2.0, NAN])),
    )
)
def test_the_expanding_median_is_that_of_pandas(values: Floats) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = expanding_median(values)
        for row, expected in zip(found, values, strict=True):
            np.testing.assert_array_equal(row, pd.Series(expected).expanding().median())


def test_the_index_goes_before_the_symbols() -> None:
    rising, falling = _grown(0.001, 400), _grown(-0.001, 400)
    assert label_online(_bars(falling, index=rising)).codes[-1] == BULL
    assert label_online(_bars(falling)).codes[-1] == BEAR
    assert label_online(_bars(np.array([falling, rising, rising]))).codes[-1] == BULL


def test_panel_index_by_hand() -> None:
    close = np.array(
        [
            [10.0, 11.0, NAN, 12.1, 12.1],  # +10 %, missing, +10 % since its last close, 0
            [NAN, 5.0, NAN, 6.0, 3.0],  # enters on its second close: +20 %, then -50 %
        ]
    )
    expected = [1.0, 1.1, NAN, 1.1 * 1.15, 1.1 * 1.15 * 0.75]
    np.testing.assert_allclose(panel_index(close), expected, rtol=1e-12)
    assert np.isnan(panel_index(np.full((2, 3), NAN))).all()


def test_intraday_bars_carry_the_label_of_the_session_before(nifty: pd.Series) -> None:
    days = nifty.iloc[:700]
    starts = days.index.to_numpy().astype("datetime64[s]") + np.timedelta64(9 * 3600 + 900, "s")
    times = (starts[:, None] + np.array([0, 300, 600]).astype("timedelta64[s]")).ravel()
    closes = np.repeat(days.to_numpy(), 3)
    closes[::3] *= 1.001  # earlier bars of a session do not matter
    closes[5::300] = NAN  # nor does it if the last one is missing and the one before is not
    closes[4::300] = days.to_numpy()[1::100]
    bars = _bars(closes, times)
    found = label_online(bars).codes.reshape(-1, 3)
    daily = label_closes(days.to_numpy())
    np.testing.assert_array_equal(found[1:], np.repeat(daily[:-1, None], 3, axis=1))
    assert (found[0] == UNKNOWN).all()
    assert len(set(found.ravel().tolist())) == 5
    cuts = choose_cuts(bars, np.random.default_rng(3), count=20)
    assert find_leaks(lambda b: label_online(b).codes, bars, cuts) == []


@pytest.mark.parametrize("count", [0, 1, WARM_UP, WARM_UP + 1])
def test_short_data(count: int) -> None:
    codes = label_online(_bars(_grown(0.001, count))).codes
    assert codes.dtype == np.int8
    assert codes.tolist() == [UNKNOWN] * min(count, WARM_UP) + [BULL] * (count - WARM_UP)
