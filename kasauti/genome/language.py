"""What may be said in an expression: units, series, functions; parsing and typing live beside it.

The table of functions is the definition that `kasauti.features` implements: every entry says which
TA-Lib call it equals, or the exact formula where TA-Lib has none. Warm-up is NaN. Where an argument
is written with a default it may be left out of the text; the tree always holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Unit(StrEnum):
    """What a value is measured in; only equal units are compared, added or crossed.

    A level and its differences are apart, so that an ATR is never compared with a price; a stock's
    price and the market index are apart, so that their levels are never compared either.
    """

    PRICE = "price"
    PRICE_CHANGE = "price change"
    INDEX = "index"
    INDEX_CHANGE = "index change"
    VOLUME = "volume"
    VOLUME_FLOW = "volume flow"
    VOLATILITY = "volatility"
    OSCILLATOR = "oscillator"
    PERCENT = "percent"
    FRACTION = "fraction"
    DEVIATION = "deviation"
    RATIO = "ratio"
    BOOLEAN = "boolean"
    NUMBER = "number"
    WINDOW = "window"


class Variable(StrEnum):
    """A unit that follows from the arguments of a polymorphic function."""

    SAME = "U"
    CHANGE = "change of U"


MEASURED: tuple[Unit, ...] = tuple(
    unit for unit in Unit if unit not in (Unit.BOOLEAN, Unit.NUMBER, Unit.WINDOW)
)

LEVEL_CHANGES: Mapping[Unit, Unit] = MappingProxyType(
    {
        Unit.PRICE: Unit.PRICE_CHANGE,
        Unit.INDEX: Unit.INDEX_CHANGE,
        Unit.VOLUME: Unit.VOLUME_FLOW,
    }
)

SERIES: Mapping[str, Unit] = MappingProxyType(
    {
        "open": Unit.PRICE,
        "high": Unit.PRICE,
        "low": Unit.PRICE,
        "close": Unit.PRICE,
        "volume": Unit.VOLUME,
        "index": Unit.INDEX,
        "vix": Unit.VOLATILITY,
    }
)

ARITHMETIC = ("+", "-", "*", "/")
COMPARISONS = ("<", "<=", ">", ">=")
JUNCTIONS = ("and", "or")

LONGEST_WINDOW = 500
_BAR = ("high", "low", "close")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function.

    Attributes
    ----------
    name : str
    unit : Unit or Variable
        `Unit.WINDOW` is an integer literal, `Unit.NUMBER` a number literal, both within
        [`low`, `high`]; `Variable.SAME` is an expression of any measured unit, one unit for all
        such arguments of the call.
    low, high : float
    default : float or None
        Taken when the text leaves the argument out.
    """

    name: str
    unit: Unit | Variable
    low: float = 0.0
    high: float = 0.0
    default: float | None = None

    @property
    def is_literal(self) -> bool:
        """Whether the argument must be written as a number."""
        return self.unit in (Unit.WINDOW, Unit.NUMBER)


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function.

    Attributes
    ----------
    name : str
    parameters : tuple of Parameter
    result : Unit or Variable
        `Variable.CHANGE` is the unit of a difference of the argument: of prices a price change.
    doc : str
        The exact definition.
    increasing : tuple of str
        Windows that must grow strictly in this order.
    reads : tuple of str
        Series that it reads without naming them.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: Unit | Variable
    doc: str
    increasing: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def defaults(self) -> tuple[float, ...]:
        """Values of the trailing arguments that may be left out."""
        return tuple(p.default for p in self.parameters if p.default is not None)

    @property
    def signature(self) -> str:
        """How it is written: ``macd(x, fast=12, slow=26, signal=9)``."""
        written = (
            p.name if p.default is None else f"{p.name}={p.default:g}" for p in self.parameters
        )
        return f"{self.name}({', '.join(written)})"


def _values(name: str = "x") -> Parameter:
    return Parameter(name, Variable.SAME)


def _window(low: int, default: float | None = None, name: str = "n") -> Parameter:
    return Parameter(name, Unit.WINDOW, low, LONGEST_WINDOW, default)


def _bollinger(name: str, result: Unit | Variable, doc: str) -> Function:
    width = Parameter("k", Unit.NUMBER, 0.1, 10.0, 2.0)
    return Function(name, (_values(), _window(2, 20), width), result, doc)


def _macd(name: str, doc: str) -> Function:
    windows = (_window(2, 12, "fast"), _window(3, 26, "slow"), _window(1, 9, "signal"))
    return Function(name, (_values(), *windows), Variable.CHANGE, doc, ("fast", "slow"))


def _stochastic(name: str, doc: str) -> Function:
    windows = (_window(1, 14, "k"), _window(1, 3, "smooth"), _window(1, 3, "d"))
    return Function(name, windows, Unit.OSCILLATOR, doc, reads=_BAR)


def _rolling(name: str, result: Unit | Variable, doc: str, low: int = 2) -> Function:
    return Function(name, (_values(), _window(low)), result, doc)


def _candle(name: str, doc: str) -> Function:
    return Function(name, (), Unit.BOOLEAN, f"TA-Lib {doc}", reads=("open", *_BAR))


_ALL: tuple[Function, ...] = (
    _rolling("sma", Variable.SAME, "TA-Lib SMA(x, n)"),
    _rolling("ema", Variable.SAME, "TA-Lib EMA(x, n), seeded with the SMA of the first n"),
    Function("rsi", (_values(), _window(2, 14)), Unit.OSCILLATOR, "TA-Lib RSI(x, n)"),
    Function(
        "atr",
        (_window(1, 14),),
        Unit.PRICE_CHANGE,
        "TA-Lib ATR(high, low, close, n)",
        reads=_BAR,
    ),
    _macd("macd", "TA-Lib MACD(x, fast, slow, signal), first output: the MACD line"),
    _macd("macd_signal", "TA-Lib MACD(x, fast, slow, signal), second output: the signal line"),
    _macd("macd_hist", "TA-Lib MACD(x, fast, slow, signal), third output: line minus signal"),
    _bollinger(
        "bbands",
        Unit.FRACTION,
        "percent B: (x - lower) / (upper - lower) of TA-Lib BBANDS(x, n, k, k, SMA); NaN where the"
        " bands touch",
    ),
    _bollinger("bbands_upper", Variable.SAME, "TA-Lib BBANDS(x, n, k, k, SMA), first output"),
    _bollinger("bbands_middle", Variable.SAME, "TA-Lib BBANDS(x, n, k, k, SMA), second output"),
    _bollinger("bbands_lower", Variable.SAME, "TA-Lib BBANDS(x, n, k, k, SMA), third output"),
    Function(
        "adx",
        (_window(2, 14),),
        Unit.OSCILLATOR,
        "TA-Lib ADX(high, low, close, n)",
        reads=_BAR,
    ),
    _stochastic("stoch", "TA-Lib STOCH(high, low, close, k, smooth, SMA, d, SMA), slow %K"),
    _stochastic("stoch_d", "TA-Lib STOCH(high, low, close, k, smooth, SMA, d, SMA), slow %D"),
    Function("obv", (), Unit.VOLUME_FLOW, "TA-Lib OBV(close, volume)", reads=("close", "volume")),
    Function(
        "vwap",
        (_window(1, 20),),
        Unit.PRICE,
        "sum of (high + low + close) / 3 * volume over the last n bars / sum of volume over them;"
        " NaN where that volume is 0",
        reads=(*_BAR, "volume"),
    ),
    Function("roc", (_values(), _window(1, 10)), Unit.PERCENT, "TA-Lib ROC(x, n), in percent"),
    _rolling("highest", Variable.SAME, "TA-Lib MAX(x, n): the current bar is one of the n"),
    _rolling("lowest", Variable.SAME, "TA-Lib MIN(x, n): the current bar is one of the n"),
    Function("lag", (_values(), _window(1, 1)), Variable.SAME, "x as it was n bars before"),
    _rolling("mean", Variable.SAME, "arithmetic mean of the last n values: TA-Lib SMA(x, n)"),
    _rolling("std", Variable.CHANGE, "TA-Lib STDDEV(x, n, 1): ddof 0"),
    _rolling(
        "zscore",
        Unit.DEVIATION,
        "(x - mean(x, n)) / std(x, n), ddof 0; NaN where std is 0",
    ),
    _rolling(
        "rank",
        Unit.FRACTION,
        "share of the last n values (the current one included) that are <= the current one:"
        " from 1/n to 1",
    ),
    Function(
        "crosses_above",
        (_values("a"), _values("b")),
        Unit.BOOLEAN,
        "a > b now and a <= b on the bar before; false where any of the four is NaN",
    ),
    Function(
        "crosses_below",
        (_values("a"), _values("b")),
        Unit.BOOLEAN,
        "a < b now and a >= b on the bar before; false where any of the four is NaN",
    ),
    _candle("doji", "CDLDOJI != 0"),
    _candle("dragonfly_doji", "CDLDRAGONFLYDOJI != 0"),
    _candle("gravestone_doji", "CDLGRAVESTONEDOJI != 0"),
    _candle("hammer", "CDLHAMMER != 0"),
    _candle("inverted_hammer", "CDLINVERTEDHAMMER != 0"),
    _candle("hanging_man", "CDLHANGINGMAN != 0"),
    _candle("shooting_star", "CDLSHOOTINGSTAR != 0"),
    _candle("engulfing_bullish", "CDLENGULFING > 0"),
    _candle("engulfing_bearish", "CDLENGULFING < 0"),
    _candle("harami_bullish", "CDLHARAMI > 0"),
    _candle("harami_bearish", "CDLHARAMI < 0"),
    _candle("marubozu_bullish", "CDLMARUBOZU > 0"),
    _candle("marubozu_bearish", "CDLMARUBOZU < 0"),
    _candle("piercing", "CDLPIERCING != 0"),
    _candle("dark_cloud_cover", "CDLDARKCLOUDCOVER(penetration=0.5) != 0"),
    _candle("morning_star", "CDLMORNINGSTAR(penetration=0.3) != 0"),
    _candle("evening_star", "CDLEVENINGSTAR(penetration=0.3) != 0"),
    _candle("three_white_soldiers", "CDL3WHITESOLDIERS != 0"),
    _candle("three_black_crows", "CDL3BLACKCROWS != 0"),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({f.name: f for f in _ALL})


def change_of(unit: Unit) -> Unit:
    """Return the unit of a difference of two values of `unit`."""
    return LEVEL_CHANGES.get(unit, unit)
