"""Averages and their kin, block after block: SMA, EMA, MACD, RSI; windows and ranges are beside it.

Each kernel takes the block's inputs, its windows, its state (zeros before the first block) and the
row to write. The arithmetic and its order are TA-Lib's, so every bit is that of the whole row.
"""

import numpy as np

from kasauti.compiled import njit
from kasauti.features.rolling_fma import fma
from kasauti.features.rolling_history import Floats, begin, remember


@njit
def sums(x: Floats, n: int, total: float, history: Floats, out: Floats) -> float:
    """Write the sum of the last `n` values of every bar; return the last ``n - 1`` values' sum.

    The sum runs along, as TA-Lib's does. `history` holds ``n - 1`` values and is left as it is.
    """
    head = min(len(x), n - 1)
    for t in range(head):
        total += x[t]
        out[t] = total
        total -= history[t]
    for t in range(head, len(x)):
        total += x[t]
        out[t] = total
        total -= x[t - n + 1]
    return total


@njit
def sma_size(n: int) -> int:
    """Return the length of the state of `sma`: bars seen, sum, history."""
    return n + 1


@njit
def sma(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the simple moving average."""
    history = state[2 : n + 1]
    state[1] = sums(x, n, state[1], history, out)
    for t in range(len(x)):
        out[t] = np.divide(out[t], n)
    begin(state, x, n - 1, out)
    remember(history, x)


@njit
def ema(x: Floats, skip: int, n: int, state: Floats, out: Floats) -> None:
    """Write the exponential moving average of the series without its first `skip` bars.

    The state is the bars seen and the average, or the sum of the seed's bars until it is complete.
    """
    average = state[1]
    start = min(max(skip - int(state[0]), 0), len(x))
    place = begin(state, x, skip + n - 1, out)
    for t in range(start, place):
        average += x[t]
    k = 2.0 / (n + 1)
    if n == 1:
        out[place:] = x[place:]
        return
    if place < len(x) and int(state[0]) - len(x) + place == skip + n - 1:
        average = (average + x[place]) / n
        out[place] = average
        place += 1
    for t in range(place, len(x)):
        average = fma(x[t] - average, k, average)
        out[t] = average
    state[1] = average


@njit
def macd(x: Floats, fast: int, slow: int, signal: int, state: Floats, out: Floats) -> None:
    """Write the MACD line, from the bar on which its signal is defined.

    The state is that of the fast and of the slow average; the fast one is seeded with the last bars
    of the slow one's seed.
    """
    seen = int(state[0])
    fast, slow = min(fast, slow), max(fast, slow)
    _line(x, fast, slow, state, out)
    for t in range(min(max(slow + signal - 2 - seen, 0), len(x))):
        out[t] = np.nan


@njit
def macd_signal(x: Floats, fast: int, slow: int, signal: int, state: Floats, out: Floats) -> None:
    """Write the signal line of the MACD; the state is that of three averages."""
    fast, slow = min(fast, slow), max(fast, slow)
    line = np.empty(len(x))
    _line(x, fast, slow, state, line)
    ema(line, slow - 1, signal, state[4:6], out)


@njit
def macd_hist(x: Floats, fast: int, slow: int, signal: int, state: Floats, out: Floats) -> None:
    """Write the MACD line minus its signal; the state is that of three averages."""
    fast, slow = min(fast, slow), max(fast, slow)
    line = np.empty(len(x))
    _line(x, fast, slow, state, line)
    ema(line, slow - 1, signal, state[4:6], out)
    for t in range(len(x)):
        out[t] = line[t] - out[t]


@njit
def _line(x: Floats, fast: int, slow: int, state: Floats, line: Floats) -> None:
    lazy = np.empty(len(x))
    ema(x, slow - fast, fast, state[0:2], line)
    ema(x, 0, slow, state[2:4], lazy)
    for t in range(len(x)):
        line[t] -= lazy[t]


@njit
def rsi(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write Wilder's relative strength index; the state is seen, value, gain and loss."""
    last, gain, loss = state[1], state[2], state[3]
    seen = int(state[0])
    first = begin(state, x, n, out)
    share = 1.0 / n
    for t in range(len(x)):
        change = x[t] - last if seen + t > 0 else 0.0
        last = x[t]
        if t > first or seen > n:
            gain *= n - 1
            loss *= n - 1
        rise = change if change > 0.0 else 0.0
        gain += rise
        loss += rise - change
        if t >= first:
            gain *= share
            loss *= share
            both = gain + loss
            out[t] = 100.0 * np.divide(gain, both) if both > 0.0 else 0.0
    state[1], state[2], state[3] = last, gain, loss
