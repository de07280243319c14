"""Evaluates a schedule: one symbol, block of bars after block of bars; no planning, no memory.

A block's rows fit into a core's cache, so a node's values are read again while they are still near.
Functions with a past carry it from block to block. All values are float64: what two rules decide on
must not depend on rounding to fewer digits. Truths are packed, 64 bars to a word.
"""

import numpy as np

from kasauti.compiled import borrowed, inlined, njit
from kasauti.features.bits import Words
from kasauti.features.graph import (
    AND,
    COMPARISON,
    CROSSING,
    JUNCTION,
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
from kasauti.features.schedule import LEVEL, LOAD, NOWHERE, Instructions
from kasauti.genome.codes import Places
from kasauti.market.bars import Floats
from kasauti.simd import fetch

BLOCK_BARS = 1024
"""Bars of a block, a multiple of 64: 8 kB a row."""

STRIDE = BLOCK_BARS + 8
"""From slot to slot: rows a multiple of 4 kB apart would share few places of the first cache."""

UNKNOWN, HOLED = -1, -2
"""In place of the bar from which a slot's block is defined: nobody has looked for NaN in it yet; it
has NaN after a defined bar."""

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
"""Rows of the bars' own fields."""


def pool_size(slots: int) -> int:
    """Return the length of a pool of `slots` rows."""
    return slots * STRIDE


@njit
def run_schedule(
    program: Instructions,
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
    program : ndarray, dtype `INSTRUCTION`
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
    defined = np.empty(slots, dtype=np.int64)
    scratch, places = np.empty((5, BLOCK_BARS)), np.empty(BLOCK_BARS, dtype=np.int64)
    group, windows = np.empty((3, LANES), dtype=np.int64), np.empty((3, LANES))
    length = rows.shape[2]
    for first in range(0, length, BLOCK_BARS):
        width = min(BLOCK_BARS, length - first)
        for k in range(fixed):
            pool[k * STRIDE : k * STRIDE + width] = rows[k, symbol, first : first + width]
            defined[k] = UNKNOWN
        i = 0
        while i < len(program):
            kind = program[i]["kind"]
            if kind == COMPARISON:
                i = _compare(program, i, pool, packed, symbol, first, width)
            elif kind == JUNCTION:
                i = _join(program, i, packed, symbol, first, width, state)
            elif kind == ROLLING:
                i = _roll(
                    program,
                    i,
                    pool,
                    defined,
                    rows,
                    symbol,
                    first,
                    width,
                    state,
                    scratch,
                    places,
                    group,
                    windows,
                )
            elif kind == LOAD:
                i = _load(program, i, pool, defined, rows, symbol, first, width)
            else:
                i = _operate(program, i, pool, defined, width, scratch)


@njit
def _load(
    program: Instructions,
    i: int,
    pool: Floats,
    defined: Places,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
) -> int:
    """Bring blocks of values that are there already; return where other instructions begin."""
    program, pool, rows = borrowed(program), borrowed(pool), borrowed(rows)
    while i < len(program) and program[i]["kind"] == LOAD:
        one = program[i]
        start = one["out"] * STRIDE
        pool[start : start + width] = rows[one["row"], symbol, first : first + width]
        defined[one["out"]] = UNKNOWN
        i += 1
    return i


@njit
def _compare(
    program: Instructions,
    i: int,
    pool: Floats,
    packed: Words,
    symbol: int,
    first: int,
    width: int,
) -> int:
    """Pack comparisons, false where an operand is NaN; return where other instructions begin.

    What lies behind the last bar in a slot is compared too and then masked.
    """
    program, pool, packed = borrowed(program), borrowed(pool), borrowed(packed)
    count = (width + 63) // 64
    mask = ~np.uint64(0) >> np.uint64(64 * count - width)
    while i < len(program) and program[i]["kind"] == COMPARISON:
        one = program[i]
        words = packed[one["out"], symbol, first // 64 : first // 64 + count]
        _fetch_next(program, i, packed, symbol, first // 64)
        a, b, strictly = one["a"] * STRIDE, one["b"] * STRIDE, one["code"] == LESS
        if one["b"] == LEVEL:
            for k in range(count):
                words[k] = _below_level(pool[a + 64 * k :], one["p1"], strictly)
        elif one["a"] == LEVEL:
            for k in range(count):
                words[k] = _above_level(pool[b + 64 * k :], one["p0"], strictly)
        else:
            for k in range(count):
                words[k] = _below(pool[a + 64 * k :], pool[b + 64 * k :], strictly)
        words[count - 1] &= mask
        i += 1
    return i


@inlined
def _fetch_next(program: Instructions, i: int, packed: Words, symbol: int, word: int) -> None:
    """Bring the two lines that the instruction after `i` writes, if it is a truth."""
    if i + 1 < len(program) and program[i + 1]["kind"] in (COMPARISON, JUNCTION):
        row = packed[program[i + 1]["out"], symbol]
        fetch(row, word)
        fetch(row, min(word + 8, len(row) - 1))


@inlined
def _below(a: Floats, b: Floats, strictly: bool) -> np.uint64:
    word = np.uint64(0)
    if strictly:
        for bit in range(64):
            word |= np.uint64(a[bit] < b[bit]) << np.uint64(bit)
    else:
        for bit in range(64):
            word |= np.uint64(a[bit] <= b[bit]) << np.uint64(bit)
    return word


@inlined
def _below_level(a: Floats, level: float, strictly: bool) -> np.uint64:
    word = np.uint64(0)
    if strictly:
        for bit in range(64):
            word |= np.uint64(a[bit] < level) << np.uint64(bit)
    else:
        for bit in range(64):
            word |= np.uint64(a[bit] <= level) << np.uint64(bit)
    return word


@inlined
def _above_level(b: Floats, level: float, strictly: bool) -> np.uint64:
    word = np.uint64(0)
    if strictly:
        for bit in range(64):
            word |= np.uint64(level < b[bit]) << np.uint64(bit)
    else:
        for bit in range(64):
            word |= np.uint64(level <= b[bit]) << np.uint64(bit)
    return word


@njit
def _operate(
    program: Instructions, i: int, pool: Floats, defined: Places, width: int, levels: Floats
) -> int:
    """Write operators' values, NaN where they would be infinite (a division by zero too).

    Returns
    -------
    int
        Where other instructions begin.
    """
    program, pool, levels = borrowed(program), borrowed(pool), borrowed(levels)
    kind = program[i]["kind"]
    while i < len(program) and program[i]["kind"] == kind:
        one = program[i]
        code = one["code"]
        a = pool[max(one["a"], 0) * STRIDE :]
        b = pool[max(one["b"], 0) * STRIDE :]
        if one["a"] == LEVEL:
            a = levels[0]
            a[:width] = one["p0"]
        if one["b"] == LEVEL:
            b = levels[1]
            b[:width] = one["p1"]
        out = pool[one["out"] * STRIDE :]
        if code == NEGATION:
            for t in range(width):
                out[t] = -a[t]
        elif code == PLUS:
            for t in range(width):
                out[t] = _finite(a[t] + b[t])
        elif code == MINUS:
            for t in range(width):
                out[t] = _finite(a[t] - b[t])
        elif code == TIMES:
            for t in range(width):
                out[t] = _finite(a[t] * b[t])
        elif code == OVER:
            for t in range(width):
                out[t] = _finite(a[t] / b[t])
        defined[one["out"]] = UNKNOWN
        i += 1
    return i


@inlined
def _finite(value: float) -> float:
    return value if abs(value) < np.inf else np.nan


@njit
def _roll(
    program: Instructions,
    i: int,
    pool: Floats,
    defined: Places,
    rows: Floats,
    symbol: int,
    first: int,
    width: int,
    state: Floats,
    scratch: Floats,
    places: Places,
    group: Places,
    windows: Floats,
) -> int:
    """Advance functions with a past; return where other instructions begin."""
    program, pool, defined, rows = (
        borrowed(program),
        borrowed(pool),
        borrowed(defined),
        borrowed(rows),
    )
    state, scratch, places = borrowed(state), borrowed(scratch), borrowed(places)
    group, windows = borrowed(group), borrowed(windows)
    inputs, outputs, states = group[0], group[1], group[2]
    p0, p1, p2 = windows[0], windows[1], windows[2]
    while i < len(program) and program[i]["kind"] == ROLLING:
        one = program[i]
        count, start = one["lanes"], 0
        if count > 1:
            for k in range(LANES):
                begins = _defined_from(program[i + k]["a"], pool, defined, width)
                start = width if begins == HOLED else max(start, begins)
        if count > 1 and start < width:
            for k in range(LANES):
                member = program[i + k]
                inputs[k], outputs[k] = member["a"] * STRIDE, member["out"] * STRIDE
                states[k] = member["state"]
                p0[k], p1[k], p2[k] = member["p0"], member["p1"], member["p2"]
                if start > 0:
                    _advance(member, pool, defined, start, state, scratch, places)
                    inputs[k] += start
                    outputs[k] += start
            advance_lanes(
                one["code"], pool, inputs, outputs, width - start, p0, p1, p2, state, states
            )
        else:
            count = 1
            _advance(one, pool, defined, width, state, scratch, places)
        for k in range(i, i + count):
            member = program[k]
            slot, row = member["out"], member["row"]
            defined[slot] = UNKNOWN
            if row >= 0:  # later calls may want it
                start = slot * STRIDE
                rows[row, symbol, first : first + width] = pool[start : start + width]
        i += count
    return i


@njit
def _defined_from(slot: int, pool: Floats, defined: Places, width: int) -> int:
    """Return the bar from which a slot's block is defined, `HOLED` if it has NaN after one that is.

    Looked for once in each block.
    """
    if defined[slot] == UNKNOWN:
        values = _block(pool, slot, width)
        undefined, first = 0, 0
        for value in values:
            undefined += value != value
        if undefined > 0:
            while first < width and values[first] != values[first]:
                first += 1
        defined[slot] = first if first == undefined else HOLED
    return int(defined[slot])


@njit
def _advance(
    one: np.void,
    pool: Floats,
    defined: Places,
    stop: int,
    state: Floats,
    scratch: Floats,
    places: Places,
) -> None:
    """Advance a function over a block up to `stop`.

    It sees only the bars on which all inputs are defined.
    """
    code = one["code"]
    p0, p1, p2 = one["p0"], one["p1"], one["p2"]
    own = state[one["state"] : one["state_end"]]
    out = _block(pool, one["out"], stop)
    a, b, c, d, inputs = one["a"], -1, -1, -1, 1
    if a == NOWHERE:
        if code == OBV:
            a, b, inputs = CLOSE, VOLUME, 2
        else:
            a, b, c, inputs = HIGH, LOW, CLOSE, 3
            if code == VWAP:
                d, inputs = VOLUME, 4
    x0 = _block(pool, a, stop)
    x1 = _block(pool, b if inputs > 1 else a, stop)
    x2 = _block(pool, c if inputs > 2 else a, stop)
    x3 = _block(pool, d if inputs > 3 else a, stop)
    if code == WARM_UP:
        _warm_up(x0, p0, own, out)
        return
    start, holed = 0, False
    for which in (a, b, c, d):
        if which >= 0:
            begins = _defined_from(which, pool, defined, stop)
            holed |= begins == HOLED
            start = max(start, begins)
    if not holed:
        start = min(start, stop)
        out[:start] = np.nan
        if start < stop:
            y0, y1, y2, y3 = x0[start:], x1[start:], x2[start:], x3[start:]
            advance(code, y0, y1, y2, y3, p0, p1, p2, own, out[start:])
        return
    count = 0
    for t in range(stop):
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


@njit
def _block(pool: Floats, slot: int, width: int) -> Floats:
    return pool[slot * STRIDE : slot * STRIDE + width]


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
def _join(
    program: Instructions,
    i: int,
    packed: Words,
    symbol: int,
    first: int,
    width: int,
    state: Floats,
) -> int:
    """Join packed truths; return where other instructions begin.

    Of a negation the bits behind the last bar are true; nobody may look at them.
    """
    program, packed, state = borrowed(program), borrowed(packed), borrowed(state)
    begin, end = first // 64, (first + width + 63) // 64
    while i < len(program) and program[i]["kind"] == JUNCTION:
        one = program[i]
        code = one["code"]
        a, b = packed[one["a"], symbol, begin:end], packed[one["b"], symbol, begin:end]
        out = packed[one["out"], symbol, begin:end]
        _fetch_next(program, i, packed, symbol, begin)
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
            carried = np.uint64(state[one["state"]])
            for word in range(len(out)):
                before = b[word]
                out[word] = a[word] & ((before << np.uint64(1)) | carried)
                carried = before >> np.uint64(63)
            state[one["state"]] = carried
        i += 1
    return i
