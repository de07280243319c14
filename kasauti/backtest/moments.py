"""What follows from a list of trades: the equity curve, its moments and its drawdown; no trading.

Between an entry and its exit the equity is a line of the closes, ``cash + amount * mark``, and flat
elsewhere, so neither the curve nor its returns are ever kept. The curve itself is written on
request, by the same arithmetic.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.kernel import Trades
from kasauti.backtest.tape import Integers
from kasauti.compiled import njit
from kasauti.market.bars import Floats

GROUPS = 5
"""Unknown and the four regimes: group ``code + 1`` of the bar before a return's."""

PEAK, WORST = 0, 1

JUST_ABOVE = 1.0 + 1e-12
"""A bound with this margin misses no new worst drawdown by rounding."""


@njit
def group_of(codes: NDArray[np.int8], groups: Integers, run_end: Integers) -> None:
    """Fill the group of each bar's return, that of the label before it, and where its run ends.

    Parameters
    ----------
    codes : ndarray of shape (T,), int8
    groups, run_end : ndarray of shape (T,), int64
        The first bar has no label before it: it joins the group of the unknown.
    """
    end = len(codes)
    for t in range(len(codes) - 1, -1, -1):
        groups[t] = codes[t - 1] + 1 if t > 0 else 0
        if t + 1 < len(codes) and groups[t + 1] != groups[t]:
            end = t + 1
        run_end[t] = end


@njit
def add_positions(
    mark: Floats,
    side: float,
    capital: float,
    trades: Trades,
    count: int,
    groups: Integers,
    run_end: Integers,
    sums: Floats,
    draw: Floats,
) -> float:
    """Fill `sums` and `draw` from the first `count` trades, open or closed; return the last equity.

    Parameters
    ----------
    mark : ndarray of shape (T,), float64
    sums : ndarray of shape (GROUPS, 2), float64
        Sum and sum of squares of the returns of each group.
    draw : ndarray of shape (2,), float64
        Highest equity, and the lowest relative to the highest before it, minus 1.
    """
    sums[:] = 0.0
    peak, worst, last = capital, 0.0, capital
    bound = peak * JUST_ABOVE
    for number in range(count):
        trade = trades[number]
        t, stop = trade["entry_bar"], trade["exit_bar"]
        cash, amount = trade["held_cash"], side * trade["quantity"]
        while t < stop:
            group, end = groups[t], min(run_end[t], stop)
            total, squares = 0.0, 0.0
            while t < end:
                equity = cash + amount * mark[t]
                value = equity / last - 1.0 if last > 0.0 else 0.0
                total += value
                squares += value * value
                if equity > peak:
                    peak = equity
                    bound = peak * (1.0 + worst) * JUST_ABOVE
                elif equity <= bound:  # only what may be a new worst is divided
                    worst = min(worst, equity / peak - 1.0)
                    bound = peak * (1.0 + worst) * JUST_ABOVE
                last = equity
                t += 1
            sums[group, 0] += total
            sums[group, 1] += squares
        if trade["reason"] != 0:
            equity = trade["flat_cash"]
            value = equity / last - 1.0 if last > 0.0 else 0.0
            sums[groups[stop], 0] += value
            sums[groups[stop], 1] += value * value
            peak = max(peak, equity)
            worst = min(worst, equity / peak - 1.0)
            bound = peak * (1.0 + worst) * JUST_ABOVE
            last = equity
    draw[PEAK], draw[WORST] = peak, worst
    return last


@njit
def write_curve(
    mark: Floats,
    side: float,
    capital: float,
    trades: Trades,
    count: int,
    start: int,
    equity: Floats,
) -> None:
    """Fill `equity` (stop - start,) with the close-marked curve of the first `count` trades."""
    flat, t = capital, start
    for number in range(count):
        trade = trades[number]
        first, stop = trade["entry_bar"], trade["exit_bar"]
        cash, amount = trade["held_cash"], side * trade["quantity"]
        equity[t - start : first - start] = flat
        for t in range(first, stop):
            equity[t - start] = cash + amount * mark[t]
        flat, t = trade["flat_cash"], stop
    equity[t - start :] = flat


@njit
def panel_moments(
    equity: Floats, start: int, groups: Integers, capital: float, sums: Floats, draw: Floats
) -> None:
    """Fill `sums` and `draw` from a whole curve that starts at the bar `start`."""
    sums[:] = 0.0
    peak, worst = capital, 0.0
    bound = peak * JUST_ABOVE
    for t in range(len(equity)):
        if equity[t] > peak:
            peak = equity[t]
            bound = peak * (1.0 + worst) * JUST_ABOVE
        elif equity[t] <= bound:
            worst = min(worst, equity[t] / peak - 1.0)
            bound = peak * (1.0 + worst) * JUST_ABOVE
        if t > 0:
            before = equity[t - 1]
            value = equity[t] / before - 1.0 if before > 0.0 else 0.0
            sums[groups[start + t], 0] += value
            sums[groups[start + t], 1] += value * value
    draw[PEAK], draw[WORST] = peak, worst
