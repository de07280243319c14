"""In which order the nodes of a graph are evaluated and where their rows go; no value is computed.

Rules are taken tile by tile. What a tile is the last to use is freed at its end, so that few rows
of a block are alive at a time and stay in a core's cache; within a tile, nodes of one height and
one function stand together, so that several of them can be advanced at once.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.features.graph import (
    COMPARISON,
    CONSTANT,
    JUNCTION,
    KIND,
    ROLLING,
    SERIES_KIND,
    WARM_UP,
    Nodes,
)
from kasauti.features.rolling import LANES, has_lanes, state_size
from kasauti.genome.codes import ARITY, SYMBOLS, Codes, Places
from kasauti.genome.language import FUNCTIONS

TILE = 128
"""Rules of a tile: about 150 rows of 4 kB that nothing else uses, half of a core's second cache."""

NOWHERE, IN_SLOT, IN_ROW, IS_CONSTANT = range(4)
"""Where an operand is: a slot of the block's pool, a row over all bars, or a number."""

INSTRUCTION = np.dtype(
    [
        ("kind", np.int32),
        ("code", np.int32),
        ("a_where", np.int32),
        ("b_where", np.int32),
        ("lanes", np.int32),
        ("height", np.int32),
        ("a", np.int64),
        ("b", np.int64),
        ("out", np.int64),
        ("row", np.int64),
        ("state", np.int64),
        ("state_end", np.int64),
        ("p0", np.float64),
        ("p1", np.float64),
        ("p2", np.float64),
    ],
    align=True,
)
"""One node to evaluate. `a` and `b` are slots or rows, a constant operand stands in `p0` (first) or
`p1` (second), where a function has its windows. `out` is a slot, or the row of a packed truth; a
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
def collect(
    nodes: Nodes,
    roots: Places,
    row_of: Codes,
    seen: Places,
    place: Codes,
    now: int,
    order: Codes,
    first_tile: Codes,
    last_tile: Codes,
    height: Codes,
    reads: Codes,
    used: Codes,
) -> tuple[int, int, int, int]:
    """Find what has to be evaluated for `roots`, operands first.

    Parameters
    ----------
    nodes : ndarray, dtype `NODE`
    roots : ndarray of shape (R,), int64
        In the order of the rules; a tile is `TILE` of them.
    row_of : ndarray of shape (capacity,), int32
        Row of each node that is there already, else -1.
    seen, place : ndarray of shape (capacity,)
        Scratch; `seen` holds numbers below `now` only. Afterwards ``place[n]`` is the position in
        `order` of each node n with ``seen[n] == now``, or -1 if it had its row.
    now : int
    order, first_tile, last_tile, height : ndarray of shape (limit,), int32
        Filled: nodes to evaluate, the first and the last tile that use each, and one more than
        the height of what must be evaluated before it.
    reads : ndarray of shape (limit, 2), int32
        Filled: positions in `order` of the operands, -1 for those that are not there.
    used : ndarray of shape (limit,), int32
        Filled with the nodes that have rows and are used.

    Returns
    -------
    tuple of int
        How many nodes to evaluate, how many of them are packed rows, how many are common values,
        and how many have rows.
    """
    stack = np.empty(4096, dtype=np.int64)
    count, packed, common, found = 0, 0, 0, 0
    for rule in range(len(roots)):
        tile = rule // TILE
        stack[0] = roots[rule]
        depth = 1
        while depth > 0:
            node = stack[depth - 1]
            if seen[node] == now:
                depth -= 1
                if place[node] >= 0:
                    last_tile[place[node]] = tile
                continue
            code = nodes[node]["code"]
            if code == CONSTANT or row_of[node] >= 0:
                depth -= 1
                seen[node], place[node] = now, -1
                if code != CONSTANT:
                    used[found] = node
                    found += 1
                continue
            a, b = operands_of(nodes, node)
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
            high = 0
            for side, operand in enumerate((a, b)):
                reads[count, side] = place[operand] if operand >= 0 else -1
                if reads[count, side] >= 0:
                    last_tile[place[operand]] = tile
                    high = max(high, height[place[operand]])
            if KIND[code] in (COMPARISON, JUNCTION):
                packed += 1
            elif is_common(nodes, node):
                common += 1
            seen[node], place[node] = now, count
            order[count], height[count] = node, high + 1
            first_tile[count], last_tile[count] = tile, tile
            count += 1
    return count, packed, common, found


@njit
def emit(
    nodes: Nodes,
    order: Codes,
    first_tile: Codes,
    last_tile: Codes,
    height: Codes,
    reads: Codes,
    row_of: Codes,
    packed_rows: Places,
    value_rows: Places,
    fixed: int,
    program: Instructions,
    junctions: Instructions,
    where: Codes,
    at: Places,
    kept: Places,
) -> tuple[int, int, int, int]:
    """Write the program for the collected nodes and give every one of them its place.

    Parameters
    ----------
    nodes, order, first_tile, last_tile, height, reads, row_of
        As `collect` left them; no node's first tile is before that of the node before it.
    packed_rows, value_rows : ndarray of int64
        Free rows for packed nodes and for common values; the latter may be too few.
    fixed : int
        Slots that hold the bars' own series, which are the first rows.
    program, junctions : ndarray, dtype `INSTRUCTION`
        Filled: what runs block by block, and what joins packed rows afterwards.
    where, at, kept : ndarray of shape (count,)
        Filled: `IN_SLOT` or `IN_ROW`, which, and the row that keeps a node from this call on, -1
        if none does.

    Returns
    -------
    tuple of int
        Instructions, junctions, slots and numbers of state.
    """
    count = len(order)
    tiles = 1 + (first_tile[count - 1] if count > 0 else 0)
    last = tiles
    for i in range(count):
        last = max(last, last_tile[i] + 1)
    leaves_with = np.full(last, -1, dtype=np.int64)  # linked lists of the slots that a tile frees
    following = np.full(count, -1, dtype=np.int64)
    free = np.empty(count, dtype=np.int64)
    keys = np.empty(count, dtype=np.int64)
    freed, slots, state, packed, values = 0, fixed, 0, 0, 0
    written, joined = 0, 0
    swept = 0
    first = 0
    while first < count:
        tile = first_tile[first]
        while swept < tile:  # everything that no later tile uses
            node_place = leaves_with[swept]
            while node_place >= 0:
                free[freed] = at[node_place]
                freed += 1
                node_place = following[node_place]
            swept += 1
        stop = first
        while stop < count and first_tile[stop] == tile:
            keys[stop] = (height[stop] << 12) | nodes[order[stop]]["code"]
            stop += 1
        for offset in np.argsort(keys[first:stop], kind="mergesort"):
            i = first + offset
            node = order[i]
            one = nodes[node]
            code, kind = one["code"], KIND[one["code"]]
            kept[i] = -1
            if kind in (COMPARISON, JUNCTION):
                where[i], at[i], kept[i] = IN_ROW, packed_rows[packed], packed_rows[packed]
                packed += 1
                if kind == JUNCTION:
                    continue
            else:
                if is_common(nodes, node) and values < len(value_rows):
                    kept[i] = value_rows[values]
                    values += 1
                where[i] = IN_SLOT
                if freed > 0:
                    freed -= 1
                    at[i] = free[freed]
                else:
                    at[i] = slots
                    slots += 1
                following[i] = leaves_with[last_tile[i]]
                leaves_with[last_tile[i]] = i
            instruction = program[written]
            written += 1
            instruction["kind"], instruction["code"], instruction["lanes"] = kind, code, 1
            instruction["height"] = height[i]
            instruction["out"], instruction["row"] = at[i], kept[i]
            if kind == ROLLING:
                _windows(nodes, node, instruction)
                instruction["state"] = state
                p0, p1, p2 = instruction["p0"], instruction["p1"], instruction["p2"]
                state += 1 if code == WARM_UP else state_size(code, p0, p1, p2)
                instruction["state_end"] = state
            a, b = operands_of(nodes, node)
            instruction["a_where"], instruction["b_where"] = NOWHERE, NOWHERE
            if a >= 0:
                _locate(nodes, a, reads[i, 0], row_of, where, at, instruction, True)
            if b >= 0:
                _locate(nodes, b, reads[i, 1], row_of, where, at, instruction, False)
        first = stop
    for i in range(count):  # in the order of collection: operands first
        node = order[i]
        one = nodes[node]
        if KIND[one["code"]] == JUNCTION:
            instruction = junctions[joined]
            joined += 1
            instruction["kind"], instruction["code"], instruction["out"] = (
                JUNCTION,
                one["code"],
                at[i],
            )
            instruction["a_where"], instruction["b_where"] = NOWHERE, NOWHERE
            _locate(nodes, one["a"], reads[i, 0], row_of, where, at, instruction, True)
            instruction["b"] = instruction["a"]
            if one["b"] >= 0:
                _locate(nodes, one["b"], reads[i, 1], row_of, where, at, instruction, False)
    _join_lanes(program[:written])
    return written, joined, slots, state


@njit
def _join_lanes(program: Instructions) -> None:
    """Mark runs of instructions that can be advanced at once: one function, no one needs another.

    Instructions of one height and function stand together, and heights rise within a tile.
    """
    first = 0
    while first + LANES <= len(program):
        one = program[first]
        code, together = one["code"], one["kind"] == ROLLING and has_lanes(one["code"])
        for k in range(1, LANES):
            together = together and program[first + k]["code"] == code
            together = together and program[first + k]["height"] == one["height"]
        if together:
            one["lanes"] = LANES
        first += LANES if together else 1


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


@njit
def _locate(
    nodes: Nodes,
    operand: int,
    position: int,
    row_of: Codes,
    where: Codes,
    at: Places,
    instruction: np.void,
    is_first: bool,
) -> None:
    value = 0.0
    if nodes[operand]["code"] == CONSTANT:
        found, which, value = IS_CONSTANT, 0, nodes[operand]["value"]
    elif row_of[operand] >= 0:
        which = row_of[operand]
        found = IN_SLOT if KIND[nodes[operand]["code"]] == SERIES_KIND else IN_ROW
    else:
        found, which = where[position], at[position]
    if is_first:
        instruction["a_where"], instruction["a"] = found, which
        if found == IS_CONSTANT:
            instruction["p0"] = value
    else:
        instruction["b_where"], instruction["b"] = found, which
        if found == IS_CONSTANT:
            instruction["p1"] = value
