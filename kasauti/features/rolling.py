"""Rolling functions of the language, block after block with their state; the graph lives elsewhere.

A series is handed over in blocks of any length, its defined values only. However it is cut, every
bit is that of `kasauti.features.indicators` on the whole row, warm-up and undefined bars included.
Crossings, candles and operators carry next to nothing and are not here.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features import rolling_averages as averages
from kasauti.features import rolling_lanes as lanes
from kasauti.features import rolling_ranges as ranges
from kasauti.features import rolling_windows as windows
from kasauti.genome.codes import CODE_OF

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

SMA, MEAN, EMA, RSI = CODE_OF["sma"], CODE_OF["mean"], CODE_OF["ema"], CODE_OF["rsi"]
MACD, SIGNAL, HISTOGRAM = CODE_OF["macd"], CODE_OF["macd_signal"], CODE_OF["macd_hist"]
PERCENT_B, UPPER = CODE_OF["bbands"], CODE_OF["bbands_upper"]
MIDDLE, LOWER = CODE_OF["bbands_middle"], CODE_OF["bbands_lower"]
STD, ZSCORE, RANK, VWAP = CODE_OF["std"], CODE_OF["zscore"], CODE_OF["rank"], CODE_OF["vwap"]
HIGHEST, LOWEST, LAG, ROC = CODE_OF["highest"], CODE_OF["lowest"], CODE_OF["lag"], CODE_OF["roc"]
STOCH, STOCH_D, ATR = CODE_OF["stoch"], CODE_OF["stoch_d"], CODE_OF["atr"]
ADX, OBV = CODE_OF["adx"], CODE_OF["obv"]

NAMES: tuple[str, ...] = (
    *("sma", "mean", "ema", "rsi", "atr", "adx", "macd", "macd_signal", "macd_hist"),
    *("bbands", "bbands_upper", "bbands_middle", "bbands_lower", "stoch", "stoch_d", "obv"),
    *("vwap", "roc", "highest", "lowest", "lag", "std", "zscore", "rank"),
)
"""The functions that `advance` knows."""


@njit
def state_size(code: int, p0: float, p1: float, p2: float) -> int:
    """Return the float64 numbers of state of a function, its history included.

    Parameters
    ----------
    code : int
        The function's place in `kasauti.genome.codes.SYMBOLS`.
    p0, p1, p2 : float
        Its windows and numbers, in the order of its arguments; those it lacks are not read.

    Returns
    -------
    int
        0 for a code that `advance` does not know.
    """
    n = int(p0)
    if code in (SMA, MEAN, MIDDLE):
        return averages.sma_size(n)
    if code == EMA:
        return 2
    if code == MACD:
        return 4
    if code in (SIGNAL, HISTOGRAM):
        return 6
    if code in (HIGHEST, LOWEST, ZSCORE, RANK):
        return n
    if code in (LAG, ROC):
        return n + 1
    if code in (STD, UPPER, LOWER, PERCENT_B):
        return windows.bands_size(n)
    if code == RSI:
        return 4
    if code in (STOCH, STOCH_D):
        return ranges.stoch_size(n, int(p1), int(p2))
    if code == VWAP:
        return 2 * n - 1
    if code in (ATR, OBV):
        return 3
    if code == ADX:
        return 8
    return 0


LANES = 4
"""Nodes that `advance_lanes` takes at once."""


@njit
def has_lanes(code: int) -> bool:
    """Return whether `advance_lanes` knows the function, because four at once are faster."""
    return _bars_until_steady(code, 2.0, 3.0, 2.0) >= 0


@njit
def _bars_until_steady(code: int, p0: float, p1: float, p2: float) -> int:
    """Return how many bars warm-up and seeds take, -1 for a function without lanes."""
    if code in (SMA, MEAN, MIDDLE):
        return int(p0) - 1
    if code == EMA:
        return int(p0)
    if code == RSI:
        return int(p0) + 1
    if code in (MACD, SIGNAL, HISTOGRAM):
        # a signal of one bar is its line to the last bit, which no average of the lanes is
        return int(max(p0, p1) + p2) - 1 if p2 > 1.0 or code == MACD else 1 << 62
    return -1


@njit
def _recur(
    code: int, x: Floats, p0: float, p1: float, p2: float, state: Floats, row: Floats
) -> None:
    """Write the functions that have lanes, one node alone."""
    n = int(p0)
    if code in (SMA, MEAN, MIDDLE):
        averages.sma(x, n, state, row)
    elif code == EMA:
        averages.ema(x, 0, n, state, row)
    elif code == RSI:
        averages.rsi(x, n, state, row)
    elif code == MACD:
        averages.macd(x, n, int(p1), int(p2), state, row)
    elif code == SIGNAL:
        averages.macd_signal(x, n, int(p1), int(p2), state, row)
    elif code == HISTOGRAM:
        averages.macd_hist(x, n, int(p1), int(p2), state, row)


@njit
def advance(
    code: int,
    x0: Floats,
    x1: Floats,
    x2: Floats,
    x3: Floats,
    p0: float,
    p1: float,
    p2: float,
    state: Floats,
    out: Floats,
) -> None:
    """Write the values of a function over the next block of its inputs.

    Parameters
    ----------
    code : int
        The function's place in `kasauti.genome.codes.SYMBOLS`, one of `NAMES`; for any other code
        nothing is written.
    x0, x1, x2, x3 : ndarray of shape (m,), C-contiguous
        The block's inputs, no NaN among them: high, low, close for ATR, ADX and the stochastic;
        close, volume for OBV; high, low, close, volume for VWAP; else `x0`. The rest is not read.
    p0, p1, p2 : float
        Windows and numbers, in the order of the function's arguments.
    state : ndarray of shape (state_size(code, p0, p1, p2),)
        What the function remembers, zeros before the first block; changed in place.
    out : ndarray of shape (m,) or longer
        Written up to m: NaN during warm-up and where the function is undefined. It must not
        overlap the inputs.
    """
    n = int(p0)
    row = out[: len(x0)]
    if has_lanes(code):
        _recur(code, x0, p0, p1, p2, state, row)
    elif code == HIGHEST:
        ranges.highest(x0, n, state, row)
    elif code == LOWEST:
        ranges.lowest(x0, n, state, row)
    elif code == LAG:
        windows.lag(x0, n, state, row)
    elif code == ROC:
        windows.roc(x0, n, state, row)
    elif code == PERCENT_B:
        windows.bbands(x0, n, p1, state, row)
    elif code == UPPER:
        windows.bbands_edge(x0, n, p1, state, row)
    elif code == LOWER:
        windows.bbands_edge(x0, n, -p1, state, row)
    elif code == STD:
        windows.std(x0, n, state, row)
    elif code == ZSCORE:
        windows.zscore(x0, n, state, row)
    elif code == RANK:
        windows.rank(x0, n, state, row)
    elif code == STOCH:
        ranges.stoch(x0, x1, x2, n, int(p1), int(p2), state, row)
    elif code == STOCH_D:
        ranges.stoch_d(x0, x1, x2, n, int(p1), int(p2), state, row)
    elif code == VWAP:
        windows.vwap(x0, x1, x2, x3, n, state, row)
    elif code == ATR:
        ranges.atr(x0, x1, x2, n, state, row)
    elif code == ADX:
        ranges.adx(x0, x1, x2, n, state, row)
    elif code == OBV:
        ranges.obv(x0, x1, state, row)


@njit
def advance_lanes(
    code: int,
    pool: Floats,
    inputs: Places,
    outputs: Places,
    length: int,
    p0: Floats,
    p1: Floats,
    p2: Floats,
    states: Floats,
    at: Places,
) -> None:
    """Write the values of `LANES` nodes of one function over their next blocks of equal length.

    Bit for bit what `advance` writes, in about a third of the time; calls of both may be mixed.

    Parameters
    ----------
    code : int
        A function for which `has_lanes` is true.
    pool : ndarray of shape (P,)
        All rows, inputs and outputs; an output must not overlap another row of the call.
    inputs, outputs : ndarray of shape (LANES,), int64
        Where each node's rows begin; no NaN in the inputs.
    length : int
        Bars of the block.
    p0, p1, p2 : ndarray of shape (LANES,)
        Windows and numbers of each node.
    states : ndarray of shape (Q,)
        All states.
    at : ndarray of shape (LANES,), int64
        Where each node's state begins, its length as of `state_size`.
    """
    head = 0
    for k in range(LANES):
        steady = _bars_until_steady(code, p0[k], p1[k], p2[k])
        head = max(head, min(steady - int(states[at[k]]), length))
    head = min(max(head, 1), length) if code == RSI else head
    if head > 0:
        for k in range(LANES):
            x = pool[inputs[k] : inputs[k] + head]
            state = states[at[k] : at[k] + state_size(code, p0[k], p1[k], p2[k])]
            row = pool[outputs[k] : outputs[k] + head]
            _recur(code, x, p0[k], p1[k], p2[k], state, row)
    if head == length:
        return
    if code == RSI:
        lanes.strengths(pool, inputs, outputs, head, length, p0, states, at)
    elif code == EMA:
        lanes.averages(pool, inputs, outputs, head, length, p0, states, at, 0, False)
    elif code in (SMA, MEAN, MIDDLE):
        lanes.means(pool, inputs, outputs, head, length, p0, states, at)
    else:
        lanes.lines(pool, inputs, outputs, head, length, p0, p1, states, at)
        if code != MACD:
            difference = code == HISTOGRAM
            lanes.averages(pool, outputs, outputs, head, length, p2, states, at, 4, difference)


def compile_kernels() -> None:
    """Compile every kernel of this module into the disk cache, for ``kasauti compile``."""
    x = np.ones(2)
    state = np.zeros(state_size(SMA, 2.0, 0.0, 0.0))
    advance(SMA, x, x, x, x, 2.0, 0.0, 0.0, state, np.empty(2))
    n, places, states = np.full(LANES, 2.0), np.arange(LANES) * 3, np.zeros(LANES * 3)
    if has_lanes(SMA):
        advance_lanes(SMA, np.ones(30), places, places + 15, 2, n, n, n, states, places)
