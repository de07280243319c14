"""What follows from a list of trades: the equity curve, its moments and its drawdown; no trading.

Between an entry and its exit the equity is a line of the closes, ``cash + amount * mark``, and flat
elsewhere, so neither the curve nor its returns are ever kept. The curve itself is written on
request, by the same arithmetic.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.kernel import Trades
from kasauti.backtest.tape import Integers
from kasauti.compiled import inlined, njit
from kasauti.market.bars import Floats
from kasauti.simd import (
    LANES,
    first_lanes,
    highest,
    larger,
    load,
    lowest,
    smaller,
    splat,
    total,
    where_positive,
    with_lane,
)

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
    mark : ndarray of shape (T + LANES,), float64
    sums : ndarray of shape (GROUPS, 2), float64
        Sum and sum of squares of the returns of each group.
    draw : ndarray of shape (2,), float64
        Highest equity, and the lowest relative to the highest before it, minus 1.

    Notes
    -----
    The lowest equity since the highest is enough to know the worst: it is compared where a new
    highest begins. So only a position that makes a new highest is gone through bar by bar.
    """
    sums[:] = 0.0
    peak, low, worst, last = capital, capital, 0.0, capital
    for number in range(count):
        trade = trades[number]
        first, stop, flat = trade["entry_bar"], trade["exit_bar"], trade["flat_cash"]
        cash, amount = trade["held_cash"], side * trade["quantity"]
        end = stop + (trade["reason"] != 0)  # a closed position's last return is the exit bar's
        least, most = _add_returns(
            mark, cash, amount, first, stop, end, flat, last, groups, run_end, sums
        )
        if most > peak:
            for t in range(first, end):
                equity = cash + amount * mark[t] if t < stop else flat
                if equity > peak:
                    worst = min(worst, low / peak - 1.0)
                    peak = low = equity
                low = min(low, equity)
        else:
            low = min(low, least)
        last = flat if stop < end else cash + amount * mark[stop - 1]
    draw[PEAK], draw[WORST] = peak, min(worst, low / peak - 1.0)
    return last


@inlined
def _add_returns(
    mark: Floats,
    cash: float,
    amount: float,
    first: int,
    stop: int,
    end: int,
    flat: float,
    before: float,
    groups: Integers,
    run_end: Integers,
    sums: Floats,
) -> tuple[float, float]:
    """Add the returns of the bars `first` to `end` of a position; return its extremes of equity.

    Four bars at a time. The equity is `before` on the bar before the first, and `flat` on the bar
    `stop`, if that is one of them.
    """
    cash4, amount4, ones, none = splat(cash), splat(amount), splat(1.0), splat(0.0)
    earlier = with_lane(cash4 + amount4 * load(mark, first - 1), 0, before)
    least, most = splat(np.inf), splat(-np.inf)
    t = first
    while t < end:
        group, run = groups[t], min(run_end[t], end)
        returns, squares = none, none
        whole = min(run, stop) - LANES
        while t <= whole:
            equity = cash4 + amount4 * load(mark, t)
            value = where_positive(earlier, equity / earlier - ones)
            returns, squares = returns + value, squares + value * value
            least, most = smaller(equity, least), larger(equity, most)
            earlier = cash4 + amount4 * load(mark, t + LANES - 1)
            t += LANES
        equity = with_lane(cash4 + amount4 * load(mark, t), stop - t, flat)
        value = first_lanes(where_positive(earlier, equity / earlier - ones), run - t, none)
        returns, squares = returns + value, squares + value * value
        equity = first_lanes(equity, run - t, least)
        least, most = smaller(equity, least), larger(first_lanes(equity, run - t, most), most)
        t = run
        earlier = cash4 + amount4 * load(mark, t - 1)
        sums[group, 0] += total(returns)
        sums[group, 1] += total(squares)
    return lowest(least), highest(most)


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
    peak, low, worst = capital, capital, 0.0
    for t in range(len(equity)):
        if equity[t] > peak:
            worst = min(worst, low / peak - 1.0)
            peak = low = equity[t]
        low = min(low, equity[t])
        if t > 0:
            before = equity[t - 1]
            value = equity[t] / before - 1.0 if before > 0.0 else 0.0
            sums[groups[start + t], 0] += value
            sums[groups[start + t], 1] += value * value
    draw[PEAK], draw[WORST] = peak, min(worst, low / peak - 1.0)
