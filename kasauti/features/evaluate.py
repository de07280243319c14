"""Values of expressions over bars: the language's meaning; its grammar and types live in genome."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError, GenomeError
from kasauti.features import indicators as ta
from kasauti.features.patterns import PATTERNS, pattern
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.tree import fold
from kasauti.market.bars import FIELDS, Bars

Values = NDArray[Any]
Implementation = Callable[..., Values]


def _output(function: Callable[..., tuple[Values, ...]], number: int) -> Implementation:
    return lambda *arguments: function(*arguments)[number]


def _stochastic(number: int) -> Implementation:
    return lambda bars, *windows: ta.stoch(bars.high, bars.low, bars.close, *windows)[number]


def _candle(name: str) -> Implementation:
    return lambda bars: pattern(name, bars.open, bars.high, bars.low, bars.close)


# Called with the arguments: arrays, and literals as int where whole.
_OF_ARGUMENTS: Mapping[str, Implementation] = MappingProxyType(
    {
        "sma": ta.sma,
        "ema": ta.ema,
        "rsi": ta.rsi,
        "macd": _output(ta.macd, 0),
        "macd_signal": _output(ta.macd, 1),
        "macd_hist": _output(ta.macd, 2),
        "bbands": ta.bbands_percent,
        "bbands_upper": _output(ta.bbands, 0),
        "bbands_middle": _output(ta.bbands, 1),
        "bbands_lower": _output(ta.bbands, 2),
        "roc": ta.roc,
        "highest": ta.highest,
        "lowest": ta.lowest,
        "lag": ta.lag,
        "mean": ta.sma,
        "std": ta.std,
        "zscore": ta.zscore,
        "rank": ta.rank,
        "crosses_above": ta.crosses_above,
        "crosses_below": ta.crosses_below,
    }
)

# Called with the bars first.
_OF_BARS: Mapping[str, Implementation] = MappingProxyType(
    {
        "atr": lambda bars, n: ta.atr(bars.high, bars.low, bars.close, n),
        "adx": lambda bars, n: ta.adx(bars.high, bars.low, bars.close, n),
        "stoch": _stochastic(0),
        "stoch_d": _stochastic(1),
        "obv": lambda bars: ta.obv(bars.close, bars.volume),
        "vwap": lambda bars, n: ta.vwap(bars.high, bars.low, bars.close, bars.volume, n),
        **{name: _candle(name) for name in PATTERNS},
    }
)

IMPLEMENTED = frozenset((*_OF_ARGUMENTS, *_OF_BARS))

_OPERATORS: Mapping[str, Callable[[Values, Values], Values]] = MappingProxyType(
    {
        "+": lambda a, b: ta.finite(a + b),
        "-": lambda a, b: ta.finite(a - b),
        "*": lambda a, b: ta.finite(a * b),
        "/": ta.ratio,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "and": np.logical_and,
        "or": np.logical_or,
    }
)


class Features:
    """Values of expressions over one panel, each sub-tree computed once while it is remembered.

    Safe to share between threads. Every array that it returns is read-only.

    Parameters
    ----------
    bars : Bars
    budget : int, default 256 MB
        Bytes of values remembered; the least recently used are forgotten first.
    """

    def __init__(self, bars: Bars, budget: int = 256 * 2**20) -> None:
        self.bars = bars
        self._budget = budget
        self._held = 0
        self._values: OrderedDict[bytes, Values] = OrderedDict()
        self._lock = Lock()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the series that these bars have, in the language's words."""
        fields = (name for name in FIELDS if not np.isnan(getattr(self.bars, name)).all())
        return (*fields, *self.bars.series)

    def evaluate(self, expression: Expression) -> Values:
        """Return the values of `expression` on every closed bar.

        Parameters
        ----------
        expression : Expression
            Inside the language, see `kasauti.genome.check_genome`.

        Returns
        -------
        ndarray of shape (S, T), read-only, C-contiguous
            Bool for a condition, float64 for anything else, in the unit of the expression; NaN
            where it is not yet, or not, defined (warm-up, a missing bar, a division by zero).

        Raises
        ------
        DataError
            For a market series that the bars do not have.
        GenomeError
            For a function or operator outside the language.

        Notes
        -----
        A comparison with an undefined value on either side is false. What is then built on it
        takes it for a plain false: ``not (rsi(close, 14) < 30)`` is therefore *true* during the
        warm-up of the RSI. To wait for the value, write ``rsi(close, 14) >= 30``.
        """
        keys: dict[int, bytes] = {}
        fold(expression, lambda node, parts: _remember_key(keys, node, parts))
        value = self._value(expression, keys)
        if value.shape != self.bars.shape or not value.flags.c_contiguous:
            value = np.ascontiguousarray(np.broadcast_to(value, self.bars.shape))
            value.flags.writeable = False
        return value

    def atr(self, window: int = 14) -> NDArray[np.float64]:
        """Return the average true range in price units, shape (S, T); NaN for `window` bars."""
        return self.evaluate(Call("atr", (Number(float(window)),)))

    def _value(self, node: Expression, keys: Mapping[int, bytes]) -> Values:
        if isinstance(node, Number):
            return np.asarray(node.value, dtype=np.float64)
        if isinstance(node, Series):
            return self._series(node.name)
        key = keys[id(node)]
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = self._compute(node, keys)
        value.flags.writeable = False
        self._remember(key, value)
        return value

    def _compute(self, node: Call | Unary | Binary, keys: Mapping[int, bytes]) -> Values:
        if isinstance(node, Call):
            return self._call(node, keys)
        if isinstance(node, Unary):
            operand = self._value(node.operand, keys)
            # of a constant expression numpy makes a scalar, which is no array
            return np.asarray(~operand if node.operator == "not" else -operand)
        if node.operator not in _OPERATORS:
            raise GenomeError(f"no operator {node.operator!r}: there are {', '.join(_OPERATORS)}")
        left, right = self._value(node.left, keys), self._value(node.right, keys)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(_OPERATORS[node.operator](left, right))

    def _call(self, node: Call, keys: Mapping[int, bytes]) -> Values:
        arguments = [
            _literal(argument) if isinstance(argument, Number) else self._value(argument, keys)
            for argument in node.arguments
        ]
        if node.function in _OF_ARGUMENTS:
            return _OF_ARGUMENTS[node.function](*arguments)
        if node.function in _OF_BARS:
            return _OF_BARS[node.function](self.bars, *arguments)
        raise GenomeError(f"no function {node.function!r}: there are {sorted(IMPLEMENTED)}")

    def _series(self, name: str) -> Values:
        if name in FIELDS:
            values: Values = getattr(self.bars, name)
            return values
        if name in self.bars.series:
            return self.bars.series[name].reshape(1, -1)
        raise DataError(
            f"the data has no series {name!r}, it has {', '.join(self.series)}: name the market"
            " index when loading, or use another series"
        )

    def _remember(self, key: bytes, value: Values) -> None:
        with self._lock:
            if key in self._values:
                return
            self._values[key] = value
            self._held += value.nbytes
            while self._held > self._budget:
                self._held -= self._values.popitem(last=False)[1].nbytes


def _literal(number: Number) -> float | int:
    # TA-Lib takes windows as int; whole numbers are as good as floats to everything else
    return int(number.value) if float(number.value).is_integer() else number.value


def _remember_key(keys: dict[int, bytes], node: Expression, parts: tuple[bytes, ...]) -> bytes:
    """Return a digest of the tree under `node`; equal trees, equal digests."""
    if isinstance(node, Number):
        head = repr(float(node.value))
    elif isinstance(node, Series):
        head = node.name
    else:
        head = node.function if isinstance(node, Call) else node.operator
    kind = f"{type(node).__name__} {head} {len(parts)} ".encode()
    key = keys[id(node)] = blake2b(kind + b"".join(parts), digest_size=16).digest()
    return key
