"""Functions of highs, lows and closes, block after block: extremes, stochastic, ATR, ADX, OBV.

Each kernel takes the block's inputs, its windows, its state (zeros before the first block) and the
row to write. The arithmetic and its order are TA-Lib's, so every bit is that of the whole row.
"""

import numpy as np

from kasauti.compiled import njit
from kasauti.features.rolling_averages import sma, sma_size
from kasauti.features.rolling_fma import fma
from kasauti.features.rolling_history import Floats, begin, join

ZERO = 1e-14
"""TA-Lib's ADX takes anything nearer to zero for zero."""


@njit
def _extremes(history: Floats, x: Floats, n: int, highest: bool, out: Floats) -> None:
    """Write the maximum, or minimum, of every bar's last `n` values, and shift `x` into `history`.

    Each sweep doubles the span that a place stands for; the last one laps over to make it n.
    """
    length = len(x) + n - 1
    scratch = np.empty(2 * length)  # one allocation: it takes as long as a sweep
    held, other = scratch[:length], scratch[length:]
    join(history, x, held)
    span = 1
    while 2 * span < n:
        _sweep(held[: length - 2 * span + 1], held[span:], highest, other)
        held, other = other, held
        span *= 2
    _sweep(held[: len(x)], held[n - span :], highest, out)


@njit
def _sweep(a: Floats, b: Floats, highest: bool, out: Floats) -> None:
    if highest:
        for i in range(len(a)):
            out[i] = a[i] if a[i] > b[i] else b[i]
    else:
        for i in range(len(a)):
            out[i] = a[i] if a[i] < b[i] else b[i]


@njit
def highest(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the maximum of the last `n` values; the state is the bars seen and the history."""
    _extremes(state[1:n], x, n, True, out)
    begin(state, x, n - 1, out)


@njit
def lowest(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the minimum of the last `n` values; the state is the bars seen and the history."""
    _extremes(state[1:n], x, n, False, out)
    begin(state, x, n - 1, out)


@njit
def stoch_size(k: int, smooth: int, d: int) -> int:
    """Return the length of the state of `stoch` and `stoch_d`."""
    return 1 + 2 * (k - 1) + sma_size(smooth) + sma_size(d)


@njit
def stoch(
    high: Floats,
    low: Floats,
    close: Floats,
    k: int,
    smooth: int,
    d: int,
    state: Floats,
    out: Floats,
) -> None:
    """Write slow %K, from the bar on which slow %D is defined."""
    _slow_k(high, low, close, k, smooth, state, out)
    begin(state, high, k + smooth + d - 3, out)


@njit
def stoch_d(
    high: Floats,
    low: Floats,
    close: Floats,
    k: int,
    smooth: int,
    d: int,
    state: Floats,
    out: Floats,
) -> None:
    """Write slow %D."""
    slow = np.empty(len(high))
    _slow_k(high, low, close, k, smooth, state, slow)
    held = state[1 + 2 * (k - 1) + sma_size(smooth) :]
    first = begin(state, high, k + smooth - 2, out)
    sma(slow[first:], d, held, out[first:])


@njit
def _slow_k(
    high: Floats, low: Floats, close: Floats, k: int, smooth: int, state: Floats, out: Floats
) -> None:
    top, bottom = np.empty(len(high)), np.empty(len(high))
    _extremes(state[1:k], high, k, True, top)
    _extremes(state[k : 2 * k - 1], low, k, False, bottom)
    for t in range(len(high)):
        width = top[t] - bottom[t]
        share = 100.0 * np.divide(close[t] - bottom[t], width)
        top[t] = share if width != 0.0 else 0.0
    first = min(max(k - 1 - int(state[0]), 0), len(high))
    sma(top[first:], smooth, state[2 * k - 1 :], out[first:])


@njit
def _true_range(high: float, low: float, close_before: float) -> float:
    return max(high - low, abs(high - close_before), abs(low - close_before))


@njit
def atr(high: Floats, low: Floats, close: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write Wilder's average true range; the state is seen, close and average."""
    before, average = state[1], state[2]
    seen = int(state[0])
    first = begin(state, high, n, out)
    kept = (n - 1) / n
    for t in range(len(high)):
        reach = _true_range(high[t], low[t], before) if seen + t > 0 else 0.0
        before = close[t]
        if t > first or seen > n:
            average = fma(average, kept, reach * (1.0 - kept))
        else:
            average += reach
            average = average / n if t == first else average
        if t >= first:
            out[t] = average
    state[1], state[2] = before, average


@njit
def adx(high: Floats, low: Floats, close: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the average directional index.

    The state is seen, high, low, close, the smoothed falls, rises and true range, and the average,
    which is the sum of the first n directional indices until it is complete.
    """
    top, bottom, before = state[1], state[2], state[3]
    minus, plus, reach, average = state[4], state[5], state[6], state[7]
    seen = int(state[0])
    first = begin(state, high, 2 * n - 1, out)
    for t in range(len(high)):
        bar = seen + t
        rise, fall = high[t] - top, bottom - low[t]
        widest = _true_range(high[t], low[t], before)
        top, bottom, before = high[t], low[t], close[t]
        if bar == 0:
            continue
        if bar >= n:
            minus -= minus / n
            plus -= plus / n
            reach -= reach / n
        if fall > 0.0 and rise < fall:
            minus += fall
        elif rise > 0.0 and rise > fall:
            plus += rise
        reach += widest
        if bar >= n and reach > 0.0:
            down, up = 100.0 * (minus / reach), 100.0 * (plus / reach)
            both = down + up
            if not -ZERO < both < ZERO:
                index = 100.0 * (abs(down - up) / both)
                if bar < 2 * n:
                    average += index
                else:
                    average = (average * (n - 1) + index) / n
        if bar == 2 * n - 1:
            average /= n
        if t >= first:
            out[t] = average
    state[1], state[2], state[3] = top, bottom, before
    state[4], state[5], state[6], state[7] = minus, plus, reach, average


@njit
def obv(close: Floats, volume: Floats, state: Floats, out: Floats) -> None:
    """Write on-balance volume; the state is seen, close and balance."""
    before, balance = state[1], state[2]
    for t in range(len(close)):
        if state[0] + t == 0.0:
            balance = volume[t]
        elif close[t] > before:
            balance += volume[t]
        elif close[t] < before:
            balance -= volume[t]
        before = close[t]
        out[t] = balance
    state[0] += len(close)
    state[1], state[2] = before, balance
