"""Indicators by hand, and the NaN rule: a function sees only the bars on which it is defined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.features import indicators as ta
from kasauti.features.evaluate import Features
from kasauti.features.patterns import pattern
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import FIELDS, Bars
from tests.features.examples import CALLS

NAN = np.nan
RISING = np.array([2.0, 4.0, 6.0])
CROSSINGS = {"crosses_above", "crosses_below"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(ta.sma(np.array([1.0, 2, 3, 6]), 3), [NAN, NAN, 2, 11 / 3], id="sma"),
        # seeded with the mean of 1, 2, 3, then 2 / (3 + 1) of the way to each value
        pytest.param(ta.ema(np.array([1.0, 2, 3, 6, 6]), 3), [NAN, NAN, 2, 4, 5], id="ema"),
        # gains 2, 0, losses 0, 1: averages 1 and 0.5 give 66.7; then gain 1: 1 and 0.25, 80
        pytest.param(ta.rsi(np.array([5.0, 7, 6, 7]), 2), [NAN, NAN, 200 / 3, 80], id="rsi"),
        pytest.param(ta.rsi(np.full(4, 5.0), 2), [NAN, NAN, 0, 0], id="rsi of a flat line"),
        # true ranges 3 (gap from 9 up to 12) and 2; their mean; then Wilder: (2.5 + 4) / 2
        pytest.param(
            ta.atr(
                np.array([10.0, 12, 12, 13]),
                np.array([8.0, 11, 10, 9]),
                np.array([9.0, 11, 11, 10]),
                2,
            ),
            [NAN, NAN, 2.5, 3.25],
            id="atr",
        ),
        pytest.param(
            ta.obv(np.array([5.0, 6, 6, 4]), np.array([10.0, 20, 30, 40])),
            [10, 30, 30, -10],
            id="obv",
        ),
        pytest.param(
            ta.vwap(RISING, RISING, RISING, np.array([1.0, 3, 1]), 2),
            [NAN, 3.5, 4.5],
            id="vwap",
        ),
        pytest.param(
            ta.vwap(RISING, RISING, RISING, np.array([0.0, 0, 1]), 2),
            [NAN, NAN, 6],
            id="vwap without volume",
        ),
        pytest.param(ta.roc(np.array([4.0, 5, 6]), 2), [NAN, NAN, 50], id="roc in per cent"),
        pytest.param(ta.highest(np.array([3.0, 1, 2]), 2), [NAN, 3, 2], id="highest"),
        pytest.param(ta.lowest(np.array([3.0, 1, 2]), 2), [NAN, 1, 1], id="lowest"),
        pytest.param(ta.lag(np.array([3.0, 1, 2]), 2), [NAN, NAN, 3], id="lag"),
        pytest.param(ta.lag(np.array([3.0, 1, 2]), 5), [NAN] * 3, id="lag longer than the data"),
        pytest.param(ta.std(np.array([1.0, 3, 3]), 2), [NAN, 1, 0], id="std, ddof 0"),
        pytest.param(ta.zscore(np.array([1.0, 3, 3]), 2), [NAN, 1, NAN], id="zscore"),
        pytest.param(
            ta.zscore(np.full(4, 0.1), 3), [NAN] * 4, id="zscore of a constant that rounds"
        ),
        pytest.param(
            ta.rank(np.array([2.0, 1, 2, 3]), 3), [NAN, NAN, 1, 1], id="rank counts equals"
        ),
        pytest.param(ta.rank(np.array([2.0, 3, 1]), 3), [NAN, NAN, 1 / 3], id="rank, lowest"),
        pytest.param(
            ta.bbands_percent(np.array([1.0, 3, 3, 3]), 2, 2.0),
            [NAN, 0.75, NAN, NAN],
            id="percent b, NaN where the bands touch",
        ),
        pytest.param(
            ta.ratio(np.array([1.0, 0, -1, 1e308]), np.array([0.0, 0, -0.0, 1e-10])),
            [NAN] * 4,
            id="division by zero and overflow",
        ),
    ],
)
def test_by_hand(found: ta.Floats, expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "above", "below"),
    [
        pytest.param([1, 3], [2, 2], [0, 1], [0, 0], id="through"),
        pytest.param([2, 3], [2, 2], [0, 1], [0, 0], id="from equal"),
        pytest.param([1, 2], [2, 2], [0, 0], [0, 0], id="only touches"),
        pytest.param([3, 3], [2, 2], [0, 0], [0, 0], id="was above already"),
        pytest.param([3, 1], [2, 2], [0, 0], [0, 1], id="down"),
        pytest.param([NAN, 3], [2, 2], [0, 0], [0, 0], id="undefined before"),
        pytest.param([1, NAN, 3], [2, 2, 2], [0, 0, 0], [0, 0, 0], id="not across a missing bar"),
        pytest.param([1, 3], [2, NAN], [0, 0], [0, 0], id="undefined now"),
    ],
)
def test_crossings(
    left: list[float], right: list[float], above: list[int], below: list[int]
) -> None:
    a, b = np.array(left, dtype=float), np.array(right, dtype=float)
    assert ta.crosses_above(a, b).tolist() == [bool(x) for x in above]
    assert ta.crosses_below(a, b).tolist() == [bool(x) for x in below]


@pytest.mark.parametrize("name", sorted(set(CALLS) - CROSSINGS))
def test_missing_bars_are_left_out_of_every_function(name: str, gappy: Bars) -> None:
    text = CALLS[name]
    values = Features(gappy).evaluate(parse_expression(text))
    used = [f for f in FIELDS if f == "close" or _uses(text, f)]
    for row, symbol in enumerate(gappy.symbols):
        defined = ~np.isnan([getattr(gappy, field)[row] for field in used]).any(axis=0)
        one = gappy.select((symbol,))
        kept = replace(
            one,
            times=one.times[defined],
            open=one.open[:, defined],
            high=one.high[:, defined],
            low=one.low[:, defined],
            close=one.close[:, defined],
            volume=one.volume[:, defined],
        )
        alone = Features(kept).evaluate(parse_expression(text))
        np.testing.assert_array_equal(values[row, defined], alone[0])
        missing = values[row, ~defined]
        assert not missing.any() if values.dtype == np.bool_ else np.isnan(missing).all()


def _uses(text: str, field: str) -> bool:
    inputs = {"atr": "high low", "adx": "high low", "stoch": "high low", "stoch_d": "high low"}
    inputs |= {"obv": "volume", "vwap": "high low volume"}
    name = text.split("(")[0]
    ohlc = text.endswith("()") and name != "obv"
    return field in inputs.get(name, "open high low" if ohlc else "").split()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(st.one_of(st.just(NAN), st.floats(1.0, 1e5), st.just(100.0)), min_size=0, max_size=60),
    st.integers(2, 12),
)
def test_never_an_infinity_and_always_the_shape(values: list[float], window: int) -> None:
    x = np.array(values, dtype=np.float64)
    functions = (ta.sma, ta.ema, ta.rsi, ta.roc, ta.highest, ta.lowest, ta.lag, ta.std)
    for function in (*functions, ta.zscore, ta.rank):
        found = function(x, window)
        assert found.shape == x.shape
        assert not np.isinf(found).any()
        assert np.isnan(found[np.isnan(x)]).all()
        np.testing.assert_array_equal(function(np.array([x, x]), window), [found, found])


def test_a_bullish_engulfing_by_hand() -> None:
    open_ = np.r_[np.full(12, 10.0), 10.0, 8.0]
    close = np.r_[np.full(12, 10.5), 9.0, 11.0]
    high, low = np.maximum(open_, close) + 0.1, np.minimum(open_, close) - 0.1
    found = pattern("engulfing_bullish", open_, high, low, close)
    assert found.tolist() == [False] * 13 + [True]
    assert not pattern("engulfing_bearish", open_, high, low, close).any()
    open_[-1] = np.nan
    assert not pattern("engulfing_bullish", open_, high, low, close).any()


def test_three_black_crows_by_hand() -> None:
    # a white candle, then three falling black ones without lower shadow, each opening in the last
    open_ = np.r_[np.tile([10.0, 11.0], 6), 12.0, 12.5, 11.5, 10.5]
    close = np.r_[np.tile([11.0, 10.0], 6), 13.0, 11.0, 10.0, 9.0]
    high, low = np.maximum(open_, close) + 0.1, np.minimum(open_, close)
    found = pattern("three_black_crows", open_, high, low, close)
    assert found.tolist() == [False] * 15 + [True]
    low[-1] -= 1.0
    assert not pattern("three_black_crows", open_, high, low, close).any()
