"""Online labels of the four regimes, from index closes up to each bar; hindsight dating is no part.

The rule has no fitted parameter. Its numbers are round and conventional, none is tuned to a market:

- *volatile*: 20-session volatility above 1.75 times its median over all history so far, until it
  falls below 1.25 times. A market in turmoil has no trend to rely on, whatever its direction.
- *bear*: else, below the 200-session average and 10 % or more under the 200-session high. The
  second half keeps an ordinary dip below a flat average out.
- *bull*: else, above the 200-session average, and the average above its value of 20 sessions ago.
- *sideways*: else: price and average disagree, or a shallow decline.

A new state counts only on its fifth session in a row, so a label lags a turn by a week and does not
flicker. The label of a bar uses the closes up to that bar, nothing smoothed and nothing fitted.
"""

from heapq import heappush, heappushpop

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features.indicators import highest, lag, sma, std
from kasauti.market.bars import Bars
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels, Regime

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Codes = NDArray[np.int8]

TREND = 200  # sessions of the average and of the high, the conventional long-term trend
SLOPE = 20  # sessions, a month: the average rises if it is above its value then
VOLATILITY = 20  # sessions, a month
CALM, TURMOIL = 1.25, 1.75  # of the median volatility; two thresholds, so that it does not flicker
DECLINE = 0.10  # the usual size of a "correction"
CONFIRMED = 5  # sessions in a row, a week
WARM_UP = TREND + SLOPE - 1  # sessions before the first label

_BULL, _BEAR, _SIDEWAYS, _VOLATILE = (
    REGIMES.index(regime) for regime in (Regime.BULL, Regime.BEAR, Regime.SIDEWAYS, Regime.VOLATILE)
)


def label_online(bars: Bars) -> OnlineLabels:
    """Return the regime of the market at the close of every bar.

    The market is ``bars.series["index"]``, else the only symbol, else `panel_index` of the panel.

    Parameters
    ----------
    bars : Bars

    Returns
    -------
    OnlineLabels
        Codes of shape (T,): `UNKNOWN` for the first `WARM_UP` sessions of the market's own closes.
        A bar on which the market has no close carries the label before it. All bars of an intraday
        session carry the label of the session before: its own close is not known yet.
    """
    closes = market_closes(bars)
    if bars.is_daily:
        return OnlineLabels(label_closes(closes))
    first = np.flatnonzero(np.r_[True, bars.sessions[1:] != bars.sessions[:-1]][: len(closes)])
    stretches = np.split(closes, first[1:])
    labels = label_closes(np.array([_last_defined(stretch) for stretch in stretches]))
    before = np.r_[np.int8(UNKNOWN), labels[:-1]].astype(np.int8)
    return OnlineLabels(np.repeat(before, [len(stretch) for stretch in stretches])[: len(closes)])


def label_closes(closes: Floats) -> Codes:
    """Return the label at every session close, int8; see the module for the rule.

    Parameters
    ----------
    closes : ndarray of shape (N,) or (W, N)
        One market a row. A NaN close carries the label before it and is no session of any window.
    """
    rows = np.atleast_2d(np.ascontiguousarray(closes, dtype=np.float64))
    average = sma(rows, TREND)
    bull = (rows > average) & (average > lag(average, SLOPE))
    bear = (rows < average) & (rows <= (1.0 - DECLINE) * highest(rows, TREND))
    volatility = std(rows / lag(rows, 1) - 1.0, VOLATILITY)
    labels = _labels(~np.isnan(rows), bull, bear, volatility, expanding_median(volatility))
    return labels.reshape(closes.shape)


@njit
def expanding_median(values: Floats) -> Floats:
    """Return the median of each row up to each value, shape (W, N).

    A NaN or infinite value counts for nothing; NaN before the first that counts. Two heaps, as the
    history of an intraday market is too long to be kept sorted.
    """
    rows, length = values.shape
    medians = np.empty((rows, length))
    for row in range(rows):
        # the lower half negated, so that its largest comes first; slices tell numba the types
        low, high = list(values[row, :0]), list(values[row, :0])
        median = np.nan
        for t in range(length):
            value = values[row, t]
            if np.isfinite(value):
                if len(low) == len(high):
                    heappush(low, -heappushpop(high, value))
                    median = -low[0]
                else:
                    heappush(high, -heappushpop(low, -value))
                    median = (high[0] - low[0]) / 2.0
            medians[row, t] = median
    return medians


def panel_index(close: Floats) -> Floats:
    """Return the equal-weight index of a panel: the mean return of its symbols, compounded.

    Parameters
    ----------
    close : ndarray of shape (S, T)

    Returns
    -------
    ndarray of shape (T,)
        1 on the first bar with any close; NaN on other bars where no symbol has a return. A symbol
        that missed bars brings its return since its last close; it enters on its second close.
    """
    traded = ~np.isnan(close)
    if not traded.any():
        return np.full(close.shape[1], np.nan)
    last = np.maximum.accumulate(np.where(traded, np.arange(close.shape[1]), 0), axis=1)
    previous = np.full(close.shape, np.nan)
    previous[:, 1:] = np.take_along_axis(close, last[:, :-1], axis=1)
    returns = close / previous - 1.0
    counts = (~np.isnan(returns)).sum(axis=0)
    # row by row: a sum whose order of additions does not depend on the number of bars
    sums = np.zeros(close.shape[1])
    for row in returns:
        sums += np.where(np.isnan(row), 0.0, row)
    level = np.cumprod(1.0 + sums / np.maximum(counts, 1))
    level[counts == 0] = np.nan
    level[traded.any(axis=0).argmax()] = 1.0
    return level


def market_closes(bars: Bars) -> Floats:
    """Return the closes that regimes are read from, shape (T,).

    The market index where there is one, else the only symbol, else the equal-weight panel.
    """
    if "index" in bars.series:
        return bars.series["index"]
    return bars.close[0] if len(bars.symbols) == 1 else panel_index(bars.close)


def _last_defined(closes: Floats) -> float:
    defined = closes[~np.isnan(closes)]
    return float(defined[-1]) if len(defined) else np.nan


@njit
def _labels(
    traded: Booleans, bull: Booleans, bear: Booleans, volatility: Floats, median: Floats
) -> Codes:
    """Return the label of each session: its state, held back until it has lasted `CONFIRMED`."""
    rows, sessions = traded.shape
    labels = np.empty((rows, sessions), dtype=np.int8)
    for row in range(rows):
        turmoil, seen = False, 0
        label, candidate, lasted = UNKNOWN, UNKNOWN, 0
        for t in range(sessions):
            if traded[row, t]:
                seen += 1
                if not np.isnan(volatility[row, t]):
                    bound = CALM if turmoil else TURMOIL
                    turmoil = volatility[row, t] > bound * median[row, t]
                state = _SIDEWAYS
                if seen <= WARM_UP:
                    state = UNKNOWN
                elif turmoil:
                    state = _VOLATILE
                elif bear[row, t]:
                    state = _BEAR
                elif bull[row, t]:
                    state = _BULL
                lasted = lasted + 1 if state == candidate else 1
                candidate = state
                if label == UNKNOWN or lasted >= CONFIRMED:  # the first one waits for nothing
                    label = state
            labels[row, t] = label
    return labels
