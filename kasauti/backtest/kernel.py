"""The `kasauti` dialect: the trades of one strategy on one symbol; no figures, no expressions.

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

How it runs
-----------
Not bar by bar: from one event to the next. Entry and exit rules come as packed bits, in which the
next signal is found by counting zeros; the next possible stop or target is found by the extremes of
blocks of bars, and each candidate is then decided by the rules above. The equity curve follows from
the trades, see `kasauti.backtest.moments`.

The vectorbt dialect is `kasauti.backtest.vectorbt_dialect`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.tape import (
    ATR,
    BLOCK_BITS,
    LARGEST_SLIPPAGE,
    NO_DISTANCE,
    Costs,
    Rules,
    Tape,
    distance_from,
)
from kasauti.compiled import inlined, njit
from kasauti.features.bits import Words, next_set
from kasauti.market.bars import Booleans, Floats
from kasauti.market.charge_kernels import leg_charges, variable_buy_rate

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
        ("held_cash", np.float64),
        ("flat_cash", np.float64),
    ]
)
"""One trade: positions on the time axis, rupees, profit net of charges, code in REASONS, the cash
while the position is held and once it is closed. A position that stays open has the window's end
as its exit bar and the reason NONE."""

Trades = NDArray[np.void]


class Outcome(NamedTuple):
    """What a pass leaves beside its trades.

    `trades` were closed. `quantity` shares (0 if flat) are open since `entry_bar` at `entry_price`:
    their record follows the closed ones. `charges` is all that was paid, `held` the number of bars
    on which a position was held beyond the open. Then the counters: entries without a whole share,
    entries without a defined distance, fills without a volume, covers that vectorbt's account could
    not pay.
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
def wanted_quantity(
    open_: float,
    atr: float,
    mean_volume: float,
    rates_row: Floats,
    rules: Rules,
    costs: Costs,
    equity: float,
) -> float:
    """Return the whole shares that an entry at `open_` buys or sells; NaN if undefined.

    NaN means that a distance needs an ATR, that of the deciding bar, that is not a positive number.
    """
    uses_atr = rules.stop_kind == ATR or rules.target_kind == ATR or rules.trail_kind == ATR
    if uses_atr and not (atr > 0.0 and atr < np.inf):
        return np.nan
    p = open_ * (1.0 + rules.side * costs.half_spread)
    distance = distance_from(rules.stop_kind, rules.stop, atr, p)
    rate = variable_buy_rate(rates_row, True)
    wanted = np.floor(min(rules.risk * equity / distance, equity / (p * (1.0 + rate))))
    return affordable(wanted, equity, rules.side, open_, mean_volume, rates_row, costs)


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


@inlined
def next_reach(
    lowest: Floats,
    highest: Floats,
    lowest_of: Floats,
    highest_of: Floats,
    first: int,
    stop: int,
    floor: float,
    ceiling: float,
) -> int:
    """Return the first bar before `stop` whose range reaches `floor` or `ceiling`, else `stop`."""
    t = first
    while t < stop:
        block = t >> BLOCK_BITS
        after = min(stop, (block + 1) << BLOCK_BITS)
        if lowest_of[block] <= floor or highest_of[block] >= ceiling:
            while t < after:
                if lowest[t] <= floor or highest[t] >= ceiling:
                    return t
                t += 1
        t = after
    return stop


@njit
def next_reach_trailing(
    tape: Tape,
    rules: Rules,
    first: int,
    stop: int,
    stop_level: float,
    distance: float,
    target: float,
    best: float,
) -> tuple[int, float]:
    """Return the first bar before `stop` that may reach target, stop or trail, and the best price.

    The best price is that before the bar. A trail only tightens, so its level at a block's end
    shows whether any bar of the block can reach it.
    """
    side = rules.side
    t = first
    while t < stop:
        after = min(stop, ((t >> BLOCK_BITS) + 1) << BLOCK_BITS)
        best_after = best_of(tape.whole, tape.high, tape.low, side, t, after, best)
        level = tighter(rules, stop_level, distance, best_after)[0]
        floor, ceiling = (level, target) if side > 0.0 else (target, level)
        t_reached = next_reach(
            tape.lowest, tape.highest, tape.lowest_of, tape.highest_of, t, after, floor, ceiling
        )
        if t_reached < after:
            best = best_of(tape.whole, tape.high, tape.low, side, t, t_reached, best)
            return t_reached, best
        best, t = best_after, after
    return stop, best


@njit
def best_of(
    whole: Booleans, high: Floats, low: Floats, side: float, first: int, stop: int, best: float
) -> float:
    """Return the highest high (lowest low for a short) of whole bars, `best` included."""
    for t in range(first, stop):
        if whole[t]:
            best = max(best, high[t]) if side > 0.0 else min(best, low[t])
    return best


@njit
def next_ruin(
    mark: Floats, highest_of: Floats, first: int, stop: int, cash: float, amount: float
) -> int:
    """Return the first bar on whose close a short's equity is not above zero, else `stop`."""
    t = first
    while t < stop:
        block = t >> BLOCK_BITS
        after = min(stop, (block + 1) << BLOCK_BITS)
        if cash + amount * highest_of[block] <= 0.0:
            while t < after:
                if cash + amount * mark[t] <= 0.0:
                    return t
                t += 1
        t = after
    return stop


@njit
def simulate(
    tape: Tape,
    enter: Words,
    leave: Words,
    rules: Rules,
    costs: Costs,
    start: int,
    stop: int,
    trades: Trades,
) -> Outcome:
    """Run one strategy over one symbol's bars `start` to `stop` (exclusive).

    Parameters
    ----------
    tape : Tape
    enter, leave : ndarray of shape (ceil(T / 64),), uint64
        Packed entry and exit decisions on each close: `enter` false where the regime forbids it,
        where the exit rule is true, where the close is undefined and where nothing can be opened
        on the next bar; `leave` where the close is undefined.
    rules, costs : Rules, Costs
    start, stop : int
        Nothing is decided before the close of `start`, on which equity is the capital.
    trades : ndarray of shape (stop - start + 1,), dtype `TRADE`
        Filled with the closed trades in order, and with the one that stays open.

    Returns
    -------
    Outcome
    """
    side = rules.side
    cash = costs.capital
    closed, charges, held = 0, 0.0, 0
    open_quantity, open_since, open_at = 0.0, -1, 0.0
    below_one_share, undefined_distance, without_volume = 0, 0, 0
    length, last_bar = len(tape.open), tape.last_bar[0]
    trails = rules.trail_kind != NO_DISTANCE
    aims = rules.target_kind != NO_DISTANCE
    delists = last_bar < length - 1 and last_bar < stop

    decided = next_set(enter, start, stop)
    while decided < stop - 1:
        t = decided + 1
        open_, volume, atr = tape.open[t], tape.mean_volume[t], tape.atr[t - 1]
        quantity = wanted_quantity(open_, atr, volume, tape.rates[t], rules, costs, cash)
        if not quantity >= 1.0:
            if np.isnan(quantity):
                undefined_distance += 1
            else:
                below_one_share += 1
            decided = next_set(enter, t, stop)
            continue

        flat_cash = cash
        entry_price = open_ * (1.0 + side * slippage_of(quantity, volume, costs))
        entry_value = quantity * entry_price
        entry_charges = leg_charges(tape.rates[t], side > 0.0, True, entry_value)
        cash -= side * quantity * entry_price + entry_charges
        p = open_ * (1.0 + side * costs.half_spread)
        stop_level = entry_price - side * distance_from(rules.stop_kind, rules.stop, atr, p)
        target = entry_price + side * distance_from(rules.target_kind, rules.target, atr, p)
        without_volume += costs.impact > 0.0 and not volume > 0.0
        trade = trades[closed]
        trade["entry_bar"], trade["quantity"], trade["entry_price"] = t, quantity, entry_price
        trade["held_cash"] = cash

        # What ends it at an open: the bar and, where several are due on it, the first reason.
        due, due_reason = stop, NONE
        ruled = next_set(leave, t, stop)
        if ruled < stop and tape.next_whole[ruled + 1] < due:
            due, due_reason = tape.next_whole[ruled + 1], EXIT
        if rules.max_bars > 0:
            timed = tape.next_whole[min(t + rules.max_bars, length)]
            if timed < due:
                due, due_reason = timed, MAX_BARS
        if side < 0.0:
            if tape.next_cover[t + 1] < due:
                due, due_reason = tape.next_cover[t + 1], SQUARE_OFF
            ruin = next_ruin(tape.mark, tape.mark_highest_of, t, due, cash, side * quantity)
            if ruin < due and tape.next_whole[ruin + 1] < stop:
                due, due_reason = tape.next_whole[ruin + 1], FORCED_COVER

        # What ends it before: stop or trail, then target.
        exit_bar, reason, price, at_open = t, NONE, 0.0, False
        best = entry_price
        far_target = target if aims else side * np.inf
        while exit_bar < due:
            if trails:
                exit_bar, best = next_reach_trailing(
                    tape, rules, exit_bar, due, stop_level, rules.trail * atr, far_target, best
                )
            else:
                floor, ceiling = (
                    (stop_level, far_target) if side > 0.0 else (far_target, stop_level)
                )
                exit_bar = next_reach(
                    tape.lowest,
                    tape.highest,
                    tape.lowest_of,
                    tape.highest_of,
                    exit_bar,
                    due,
                    floor,
                    ceiling,
                )
            if exit_bar == due:
                break
            level, why = tighter(rules, stop_level, rules.trail * atr, best)
            price, at_open = tape.open[exit_bar], True
            reason = touched_at_open(price, rules, level, why, target)
            if reason != NONE:
                break
            high, low, at_open = tape.high[exit_bar], tape.low[exit_bar], False
            reason, price = touched_within(high, low, rules, level, why, target)
            if reason != NONE:
                break
            if trails:
                best = best_of(tape.whole, tape.high, tape.low, side, exit_bar, exit_bar + 1, best)
            exit_bar += 1

        if reason == NONE and due_reason != NONE:
            reason, price, at_open = due_reason, tape.open[due], True
        elif reason == NONE and delists:
            exit_bar, reason, price = last_bar, DELISTED, tape.mark[last_bar]
        held += exit_bar - t
        if reason == NONE:
            trade["exit_bar"], trade["reason"], trade["exit_price"] = stop, NONE, np.nan
            trade["charges"], trade["profit"], trade["flat_cash"] = entry_charges, np.nan, flat_cash
            charges += entry_charges
            open_quantity, open_since, open_at = quantity, t, entry_price
            break

        held += not at_open
        volume = tape.mean_volume[exit_bar]
        fill = price * (1.0 - side * slippage_of(quantity, volume, costs))
        without_volume += costs.impact > 0.0 and not volume > 0.0
        value = quantity * fill
        delivery = tape.session[exit_bar] != tape.session[t]
        if not delivery:
            cash += entry_charges
            entry_charges = leg_charges(tape.rates[t], side > 0.0, False, entry_value)
            cash -= entry_charges
        exit_charges = leg_charges(tape.rates[exit_bar], side < 0.0, delivery, value)
        cash += side * value - exit_charges
        paid = entry_charges + exit_charges
        trade["exit_bar"], trade["reason"], trade["exit_price"] = exit_bar, reason, fill
        trade["charges"], trade["flat_cash"] = paid, cash
        trade["profit"] = side * (value - entry_value) - paid
        closed += 1
        charges += paid
        decided = next_set(enter, exit_bar, stop)

    return Outcome(
        closed,
        open_quantity,
        open_since,
        open_at,
        charges,
        held,
        below_one_share,
        undefined_distance,
        without_volume,
        0,
    )
