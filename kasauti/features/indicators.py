"""Indicators as pure functions of arrays; expressions, caching and candle patterns live beside it.

Every function takes arrays of shape (T,) or (S, T), one symbol a row, and returns the same shape.
Where TA-Lib has the indicator, the result is TA-Lib's own, warm-up and seeding included.

NaN rule, the same for all: a function sees, row by row, only the bars on which *all* of its inputs
are defined, as if the others did not exist, and is NaN on the others. So the time before a listing
is no warm-up, and a missing session neither poisons what follows nor counts as a bar of a window.
Nothing here returns an infinity.

Every function is causal bit for bit: ``f(x[:t])`` equals ``f(x)[:t]``. TA-Lib's rolling sums run
from the first bar forward, so this holds for them too, rounding included; the statistics that
TA-Lib lacks are computed afresh for every window.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Kernel = Callable[..., Any]


def over_valid_bars(kernel: Kernel, *inputs: Floats, outputs: int = 1) -> tuple[Floats, ...]:
    """Apply a 1-D `kernel` to every row's defined bars, by the NaN rule of this module.

    Parameters
    ----------
    kernel : callable
        Takes as many 1-D float64 arrays as there are `inputs`, without NaN and of one length n,
        and returns one array of length n, or a tuple of `outputs` of them.
    *inputs : ndarray of shape (T,) or (S, T)
        Broadcast against each other.
    outputs : int, default 1

    Returns
    -------
    tuple of ndarray
        `outputs` arrays of the broadcast shape, float64.
    """
    shape = np.broadcast_shapes(*(values.shape for values in inputs))
    lines = int(np.prod(shape[:-1]))
    rows = [np.broadcast_to(values, shape).reshape(lines, shape[-1]) for values in inputs]
    results = np.full((outputs, *rows[0].shape), np.nan)
    defined = ~np.isnan(rows[0])
    for values in rows[1:]:
        defined &= ~np.isnan(values)
    for row, valid in enumerate(defined):
        start = int(valid.argmax()) if valid.size else 0
        keep: Any = slice(start, None) if valid[start:].all() else valid
        columns = [np.ascontiguousarray(values[row][keep], dtype=np.float64) for values in rows]
        if len(columns[0]) == 0:
            continue
        for column in columns:
            column.flags.writeable = False  # always, or numba compiles every kernel twice
        found = kernel(*columns)
        for output, values in zip(results, found if outputs > 1 else (found,), strict=True):
            output[row][keep] = values
    return tuple(output.reshape(shape) for output in results)


def _one(kernel: Kernel, *inputs: Floats) -> Floats:
    return over_valid_bars(kernel, *inputs)[0]


def sma(values: Floats, window: int) -> Floats:
    """Return the simple moving average (TA-Lib SMA), NaN for the first ``window - 1`` bars."""
    import talib

    return _one(lambda x: talib.SMA(x, window), values)


def ema(values: Floats, window: int) -> Floats:
    """Return the exponential moving average (TA-Lib EMA), seeded with the first window's mean."""
    import talib

    return _one(lambda x: talib.EMA(x, window), values)


def rsi(values: Floats, window: int) -> Floats:
    """Return Wilder's relative strength index in 0 to 100 (TA-Lib RSI; 0 where nothing moved)."""
    import talib

    return _one(lambda x: talib.RSI(x, window), values)


def atr(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Return Wilder's average true range in price units (TA-Lib ATR), NaN for `window` bars."""
    import talib

    return _one(lambda *x: talib.ATR(*x, window), high, low, close)


def adx(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Return the average directional index in 0 to 100 (TA-Lib ADX)."""
    import talib

    return _one(lambda *x: talib.ADX(*x, window), high, low, close)


def macd(values: Floats, fast: int, slow: int, signal: int) -> tuple[Floats, Floats, Floats]:
    """Return MACD line, signal and histogram (TA-Lib MACD).

    All three start at bar ``slow + signal - 2``: TA-Lib starts the line when its signal starts,
    and swaps `fast` and `slow` where they are given the wrong way round.
    """
    import talib

    line, trigger, histogram = over_valid_bars(
        lambda x: talib.MACD(x, fast, slow, signal), values, outputs=3
    )
    return line, trigger, histogram


def bbands(values: Floats, window: int, deviations: float) -> tuple[Floats, Floats, Floats]:
    """Return upper, middle and lower Bollinger bands (TA-Lib BBANDS on SMA, ddof 0)."""
    import talib

    upper, middle, lower = over_valid_bars(
        lambda x: talib.BBANDS(x, window, deviations, deviations), values, outputs=3
    )
    return upper, middle, lower


def bbands_percent(values: Floats, window: int, deviations: float) -> Floats:
    """Return %b, the place between the bands: 0 at the lower, 1 at the upper; NaN at zero width."""
    upper, _, lower = bbands(values, window, deviations)
    return ratio(values - lower, upper - lower)


def stoch(
    high: Floats, low: Floats, close: Floats, fast_k: int, slow_k: int, slow_d: int
) -> tuple[Floats, Floats]:
    """Return slow %K and slow %D in 0 to 100 (TA-Lib STOCH with simple averages)."""
    import talib

    percent_k, percent_d = over_valid_bars(
        lambda *x: talib.STOCH(*x, fast_k, slow_k, 0, slow_d, 0),
        high,
        low,
        close,
        outputs=2,
    )
    return percent_k, percent_d


def obv(close: Floats, volume: Floats) -> Floats:
    """Return on-balance volume (TA-Lib OBV): the first bar's volume, then signed and summed up.

    Its level depends on where the data starts; only its changes mean anything.
    """
    import talib

    return _one(talib.OBV, close, volume)


def vwap(high: Floats, low: Floats, close: Floats, volume: Floats, window: int) -> Floats:
    """Return the rolling volume-weighted average of the typical price (high + low + close) / 3.

    Shapes and units of the price; NaN for the first ``window - 1`` bars and where the window
    traded no volume. TA-Lib's VWAP is anchored at the first bar of the data, so its level would
    depend on where the data starts; this is its VWMA of TYPPRICE.
    """
    typical = (high + low + close) / 3.0
    return _one(lambda price, traded: _vwap(price, traded, window), typical, volume)


def roc(values: Floats, window: int) -> Floats:
    """Return the change over `window` bars in per cent (TA-Lib ROC; 0 where the base is 0)."""
    import talib

    return _one(lambda x: talib.ROC(x, window), values)


def highest(values: Floats, window: int) -> Floats:
    """Return the maximum of the last `window` bars, this one included (TA-Lib MAX)."""
    import talib

    return _one(lambda x: talib.MAX(x, window), values)


def lowest(values: Floats, window: int) -> Floats:
    """Return the minimum of the last `window` bars, this one included (TA-Lib MIN)."""
    import talib

    return _one(lambda x: talib.MIN(x, window), values)


def lag(values: Floats, bars: int) -> Floats:
    """Return the value `bars` defined bars before; NaN for the first `bars`."""
    return _one(lambda x: _shifted(x, bars), values)


def std(values: Floats, window: int) -> Floats:
    """Return the standard deviation of the last `window` bars (TA-Lib STDDEV: ddof 0)."""
    import talib

    return _one(lambda x: talib.STDDEV(x, window), values)


def zscore(values: Floats, window: int) -> Floats:
    """Return (value - mean) / standard deviation over the last `window` bars, this one included.

    ddof 0, computed in two passes; NaN where the window is constant to within rounding.
    """
    return _one(lambda x: _zscore(x, window), values)


def rank(values: Floats, window: int) -> Floats:
    """Return the share of the last `window` values, this one included, that are not above it.

    From 1 / window to 1; NaN for the first ``window - 1`` bars. TA-Lib's PERCENTRANK leaves the
    current value out and counts strictly smaller ones: another quantity.
    """
    return _one(lambda x: _rank(x, window), values)


def crosses_above(left: Floats, right: Floats) -> Booleans:
    """Return where `left` is above `right` and was at or below it on the bar before.

    Boolean, of the broadcast shape; False where any of the four values is NaN, so this is the one
    exception to the NaN rule: a crossing is not looked for across a missing bar.
    """
    above, not_above = np.broadcast_arrays(left > right, left <= right)
    crossed = np.zeros(above.shape, dtype=np.bool_)
    crossed[..., 1:] = above[..., 1:] & not_above[..., :-1]
    return crossed


def crosses_below(left: Floats, right: Floats) -> Booleans:
    """Return where `left` is below `right` and was at or above it on the bar before.

    Boolean, of the broadcast shape; False where any of the four values is NaN.
    """
    return crosses_above(right, left)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return numerator / denominator, NaN where the denominator is 0 or the result overflows."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = numerator / denominator
    return finite(quotient)


def finite(values: Floats) -> Floats:
    """Return `values` with infinities turned into NaN; the same array where there are none."""
    infinite = np.isinf(values)
    return np.where(infinite, np.nan, values) if infinite.any() else values


def _shifted(values: Floats, bars: int) -> Floats:
    earlier = np.full(len(values), np.nan)
    earlier[bars:] = values[: max(len(values) - bars, 0)]
    return earlier


@njit
def _vwap(price: Floats, volume: Floats, window: int) -> Floats:
    result = np.full(len(price), np.nan)
    for last in range(window - 1, len(price)):
        traded = 0.0
        value = 0.0
        for bar in range(last - window + 1, last + 1):
            traded += volume[bar]
            value += price[bar] * volume[bar]
        if traded > 0.0:
            result[last] = value / traded
    return result


@njit
def _zscore(values: Floats, window: int) -> Floats:
    result = np.full(len(values), np.nan)
    for last in range(window - 1, len(values)):
        total = 0.0
        for bar in range(last - window + 1, last + 1):
            total += values[bar]
        mean = total / window
        squares = 0.0
        for bar in range(last - window + 1, last + 1):
            squares += (values[bar] - mean) ** 2
        deviation = np.sqrt(squares / window)
        # a constant window leaves the mean's rounding, about 1e-16 of the level, as "deviation"
        if deviation > 1e-13 * abs(mean):
            result[last] = (values[last] - mean) / deviation
    return result


@njit
def _rank(values: Floats, window: int) -> Floats:
    result = np.full(len(values), np.nan)
    for last in range(window - 1, len(values)):
        not_above = 0
        for bar in range(last - window + 1, last + 1):
            if values[bar] <= values[last]:
                not_above += 1
        result[last] = not_above / window
    return result


def compile_kernels() -> None:
    """Compile this module's numba kernels into the disk cache, for ``kasauti compile``."""
    values = np.ones(3)
    vwap(values, values, values, values, 2)
    zscore(values, 2)
    rank(values, 2)
