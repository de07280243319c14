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

import numpy as np
from numpy.typing import NDArray

from kasauti.features.indicators import highest, lag, sma, std
from kasauti.market.bars import Bars
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels, Regime

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

TREND = 200  # sessions of the average and of the high, the conventional long-term trend
SLOPE = 20  # sessions, a month: the average rises if it is above its value then
VOLATILITY = 20  # sessions, a month
CALM, TURMOIL = 1.25, 1.75  # of the median volatility; two thresholds, so that it does not flicker
DECLINE = 0.10  # the usual size of a "correction"
CONFIRMED = 5  # sessions in a row, a week
WARM_UP = TREND + SLOPE - 1  # sessions before the first label

_CODE = {regime: code for code, regime in enumerate(REGIMES)}


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
    """Return the label at every session close, shape (T,), int8; see the module for the rule.

    A NaN close carries the label before it and is no session of any window.
    """
    traded = ~np.isnan(closes)
    labels = np.full(len(closes), UNKNOWN, dtype=np.int8)
    labels[traded] = _confirmed(_states(closes[traded]))
    carried = np.maximum.accumulate(np.where(traded, np.arange(len(closes)), 0))
    return labels[carried]


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


def _states(closes: Floats) -> Codes:
    """Return the unconfirmed state at each of the closes, none of which is NaN."""
    average = sma(closes, TREND)
    rising = average > lag(average, SLOPE)
    declined = closes <= (1.0 - DECLINE) * highest(closes, TREND)
    states = np.full(len(closes), _CODE[Regime.SIDEWAYS], dtype=np.int8)
    states[(closes > average) & rising] = _CODE[Regime.BULL]
    states[(closes < average) & declined] = _CODE[Regime.BEAR]
    states[_in_turmoil(closes)] = _CODE[Regime.VOLATILE]
    states[:WARM_UP] = UNKNOWN
    return states


def _in_turmoil(closes: Floats) -> NDArray[np.bool_]:
    """Return where volatility is high, from its entering turmoil until it is calm again."""
    import pandas as pd

    volatility = std(closes / lag(closes, 1) - 1.0, VOLATILITY)
    median = pd.Series(volatility).expanding().median().to_numpy()  # a skip list in C, exact
    enters, leaves = volatility > TURMOIL * median, volatility <= CALM * median
    return enters[_last_true(enters | leaves)]


def _confirmed(states: Codes) -> Codes:
    """Return the states with each change held back until it has lasted `CONFIRMED` sessions."""
    begun = _last_true(np.r_[True, states[1:] != states[:-1]][: len(states)])
    counts = np.arange(len(states)) - begun >= CONFIRMED - 1
    counts[np.flatnonzero(states != UNKNOWN)[:1]] = True  # the first label needs no confirmation
    return states[_last_true(counts)]


def _last_true(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the position of the last true mark up to each one, 0 before the first."""
    return np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))
