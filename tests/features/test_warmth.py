"""The declared warm-up of every function is enough on real bars, and not far too much."""

import numpy as np
import pytest

from kasauti.features.causality import choose_starts, measure_warm_up
from kasauti.features.evaluate import Features
from kasauti.features.warmth import declared_warm_up
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import Bars
from tests.features.examples import CALLS

NESTED = (
    "sma(rsi(close, 14), 5)",
    "zscore(close / sma(close, 50), 100)",
    "macd_hist(std(close, 20), 12, 26, 9) / atr(14)",
    "ema(ema(close, 30), 20)",
    "adx(30)",
    "macd_signal(close, 5, 60, 20)",
    "rsi(close, 2)",
    "atr(1)",
)


@pytest.mark.parametrize(
    "text", [*(CALLS[name] for name in sorted(CALLS) if name != "obv"), *NESTED]
)
def test_what_is_declared_is_enough(text: str, nifty: Bars) -> None:
    bars = nifty.between(1400, 4500)
    tree = parse_expression(text)
    declared = declared_warm_up(tree)
    starts = choose_starts(bars, np.random.default_rng(2), 4)
    found = measure_warm_up(lambda b: Features(b).evaluate(tree), bars, starts)
    assert declared is not None
    assert found.needed is not None
    assert found.needed <= declared


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("close", 0),
        ("sma(close, 200)", 200),
        ("sma(rsi(close, 2), 5)", 27),  # 2 and ln 1e-6 / ln 1/2 = 19.9 for the RSI, 5 for its mean
        ("sma(close, 10) > sma(close, 30)", 30),
        ("crosses_above(close, sma(close, 10))", 12),
        ("hammer() and close > 5 * close", 20),
        ("bbands_upper(close, 20, 2.5)", 20),
        ("obv() > lag(obv(), 5)", None),
    ],
)
def test_declared(text: str, bars: int | None) -> None:
    assert declared_warm_up(parse_expression(text)) == bars
