"""Text to tree to text is the identity, both ways round."""

import pytest
from hypothesis import given, settings

from kasauti.errors import GenomeError
from kasauti.genome import (
    Binary,
    Call,
    Expression,
    Number,
    Series,
    Unary,
    parse_expression,
    to_text,
)
from kasauti.genome.language import FUNCTIONS, Function
from kasauti.genome.tree import MAX_NODES
from tests.genome.strategies import expressions

CANONICAL = [
    "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70",
    "rsi(close, 14) < 30 and close > sma(close, 200)",
    "close > 1.02 * sma(close, 50)",
    "volume > 2 * mean(volume, 20)",
    "high - (close - open) > low",
    "high - atr(14) - atr(5) < close",
    "close / (open / high) > 1",
    "close / open / (high / low) > 1",
    "not (doji() and hammer())",
    "not doji() and hammer()",
    "not close < open",
    "not not doji()",
    "doji() or hammer() and piercing()",
    "(doji() or hammer()) and piercing()",
    "doji() and (hammer() and piercing())",
    "-(close - open) < -3",
    "-close * 2 < 1",
    "close - -close > 1",
    "--close > 1",
    "2 * (close + atr(14)) > high + low",
    "(close - sma(close, 20)) / atr(14) < -1.5",
    "bbands(close, 20, 2) > 0.95 and obv() > ema(obv(), 20)",
    "roc(index, 20) > roc(close, 20) and vix < 20",
    "stoch(14, 3, 3) < stoch_d(14, 3, 3) or adx(14) > 25",
    "vwap(20) < close and zscore(close, 20) < -2 and rank(volume, 50) >= 0.9",
    "highest(high, 20) <= lag(lowest(low, 5), 3)",
    "1e+22 > close",
    "close > 1e-07",
]


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_text_comes_back(text: str) -> None:
    assert to_text(parse_expression(text)) == text


EQUAL = {
    "spaces and parentheses": ("((close))<( sma( close,50) )", "close < sma(close, 50)"),
    "whole numbers": ("rsi(close, 14.0) < 70.000", "rsi(close, 14) < 70"),
    "exponents": ("close > 1e2", "close > 100"),
    "zeros": ("macd(close) > -0.0", "macd(close, 12, 26, 9) > 0"),
    "long decimals": ("close > 0.1000000000000000055", "close > 0.1"),
    "needless grouping": ("(high + low) + close > 1", "high + low + close > 1"),
}


@pytest.mark.parametrize(("written", "canonical"), EQUAL.values(), ids=EQUAL.keys())
def test_one_tree_has_one_text(written: str, canonical: str) -> None:
    assert to_text(parse_expression(written)) == canonical


@settings(deadline=None, max_examples=150, derandomize=True)
@given(expressions())
def test_tree_to_text_to_tree_is_the_identity(tree: Expression) -> None:
    text = to_text(tree)
    assert parse_expression(text) == tree
    assert to_text(parse_expression(text)) == text


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_function_is_read_and_written(function: Function) -> None:
    arguments = ", ".join(
        "close" if not p.is_literal else f"{p.default or 20:g}" for p in function.parameters
    )
    text = f"{function.name}({arguments})"
    assert to_text(parse_expression(text)) == text


def _deep(levels: int) -> Expression:
    tree: Expression = Series("close")
    for _ in range(levels):
        tree = Unary("-", tree)
    return tree


def _doubled(times: int) -> Expression:
    tree: Expression = Series("close")
    for _ in range(times):
        tree = Binary("+", tree, tree)
    return tree


FOREIGN = {
    "10,000 deep": (_deep(10_000), "deeper than 60"),
    "2**50 nodes in 50 objects": (_doubled(50), f"more than {MAX_NODES} nodes"),
    "a string as node": (Unary("-", "close"), "str stands where"),  # type: ignore[arg-type]  # refused
    "a list of arguments": (Call("sma", [Number(2.0)]), "Call stands where"),  # type: ignore[arg-type]  # refused
}


@pytest.mark.parametrize(("tree", "words"), FOREIGN.values(), ids=FOREIGN.keys())
def test_trees_that_were_never_parsed_are_refused(tree: Expression, words: str) -> None:
    with pytest.raises(GenomeError, match=words.replace("**", r"\*\*")):
        to_text(tree)
