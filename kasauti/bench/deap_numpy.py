"""Expressions as one evaluates them with DEAP: `gp.compile`, then TA-Lib and numpy on whole rows.

This is the usual way, written as well as it can be: one primitive a function of the language, a
row of all bars at a time, TA-Lib called directly wherever its argument has no hole. Only a row with
holes in its middle (a ratio's, say) takes our own careful implementation. Signals are ours.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from deap import gp
from numpy.typing import NDArray

from kasauti.features import indicators as ta
from kasauti.features import rolling_windows
from kasauti.features.patterns import PATTERNS, pattern
from kasauti.genome.language import FUNCTIONS
from kasauti.genome.model import Call, Expression, Number, Series, Unary
from kasauti.genome.tree import prefix
from kasauti.market.bars import FIELDS, Bars, Booleans, Floats

Values = NDArray[Any]
Function = Callable[..., Values]

_WORDS = MappingProxyType(
    {
        "+": "add",
        "-": "subtract",
        "*": "multiply",
        "/": "divide",
        "<": "less",
        "<=": "less_equal",
        ">": "greater",
        ">=": "greater_equal",
        "and": "both",
        "or": "either",
        "not": "negate_condition",
    }
)
_NEGATIVE = "negative"


class DeapNumpy:
    """Rules over one symbol's bars, by DEAP and numpy.

    Parameters
    ----------
    bars : Bars
        One symbol, without a missing value.
    """

    def __init__(self, bars: Bars) -> None:
        self._rows = [np.ascontiguousarray(getattr(bars, name)[0]) for name in FIELDS]
        self._primitives = gp.PrimitiveSet("rule", len(FIELDS))
        self._primitives.renameArguments(**{f"ARG{i}": name for i, name in enumerate(FIELDS)})
        functions = _functions(dict(zip(FIELDS, self._rows, strict=True)))
        for name, function in functions.items():
            if _arity(name) > 0:
                self._primitives.addPrimitive(function, _arity(name), name=name)
            else:  # DEAP has no functions without arguments: a user computes the row beforehand
                self._primitives.addTerminal(function(), name=name)

    def tree(self, rule: Expression) -> gp.PrimitiveTree:
        """Return `rule` as the DEAP tree that a DEAP user would hold."""
        return gp.PrimitiveTree([self._node(node) for node in prefix(rule)])

    def signals(self, tree: gp.PrimitiveTree) -> Booleans:
        """Compile `tree` and return its values on all bars, shape (T,)."""
        with np.errstate(all="ignore"):
            values: Booleans = gp.compile(tree, self._primitives)(*self._rows)
        return values

    def _node(self, node: Expression) -> gp.Primitive | gp.Terminal:
        if isinstance(node, Number):
            whole = float(node.value).is_integer()
            return gp.Terminal(int(node.value) if whole else node.value, False, object)
        if isinstance(node, Unary) and node.operator == "-":
            return self._primitives.mapping[_NEGATIVE]
        if isinstance(node, Series):
            return self._primitives.mapping[node.name]
        word = node.function if isinstance(node, Call) else _WORDS[node.operator]
        return self._primitives.mapping[word]


def _arity(name: str) -> int:
    if name in FUNCTIONS:
        return len(FUNCTIONS[name].parameters)
    return 1 if name in (_NEGATIVE, _WORDS["not"]) else 2


def _functions(rows: Mapping[str, Floats]) -> dict[str, Function]:
    """Return every function and operator of the language, over one symbol's `rows`."""
    return {**_of_values(rows), **_of_bars(rows), **_operators()}


def _of_values(rows: Mapping[str, Floats]) -> dict[str, Function]:
    import talib

    plain = {id(row) for row in rows.values()}

    def direct(fast: Function, careful: Function) -> Function:
        def chosen(values: Values, *numbers: float) -> Values:
            simple = id(values) in plain or not _has_holes(values)
            return (fast if simple else careful)(values, *numbers)

        return chosen

    def bands(values: Values, window: int, width: float) -> tuple[Values, Values, Values]:
        upper, middle, lower = talib.BBANDS(values, window, width, width)
        return upper, middle, lower

    def percent_b(values: Values, window: int, width: float) -> Values:
        upper, _, lower = bands(values, window, width)
        return ta.ratio(values - lower, upper - lower)

    def nth(function: Callable[..., tuple[Values, ...]], number: int) -> Function:
        return lambda *arguments: function(*arguments)[number]

    def earlier(values: Values, bars: int) -> Values:
        shifted = np.full(len(values), np.nan)
        shifted[bars:] = values[:-bars]
        return shifted

    def zscore(values: Values, window: int) -> Values:
        # the engine's own kernel: on ties, another order of additions would decide otherwise
        out = np.empty(len(values))
        seen = int(np.isnan(values).sum())
        out[:seen] = np.nan
        rolling_windows.zscore(values[seen:], window, np.zeros(window), out[seen:])
        return out

    names: dict[str, Function] = {
        "sma": direct(talib.SMA, ta.sma),
        "mean": direct(talib.SMA, ta.sma),
        "ema": direct(talib.EMA, ta.ema),
        "rsi": direct(talib.RSI, ta.rsi),
        "roc": direct(talib.ROC, ta.roc),
        "highest": direct(talib.MAX, ta.highest),
        "lowest": direct(talib.MIN, ta.lowest),
        "std": direct(talib.STDDEV, ta.std),
        "lag": direct(earlier, ta.lag),
        "bbands": direct(percent_b, ta.bbands_percent),
        "zscore": direct(zscore, ta.zscore),
        "rank": ta.rank,
        "crosses_above": ta.crosses_above,
        "crosses_below": ta.crosses_below,
    }
    for place, name in enumerate(("macd", "macd_signal", "macd_hist")):
        names[name] = direct(nth(talib.MACD, place), nth(ta.macd, place))
    for place, name in enumerate(("bbands_upper", "bbands_middle", "bbands_lower")):
        names[name] = direct(nth(bands, place), nth(ta.bbands, place))
    return names


def _has_holes(values: Values) -> bool:
    """Return whether `values` are undefined anywhere but before the first defined one."""
    undefined = np.isnan(values)
    return bool(undefined[undefined.argmin() :].any())


def _of_bars(rows: Mapping[str, Floats]) -> dict[str, Function]:
    import talib

    open_, high, low, close, volume = (rows[name] for name in FIELDS)
    bar = (high, low, close)

    def stochastic(number: int) -> Function:
        return lambda k, smooth, d: talib.STOCH(*bar, k, smooth, 0, d, 0)[number]

    typical = (high + low + close) / 3.0

    def vwap(window: int) -> Values:
        return ta.ratio(talib.SUM(typical * volume, window), talib.SUM(volume, window))

    def candle(name: str) -> Function:
        return lambda: pattern(name, open_, high, low, close)

    return {
        "atr": lambda window: talib.ATR(*bar, window),
        "adx": lambda window: talib.ADX(*bar, window),
        "stoch": stochastic(0),
        "stoch_d": stochastic(1),
        "obv": lambda: talib.OBV(close, volume),
        "vwap": vwap,
        **{name: candle(name) for name in PATTERNS},
    }


def _operators() -> dict[str, Function]:
    return {
        "add": lambda a, b: ta.finite(a + b),
        "subtract": lambda a, b: ta.finite(a - b),
        "multiply": lambda a, b: ta.finite(a * b),
        "divide": ta.ratio,
        "less": np.less,
        "less_equal": np.less_equal,
        "greater": np.greater,
        "greater_equal": np.greater_equal,
        "both": np.logical_and,
        "either": np.logical_or,
        "negate_condition": np.logical_not,
        _NEGATIVE: np.negative,
    }
