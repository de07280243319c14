"""The `kasauti` dialect: one strategy over one symbol, bar by bar; no metrics, no expressions.

Semantics
---------
DESIGN section 4, with every detail that it leaves open decided here. The reference simulator of
the tests (``tests/backtest/reference.py``) is written from the same list.

Deciding
    * Rules are read on the close of bar t, where that close is finite; the order is due at t + 1.
    * An entry is decided only if the account is flat at that close and the exit rule is false.
      An entry that is due on a bar without all four prices lapses; an exit waits for the next
      whole bar, decided once and for all.
    * The regime is that of the deciding bar. All four regimes are no restriction: labels and
      their warm-up are then ignored.
Filling
    * Every fill, limit target included, pays half the spread and the impact: a purchase at
      ``price * (1 + slippage)``, a sale at ``price * (1 - slippage)``. Prices are not rounded to
      the tick. The volume of an impact is the mean of the 20 bars before the *filling* bar;
      where there is none, or it is zero, there is no impact and the fill is counted.
    * ``p = open * (1 +- half spread)``; the distances of stop, target and trail are
      ``k * ATR[t]`` of the deciding bar, or a fraction of p. An ATR that a distance needs and
      that is undefined or zero means no trade, counted.
    * Quantity is ``floor(min(risk * E / d, E / (p * (1 + variable charges))))``, then the largest
      one not above it whose cost at its own fill price, impact and delivery charges included, is
      within the cash. That holds for a short's notional too. Less than one share: counted.
Levels
    * Stop and target stand at the fill price (impact included) minus or plus their distance.
    * The trail starts at the fill price and follows the highest high (lowest low for a short)
      of whole bars from the entry bar on, effective on the next bar. An ATR trail keeps its
      distance in rupees; a fractional one is that fraction of the high that it follows.
Order within a whole bar
    1. At the open, what was decided before; where several are due, the reason is the first of
       forced cover, exit rule, time stop (bar ``entry + max_bars``, or the first whole bar after
       it), square-off.
    2. At the open, a gap through the tighter of stop and trail, then through the target.
    3. During the bar the tighter of stop and trail (a tie is the stop), then the target.
    All of 2 and 3 from the entry bar on. A bar that is not whole fills nothing, moves no trail.
Ending
    * A symbol whose closes end before the panel does is closed at its last close, on that bar,
      with slippage and charges: reason ``delisted``.
    * A position open at the last bar stays open, marked at its last finite close.
Charges
    * A position is charged as delivery, the dearer, while it is open. If it closes in the session
      in which it was opened, both legs are booked as intraday.
Shorts
    * The sale's proceeds are part of equity and pay for nothing: the account is flat when it buys
      or sells anew. Equity at or below zero at a close forces the cover at the next whole open.
    * Where a short may not be held over the close it is covered at the open of the first bar at
      or after the square-off time, at the latest the session's last bar; no short opens there.

The vectorbt dialect is `kasauti.backtest.vectorbt_dialect`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.tape import (
    ATR,
    LARGEST_SLIPPAGE,
    NO_DISTANCE,
    Costs,
    Rules,
    Tape,
    distance_from,
)
from kasauti.compiled import njit
from kasauti.market.bars import Booleans, Floats
from kasauti.market.charges import leg_charges, variable_buy_rate

REASONS = (
    "",
    "exit",
    "max_bars",
    "stop",
    "trail",
    "target",
    "delisted",
    "forced_cover",
    "square_off",
)
NONE, EXIT, MAX_BARS, STOP, TRAIL, TARGET, DELISTED, FORCED_COVER, SQUARE_OFF = range(len(REASONS))

TRADE = np.dtype(
    [
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("quantity", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("charges", np.float64),
        ("profit", np.float64),
        ("reason", np.int64),
    ]
)
"""One closed trade: positions on the time axis, rupees, profit net of charges, code in REASONS."""

Trades = NDArray[np.void]


class Outcome(NamedTuple):
    """What a pass leaves beside its equity curve and its trades.

    `quantity` shares (0 if flat) are open since `entry_bar` at `entry_price`. `charges` is all
    that was paid, `held` the number of bars on which a position was held beyond the open. Then
    the counters: entries without a whole share, entries without a defined distance, fills without
    a volume, covers that vectorbt's account could not pay.
    """

    trades: int
    quantity: float
    entry_bar: int
    entry_price: float
    charges: float
    held: int
    below_one_share: int
    undefined_distance: int
    without_volume: int
    unpaid_covers: int


@njit
def slippage_of(quantity: float, mean_volume: float, costs: Costs) -> float:
    """Return the slippage of an order as a fraction of the price."""
    if costs.impact == 0.0 or not mean_volume > 0.0:
        return costs.half_spread
    impact = costs.impact * np.sqrt(quantity / mean_volume)
    return float(min(costs.half_spread + impact, LARGEST_SLIPPAGE))


@njit
def _cost(
    quantity: float, side: float, open_: float, mean_volume: float, rates: Floats, costs: Costs
) -> float:
    fill = open_ * (1.0 + side * slippage_of(quantity, mean_volume, costs))
    return quantity * fill + leg_charges(rates, side > 0.0, True, quantity * fill)


@njit
def affordable(
    wanted: float,
    cash: float,
    side: float,
    open_: float,
    mean_volume: float,
    rates: Floats,
    costs: Costs,
) -> float:
    """Return the largest whole quantity, at most `wanted`, that costs at most `cash`.

    The cost rises with the quantity, so halving the interval finds it.
    """
    if wanted < 1.0 or _cost(wanted, side, open_, mean_volume, rates, costs) <= cash:
        return wanted
    low, high = 0.0, wanted
    while high - low > 1.0:
        middle = np.floor((low + high) / 2.0)
        if _cost(middle, side, open_, mean_volume, rates, costs) <= cash:
            low = middle
        else:
            high = middle
    return low


@njit
def wanted_quantity(tape: Tape, t: int, rules: Rules, costs: Costs, equity: float) -> float:
    """Return the whole shares that an entry at the open of `t` buys or sells; NaN if undefined.

    NaN means that a distance needs an ATR of bar ``t - 1`` that is not a positive number.
    """
    atr = tape.atr[t - 1]
    uses_atr = rules.stop_kind == ATR or rules.target_kind == ATR or rules.trail_kind == ATR
    if uses_atr and not (atr > 0.0 and atr < np.inf):
        return np.nan
    p = tape.open[t] * (1.0 + rules.side * costs.half_spread)
    distance = distance_from(rules.stop_kind, rules.stop, atr, p)
    rate = variable_buy_rate(tape.rates[t], True)
    wanted = np.floor(min(rules.risk * equity / distance, equity / (p * (1.0 + rate))))
    return affordable(
        wanted, equity, rules.side, tape.open[t], tape.mean_volume[t], tape.rates[t], costs
    )


@njit
def tighter(
    rules: Rules, stop_level: float, trail_distance: float, best: float
) -> tuple[float, int]:
    """Return the nearer of stop and trail, and which of the two it is."""
    if rules.trail_kind == NO_DISTANCE:
        return stop_level, STOP
    if rules.trail_kind == ATR:
        trail = best - rules.side * trail_distance
    else:
        trail = best * (1.0 - rules.side * rules.trail)
    if rules.side * (trail - stop_level) > 0.0:
        return trail, TRAIL
    return stop_level, STOP


@njit
def touched_at_open(open_: float, rules: Rules, level: float, why: int, target: float) -> int:
    """Return the reason to leave at this open: a gap through `level` or `target`, else NONE."""
    if rules.side * (open_ - level) <= 0.0:
        return why
    if rules.target_kind != NO_DISTANCE and rules.side * (open_ - target) >= 0.0:
        return TARGET
    return NONE


@njit
def touched_within(
    high: float, low: float, rules: Rules, level: float, why: int, target: float
) -> tuple[int, float]:
    """Return reason and price of an exit during the bar: `level` before `target`, else NONE."""
    worst, finest = (low, high) if rules.side > 0.0 else (high, low)
    if rules.side * (worst - level) <= 0.0:
        return why, level
    if rules.target_kind != NO_DISTANCE and rules.side * (finest - target) >= 0.0:
        return TARGET, target
    return NONE, 0.0


@njit
def simulate(
    tape: Tape,
    enter: Booleans,
    leave: Booleans,
    rules: Rules,
    costs: Costs,
    start: int,
    stop: int,
    equity: Floats,
    trades: Trades,
) -> Outcome:
    """Run one strategy over one symbol's bars `start` to `stop` (exclusive).

    Parameters
    ----------
    tape : Tape
    enter, leave : ndarray of shape (T,), bool
        Entry and exit rule on each close; `enter` is already false where the regime forbids it,
        where the exit rule is true and where the close is undefined, `leave` where the close is.
    rules, costs : Rules, Costs
    start, stop : int
        Nothing is decided before the close of `start`, on which equity is the capital.
    equity : ndarray of shape (stop - start,), float64
        Filled with the close-marked equity.
    trades : ndarray of shape (stop - start,), dtype `TRADE`
        Filled with the closed trades, in order.

    Returns
    -------
    Outcome
    """
    side = rules.side
    cash, mark = costs.capital, 0.0
    quantity, entry_bar, entry_price, entry_charges = 0.0, -1, 0.0, 0.0
    stop_level, target, trail_distance, best = 0.0, 0.0, 0.0, 0.0
    enter_due, leave_due = False, NONE
    closed, charges, held = 0, 0.0, 0
    below_one_share, undefined_distance, without_volume = 0, 0, 0
    delists = tape.last_bar < len(tape.close) - 1

    for t in range(start, stop):
        reason, price, open_ = NONE, tape.open[t], tape.open[t]
        whole, covers = tape.whole[t], side < 0.0 and tape.square_off[t]
        no_volume = costs.impact > 0.0 and not tape.mean_volume[t] > 0.0

        if whole and quantity > 0.0:
            reason = leave_due
            if reason == NONE and rules.max_bars > 0 and t >= entry_bar + rules.max_bars:
                reason = MAX_BARS
            if reason == NONE and covers:
                reason = SQUARE_OFF
        elif whole and enter_due and not covers:
            wanted = wanted_quantity(tape, t, rules, costs, cash)
            if wanted >= 1.0:
                quantity, entry_bar = wanted, t
                slip = slippage_of(quantity, tape.mean_volume[t], costs)
                entry_price = open_ * (1.0 + side * slip)
                entry_charges = leg_charges(tape.rates[t], side > 0.0, True, quantity * entry_price)
                cash -= side * quantity * entry_price + entry_charges
                p, atr = open_ * (1.0 + side * costs.half_spread), tape.atr[t - 1]
                stop_level = entry_price - side * distance_from(rules.stop_kind, rules.stop, atr, p)
                target = entry_price + side * distance_from(rules.target_kind, rules.target, atr, p)
                trail_distance, best = rules.trail * atr, entry_price
                without_volume += no_volume
            elif np.isnan(wanted):
                undefined_distance += 1
            else:
                below_one_share += 1

        if quantity > 0.0 and reason == NONE:
            level, why = tighter(rules, stop_level, trail_distance, best)
            if whole:
                reason = touched_at_open(open_, rules, level, why, target)
            held += reason == NONE
            if whole and reason == NONE:
                reason, price = touched_within(tape.high[t], tape.low[t], rules, level, why, target)
            if whole and side > 0.0:
                best = max(best, tape.high[t])
            elif whole:
                best = min(best, tape.low[t])

        if np.isfinite(tape.close[t]):
            mark = tape.close[t]
        if quantity > 0.0 and reason == NONE and delists and t == tape.last_bar:
            reason, price = DELISTED, mark

        if reason != NONE:
            fill = price * (1.0 - side * slippage_of(quantity, tape.mean_volume[t], costs))
            without_volume += no_volume
            value, entry_value = quantity * fill, quantity * entry_price
            delivery = tape.session[t] != tape.session[entry_bar]
            if not delivery:
                cash += entry_charges
                entry_charges = leg_charges(tape.rates[entry_bar], side > 0.0, False, entry_value)
                cash -= entry_charges
            exit_charges = leg_charges(tape.rates[t], side < 0.0, delivery, value)
            cash += side * value - exit_charges
            trade = trades[closed]
            trade["entry_bar"], trade["exit_bar"] = entry_bar, t
            trade["quantity"], trade["reason"] = quantity, reason
            trade["entry_price"], trade["exit_price"] = entry_price, fill
            trade["charges"] = entry_charges + exit_charges
            trade["profit"] = side * (value - entry_value) - trade["charges"]
            closed += 1
            charges += trade["charges"]
            quantity, leave_due = 0.0, NONE

        equity[t - start] = cash + side * quantity * mark
        if quantity == 0.0:
            enter_due = enter[t]
        elif side < 0.0 and equity[t - start] <= 0.0:
            leave_due = FORCED_COVER
        elif leave_due == NONE and leave[t]:
            leave_due = EXIT

    if quantity > 0.0:
        charges += entry_charges
    return Outcome(
        closed,
        quantity,
        entry_bar,
        entry_price,
        charges,
        held,
        below_one_share,
        undefined_distance,
        without_volume,
        0,
    )
