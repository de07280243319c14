"""What has to be evaluated of a graph, and where every row goes; no value is computed.

A slot is free again as soon as its last reader is written, so that few rows of a block are alive at
a time; so is the row of a truth that nobody wants to keep. The order is that of
`kasauti.features.order`.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features.graph import (
    COMPARISON,
    CONSTANT,
    CROSSING,
    JUNCTION,
    KIND,
    NOT,
    POINTWISE,
    ROLLING,
    SERIES_KIND,
    WARM_UP,
    Nodes,
)
from kasauti.features.rolling import state_size
from kasauti.genome.codes import ARITY, SYMBOLS, Codes, Places
from kasauti.genome.language import FUNCTIONS
from kasauti.market.bars import Booleans

NOWHERE, LEVEL = -1, -2
"""In place of a slot: there is no such operand, or it is a constant."""

LOAD = 6
"""The kind of an instruction that brings a block of a value that is there already."""

INSTRUCTION = np.dtype(
    [
        *((name, np.int32) for name in ("kind", "code", "lanes", "a", "b", "out", "row")),
        *((name, np.int32) for name in ("state", "state_end")),
        *((name, np.float64) for name in ("p0", "p1", "p2")),
    ],
    align=True,
)
"""One node to evaluate. `a` and `b` are slots; a constant operand, `LEVEL`, stands in `p0` (first)
or `p1` (second), where a function has its windows. `out` is a slot, or the row of a packed truth; a
value that is kept is written to `row` too, else -1. `lanes` instructions from this one on, itself
included, can be advanced at once."""

Instructions = NDArray[np.void]


def _is_valued(name: str) -> bool:
    return name in FUNCTIONS and any(not p.is_literal for p in FUNCTIONS[name].parameters)


def _is_common(name: str) -> bool:
    """Whether so few parameters are worth a row of its own: one window at most."""
    literals = [p for p in FUNCTIONS[name].parameters if p.is_literal] if name in FUNCTIONS else []
    return name in FUNCTIONS and len(literals) < 2


# By code; the last one is `WARM_UP`, which has a value and a window.
IS_VALUED: NDArray[np.bool_] = np.array([*map(_is_valued, SYMBOLS), True])
IS_COMMON: NDArray[np.bool_] = np.array([*map(_is_common, SYMBOLS), False])
LITERALS: Codes = np.append(ARITY, 2) - IS_VALUED
"""Windows and numbers of a function."""


@njit
def operands_of(nodes: Nodes, node: int) -> tuple[int, int]:
    """Return the nodes whose values or truths `node` reads, -1 where there is none."""
    one = nodes[node]
    code = one["code"]
    if code == CONSTANT or KIND[code] == SERIES_KIND:
        return -1, -1
    if KIND[code] == ROLLING:
        return (one["a"] if IS_VALUED[code] else -1), -1
    return one["a"], one["b"]


@njit
def is_common(nodes: Nodes, node: int) -> bool:
    """Whether a value is met so often that it is worth a row: one window over plain series."""
    code = nodes[node]["code"]
    if KIND[code] != ROLLING or not IS_COMMON[code]:
        return False
    operand = operands_of(nodes, node)[0]
    return operand < 0 or KIND[nodes[operand]["code"]] == SERIES_KIND


@njit
def is_loaded(code: int) -> bool:
    """Whether a block of a value that is there already has to be brought to a slot."""
    return KIND[code] in (ROLLING, POINTWISE)


@njit
def collect(
    nodes: Nodes,
    roots: Places,
    row_of: Codes,
    seen: Places,
    place: Codes,
    now: int,
    found: Codes,
    reads: Codes,
    used: Codes,
) -> tuple[int, int, int, int]:
    """Find what has to be evaluated for `roots`, operands first.

    Parameters
    ----------
    nodes : ndarray, dtype `NODE`
    roots : ndarray of shape (R,), int64
    row_of : ndarray of shape (capacity,), int32
        Row of each node that is there already, else -1.
    seen, place : ndarray of shape (capacity,)
        Scratch; `seen` holds numbers below `now` only. Afterwards ``place[n]`` is the position in
        `found` of each node n with ``seen[n] == now``, or -1 if it needs no instruction.
    now : int
    found : ndarray of shape (limit,), int32
        Filled: nodes to evaluate or to bring.
    reads : ndarray of shape (limit, 2), int32
        Filled: positions in `found` of the operands, -1 for those that are not there.
    used : ndarray of shape (limit,), int32
        Filled with the nodes that have rows and are used.

    Returns
    -------
    tuple of int
        How many nodes to evaluate or bring, how many of them are packed rows, how many are common
        values to be kept, and how many nodes have rows.
    """
    stack = np.empty(4096, dtype=np.int64)
    count, packed, common, there = 0, 0, 0, 0
    for root in roots:
        stack[0] = root
        depth = 1
        while depth > 0:
            node = stack[depth - 1]
            if seen[node] == now:
                depth -= 1
                continue
            code = nodes[node]["code"]
            has_row = code != CONSTANT and row_of[node] >= 0
            if code == CONSTANT or (has_row and not is_loaded(code)):
                depth -= 1
                seen[node], place[node] = now, -1
                if has_row:
                    used[there] = node
                    there += 1
                continue
            a, b = (-1, -1) if has_row else operands_of(nodes, node)
            before = depth
            if b >= 0 and seen[b] != now:
                stack[depth] = b
                depth += 1
            if a >= 0 and seen[a] != now:
                stack[depth] = a
                depth += 1
            if depth > before:
                continue
            depth -= 1
            reads[count, 0] = place[a] if a >= 0 else -1
            reads[count, 1] = place[b] if b >= 0 else -1
            if has_row:
                used[there] = node
                there += 1
            elif KIND[code] in (COMPARISON, JUNCTION):
                packed += 1
            elif is_common(nodes, node):
                common += 1
            seen[node], place[node] = now, count
            found[count] = node
            count += 1
    return count, packed, common, there


@njit
def emit(
    nodes: Nodes,
    found: Codes,
    reads: Codes,
    rows: Codes,
    order: Places,
    lanes: Codes,
    row_of: Codes,
    is_kept: Booleans,
    packed_rows: Places,
    value_rows: Places,
    fixed: int,
    program: Instructions,
    at: Places,
    kept: Places,
    is_spare: Booleans,
) -> tuple[int, int, int]:
    """Write the program for the collected nodes and give every one of them its place.

    Parameters
    ----------
    nodes, found, reads, row_of
        As `collect` left them.
    rows : ndarray of shape (count,), int32
        Row of each collected node that has only to be brought, else -1.
    order, lanes
        As `kasauti.features.order.arrange` left them.
    is_kept : ndarray of shape (count,), bool
        Truths whose rows are wanted afterwards; those of others are used again and again.
    packed_rows, value_rows : ndarray of int64
        Free rows for truths and for common values; the latter may be too few.
    fixed : int
        Slots that hold the bars' own series, which are the first rows.
    program : ndarray of shape (count,), dtype `INSTRUCTION`
        Filled.
    at, kept : ndarray of shape (count,)
        Filled: slot, or row of a packed truth, and the row that keeps a node from this call on, -1
        if none does.
    is_spare : ndarray, bool
        True for each of `packed_rows`; false afterwards for those that keep a node.

    Returns
    -------
    tuple of int
        Slots, numbers of state, and packed rows that were needed; if those are more than there are,
        nothing else is of use.
    """
    count = len(found)
    readers = np.zeros(count, dtype=np.int64)
    for node in range(count):
        for side in range(2):
            operand = reads[node, side]
            if operand >= 0:
                readers[operand] += 1
    free, spare = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    freed, spared, slots, state, packed, values = 0, 0, fixed, 0, 0, 0
    first = 0
    while first < count:
        stop = first + lanes[first]
        for place in range(first, stop):
            i = order[place]
            node = found[i]
            code = nodes[node]["code"]
            kept[i] = -1
            if KIND[code] in (COMPARISON, JUNCTION):
                if spared > 0 and not is_kept[i]:
                    spared -= 1
                    at[i] = spare[spared]
                else:
                    if packed == len(packed_rows):
                        return slots, state, packed + 1
                    at[i] = packed_rows[packed]
                    is_spare[packed] = not is_kept[i]
                    packed += 1
                if is_kept[i]:
                    kept[i] = at[i]
            else:
                if rows[i] < 0 and is_common(nodes, node) and values < len(value_rows):
                    kept[i] = value_rows[values]
                    values += 1
                if freed > 0:
                    freed -= 1
                    at[i] = free[freed]
                else:
                    at[i] = slots
                    slots += 1
            one = program[place]
            one["lanes"] = lanes[first] if place == first else 1
            state = _instruct(
                nodes, node, reads[i], rows[i], row_of, at, kept[i], at[i], state, one
            )
        for place in range(first, stop):  # after all outputs of the lanes have their slots
            for side in range(2):
                operand = reads[order[place], side]
                if operand >= 0:
                    readers[operand] -= 1
                    if readers[operand] == 0:
                        if KIND[nodes[found[operand]]["code"]] not in (COMPARISON, JUNCTION):
                            free[freed] = at[operand]
                            freed += 1
                        elif not is_kept[operand]:
                            spare[spared] = at[operand]
                            spared += 1
        first = stop
    return slots, state, packed


@njit
def _instruct(
    nodes: Nodes,
    node: int,
    reads: Codes,
    there: int,
    row_of: Codes,
    at: Places,
    row: int,
    out: int,
    state: int,
    one: np.void,
) -> int:
    """Write an instruction; return where the next one's state begins."""
    code = nodes[node]["code"]
    one["kind"], one["code"] = KIND[code], code
    one["out"], one["row"] = out, row
    one["a"] = one["b"] = NOWHERE
    if there >= 0:
        one["kind"], one["row"] = LOAD, there
        return state
    one["state"] = state
    if KIND[code] == ROLLING:
        _windows(nodes, node, one)
        p0, p1, p2 = one["p0"], one["p1"], one["p2"]
        state += 1 if code == WARM_UP else state_size(code, p0, p1, p2)
    elif code == CROSSING:
        state += 1
    one["state_end"] = state
    a, b = operands_of(nodes, node)
    if a >= 0:
        one["a"] = _place_of(nodes, a, reads[0], row_of, at)
        if one["a"] == LEVEL:
            one["p0"] = nodes[a]["value"]
    if b >= 0:
        one["b"] = _place_of(nodes, b, reads[1], row_of, at)
        if one["b"] == LEVEL:
            one["p1"] = nodes[b]["value"]
    if code == NOT:
        one["b"] = one["a"]
    return state


@njit
def _place_of(nodes: Nodes, operand: int, position: int, row_of: Codes, at: Places) -> int:
    """Return an operand's slot or packed row; a series' row and slot are one number."""
    if nodes[operand]["code"] == CONSTANT:
        return LEVEL
    return int(at[position] if position >= 0 else row_of[operand])


@njit
def _windows(nodes: Nodes, node: int, instruction: np.void) -> None:
    one = nodes[node]
    skip = 1 if IS_VALUED[one["code"]] else 0
    literals = LITERALS[one["code"]]
    first = one["b"] if skip else one["a"]
    second = one["c"] if skip else one["b"]
    third = one["d"] if skip else one["c"]
    instruction["p0"] = nodes[first]["value"] if literals > 0 else 0.0
    instruction["p1"] = nodes[second]["value"] if literals > 1 else 0.0
    instruction["p2"] = nodes[third]["value"] if literals > 2 else 0.0
