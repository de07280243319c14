"""What the parser reads, what it refuses, where it points and what it says."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from kasauti.genome.language import FUNCTIONS, SERIES
from kasauti.genome.parser import MAX_TEXT

CLOSE, OPEN, HIGH = Series("close"), Series("open"), Series("high")


def sma(window: float) -> Call:
    return Call("sma", (CLOSE, Number(window)))


READ: dict[str, tuple[str, Expression]] = {
    "comparison": ("close < sma(close, 50)", Binary("<", CLOSE, sma(50.0))),
    "and binds tighter than or": (
        "close < open or close < high and high < 3",
        Binary(
            "or",
            Binary("<", CLOSE, OPEN),
            Binary("and", Binary("<", CLOSE, HIGH), Binary("<", HIGH, Number(3.0))),
        ),
    ),
    "not binds looser than a comparison": (
        "not close < open and doji()",
        Binary("and", Unary("not", Binary("<", CLOSE, OPEN)), Call("doji", ())),
    ),
    "subtraction groups to the left": (
        "high + close - open",
        Binary("-", Binary("+", HIGH, CLOSE), OPEN),
    ),
    "parentheses on the right stay": (
        "high - (close - open)",
        Binary("-", HIGH, Binary("-", CLOSE, OPEN)),
    ),
    "product before sum": (
        "1.02 * close + close",
        Binary("+", Binary("*", Number(1.02), CLOSE), CLOSE),
    ),
    "minus binds tighter than product": ("-close * 2", Binary("*", Unary("-", CLOSE), Number(2.0))),
    "a negative number is one constant": ("-3", Number(-3.0)),
    "minus zero is zero": ("-0", Number(0.0)),
    "two minus signs": ("--3", Number(3.0)),
    "minus of a parenthesis": ("-(high - low)", Unary("-", Binary("-", HIGH, Series("low")))),
    "exponent": ("1.5e-3", Number(0.0015)),
    "no leading zero": (".5", Number(0.5)),
    "white space": (" sma (\tclose\n, 50 ) ", sma(50.0)),
    "whole float as window": ("sma(close, 50.0)", sma(50.0)),
    "defaults filled": (
        "macd(close)",
        Call("macd", (CLOSE, Number(12.0), Number(26.0), Number(9.0))),
    ),
    "some defaults filled": (
        "bbands(close, 10)",
        Call("bbands", (CLOSE, Number(10.0), Number(2.0))),
    ),
    "only high, low, close": ("atr()", Call("atr", (Number(14.0),))),
    "a price against a number": ("close > 100", Binary(">", CLOSE, Number(100.0))),
    "crossing a level": (
        "crosses_below(vix, 20)",
        Call("crosses_below", (Series("vix"), Number(20.0))),
    ),
}


@pytest.mark.parametrize(("text", "tree"), READ.values(), ids=READ.keys())
def test_reads(text: str, tree: Expression) -> None:
    assert parse_expression(text) == tree


def test_minus_zero_keeps_no_sign() -> None:
    assert str(parse_expression("-0")) == str(Number(0.0))


# id: text, position, words of the message
REFUSED: dict[str, tuple[str, int, str]] = {
    "empty": ("", 0, "found the end"),
    "blank": ("  ", 2, "found the end"),
    "attribute": ("close.real", 5, "attribute access"),
    "dunder": ("close.__class__ < 1", 5, "attribute access"),
    "subscript": ("close[-1] > 1", 5, "lag(close, 1)"),
    "list": ("[close]", 0, "subscripts and lists"),
    "dict": ("{}", 0, "not part of the language"),
    "lambda": ("lambda x: x", 8, "':'"),
    "lambda without colon": ("lambda", 0, "'lambda' is not part of the language"),
    "comprehension": ("(close for close in open)", 7, "found 'for'"),
    "conditional": ("close if doji() else open", 6, "found 'if'"),
    "is": ("close is open", 6, "found 'is'"),
    "in": ("close in open", 6, "found 'in'"),
    "true": ("True", 0, "'True' is not part of the language"),
    "import": ("__import__('os')", 11, "not part of the language"),
    "string": ("'close'", 0, "not part of the language"),
    "f-string": ('f"{close}"', 1, "not part of the language"),
    "keyword argument": ("sma(close, window=5)", 17, "positional"),
    "star": ("sma(*close)", 4, "found '*'"),
    "power": ("close ** 2", 6, "powers"),
    "whole division": ("close // 2", 6, "use /"),
    "remainder": ("close % 2", 6, "remainder"),
    "bit and": ("close & open", 6, "'and'"),
    "bit or": ("close | open", 6, "'or'"),
    "bit not": ("~close", 0, "'not'"),
    "shift": ("close << 2", 6, "not part of the language"),
    "walrus": ("(x := close)", 3, "assignment"),
    "assignment": ("close = 3", 6, "positional"),
    "equality": ("close == 3", 6, "<= or >="),
    "inequality": ("close != 3", 6, "< or >"),
    "semicolon": ("close; open", 5, "not part of the language"),
    "comment": ("close # x", 6, "not part of the language"),
    "backslash": ("close \\ open", 6, "not part of the language"),
    "null byte": ("close\x00", 5, "not part of the language"),
    "cyrillic look-alike": ("сlose < 1", 0, "CYRILLIC SMALL LETTER ES"),
    "full-width digit": ("close < １", 8, "FULLWIDTH DIGIT ONE"),
    "full-width letter": ("ｃlose < 1", 0, "only ASCII"),
    "no-break space": ("close\u00a0< 1", 5, "NO-BREAK SPACE"),
    "lone surrogate": ("\ud800", 0, "without a name"),
    "minus sign": ("close < −1", 8, "MINUS SIGN"),
    "underscore number": ("close < 1_000", 8, "1_000"),
    "hexadecimal": ("close < 0x10", 8, "0x10"),
    "octal": ("close < 007", 8, "007"),
    "imaginary": ("close < 1j", 8, "1j"),
    "two points": ("close < 1.2.3", 8, "1.2.3"),
    "exponent without digits": ("close < 1e", 8, "1e"),
    "superscript": ("close < 1²", 8, "expected a number"),
    "overflow": ("close < 1e999", 8, "finite"),
    "underflow": ("close < 1e-999", 8, "too small"),
    "nan": ("close < nan", 8, "not registered"),
    "inf": ("close < inf", 8, "not registered"),
    "unknown near": ("rssi(close, 14) < 30", 0, "did you mean 'rsi'?"),
    "unknown series": ("clsoe < 1", 0, "did you mean 'close'?"),
    "capitals": ("RSI(close, 14) < 30", 0, "did you mean 'rsi'?"),
    "unknown far": ("eval(close)", 0, "not registered"),
    "series called": ("close(1) < 2", 0, "is a series, not a function"),
    "function not called": ("rsi < 30", 0, "rsi(x, n=14)"),
    "call of a call": ("doji()()", 6, "found '('"),
    "no argument": ("sma() < 1", 0, "sma(x, n)"),
    "missing argument": ("sma(close) < 1", 0, "2 arguments, found 1"),
    "surplus argument": ("doji(close)", 0, "0 arguments, found 1"),
    "window 0": ("close < sma(close, 0)", 19, "integer from 2 to 500, found 0"),
    "window 1 for an average": ("close < sma(close, 1)", 19, "integer from 2 to 500"),
    "negative window looks ahead": (
        "close < lag(close, -3)",
        19,
        "integer from 1 to 500, found -3",
    ),
    "fractional window": ("close < sma(close, 1.5)", 19, "found 1.5"),
    "window 501": ("close < sma(close, 501)", 19, "found 501"),
    "window 10**9": ("close < sma(close, 1e9)", 19, "found 1e+09"),
    "window as expression": ("close < sma(close, 10 + 10)", 22, "found an expression"),
    "window as series": ("close < sma(close, close)", 19, "found an expression"),
    "band width": ("bbands(close, 20, 0) < 1", 18, "0.1 to 10"),
    "windows in wrong order": ("macd(close, 26, 12, 9) > 0", 0, "fast < slow"),
    "chained comparison": ("open < close < high", 13, "cannot be chained"),
    "comparison of comparisons": ("(open < close) < 3", 15, "found a condition"),
    "condition added": ("doji() + 1 > 0", 7, "found a condition"),
    "condition negated": ("-doji()", 0, "found a condition"),
    "value negated": ("not close", 0, "'not' needs a condition, found a price"),
    "value joined": ("doji() and close", 7, "'and' joins conditions, found a price"),
    "condition as values": ("sma(close < open, 5) > 1", 10, "found a condition"),
    "constant comparison": ("1 < 2", 2, "two constants"),
    "average of a constant": ("sma(5, 20) < 1", 0, "never changes"),
    "crossing of constants": ("crosses_above(1, 2)", 0, "never changes"),
    "price with oscillator": ("rsi(close, 14) < close", 15, "an oscillator with a price"),
    "price with index": ("close > index", 6, "a price with an index"),
    "price with volume": ("close > volume", 6, "a price with a volume"),
    "price with atr": ("atr(14) < close", 8, "divide them"),
    "volume with obv": ("volume < obv()", 7, "divide them"),
    "crossing of units": ("crosses_above(close, volume)", 21, "equal units"),
    "price and number added": ("close + 5 > open", 6, "scale it"),
    "price times volume": ("close * volume > 1", 6, "'*'"),
    "price over volume": ("close / volume > 1", 6, "'/'"),
    "number over price": ("1 / close > 1", 2, "'/'"),
    "division by zero": ("close / 0 > 1", 6, "division by zero"),
    "open parenthesis": ("(close < open", 13, "expected an operator or ')'"),
    "open call": ("sma(close, 20", 13, "',' or ')'"),
    "closing too much": ("close < open)", 12, "found ')'"),
    "comma alone": ("close, open", 5, "found ','"),
    "trailing comma": ("sma(close, 20,) < 1", 14, "found ')'"),
    "two operands": ("close open", 6, "an operator or the end"),
    "operator first": ("* close", 0, "found '*'"),
    "plus sign": ("+close > 1", 0, "found '+'"),
    "operator last": ("close <", 7, "found the end"),
    "and last": ("doji() and", 10, "found the end"),
    "not inside": ("close < not doji()", 8, "needs parentheses"),
    "not as infix": ("close not open", 6, "found 'not'"),
}


@pytest.mark.parametrize(("text", "position", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_with_position_and_words(text: str, position: int, words: str) -> None:
    with pytest.raises(GenomeError) as refusal:
        parse_expression(text)
    assert refusal.value.position == position
    assert words in str(refusal.value)
    str(refusal.value).encode()  # can be printed and logged


DEEP = {
    "parentheses": "(" * 10_000 + "close" + ")" * 10_000,
    "parentheses within the text limit": "(" * 4_000 + "close" + ")" * 4_000,
    "open parentheses": "(" * 9_000,
    "minus": "-" * 9_000 + "close",
    "minus with 10,000": "-" * 10_000 + "close",
    "not": "not " * 2_000 + "doji()",
    "calls": "sma(" * 2_000 + "close" + ", 2)" * 2_000,
    "right operands": "close-(" * 1_000 + "close" + ")" * 1_000,
    "a long chain": "+".join(["close"] * 1_500),
    "a long call": "sma(" + ",".join(["close"] * 1_500) + ")",
    "a long number": "9" * 9_999,
    "a long name": "x" * 9_999,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_and_long_texts_are_refused_quickly(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(GenomeError) as refusal:
        parse_expression(text)
    assert time.perf_counter() - began < 1.0
    assert len(str(refusal.value)) < 300


def test_text_limit() -> None:
    with pytest.raises(GenomeError, match=f"at most {MAX_TEXT}"):
        parse_expression(" " * (MAX_TEXT + 1))


@pytest.mark.parametrize("value", [None, 5, b"close", ["close"]], ids=repr)
def test_only_text_is_read(value: object) -> None:
    with pytest.raises(GenomeError, match="as text"):
        parse_expression(value)  # type: ignore[arg-type]  # what a careless caller passes


ANY_TEXT = st.text(max_size=60)
WORDS = st.lists(
    st.sampled_from(
        [*SERIES, *FUNCTIONS, *"+-*/()<>,.=[]", "and", "or", "not", "<=", "14", "0.5", " ", "**"]
    ),
    max_size=25,
).map(" ".join)


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.one_of(ANY_TEXT, WORDS))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = parse_expression(text)
    except GenomeError as refusal:
        assert refusal.position is None or 0 <= refusal.position <= len(text)
    else:
        assert parse_expression(to_text(tree)) == tree
