"""The `vectorbt` dialect: what vectorbt 1.2 computes for one strategy over one symbol, no more.

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

from kasauti.backtest.kernel import EXIT, NONE, STOP, TARGET, TRAIL, Outcome, Trades
from kasauti.backtest.tape import ATR, FRACTION, NO_DISTANCE, Costs, Rules, Tape
from kasauti.compiled import njit
from kasauti.genome.model import DistanceKind, Genome
from kasauti.market.bars import Booleans, Floats
from kasauti.market.charges import variable_buy_rate


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


def filled_closes(close: Floats) -> Floats:
    """Return `close` (T,) with gaps filled forward and the start backward, as a value to mark at.

    Nothing trades on a filled close: the opens stay undefined.
    """
    known = np.flatnonzero(np.isfinite(close))
    if len(known) == 0:
        return close
    position = np.searchsorted(known, np.arange(len(close)), side="right") - 1
    return np.ascontiguousarray(close[known[np.maximum(position, 0)]])


def fees_of(rates: Floats) -> Floats:
    """Return the one fee of each bar, shape (T,), as a fraction of an order's value."""
    return np.array([row[0] + variable_buy_rate(row, True) for row in rates], dtype=np.float64)


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
def simulate_vectorbt(
    tape: Tape,
    fees: Floats,
    enter: Booleans,
    leave: Booleans,
    rules: Rules,
    costs: Costs,
    start: int,
    stop: int,
    equity: Floats,
    trades: Trades,
    sizes: Floats,
) -> Outcome:
    """Run one expressible strategy over bars `start` to `stop` (exclusive) as vectorbt does.

    Parameters
    ----------
    tape : Tape
        With `filled_closes`.
    fees : ndarray of shape (T,), float64
    enter, leave, rules, costs, start, stop, equity, trades
        As in `kasauti.backtest.kernel.simulate`.
    sizes : ndarray of shape (stop - start,), float64
        Filled at every bar where an entry was sized, zero included, and left alone elsewhere.

    Returns
    -------
    Outcome
    """
    side, slip = rules.side, costs.half_spread
    trails = rules.trail_kind != NO_DISTANCE
    cash, quantity = costs.capital, 0.0
    entry_bar, entry_price, entry_fee = -1, 0.0, 0.0
    anchor, stop_part, target_part = 0.0, 0.0, 0.0
    closed, charges, held = 0, 0.0, 0
    below_one_share, undefined_distance, unpaid_covers = 0, 0, 0

    for t in range(start, stop):
        reason, price = NONE, np.nan
        if quantity > 0.0:
            close = tape.close[t]
            open_ = close if np.isnan(tape.open[t]) else tape.open[t]
            low = min(open_, close) if np.isnan(tape.low[t]) else tape.low[t]
            high = max(open_, close) if np.isnan(tape.high[t]) else tape.high[t]
            level = anchor * (1.0 - side * stop_part)
            price = touched(open_, high, low, level, side > 0.0)
            if not np.isnan(price):
                reason = TRAIL if trails else STOP
            elif not np.isnan(target_part):
                level = entry_price * (1.0 + side * target_part)
                price = touched(open_, high, low, level, side < 0.0)
                reason = NONE if np.isnan(price) else TARGET
            if trails:
                anchor = max(anchor, high) if side > 0.0 else min(anchor, low)
            if reason == NONE and t > start and leave[t - 1] and not np.isnan(tape.open[t]):
                reason, price = EXIT, tape.open[t]
            held += reason == NONE
        elif t > start and enter[t - 1] and not np.isnan(tape.open[t]):
            p, atr = tape.open[t] * (1.0 + side * slip), tape.atr[t - 1]
            stop_part = stop_fraction(rules.stop_kind, rules.stop, atr, p)
            target_part = stop_fraction(rules.target_kind, rules.target, atr, p)
            uses_atr = rules.stop_kind == ATR or rules.target_kind == ATR
            if uses_atr and not (atr > 0.0 and atr < np.inf):
                undefined_distance += 1
                sizes[t - start] = 0.0
            else:
                wanted = min(rules.risk * cash / (stop_part * p), cash / (p * (1.0 + fees[t])))
                wanted = np.floor(wanted)
                while wanted >= 1.0 and wanted * p + wanted * p * fees[t] > cash:
                    wanted -= 1.0
                sizes[t - start] = max(wanted, 0.0)
                if wanted < 1.0:
                    below_one_share += 1
                else:
                    quantity, entry_bar, entry_price, anchor = wanted, t, p, p
                    if trails:
                        stop_part = rules.trail
                    entry_fee = quantity * p * fees[t]
                    cash -= side * quantity * p + entry_fee
                    held += 1

        if reason != NONE:
            fill = price * (1.0 - side * slip)
            exit_fee = quantity * fill * fees[t]
            if side < 0.0 and quantity * fill + exit_fee > cash:
                unpaid_covers += 1
            cash += side * quantity * fill - exit_fee
            trade = trades[closed]
            trade["entry_bar"], trade["exit_bar"] = entry_bar, t
            trade["quantity"], trade["reason"] = quantity, reason
            trade["entry_price"], trade["exit_price"] = entry_price, fill
            trade["charges"] = entry_fee + exit_fee
            trade["profit"] = side * quantity * (fill - entry_price) - trade["charges"]
            closed += 1
            charges += trade["charges"]
            quantity = 0.0

        equity[t - start] = cash
        if quantity > 0.0:
            equity[t - start] += side * quantity * tape.close[t]

    if quantity > 0.0:
        charges += entry_fee
    return Outcome(
        closed,
        quantity,
        entry_bar,
        entry_price,
        charges,
        held,
        below_one_share,
        undefined_distance,
        0,
        unpaid_covers,
    )
