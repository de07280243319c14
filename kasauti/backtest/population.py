"""The fused pass: many strategies over a panel, from packed rules to figures; no Python between.

Every strategy is traded on every symbol in every window, and all that is kept of it are sums: of
its returns by regime, its drawdown, its trades. No equity curve is in memory but one per strategy
of a small batch, and that only where a panel's accounts have to be added up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.kernel import TRADE, Outcome, Trades, simulate
from kasauti.backtest.moments import (
    GROUPS,
    WORST,
    add_positions,
    panel_moments,
    write_curve,
)
from kasauti.backtest.tape import Costs, Integers, Rules, Tape, symbol_of
from kasauti.backtest.vectorbt_dialect import simulate_vectorbt
from kasauti.compiled import borrowed, njit
from kasauti.features.bits import Words
from kasauti.market.bars import Booleans, Floats

CURVES_AT_ONCE = 2**17
"""Bars of all curves of a batch together: 1 MB, what a core's cache holds."""

Places = NDArray[np.int64]


class Setting(NamedTuple):
    """What all strategies of a run have in common.

    `allowed` (16, words) holds the packed bars on which each subset of regimes lets enter; `groups`
    and `run_end` (T,) are those of `kasauti.backtest.moments.group_of`, `one_group` and `one_run`
    the same without regimes.
    """

    panel: Tape
    costs: Costs
    ours: bool
    allowed: Words
    groups: Integers
    run_end: Integers
    one_group: Integers
    one_run: Integers
    bars_a_year: float


class Table(NamedTuple):
    """Where the figures go: K windows by N strategies (by S symbols or 4 regimes)."""

    sharpe: Floats
    total_return: Floats
    max_drawdown: Floats
    trades: Integers
    charges: Floats
    t: Floats
    symbol_sharpe: Floats
    symbol_trades: Integers
    regime_mean: Floats
    regime_t: Floats
    regime_trades: Integers
    held: Integers


@njit
def rules_from(genes: NDArray[np.void], i: int) -> Rules:
    """Return the numeric genes of strategy `i`."""
    gene = genes[i]
    return Rules(
        gene["side"],
        gene["stop_kind"],
        gene["stop"],
        gene["target_kind"],
        gene["target"],
        gene["trail_kind"],
        gene["trail"],
        gene["max_bars"],
        gene["risk"],
    )


@njit
def decisions(
    may_enter: Words,
    may_leave: Words,
    entry: Words,
    leave_rule: Words,
    allowed: Words,
    enter: Words,
    leave: Words,
) -> None:
    """Fill `enter` and `leave` with where a strategy decides, from where its rules are true."""
    for word in range(len(enter)):
        enter[word] = entry[word] & ~leave_rule[word] & may_enter[word] & allowed[word]
        leave[word] = leave_rule[word] & may_leave[word]


@njit
def trace(
    setting: Setting,
    row: int,
    entry: Words,
    leave_rule: Words,
    genes: NDArray[np.void],
    start: int,
    stop: int,
    trades: Trades,
    sizes: Floats,
    equity: Floats,
    sums: Floats,
    draw: Floats,
) -> Outcome:
    """Run one strategy on the symbol in `row` and keep everything: trades, curve and sums."""
    tape = symbol_of(setting.panel, row)
    rules = rules_from(genes, 0)
    enter, leave = np.empty_like(entry), np.empty_like(entry)
    allowed = setting.allowed[genes[0]["regimes"]]
    may_enter = tape.may_enter_long if rules.side > 0.0 else tape.may_enter_short
    decisions(may_enter, tape.may_leave, entry, leave_rule, allowed, enter, leave)
    costs, capital = setting.costs, setting.costs.capital
    if setting.ours:
        outcome = simulate(tape, enter, leave, rules, costs, start, stop, trades)
    else:
        outcome = simulate_vectorbt(tape, enter, leave, rules, costs, start, stop, trades, sizes)
    positions = outcome.trades + (outcome.quantity > 0.0)
    alone = len(setting.panel.mark) == 1
    groups = setting.groups if alone else setting.one_group
    run_end = setting.run_end if alone else setting.one_run
    mark, side = tape.mark, rules.side
    add_positions(mark, side, capital, trades, positions, groups, run_end, sums, draw)
    write_curve(tape.mark, rules.side, capital, trades, positions, start, equity)
    return outcome


@njit
def sharpe_of(total: float, squares: float, count: int) -> float:
    """Return mean over standard deviation (ddof 1) from the sums of `count` returns; else 0."""
    if count < 2:
        return 0.0
    variance = (squares - total * total / count) / (count - 1)
    return total / count / np.sqrt(variance) if variance > 0.0 else 0.0


@njit
def score_population(
    setting: Setting,
    packed: Words,
    which: Places,
    genes: NDArray[np.void],
    windows: Integers,
    table: Table,
) -> None:
    """Fill `table` with the figures of every strategy in every window.

    Parameters
    ----------
    setting : Setting
    packed : ndarray of shape (rows, S, words), uint64
    which : ndarray of shape (N, 2), int64
        Rows of `packed` in which each strategy's entry and exit rule are.
    genes : ndarray of shape (N,), dtype `GENES`
    windows : ndarray of shape (K, 2), int64
        First bar and end of each window.
    table : Table
    """
    symbols, words = packed.shape[1:]
    widths = windows[:, 1] - windows[:, 0]
    total, widest = widths.sum(), widths.max()
    batch = 1 if symbols == 1 else max(1, min(16, CURVES_AT_ONCE // total))
    _score(
        setting,
        packed,
        which,
        genes,
        windows,
        _bars_by_group(windows, setting.groups),
        table,
        np.empty((batch, 1 if symbols == 1 else total)),
        np.empty(widest),
        np.empty(widest + 1, dtype=TRADE),
        np.empty((2, words), dtype=np.uint64),
        np.empty(0),
        np.zeros((GROUPS, 2)),
        np.zeros(2),
    )


@njit
def _score(
    setting: Setting,
    packed: Words,
    which: Places,
    genes: NDArray[np.void],
    windows: Integers,
    counts: Integers,
    table: Table,
    curves: Floats,
    curve: Floats,
    trades: Trades,
    decided: Words,
    no_sizes: Floats,
    sums: Floats,
    draw: Floats,
) -> None:
    packed, trades, curves, curve = (
        borrowed(packed),
        borrowed(trades),
        borrowed(curves),
        borrowed(curve),
    )
    decided, no_sizes, sums, draw = (
        borrowed(decided),
        borrowed(no_sizes),
        borrowed(sums),
        borrowed(draw),
    )
    counts, table = borrowed(counts), _borrowed_table(table)
    enter, leave = decided[0], decided[1]
    all_allowed, all_groups = borrowed(setting.allowed), borrowed(setting.groups)
    ours, costs, capital, year = (
        setting.ours,
        setting.costs,
        setting.costs.capital,
        setting.bars_a_year,
    )
    symbols = packed.shape[1]
    alone = symbols == 1
    groups = all_groups if alone else borrowed(setting.one_group)
    run_end = borrowed(setting.run_end) if alone else borrowed(setting.one_run)
    count, batch = len(which), len(curves)

    for first in range(0, count, batch):
        last = min(count, first + batch)
        curves[:] = 0.0
        for row in range(symbols):
            tape = symbol_of(setting.panel, row)
            for i in range(first, last):
                rules = rules_from(genes, i)
                allowed = all_allowed[genes[i]["regimes"]]
                entry, leave_rule = packed[which[i, 0], row], packed[which[i, 1], row]
                may_enter = tape.may_enter_long if rules.side > 0.0 else tape.may_enter_short
                decisions(may_enter, tape.may_leave, entry, leave_rule, allowed, enter, leave)
                before = 0
                for k in range(len(windows)):
                    start, stop = windows[k, 0], windows[k, 1]
                    width = stop - start
                    if ours:
                        outcome = simulate(tape, enter, leave, rules, costs, start, stop, trades)
                    else:
                        outcome = simulate_vectorbt(
                            tape, enter, leave, rules, costs, start, stop, trades, no_sizes
                        )
                    positions = outcome.trades + (outcome.quantity > 0.0)
                    final = add_positions(
                        tape.mark,
                        rules.side,
                        capital,
                        trades,
                        positions,
                        groups,
                        run_end,
                        sums,
                        draw,
                    )
                    for number in range(outcome.trades):
                        label = all_groups[trades[number]["entry_bar"]] - 1
                        if label >= 0:
                            table.regime_trades[k, i, label] += 1
                    table.trades[k, i] += outcome.trades
                    table.held[k, i] += outcome.held
                    table.charges[k, i] += outcome.charges
                    table.symbol_trades[k, i, row] = outcome.trades
                    ratio = sharpe_of(sums[:, 0].sum(), sums[:, 1].sum(), width)
                    table.symbol_sharpe[k, i, row] = ratio * np.sqrt(year)
                    if alone:
                        _fill(table, k, i, sums, draw, counts[k], width, final / capital, year)
                    else:
                        write_curve(
                            tape.mark,
                            rules.side,
                            capital,
                            trades,
                            positions,
                            start,
                            curve[:width],
                        )
                        for t in range(width):
                            curves[i - first, before + t] += curve[t]
                    before += width
        if not alone:
            whole = capital * symbols
            for i in range(first, last):
                before = 0
                for k in range(len(windows)):
                    width = windows[k, 1] - windows[k, 0]
                    equity = curves[i - first, before : before + width]
                    panel_moments(equity, windows[k, 0], all_groups, whole, sums, draw)
                    growth = equity[width - 1] / whole
                    _fill(table, k, i, sums, draw, counts[k], width, growth, year)
                    before += width


@njit
def _borrowed_table(table: Table) -> Table:
    return Table(
        borrowed(table.sharpe),
        borrowed(table.total_return),
        borrowed(table.max_drawdown),
        borrowed(table.trades),
        borrowed(table.charges),
        borrowed(table.t),
        borrowed(table.symbol_sharpe),
        borrowed(table.symbol_trades),
        borrowed(table.regime_mean),
        borrowed(table.regime_t),
        borrowed(table.regime_trades),
        borrowed(table.held),
    )


@njit
def _bars_by_group(windows: Integers, groups: Integers) -> Integers:
    counts = np.zeros((len(windows), GROUPS), dtype=np.int64)
    for k in range(len(windows)):
        for t in range(windows[k, 0] + 1, windows[k, 1]):
            counts[k, groups[t]] += 1
    return counts


@njit
def _fill(
    table: Table,
    k: int,
    i: int,
    sums: Floats,
    draw: Floats,
    counts: Integers,
    width: int,
    growth: float,
    bars_a_year: float,
) -> None:
    ratio = sharpe_of(sums[:, 0].sum(), sums[:, 1].sum(), width)
    table.sharpe[k, i] = ratio * np.sqrt(bars_a_year)
    table.t[k, i] = ratio * np.sqrt(width)
    table.total_return[k, i] = growth - 1.0
    table.max_drawdown[k, i] = draw[WORST]
    for label in range(GROUPS - 1):
        bars = counts[label + 1]
        if bars > 0:
            table.regime_mean[k, i, label] = sums[label + 1, 0] / bars
            ratio = sharpe_of(sums[label + 1, 0], sums[label + 1, 1], bars)
            table.regime_t[k, i, label] = ratio * np.sqrt(bars)


def empty_table(windows: int, strategies: int, symbols: int) -> Table:
    """Return a table of zeros."""
    one = (windows, strategies)

    def floats(*more: int) -> Floats:
        return np.zeros((*one, *more))

    def integers(*more: int) -> Integers:
        return np.zeros((*one, *more), dtype=np.int64)

    return Table(
        sharpe=floats(),
        total_return=floats(),
        max_drawdown=floats(),
        trades=integers(),
        charges=floats(),
        t=floats(),
        symbol_sharpe=floats(symbols),
        symbol_trades=integers(symbols),
        regime_mean=floats(GROUPS - 1),
        regime_t=floats(GROUPS - 1),
        regime_trades=integers(GROUPS - 1),
        held=integers(),
    )


def masks_of(codes: NDArray[np.int8]) -> Booleans:
    """Return, for each of the 16 subsets of regimes, the bars whose label is in it, (16, T).

    The full set is no restriction: it holds on every bar, unknown labels included.
    """
    subsets = np.arange(1 << (GROUPS - 1))
    known = codes >= 0
    masks: Booleans = (subsets[:, None] >> np.maximum(codes, 0) & 1).astype(np.bool_) & known
    masks[-1] = True
    return masks
