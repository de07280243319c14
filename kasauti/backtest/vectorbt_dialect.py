"""The `vectorbt` dialect: what vectorbt 1.2 computes for the trades of one strategy, no more.

It exists to be compared with, see `kasauti.backtest.second_opinion`, which holds the call that it
mirrors. Where it differs from the `kasauti` dialect, vectorbt's meaning wins here:

* An order due at an undefined open lapses, an exit too. Undefined closes are filled forward on
  both sides beforehand (`filled_closes`); an undefined high, low or open is taken from the close.
* A stop or target is not looked at on the entry bar, and is looked at before a rule exit on any
  later one: stop (gap, then within the bar), then target (gap, then within the bar), then rules.
* Levels are ``fill price * (1 -+ fraction)``, an ATR distance being a fraction ``k * ATR[t] / p``.
  A trail follows the highs after the entry bar and is only expressible in place of the stop.
* Slippage is the half spread, on every fill. Fees are one fraction of the value on both sides:
  the broker's rate plus the variable charges of a delivery purchase. No minimum, no impact.
* A short's proceeds are spendable, and a cover that the cash does not suffice for is only partly
  filled: such passes are counted, not imitated.
* No time stop, no square-off, no delisting, no forced cover.

Quantities are ours, by the formula of the `kasauti` dialect with this dialect's costs.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.kernel import (
    EXIT,
    NONE,
    STOP,
    TARGET,
    TRAIL,
    Outcome,
    Trades,
    next_reach,
)
from kasauti.backtest.tape import ATR, BLOCK_BITS, FRACTION, NO_DISTANCE, Costs, Rules, Tape
from kasauti.compiled import njit
from kasauti.features.bits import Words, next_set
from kasauti.genome.model import DistanceKind, Genome
from kasauti.market.bars import Floats


def expressible(genome: Genome) -> tuple[Genome, tuple[str, ...]]:
    """Return `genome` without the parts that vectorbt has no word for, and what was left out.

    vectorbt knows one stop, fixed or trailing. A fractional trail at most as wide as a fractional
    stop is always the tighter of the two, so the pair is expressible; any other trail is dropped.
    """
    dropped = []
    if genome.max_bars is not None:
        dropped.append("max_bars")
        genome = replace(genome, max_bars=None)
    stop, trail = genome.stop, genome.trail
    fractional = stop.kind is DistanceKind.FRACTION
    if trail is not None and trail.kind is DistanceKind.ATR:
        dropped.append("ATR trail")
        genome = replace(genome, trail=None)
    elif trail is not None and not (fractional and trail.value <= stop.value):
        dropped.append("stop and trail together")
        genome = replace(genome, trail=None)
    return genome, tuple(dropped)


def expressible_genes(genes: NDArray[np.void]) -> NDArray[np.void]:
    """Return `genes` as `expressible` leaves them, for a whole population."""
    kept = genes.copy()
    kept["max_bars"] = 0
    trails = (
        (genes["trail_kind"] == FRACTION)
        & (genes["stop_kind"] == FRACTION)
        & (genes["trail"] <= genes["stop"])
    )
    kept["trail_kind"] = np.where(trails, FRACTION, NO_DISTANCE)
    kept["trail"] = np.where(trails, genes["trail"], 0.0)
    return kept


@njit
def stop_fraction(kind: int, value: float, atr: float, price: float) -> float:
    """Return a distance as a fraction of `price`; NaN where there is none."""
    if kind == NO_DISTANCE:
        return np.nan
    return value if kind == FRACTION else value * atr / price


@njit
def touched(open_: float, high: float, low: float, level: float, below: bool) -> float:
    """Return where an order at `level`, hit from above if `below`, fills in this bar, or NaN."""
    if (below and open_ <= level) or (not below and level <= open_):
        return open_
    return level if low <= level <= high else np.nan


@njit
def next_reach_anchored(
    tape: Tape, side: float, first: int, stop: int, part: float, target: float, anchor: float
) -> tuple[int, float]:
    """Return the first bar before `stop` that may reach trail or target, and the anchor before it.

    The anchor only rises (falls for a short), so its level at a block's end shows whether any bar
    of the block can reach it.
    """
    t = first
    while t < stop:
        after = min(stop, ((t >> BLOCK_BITS) + 1) << BLOCK_BITS)
        anchor_after = anchor_of(tape.high, tape.low, side, t, after, anchor)
        level = anchor_after * (1.0 - side * part)
        floor, ceiling = (level, target) if side > 0.0 else (target, level)
        reached = next_reach(
            tape.lowest, tape.highest, tape.lowest_of, tape.highest_of, t, after, floor, ceiling
        )
        if reached < after:
            return reached, anchor_of(tape.high, tape.low, side, t, reached, anchor)
        anchor, t = anchor_after, after
    return stop, anchor


@njit
def anchor_of(
    high: Floats, low: Floats, side: float, first: int, stop: int, anchor: float
) -> float:
    """Return the highest high (lowest low for a short), `anchor` included."""
    for t in range(first, stop):
        anchor = max(anchor, high[t]) if side > 0.0 else min(anchor, low[t])
    return anchor


@njit
def simulate_vectorbt(
    tape: Tape,
    enter: Words,
    leave: Words,
    rules: Rules,
    costs: Costs,
    start: int,
    stop: int,
    trades: Trades,
    sizes: Floats,
) -> Outcome:
    """Run one expressible strategy over bars `start` to `stop` (exclusive) as vectorbt does.

    Parameters
    ----------
    tape, enter, leave, rules, costs, start, stop, trades
        As in `kasauti.backtest.kernel.simulate`; both rules only where the next open is defined.
    sizes : ndarray of shape (stop - start,), float64, or of length 0
        Filled at every bar where an entry was sized, zero included, and left alone elsewhere.

    Returns
    -------
    Outcome
    """
    side, slip = rules.side, costs.half_spread
    trails = rules.trail_kind != NO_DISTANCE
    uses_atr = rules.stop_kind == ATR or rules.target_kind == ATR
    cash = costs.capital
    closed, charges, held = 0, 0.0, 0
    open_quantity, open_since, open_at = 0.0, -1, 0.0
    below_one_share, undefined_distance, unpaid_covers = 0, 0, 0

    decided = next_set(enter, start, stop)
    while decided < stop - 1:
        t = decided + 1
        p, atr, fee = tape.open[t] * (1.0 + side * slip), tape.atr[t - 1], tape.fees[t]
        quantity = 0.0
        stop_part = stop_fraction(rules.stop_kind, rules.stop, atr, p)
        if uses_atr and not (atr > 0.0 and atr < np.inf):
            undefined_distance += 1
        else:
            wanted = np.floor(min(rules.risk * cash / (stop_part * p), cash / (p * (1.0 + fee))))
            while wanted >= 1.0 and wanted * p + wanted * p * fee > cash:
                wanted -= 1.0
            quantity = max(wanted, 0.0)
            below_one_share += quantity < 1.0
        if len(sizes) > 0:
            sizes[t - start] = quantity
        if quantity < 1.0:
            decided = next_set(enter, t, stop)
            continue

        flat_cash = cash
        entry_fee = quantity * p * fee
        cash -= side * quantity * p + entry_fee
        trade = trades[closed]
        trade["entry_bar"], trade["quantity"], trade["entry_price"] = t, quantity, p
        trade["held_cash"] = cash

        due = min(next_set(leave, t, stop) + 1, stop)
        until = min(due + 1, stop)  # stop and target come before a rule's exit on its own bar
        part = rules.trail if trails else stop_part
        target_part = stop_fraction(rules.target_kind, rules.target, atr, p)
        aims = not np.isnan(target_part)
        target = p * (1.0 + side * target_part) if aims else side * np.inf
        exit_bar, reason, price, anchor = t + 1, NONE, np.nan, p
        while exit_bar < until:
            level = anchor * (1.0 - side * part)
            if trails:
                exit_bar, anchor = next_reach_anchored(
                    tape, side, exit_bar, until, part, target, anchor
                )
                level = anchor * (1.0 - side * part)
            else:
                floor, ceiling = (level, target) if side > 0.0 else (target, level)
                exit_bar = next_reach(
                    tape.lowest,
                    tape.highest,
                    tape.lowest_of,
                    tape.highest_of,
                    exit_bar,
                    until,
                    floor,
                    ceiling,
                )
            if exit_bar >= until:
                break
            open_, high, low = tape.open[exit_bar], tape.high[exit_bar], tape.low[exit_bar]
            price = touched(open_, high, low, level, side > 0.0)
            if not np.isnan(price):
                reason = TRAIL if trails else STOP
                break
            if aims:
                price = touched(open_, high, low, target, side < 0.0)
                if not np.isnan(price):
                    reason = TARGET
                    break
            if trails:
                anchor = anchor_of(tape.high, tape.low, side, exit_bar, exit_bar + 1, anchor)
            exit_bar += 1
        if reason == NONE:
            exit_bar = stop
            if due < stop:
                exit_bar, reason, price = due, EXIT, tape.open[due]
        held += exit_bar - t
        if reason == NONE:
            trade["exit_bar"], trade["reason"], trade["exit_price"] = stop, NONE, np.nan
            trade["charges"], trade["profit"], trade["flat_cash"] = entry_fee, np.nan, flat_cash
            charges += entry_fee
            open_quantity, open_since, open_at = quantity, t, p
            break

        fill = price * (1.0 - side * slip)
        exit_fee = quantity * fill * tape.fees[exit_bar]
        if side < 0.0 and quantity * fill + exit_fee > cash:
            unpaid_covers += 1
        cash += side * quantity * fill - exit_fee
        paid = entry_fee + exit_fee
        trade["exit_bar"], trade["reason"], trade["exit_price"] = exit_bar, reason, fill
        trade["charges"], trade["flat_cash"] = paid, cash
        trade["profit"] = side * quantity * (fill - p) - paid
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
        0,
        unpaid_covers,
    )
