"""Rules of the strategy language in English."""

import pytest

from kasauti.genome import parse_expression
from kasauti.genome.language import FUNCTIONS
from kasauti.operations.rule_words import PHRASES, in_words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("close > sma(close, 50)", "the close is above the 50-bar average of the close"),
        ("rsi(close, 14) < 30", "the 14-bar RSI of the close is below 30"),
        (
            "crosses_above(ema(close, 12), ema(close, 26))",
            "the 12-bar exponential average of the close crosses above the 26-bar exponential "
            "average of the close",
        ),
        (
            "hammer() and volume >= lag(volume, 3)",
            "a hammer candle forms and the volume is at least the volume of 3 bars before",
        ),
        ("evening_star()", "an evening star candle forms"),
        ("not doji()", "not a doji candle forms"),
        (
            "(close > open or close < low) and close > 2 * atr(14) + open",
            "(the close is above the open or the close is below the low) and the close is above "
            "2 times the 14-bar average true range plus the open",
        ),
        ("not (close > open)", "not (the close is above the open)"),
        ("vix > 20 * 1", "the volatility index is above 20 times 1"),
    ],
)
def test_a_rule_reads_as_english(rule: str, words: str) -> None:
    assert in_words(parse_expression(rule)) == words


def test_every_function_that_takes_arguments_has_its_phrase() -> None:
    assert set(PHRASES) <= set(FUNCTIONS)
    spoken = {name for name, one in FUNCTIONS.items() if one.parameters}
    assert spoken <= set(PHRASES)


@pytest.mark.parametrize("name", sorted(PHRASES))
def test_a_phrase_uses_only_arguments_that_there_are(name: str) -> None:
    count = len(FUNCTIONS[name].parameters)
    assert "{" not in PHRASES[name].format(*["x"] * count)
