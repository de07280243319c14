"""Every function of the language equals TA-Lib (or pandas, where TA-Lib has none) on real bars."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kasauti.features.evaluate import IMPLEMENTED, Features
from kasauti.genome.language import FUNCTIONS
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import FIELDS, Bars
from tests.features.examples import CLOSE, EXACT, Oracle

CROSSINGS = {"crosses_above", "crosses_below"}  # by hand in test_indicators


def _row(bars: Bars, row: int) -> Mapping[str, Any]:
    return {name: getattr(bars, name)[row] for name in FIELDS}


def test_every_registered_function_is_implemented_and_nothing_else() -> None:
    assert set(FUNCTIONS) == IMPLEMENTED


def test_the_tables_below_leave_no_function_out() -> None:
    named = {text.split("(")[0] for text in (*EXACT, *CLOSE)}
    assert set(FUNCTIONS) - named == CROSSINGS


@pytest.mark.parametrize(("text", "oracle"), EXACT.items(), ids=EXACT)
def test_equals_talib_to_the_last_bit(text: str, oracle: Oracle, stocks: Bars) -> None:
    values = Features(stocks).evaluate(parse_expression(text))
    assert values.shape == stocks.shape
    for row in range(len(stocks.symbols)):
        np.testing.assert_array_equal(values[row], oracle(_row(stocks, row)))


# TA-Lib's three black crows are so strict that no bar in shared/market shows them: by hand, then.
@pytest.mark.parametrize(
    "text",
    [
        text
        for text in EXACT
        if text.endswith("()") and text not in ("obv()", "three_black_crows()")
    ],
)
def test_every_pattern_occurs_in_22_years_of_bars(text: str, nifty: Bars) -> None:
    found = Features(nifty).evaluate(parse_expression(text))
    assert found.dtype == np.bool_
    assert 0 < found.sum() < found.size / 4


@pytest.mark.parametrize(("text", "oracle"), CLOSE.items(), ids=CLOSE)
def test_equals_pandas(text: str, oracle: Oracle, stocks: Bars) -> None:
    values = Features(stocks).evaluate(parse_expression(text))
    for row in range(len(stocks.symbols)):
        np.testing.assert_allclose(values[row], oracle(_row(stocks, row)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "undefined"),
    [
        ("sma(close, 20)", 19),
        ("ema(close, 20)", 19),
        ("rsi(close, 14)", 14),
        ("atr(14)", 14),
        ("adx(14)", 27),
        ("macd(close, 12, 26, 9)", 33),
        ("stoch(14, 3, 3)", 17),
        ("sma(rsi(close, 14), 5)", 18),
        ("zscore(close, 20)", 19),
        ("rank(close, 20)", 19),
        ("lag(close, 4)", 4),
        ("obv()", 0),
    ],
)
def test_warm_up_in_bars(text: str, undefined: int, stocks: Bars) -> None:
    values = Features(stocks).evaluate(parse_expression(text))
    assert np.isnan(values[:, :undefined]).all()
    assert not np.isnan(values[:, undefined:]).any()
