"""What expressions mean: undefined values, division by zero, market series, memory, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kasauti.errors import DataError, GenomeError
from kasauti.features.evaluate import Features
from kasauti.genome.model import Binary, Call, Number, Series
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import Bars

NAN = np.nan


def _bars(close: list[list[float]], **series: list[float]) -> Bars:
    values = np.array(close, dtype=float)
    times = np.datetime64("2024-01-01") + np.arange(values.shape[1])
    symbols = tuple("ABC"[: len(close)])
    return Bars(
        "nse",
        symbols,
        times,
        open=values,
        high=values,
        low=values,
        close=values,
        volume=np.full(values.shape, NAN),
        series={name: np.array(x, dtype=float) for name, x in series.items()},
    )


ONE = _bars([[1.0, 2.0, 3.0, NAN, 4.0]], index=[5.0, NAN, 7.0, 8.0, 9.0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close + 2 * close", [3, 6, 9, NAN, 12]),
        ("close - lag(close, 1)", [NAN, 1, 1, NAN, 1]),
        ("-close", [-1, -2, -3, NAN, -4]),
        ("close / (close - 2 * close / 2)", [NAN] * 5),
        ("index", [5, NAN, 7, 8, 9]),
        ("lag(index, 1)", [NAN, NAN, 5, 7, 8]),
        ("close > 2", [0, 0, 1, 0, 1]),
        ("close <= 2", [1, 1, 0, 0, 0]),
        ("close >= 2", [0, 1, 1, 0, 1]),
        ("close < 2", [1, 0, 0, 0, 0]),
        # false on the undefined bar, and "not" of that false is true
        ("not close > 2", [1, 1, 0, 1, 0]),
        ("not sma(close, 3) > 0", [1, 1, 0, 1, 0]),
        ("close > 1 and close < 4", [0, 1, 1, 0, 0]),
        ("close < 2 or close > 3", [1, 0, 0, 0, 1]),
        ("close / (close - close) > 0", [0] * 5),
        ("crosses_above(close, 2)", [0, 0, 1, 0, 0]),
        ("crosses_below(-close, -2)", [0, 0, 1, 0, 0]),
    ],
)
def test_meaning(text: str, expected: list[float]) -> None:
    found = Features(ONE).evaluate(parse_expression(text))
    np.testing.assert_array_equal(found, [expected])
    assert (found.dtype == np.bool_) == any(c in text for c in "<>") or "crosses" in text


def test_an_overflow_is_undefined_not_infinite() -> None:
    tree = Binary("*", Number(1e308), Binary("*", Number(1e308), Series("close")))
    assert np.isnan(Features(ONE).evaluate(tree)).all()


def test_a_market_series_is_given_to_every_symbol() -> None:
    bars = _bars([[1.0, 2.0], [3.0, NAN]], index=[5.0, 6.0])
    found = Features(bars).evaluate(parse_expression("index > 5"))
    assert found.tolist() == [[False, True], [False, True]]
    assert found.flags.c_contiguous


def test_a_series_that_the_data_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(DataError, match="no series 'vix', it has open, high, low, close, index:"):
        Features(ONE).evaluate(parse_expression("vix > 20"))


def test_missing_volume_is_undefined_rather_than_an_error() -> None:
    features = Features(ONE)
    assert not features.evaluate(parse_expression("volume > 0 or obv() > 0")).any()
    assert features.series == ("open", "high", "low", "close", "index")


@pytest.mark.parametrize(
    "tree",
    [
        Call("eval", (Series("close"),)),
        Binary("**", Series("close"), Number(2.0)),
    ],
    ids=["function", "operator"],
)
def test_anything_outside_the_language_is_refused(tree: Call | Binary) -> None:
    with pytest.raises(GenomeError, match="there are"):
        Features(ONE).evaluate(tree)


def test_atr_is_the_registered_function(stocks: Bars) -> None:
    features = Features(stocks)
    expected = features.evaluate(parse_expression("atr(14)"))
    np.testing.assert_array_equal(features.atr(), expected)
    assert not np.array_equal(features.atr(5), expected, equal_nan=True)


def test_equal_subtrees_are_computed_once_and_cannot_be_written(stocks: Bars) -> None:
    features = Features(stocks)
    first = features.evaluate(parse_expression("rsi(close, 14)"))
    features.evaluate(parse_expression("sma(rsi(close, 14), 5) > 50"))
    assert features.evaluate(parse_expression("rsi(close, 14)")) is first
    assert features.evaluate(parse_expression("rsi(close, 15)")) is not first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_memory_stays_within_its_budget(kept: int, stocks: Bars) -> None:
    size = stocks.close.nbytes
    features = Features(stocks, budget=kept * size)
    for window in range(2, 30):
        tree = parse_expression(f"sma(ema(close, {window}), {window})")
        expected = Features(stocks).evaluate(tree)
        np.testing.assert_array_equal(features.evaluate(tree), expected)
        assert features._held == sum(value.nbytes for value in features._values.values())
        assert features._held <= kept * size


def test_the_least_recently_used_is_forgotten_first(stocks: Bars) -> None:
    features = Features(stocks, budget=2 * stocks.close.nbytes)
    trees = [parse_expression(f"sma(close, {window})") for window in (2, 3, 4)]
    first = features.evaluate(trees[0])
    second = features.evaluate(trees[1])
    assert features.evaluate(trees[0]) is first
    features.evaluate(trees[2])
    assert features.evaluate(trees[0]) is first
    assert features.evaluate(trees[1]) is not second


def test_threads_get_what_one_thread_gets(stocks: Bars) -> None:
    trees = [
        parse_expression(f"ema(rsi(close, {a}), {b}) > 50 and close > sma(close, {a})")
        for a in range(2, 12)
        for b in range(2, 6)
    ]
    shared = Features(stocks, budget=6 * stocks.close.nbytes)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.evaluate, trees * 3))
    alone = Features(stocks)
    for tree, values in zip(trees * 3, found, strict=True):
        np.testing.assert_array_equal(values, alone.evaluate(tree))
