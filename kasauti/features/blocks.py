"""Evaluates a schedule: one symbol, block of bars after block of bars; no planning, no memory.

A block's rows fit into a core's cache, so a node's values are read again while they are still near.
Functions with a past carry it from block to block. All values are float64: what two rules decide on
must not depend on rounding to fewer digits. Truths are packed, 64 bars to a word.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import borrowed, njit
from kasauti.features.bits import Words
from kasauti.features.graph import (
    AND,
    COMPARISON,
    CROSSING,
    LESS,
    MINUS,
    NEGATION,
    NOT,
    OR,
    OVER,
    PLUS,
    ROLLING,
    TIMES,
    WARM_UP,
)
from kasauti.features.rolling import LANES, OBV, VWAP, advance, advance_lanes
from kasauti.features.schedule import IN_ROW, IN_SLOT, IS_CONSTANT, NOWHERE, Instructions
from kasauti.genome.codes import Places
from kasauti.market.bars import Floats

BLOCK_BARS = 1024
"""Bars of a block, a multiple of 64: 8 kB a row."""

STRIDE = BLOCK_BARS + 8
"""From slot to slot: rows a multiple of 4 kB apart would share few places of the first cache."""

UNKNOWN = -1
"""Nobody has looked for NaN in a slot yet."""

Flags = NDArray[np.int8]

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
"""Rows of the bars' own fields."""


def pool_size(slots: int) -> int:
    """Return the length of a pool of `slots` rows, and of the few that lanes need behind them."""
    return (slots + LANES) * STRIDE


@njit
def run_schedule(
    program: Instructions,
    junctions: Instructions,
    fixed: int,
    rows: Floats,
    symbol: int,
    packed: Words,
    slots: int,
    pool: Floats,
    state: Floats,
) -> None:
    """Evaluate a schedule for one symbol.

    Parameters
    ----------
    program, junctions : ndarray, dtype `INSTRUCTION`
    fixed : int
        Series of the bars; they are the first rows and the first slots.
    rows : ndarray of shape (rows, S, T), float64
        The bars' fields and series, then common values; new ones of those are filled.
    symbol : int
    packed : ndarray of shape (rows, S, words), uint64
        Rows of packed truths; new ones are filled.
    slots : int
        As `emit` counted them.
    pool : ndarray of shape (pool_size(slots),), float64
    state : ndarray of float64
        As long as `emit` counted; overwritten.
    """
    state[:] = 0.0
    _run(
        program,
        junctions,
        fixed,
        rows,
        symbol,
        packed,
        slots,
        pool,
        np.empty(slots, dtype=np.int8),
        state,
        np.empty((5, BLOCK_BARS)),
        np.empty(BLOCK_BARS, dtype=np.int64),
        np.empty((2, BLOCK_BARS)),
        np.empty((3, LANES), dtype=np.int64),
        np.empty((3, LANES)),
    )


@njit
def _run(
    program: Instructions,
    junctions: Instructions,
    fixed: int,
    rows: Floats,
    symbol: int,
    packed: Words,
    slots: int,
    pool: Floats,
    clean: Flags,
    state: Floats,
    scratch: Floats,
    places: Places,
    numbers: Floats,
    group: Places,
    windows: Floats,
) -> None:
    program, junctions, rows, packed = (
        borrowed(program),
        borrowed(junctions),
        borrowed(rows),
        borrowed(packed),
    )
    pool, clean, state, scratch = (
        borrowed(pool),
        borrowed(clean),
        borrowed(state),
        borrowed(scratch),
    )
    places, numbers, group, windows = (
        borrowed(places),
        borrowed(numbers),
        borrowed(group),
        borrowed(windows),
    )
    length = rows.shape[2]
    for first in range(0, length, BLOCK_BARS):
        width = min(BLOCK_BARS, length - first)
        for k in range(fixed):
            pool[k * STRIDE : k * STRIDE + width] = rows[k, symbol, first : first + width]
            clean[k] = UNKNOWN
        i = 0
        while i < len(program):
            one = program[i]
            kind = one["kind"]
            if kind == COMPARISON:
                words = packed[one["out"], symbol, first // 64 : (first + width + 63) // 64]
                a = _either(
                    one["a_where"],
                    one["a"],
                    one["p0"],
                    numbers[0],
                    pool,
                    rows,
                    symbol,
                    first,
                    width,
                )
                b = _either(
                    one["b_where"],
                    one["b"],
                    one["p1"],
                    numbers[1],
                    pool,
                    rows,
                    symbol,
                    first,
                    width,
                )
                _below(a, b, one["code"] == LESS, words)
                i += 1
                continue
            if one["lanes"] > 1 and _group(
                program[i : i + LANES],
                pool,
                clean,
                rows,
                symbol,
                first,
                width,
                slots,
                group,
                windows,
            ):
                advance_lanes(
                    one["code"],
                    pool,
                    group[0],
                    group[1],
                    width,
                    windows[0],
                    windows[1],
                    windows[2],
                    state,
                    group[2],
                )
                for k in range(LANES):
                    _keep(program[i + k], pool, clean, rows, symbol, first, width)
                i += LANES
                continue
            out = pool[one["out"] * STRIDE : one["out"] * STRIDE + width]
            if kind == ROLLING:
                own = state[one["state"] : one["state_end"]]
                _advance(one, pool, clean, rows, symbol, first, width, own, scratch, places, out)
            else:
                a = _either(
                    one["a_where"],
                    one["a"],
                    one["p0"],
                    numbers[0],
                    pool,
                    rows,
                    symbol,
                    first,
                    width,
                )
                b = _either(
                    one["b_where"],
                    one["b"],
                    one["p1"],
                    numbers[1],
                    pool,
                    rows,
                    symbol,
                    first,
                    width,
                )
                _operate(one["code"], a, b, out)
            _keep(one, pool, clean, rows, symbol, first, width)
            i += 1
    for i in range(len(junctions)):
        one = junctions[i]
        a, b = packed[one["a"], symbol], packed[one["b"], symbol]
        _join(one["code"], a, b, packed[one["out"], symbol])


@njit
def _operand(
    pool: Floats, rows: Floats, symbol: int, where: int, which: int, first: int, width: int
) -> Floats:
    if where == IN_ROW:
        return rows[which, symbol, first : first + width]
    return pool[which * STRIDE : which * STRIDE + width]


@njit
def _keep(
    one: np.void,
    pool: Floats,
    clean: Flags,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
) -> None:
    """Copy a value that later calls may want to its row; nothing is known of its NaNs yet."""
    slot = one["out"]
    clean[slot] = UNKNOWN
    if one["row"] >= 0:
        start = slot * STRIDE
        rows[one["row"], symbol, first : first + width] = pool[start : start + width]


@njit
def _is_clean(
    where: int,
    which: int,
    pool: Floats,
    clean: Flags,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
) -> bool:
    """Return whether a block of an operand has no NaN; asked once for each block of a slot."""
    if where == IN_ROW:
        return _defined(rows[which, symbol, first : first + width])
    if clean[which] == UNKNOWN:
        clean[which] = _defined(pool[which * STRIDE : which * STRIDE + width])
    return bool(clean[which] == 1)


@njit
def _group(
    members: Instructions,
    pool: Floats,
    clean: Flags,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
    slots: int,
    group: Places,
    windows: Floats,
) -> bool:
    """Fill what `advance_lanes` needs; false if a member has a NaN to leave out.

    An operand that lies in a row of its own is copied to one of the slots behind the others.
    """
    for k in range(LANES):
        one = members[k]
        where, which = one["a_where"], one["a"]
        if not _is_clean(where, which, pool, clean, rows, symbol, first, width):
            return False
    for k in range(LANES):
        one = members[k]
        slot = one["a"]
        if one["a_where"] == IN_ROW:
            slot = slots + k
            start = slot * STRIDE
            pool[start : start + width] = rows[one["a"], symbol, first : first + width]
        group[0, k], group[1, k] = slot * STRIDE, one["out"] * STRIDE
        group[2, k] = one["state"]
        windows[0, k], windows[1, k], windows[2, k] = one["p0"], one["p1"], one["p2"]
    return True


@njit
def _either(
    where: int,
    which: int,
    value: float,
    row: Floats,
    pool: Floats,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
) -> Floats:
    """Return an operand's block; of a constant, `row` filled with its value."""
    if where == IS_CONSTANT:
        row[:width] = value
        return row[:width]
    return _operand(pool, rows, symbol, where, max(which, 0), first, width)


@njit
def _below(a: Floats, b: Floats, strictly: bool, words: Words) -> None:
    """Pack ``a < b`` (``a <= b`` unless `strictly`); false where either is NaN."""
    for place in range(len(words)):
        first = place * 64
        last = min(first + 64, len(a))
        word = np.uint64(0)
        if last - first == 64 and strictly:
            for bit in range(64):
                word |= np.uint64(a[first + bit] < b[first + bit]) << np.uint64(bit)
        elif last - first == 64:
            for bit in range(64):
                word |= np.uint64(a[first + bit] <= b[first + bit]) << np.uint64(bit)
        else:
            for bit in range(last - first):
                x, y = a[first + bit], b[first + bit]
                truth = x < y or (x == y and not strictly)
                word |= np.uint64(truth) << np.uint64(bit)
        words[place] = word


@njit
def _operate(code: int, a: Floats, b: Floats, out: Floats) -> None:
    """Write an operator's values; NaN where they would be infinite (a division by zero too)."""
    if code == NEGATION:
        for t in range(len(out)):
            out[t] = -a[t]
    elif code == PLUS:
        for t in range(len(out)):
            value = a[t] + b[t]
            out[t] = value if abs(value) < np.inf else np.nan
    elif code == MINUS:
        for t in range(len(out)):
            value = a[t] - b[t]
            out[t] = value if abs(value) < np.inf else np.nan
    elif code == TIMES:
        for t in range(len(out)):
            value = a[t] * b[t]
            out[t] = value if abs(value) < np.inf else np.nan
    elif code == OVER:
        for t in range(len(out)):
            value = a[t] / b[t]
            out[t] = value if abs(value) < np.inf else np.nan


@njit
def _join(code: int, a: Words, b: Words, out: Words) -> None:
    if code == AND:
        for word in range(len(out)):
            out[word] = a[word] & b[word]
    elif code == OR:
        for word in range(len(out)):
            out[word] = a[word] | b[word]
    elif code == NOT:
        for word in range(len(out)):
            out[word] = ~a[word]
    elif code == CROSSING:  # a now, b on the bar before
        carried = np.uint64(0)
        for word in range(len(out)):
            before = b[word]
            out[word] = a[word] & ((before << np.uint64(1)) | carried)
            carried = before >> np.uint64(63)


@njit
def _defined(values: Floats) -> bool:
    undefined = 0
    for value in values:
        undefined += value != value
    return undefined == 0


@njit
def _warm_up(x: Floats, n: float, seen: Floats, out: Floats) -> None:
    """Write `x` without the first n - 1 bars on which it is defined."""
    for t in range(len(out)):
        value = x[t]
        if seen[0] < n - 1.0 and value == value:
            seen[0] += 1.0
            value = np.nan
        out[t] = value


@njit
def _advance(
    one: np.void,
    pool: Floats,
    clean: Flags,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
    own: Floats,
    scratch: Floats,
    places: Places,
    out: Floats,
) -> None:
    """Advance a function over a block; it sees only the bars on which all inputs are defined."""
    code = one["code"]
    p0, p1, p2 = one["p0"], one["p1"], one["p2"]
    a, b, c, d, inputs = one["a"], -1, -1, -1, 1
    where = one["a_where"]
    if where == NOWHERE:
        where = IN_SLOT
        if code == OBV:
            a, b, inputs = CLOSE, VOLUME, 2
        else:
            a, b, c, inputs = HIGH, LOW, CLOSE, 3
            if code == VWAP:
                d, inputs = VOLUME, 4
    x0 = _operand(pool, rows, symbol, where, a, first, width)
    x1 = _operand(pool, rows, symbol, where, b if inputs > 1 else a, first, width)
    x2 = _operand(pool, rows, symbol, where, c if inputs > 2 else a, first, width)
    x3 = _operand(pool, rows, symbol, where, d if inputs > 3 else a, first, width)
    all_clean = _is_clean(where, a, pool, clean, rows, symbol, first, width)
    for which in (b, c, d):
        if which >= 0:
            all_clean &= _is_clean(where, which, pool, clean, rows, symbol, first, width)
    if code == WARM_UP:
        _warm_up(x0, p0, own, out)
        return
    if all_clean:
        advance(code, x0, x1, x2, x3, p0, p1, p2, own, out)
        return
    count = 0
    for t in range(width):
        if x0[t] == x0[t] and x1[t] == x1[t] and x2[t] == x2[t] and x3[t] == x3[t]:
            scratch[0, count], scratch[1, count] = x0[t], x1[t]
            scratch[2, count], scratch[3, count] = x2[t], x3[t]
            places[count] = t
            count += 1
    found = scratch[4, :count]
    advance(
        code,
        scratch[0, :count],
        scratch[1, :count],
        scratch[2, :count],
        scratch[3, :count],
        p0,
        p1,
        p2,
        own,
        found,
    )
    out[:] = np.nan
    for i in range(count):
        out[places[i]] = found[i]
