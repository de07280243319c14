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
def return_of(equity: float, before: float) -> float:
    """Return the simple return of a bar; 0 once equity is not above zero."""
    return equity / before - 1.0 if before > 0.0 else 0.0


@njit
def add_return(value: float, group: int, sums: Floats) -> None:
    """Add one return to the sums of its group, shape (GROUPS, 2)."""
    sums[group, 0] += value
    sums[group, 1] += value * value


@njit
def drawn_down(equity: Floats, count: int, peak: float, worst: float) -> tuple[float, float]:
    """Return peak and worst drawdown after `count` more bars of `equity`.

    Only what may be a new worst is divided: the bound lies a hair above, so none is missed.
    """
    bound = peak * (1.0 + worst) * (1.0 + 1e-12)
    for i in range(count):
        value = equity[i]
        if value > peak:
            peak = value
            bound = peak * (1.0 + worst) * (1.0 + 1e-12)
        elif value <= bound:
            worst = min(worst, value / peak - 1.0)
            bound = peak * (1.0 + worst) * (1.0 + 1e-12)
    return peak, worst


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
    scratch: Floats,
) -> float:
    """Fill `sums` and `draw` from the first `count` trades, open or closed; return the last equity.

    Parameters
    ----------
    mark : ndarray of shape (T,), float64
    sums : ndarray of shape (GROUPS, 2), float64
        Sum and sum of squares of the returns of each group.
    draw : ndarray of shape (2,), float64
        Highest equity, and the lowest relative to the highest before it, minus 1.
    scratch : ndarray of shape (2, W + 1), float64
        At least as wide as the longest position.
    """
    sums[:] = 0.0
    equity, returns = scratch[0], scratch[1]
    peak, worst, last = capital, 0.0, capital
    for number in range(count):
        trade = trades[number]
        first, stop = trade["entry_bar"], trade["exit_bar"]
        cash, amount = trade["held_cash"], side * trade["quantity"]
        held = stop - first
        for i in range(held):
            equity[i] = cash + amount * mark[first + i]
        if held > 0:
            add_return(return_of(equity[0], last), groups[first], sums)
        for i in range(1, held):
            before = equity[i - 1]
            value = equity[i] / before - 1.0
            returns[i] = value if before > 0.0 else 0.0
        i = 1
        while i < held:
            group, end = groups[first + i], min(held, run_end[first + i] - first)
            total, squares = 0.0, 0.0
            while i < end:
                total += returns[i]
                squares += returns[i] * returns[i]
                i += 1
            sums[group, 0] += total
            sums[group, 1] += squares
        last = equity[held - 1] if held > 0 else last
        if trade["reason"] != 0:
            equity[held] = trade["flat_cash"]
            add_return(return_of(equity[held], last), groups[stop], sums)
            last = equity[held]
            held += 1
        peak, worst = drawn_down(equity, held, peak, worst)
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
    """Add the returns and the drawdown of a whole curve that starts at the bar `start`."""
    draw[PEAK], draw[WORST] = drawn_down(equity, len(equity), capital, 0.0)
    for t in range(1, len(equity)):
        add_return(return_of(equity[t], equity[t - 1]), groups[start + t], sums)
