"""Four recurrences side by side, past their seeds; one at a time and seeding live beside it.

A recurrence waits 6 to 9 cycles for its own last value. Four of them in one loop fill the wait, and
none of their operations changes. Every kernel works on bars `first` to `end` of four rows of
`pool`, which begin at `inputs` and `outputs`, and on four states of `states`, which begin at `at`
and are laid out as in `rolling_averages`. Nothing small is allocated: it would cost 50 bars each.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features.rolling_fma import fma
from kasauti.features.rolling_history import Floats, remember

Places = NDArray[np.int64]
Rows = tuple[Floats, Floats, Floats, Floats]


@njit
def _rows(values: Floats, starts: Places, first: int) -> Rows:
    return (
        values[starts[0] + first :],
        values[starts[1] + first :],
        values[starts[2] + first :],
        values[starts[3] + first :],
    )


@njit
def averages(
    pool: Floats,
    inputs: Places,
    outputs: Places,
    first: int,
    end: int,
    n: Floats,
    states: Floats,
    at: Places,
    place: int,
    difference: bool,
) -> None:
    """Write exponential averages, or each value minus its average; outputs may be the inputs.

    The bars seen are at `place` of each state, the average behind them.
    """
    x0, x1, x2, x3 = _rows(pool, inputs, first)
    y0, y1, y2, y3 = _rows(pool, outputs, first)
    s0, s1, s2, s3 = _rows(states, at, place)
    k0, k1, k2, k3 = 2.0 / (n[0] + 1), 2.0 / (n[1] + 1), 2.0 / (n[2] + 1), 2.0 / (n[3] + 1)
    a0, a1, a2, a3 = s0[1], s1[1], s2[1], s3[1]
    for t in range(end - first):
        v0, v1, v2, v3 = x0[t], x1[t], x2[t], x3[t]
        a0 = fma(v0 - a0, k0, a0)
        a1 = fma(v1 - a1, k1, a1)
        a2 = fma(v2 - a2, k2, a2)
        a3 = fma(v3 - a3, k3, a3)
        if difference:
            y0[t], y1[t], y2[t], y3[t] = v0 - a0, v1 - a1, v2 - a2, v3 - a3
        else:
            y0[t], y1[t], y2[t], y3[t] = a0, a1, a2, a3
    s0[1], s1[1], s2[1], s3[1] = a0, a1, a2, a3
    for s in (s0, s1, s2, s3):
        s[0] += end - first


@njit
def lines(
    pool: Floats,
    inputs: Places,
    outputs: Places,
    first: int,
    end: int,
    fast: Floats,
    slow: Floats,
    states: Floats,
    at: Places,
) -> None:
    """Write MACD lines; the states begin with those of the fast and of the slow average."""
    x0, x1, x2, x3 = _rows(pool, inputs, first)
    y0, y1, y2, y3 = _rows(pool, outputs, first)
    s0, s1, s2, s3 = _rows(states, at, 0)
    k0, j0 = 2.0 / (min(fast[0], slow[0]) + 1), 2.0 / (max(fast[0], slow[0]) + 1)
    k1, j1 = 2.0 / (min(fast[1], slow[1]) + 1), 2.0 / (max(fast[1], slow[1]) + 1)
    k2, j2 = 2.0 / (min(fast[2], slow[2]) + 1), 2.0 / (max(fast[2], slow[2]) + 1)
    k3, j3 = 2.0 / (min(fast[3], slow[3]) + 1), 2.0 / (max(fast[3], slow[3]) + 1)
    a0, a1, a2, a3 = s0[1], s1[1], s2[1], s3[1]
    b0, b1, b2, b3 = s0[3], s1[3], s2[3], s3[3]
    for t in range(end - first):
        a0, b0 = fma(x0[t] - a0, k0, a0), fma(x0[t] - b0, j0, b0)
        a1, b1 = fma(x1[t] - a1, k1, a1), fma(x1[t] - b1, j1, b1)
        a2, b2 = fma(x2[t] - a2, k2, a2), fma(x2[t] - b2, j2, b2)
        a3, b3 = fma(x3[t] - a3, k3, a3), fma(x3[t] - b3, j3, b3)
        y0[t], y1[t], y2[t], y3[t] = a0 - b0, a1 - b1, a2 - b2, a3 - b3
    s0[1], s1[1], s2[1], s3[1] = a0, a1, a2, a3
    s0[3], s1[3], s2[3], s3[3] = b0, b1, b2, b3
    for s in (s0, s1, s2, s3):
        s[0] += end - first
        s[2] += end - first


@njit
def means(
    pool: Floats,
    inputs: Places,
    outputs: Places,
    first: int,
    end: int,
    n: Floats,
    states: Floats,
    at: Places,
) -> None:
    """Write simple averages.

    What leaves a window comes from the history for its first ``n - 1`` bars and from the row after
    them, so the rows are cut where one of the four changes over.
    """
    start = first
    while start < end:
        stop = end
        for k in range(4):
            change = first + int(n[k]) - 1
            stop = min(stop, change) if change > start else stop
        _sums(pool, inputs, outputs, first, start, stop, n, states, at)
        start = stop
    for k in range(4):
        window = n[k]
        history = states[at[k] + 2 : at[k] + 1 + int(window)]
        states[at[k]] += end - first
        remember(history, pool[inputs[k] + first : inputs[k] + end])
        row = pool[outputs[k] + first : outputs[k] + end]
        for t in range(len(row)):
            row[t] = np.divide(row[t], window)


@njit
def _sums(
    pool: Floats,
    inputs: Places,
    outputs: Places,
    first: int,
    start: int,
    stop: int,
    n: Floats,
    states: Floats,
    at: Places,
) -> None:
    x0, x1, x2, x3 = _rows(pool, inputs, start)
    y0, y1, y2, y3 = _rows(pool, outputs, start)
    s0, s1, s2, s3 = _rows(states, at, 0)
    o0 = _leaving(pool[inputs[0] + first :], s0, int(n[0]), start - first)
    o1 = _leaving(pool[inputs[1] + first :], s1, int(n[1]), start - first)
    o2 = _leaving(pool[inputs[2] + first :], s2, int(n[2]), start - first)
    o3 = _leaving(pool[inputs[3] + first :], s3, int(n[3]), start - first)
    a0, a1, a2, a3 = s0[1], s1[1], s2[1], s3[1]
    for t in range(stop - start):
        a0, a1, a2, a3 = a0 + x0[t], a1 + x1[t], a2 + x2[t], a3 + x3[t]
        y0[t], y1[t], y2[t], y3[t] = a0, a1, a2, a3
        a0, a1, a2, a3 = a0 - o0[t], a1 - o1[t], a2 - o2[t], a3 - o3[t]
    s0[1], s1[1], s2[1], s3[1] = a0, a1, a2, a3


@njit
def _leaving(row: Floats, state: Floats, n: int, done: int) -> Floats:
    return state[2 + done :] if done < n - 1 else row[done - n + 1 :]


@njit
def strengths(
    pool: Floats,
    inputs: Places,
    outputs: Places,
    first: int,
    end: int,
    n: Floats,
    states: Floats,
    at: Places,
) -> None:
    """Write relative strength indices; the bar before `first` must be in the rows."""
    x0, x1, x2, x3 = _rows(pool, inputs, first - 1)
    y0, y1, y2, y3 = _rows(pool, outputs, first)
    s0, s1, s2, s3 = _rows(states, at, 0)
    k0, k1, k2, k3 = n[0] - 1, n[1] - 1, n[2] - 1, n[3] - 1
    r0, r1, r2, r3 = 1.0 / n[0], 1.0 / n[1], 1.0 / n[2], 1.0 / n[3]
    g0, g1, g2, g3 = s0[2], s1[2], s2[2], s3[2]
    l0, l1, l2, l3 = s0[3], s1[3], s2[3], s3[3]
    length = end - first
    moves = np.empty((4, length))
    b0, b1, b2, b3 = moves[0], moves[1], moves[2], moves[3]
    for t in range(length):
        g0, l0 = _smoothed(g0, l0, x0[t + 1] - x0[t], k0, r0)
        g1, l1 = _smoothed(g1, l1, x1[t + 1] - x1[t], k1, r1)
        g2, l2 = _smoothed(g2, l2, x2[t + 1] - x2[t], k2, r2)
        g3, l3 = _smoothed(g3, l3, x3[t + 1] - x3[t], k3, r3)
        y0[t], y1[t], y2[t], y3[t] = g0, g1, g2, g3
        b0[t], b1[t], b2[t], b3[t] = g0 + l0, g1 + l1, g2 + l2, g3 + l3
    s0[2], s1[2], s2[2], s3[2] = g0, g1, g2, g3
    s0[3], s1[3], s2[3], s3[3] = l0, l1, l2, l3
    for k in range(4):
        states[at[k]] += length
        states[at[k] + 1] = pool[inputs[k] + end - 1]
        row, both = pool[outputs[k] + first : outputs[k] + end], moves[k]
        for t in range(length):
            index = 100.0 * np.divide(row[t], both[t])
            row[t] = index if both[t] > 0.0 else 0.0


@njit
def _smoothed(
    gain: float, loss: float, change: float, kept: float, share: float
) -> tuple[float, float]:
    rise = change if change > 0.0 else 0.0
    return (gain * kept + rise) * share, (loss * kept + (rise - change)) * share
