"""What may be bred: rules of the language that are small enough and no platitudes."""

import numpy as np
import pytest

from kasauti.errors import GenomeError
from kasauti.genome import Expression, parse_expression, to_text
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.check import check_rule
from kasauti.genome.codes import ARITY, Codes, Constants
from kasauti.genome.grammar import BOOLEAN, grammar
from kasauti.genome.language import SERIES
from kasauti.genome.soundness import NOTES, is_sound, is_trivial, read_rule
from tests.genome.rules import coded, decoded

GRAMMAR = grammar()[0]


TRIVIAL = {
    "close < close": True,
    "crosses_above(close, close)": True,
    "close > highest(high, 20)": True,
    "close > highest(close, 20)": True,
    "lowest(low, 5) > open": True,
    "low > high": True,
    "rsi(close, 14) < 100": True,
    "rsi(close, 14) < sma(rsi(close, 5), 3)": False,
    "sma(rsi(close, 14), 3) > 105": True,
    "zscore(close, 3) > 1.5": True,
    "zscore(close, 20) > 1.5": False,
    "atr(14) < 0": True,
    "2 * atr(14) > 0": True,
    "macd(close) > 0": False,
    "doji() and doji()": True,
    "not not doji()": True,
    "close - close > 0": True,
    "close / close > 1": True,
    "close > lag(highest(high, 20), 1)": False,
    "low < 1.02 * low": True,
    "2 * macd(close) < macd(close)": False,
    "open < close": False,
    "high > bbands_upper(close)": False,
}


@pytest.mark.parametrize(("text", "expected"), TRIVIAL.items(), ids=TRIVIAL)
def test_trivial_conditions(text: str, expected: bool) -> None:
    rule, numbers = coded(parse_expression(text))
    notes = np.empty(1, dtype=NOTES)[0]
    assert read_rule(rule, numbers, GRAMMAR, notes)
    assert is_trivial(rule, numbers, GRAMMAR, notes) is expected
    assert is_sound(rule, 30, numbers, GRAMMAR, notes) is not expected


def test_a_sound_rule_is_at_most_as_large_as_asked() -> None:
    rule, numbers = coded(parse_expression("close > sma(close, 20)"))
    notes = np.empty(1, dtype=NOTES)[0]
    assert is_sound(rule, 5, numbers, GRAMMAR, notes)
    assert not is_sound(rule, 4, numbers, GRAMMAR, notes)


@pytest.mark.parametrize(("lags", "expected"), [(58, True), (59, False)])
def test_a_sound_rule_is_not_nested_too_deeply(lags: int, expected: bool) -> None:
    rule, numbers = coded(parse_expression("lag(close, 1) > open"))
    rule = np.repeat(rule, [1, lags, 1, lags, 1])
    notes = np.empty(1, dtype=NOTES)[0]
    assert is_sound(rule, 400, numbers, GRAMMAR, notes) is expected
    assert is_legal(decoded(rule, numbers)) is expected


def is_legal(rule: Expression) -> bool:
    try:
        check_rule(rule)
    except GenomeError:
        return False
    return True


def damaged(rng: np.random.Generator, rule: Codes, constants: Constants) -> Codes:
    """Return `rule` with one to three nodes replaced by any of as many operands."""
    rule = rule.copy()
    for node in rng.integers(len(rule), size=rng.integers(1, 4)):
        if rule[node] < 0:
            rule[node] = -1 - rng.integers(len(constants))
        else:
            rule[node] = rng.choice(np.flatnonzero(ARITY[rule[node]] == ARITY))
    return rule


def test_the_language_of_kernels_is_that_of_the_type_check() -> None:
    rng = np.random.default_rng(5)
    whole = random_population(rng, 400, Vocabulary(series=tuple(SERIES)))
    odd = (0.0, -1.0, 0.5, 2.5, 500.0, 501.0, 1e9)
    constants = np.concatenate([whole.constants, odd])
    notes = np.empty(1, dtype=NOTES)[0]
    legal = 0
    for k in range(len(whole.bounds) - 1):
        rule = damaged(rng, whole.codes[whole.bounds[k] : whole.bounds[k + 1]], constants)
        expression = decoded(rule, constants)
        expected = is_legal(expression)
        found = read_rule(rule, constants, GRAMMAR, notes) and notes["units"][0] == BOOLEAN
        assert bool(found) is expected, to_text(expression)
        legal += expected
    assert 100 < legal < 700
