"""Statistics of a window, block after block: bands, std, zscore, rank, vwap, lag and ROC.

Each kernel takes the block's inputs, its windows, its state (zeros before the first block) and the
row to write. Where TA-Lib has the function its running sums are kept, in its order; the others add
every window afresh, oldest bar first, as `kasauti.features.indicators` does.
"""

import numpy as np

from kasauti.compiled import njit
from kasauti.features.rolling_history import Floats, begin, copy, joined, remember


@njit
def bands_size(n: int) -> int:
    """Return the length of the state of `std` and of the Bollinger bands."""
    return n + 5


@njit
def _bands(x: Floats, n: int, state: Floats, sums: Floats, variance: Floats) -> None:
    """Write sum and variance of the window; bars that are not yet defined are left to the caller.

    TA-Lib sums deviations from a shift and takes a new shift, the window's mean, where digits were
    lost, at the latest every 32 windows. The state is the bars seen, the sum, the shift, the sums
    of the deviations and of their squares, the bars since the shift, and the history.
    """
    values = joined(state[6 : n + 5], x)
    whole, shift, total, squares, since = state[1], state[2], state[3], state[4], state[5]
    seen, share = int(state[0]), 1.0 / n
    if seen == 0 and len(x) > 0:
        shift = x[0]
    first = min(max(n - 1 - seen, 0), len(x))
    for t in range(first):
        whole += x[t]
        total += x[t] - shift
        squares += (x[t] - shift) * (x[t] - shift)
        sums[t] = variance[t] = 0.0
    for t in range(first, len(x)):
        whole += x[t]
        sums[t] = whole
        whole -= values[t]
        gain, loss = x[t] - shift, values[t] - shift
        total += gain
        squares += gain * gain
        level = total * share
        found = squares * share - level * level
        loss_squared = loss * loss
        total -= loss
        squares -= loss_squared
        since += 1.0
        stale = found < 0.000001 * (squares * share) or loss_squared > 1000000.0 * squares
        if stale or since >= 32 * n:
            shift, total, squares, found = _shifted(values[t : t + n])
            since = 0.0
        variance[t] = found
    state[1], state[2], state[3], state[4], state[5] = whole, shift, total, squares, since


@njit
def _shifted(window: Floats) -> tuple[float, float, float, float]:
    """Return the mean as a shift, the sums of deviations without the first, and the variance."""
    share, total = 1.0 / len(window), 0.0
    for value in window:
        total += value
    shift = total * share
    total, squares = 0.0, 0.0
    for value in window:
        total += value - shift
        squares += (value - shift) * (value - shift)
    level, spread = total * share, squares * share
    variance = spread - level * level
    loss = window[0] - shift
    kept = 0.0 if variance < 1e-12 * spread else variance
    return shift, total - loss, squares - loss * loss, kept


@njit
def std(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the standard deviation, ddof 0."""
    _bands(x, n, state, np.empty(len(x)), out)
    for t in range(len(x)):
        out[t] = np.sqrt(out[t])
    begin(state, x, n - 1, out)


@njit
def bbands_edge(x: Floats, n: int, k: float, state: Floats, out: Floats) -> None:
    """Write the Bollinger band `k` deviations above the mean, below it where `k` is negative."""
    sums = np.empty(len(x))
    _bands(x, n, state, sums, out)
    for t in range(len(x)):
        out[t] = np.divide(sums[t], n) + np.sqrt(out[t]) * k
    begin(state, x, n - 1, out)


@njit
def bbands(x: Floats, n: int, k: float, state: Floats, out: Floats) -> None:
    """Write percent B, NaN where the bands touch."""
    sums = np.empty(len(x))
    _bands(x, n, state, sums, out)
    for t in range(len(x)):
        mean, reach = np.divide(sums[t], n), np.sqrt(out[t]) * k
        share = np.divide(x[t] - (mean - reach), (mean + reach) - (mean - reach))
        out[t] = share if abs(share) < np.inf else np.nan
    begin(state, x, n - 1, out)


@njit
def _window_sums(values: Floats, n: int, total: Floats) -> None:
    """Write the sum of ``values[t : t + n]`` at every t, oldest first.

    The bars lie side by side in the inner loop, four offsets at a time: each bar's order of
    additions is as it is written, and the compiler adds four bars at once.
    """
    total[:] = 0.0
    for i in range(0, n - 3, 4):
        v = values[i:]
        for t in range(len(total)):
            total[t] = total[t] + v[t] + v[t + 1] + v[t + 2] + v[t + 3]
    for i in range(n - n % 4, n):
        v = values[i:]
        for t in range(len(total)):
            total[t] += v[t]


@njit
def _window_squares(values: Floats, n: int, mean: Floats, total: Floats) -> None:
    """Write the sum of ``(values[t : t + n] - mean[t]) ** 2`` at every t, oldest first."""
    total[:] = 0.0
    for i in range(0, n - 3, 4):
        v = values[i:]
        for t in range(len(total)):
            a, b, c, d = v[t] - mean[t], v[t + 1] - mean[t], v[t + 2] - mean[t], v[t + 3] - mean[t]
            total[t] = total[t] + a * a + b * b + c * c + d * d
    for i in range(n - n % 4, n):
        v = values[i:]
        for t in range(len(total)):
            a = v[t] - mean[t]
            total[t] += a * a


@njit
def zscore(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write (value - mean) / deviation, NaN where the window is constant to within rounding."""
    values = joined(state[1:n], x)
    mean = np.empty(len(x))
    _window_sums(values, n, mean)
    for t in range(len(x)):
        mean[t] = np.divide(mean[t], n)
    _window_squares(values, n, mean, out)
    for t in range(len(x)):
        deviation = np.sqrt(np.divide(out[t], n))
        distance = np.divide(x[t] - mean[t], deviation)
        out[t] = distance if deviation > 1e-13 * abs(mean[t]) else np.nan
    begin(state, x, n - 1, out)


@njit
def rank(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the share of the window that is not above the current value."""
    values = joined(state[1:n], x)
    count = np.zeros(len(x), np.int64)
    for i in range(0, n - 7, 8):
        v = values[i:]
        for t in range(len(x)):
            c = count[t] + (v[t] <= x[t]) + (v[t + 1] <= x[t]) + (v[t + 2] <= x[t])
            c += (v[t + 3] <= x[t]) + (v[t + 4] <= x[t]) + (v[t + 5] <= x[t])
            count[t] = c + (v[t + 6] <= x[t]) + (v[t + 7] <= x[t])
    for i in range(n - n % 8, n):
        v = values[i:]
        for t in range(len(x)):
            count[t] += v[t] <= x[t]
    for t in range(len(x)):
        out[t] = np.divide(count[t], n)
    begin(state, x, n - 1, out)


@njit
def vwap(
    high: Floats, low: Floats, close: Floats, volume: Floats, n: int, state: Floats, out: Floats
) -> None:
    """Write the volume-weighted average of the typical price, NaN where no volume was traded."""
    price = joined(state[1:n], (high + low + close) / 3.0)
    weight = joined(state[n : 2 * n - 1], volume)
    traded = np.empty(len(high))
    _window_sums(weight, n, traded)
    _window_sums(price * weight, n, out)
    for t in range(len(high)):
        price_paid = np.divide(out[t], traded[t])
        out[t] = price_paid if traded[t] > 0.0 else np.nan
    begin(state, high, n - 1, out)


@njit
def lag(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the value `n` bars before."""
    history = state[1 : n + 1]
    head = min(len(x), n)
    copy(history[:head], out)
    copy(x[: len(x) - head], out[head:])
    begin(state, x, n, out)
    remember(history, x)


@njit
def roc(x: Floats, n: int, state: Floats, out: Floats) -> None:
    """Write the change over `n` bars in per cent, 0 where the base is 0."""
    lag(x, n, state, out)
    for t in range(len(x)):
        change = (np.divide(x[t], out[t]) - 1.0) * 100.0
        out[t] = change if out[t] != 0.0 else 0.0
