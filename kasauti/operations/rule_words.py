"""A rule of the strategy language in English; what a rule computes stands in `kasauti.features`."""

from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.text import BINDING, number_text
from kasauti.genome.tree import fold

_ATOM = 100  # binds tighter than any operator
_SERIES = {"vix": "the volatility index", "index": "the market index"}
_OPERATORS = {
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
}

# {0} is the first argument and so on, as in `kasauti.genome.language.FUNCTIONS`.
PHRASES: dict[str, str] = {
    "sma": "the {1}-bar average of {0}",
    "ema": "the {1}-bar exponential average of {0}",
    "mean": "the {1}-bar average of {0}",
    "rsi": "the {1}-bar RSI of {0}",
    "atr": "the {0}-bar average true range",
    "macd": "the MACD line ({1}, {2}) of {0}",
    "macd_signal": "the MACD signal line ({1}, {2}, {3}) of {0}",
    "macd_hist": "the MACD histogram ({1}, {2}, {3}) of {0}",
    "bbands": "the place of {0} within its {1}-bar Bollinger bands of {2} deviations",
    "bbands_upper": "the upper {1}-bar Bollinger band of {0} at {2} deviations",
    "bbands_middle": "the middle {1}-bar Bollinger band of {0}",
    "bbands_lower": "the lower {1}-bar Bollinger band of {0} at {2} deviations",
    "adx": "the {0}-bar strength of the trend (ADX)",
    "stoch": "the slow stochastic %K ({0}, {1}, {2})",
    "stoch_d": "the slow stochastic %D ({0}, {1}, {2})",
    "obv": "the on-balance volume",
    "vwap": "the {0}-bar volume-weighted average price",
    "roc": "the percent change of {0} over {1} bars",
    "highest": "the highest of {0} in {1} bars",
    "lowest": "the lowest of {0} in {1} bars",
    "lag": "{0} of {1} bars before",
    "std": "the {1}-bar standard deviation of {0}",
    "zscore": "the distance of {0} from its {1}-bar average, in standard deviations",
    "rank": "the share of the last {1} bars on which {0} was no higher",
    "crosses_above": "{0} crosses above {1}",
    "crosses_below": "{0} crosses below {1}",
}


def in_words(expression: Expression) -> str:
    """Return the rule as words: ``the close is above the 50-bar average of the close``.

    Brackets stand where the order of *and* and *or* or of sums would be open; a candle pattern is
    named as it is in the language.

    Raises
    ------
    GenomeError
        If the tree is too large, too deep or contains a foreign object.
    """
    return fold(expression, _say)[0]


def _say(node: Expression, parts: tuple[tuple[str, int], ...]) -> tuple[str, int]:
    match node:
        case Series(name):
            return _SERIES.get(name, f"the {name}"), _ATOM
        case Number(value):
            return number_text(value), _ATOM
        case Call(function):
            return _call(function, [text for text, _ in parts]), _ATOM
        case Unary(operator):
            return f"{'minus' if operator == '-' else 'not'} {_within(parts[0], _ATOM)}", _ATOM
        case Binary(operator):
            binding = BINDING[operator]
            word = _OPERATORS.get(operator, operator)
            left, right = _within(parts[0], binding), _within(parts[1], binding + 1)
            return f"{left} {word} {right}", binding


def _call(function: str, arguments: list[str]) -> str:
    if function in PHRASES:
        return PHRASES[function].format(*arguments)
    named = function.replace("_", " ")
    if arguments:
        return f"{named} of {', '.join(arguments)}"
    return f"{'an' if named[0] in 'aeiou' else 'a'} {named} candle forms"


def _within(part: tuple[str, int], binding: int) -> str:
    text, own = part
    return text if own >= binding else f"({text})"
