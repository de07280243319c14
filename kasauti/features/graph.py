"""One graph for many expressions: equal sub-expressions become one node; nothing is evaluated here.

Nodes are integers, operands always smaller than what is built on them. Whatever may be written in
several ways but has the same values bit for bit is one node: ``a > b`` is ``b < a``, the operands
of ``and``, ``or``, ``+`` and ``*`` stand in one order, ``mean`` is ``sma``, a crossing is a
comparison now that was the opposite on the bar before. Functions that are made of others become
those: Bollinger bands a mean and a deviation, a slow stochastic averages of the fast one, all three
outputs of a MACD one line, so that most of their work is done once.
"""

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.genome.codes import (
    ARITY,
    CODE_OF,
    NEGATE,
    SYMBOLS,
    Codes,
    Constants,
    Places,
    Population,
)
from kasauti.genome.language import ARITHMETIC, FUNCTIONS, JUNCTIONS, SERIES, Unit
from kasauti.genome.tree import MAX_NODES

CONSTANT = -1
"""The code of a node that is a constant or a window."""

FIRST_CAPACITY = 1 << 13

LARGEST_RULE = 3 * MAX_NODES
"""Nodes that a rule may add: a crossing becomes three."""

LESS, LESS_EQUAL = CODE_OF["<"], CODE_OF["<="]
GREATER, GREATER_EQUAL = CODE_OF[">"], CODE_OF[">="]
CROSSING, CROSSES_BELOW = CODE_OF["crosses_above"], CODE_OF["crosses_below"]
SMA, MEAN = CODE_OF["sma"], CODE_OF["mean"]
AND, OR, NOT, NEGATION = CODE_OF["and"], CODE_OF["or"], CODE_OF["not"], CODE_OF[NEGATE]
PLUS, MINUS, TIMES, OVER = CODE_OF["+"], CODE_OF["-"], CODE_OF["*"], CODE_OF["/"]
EMA, STD, STOCH, STOCH_D = CODE_OF["ema"], CODE_OF["std"], CODE_OF["stoch"], CODE_OF["stoch_d"]
MACD, SIGNAL, HISTOGRAM = CODE_OF["macd"], CODE_OF["macd_signal"], CODE_OF["macd_hist"]
PERCENT_B, UPPER = CODE_OF["bbands"], CODE_OF["bbands_upper"]
MIDDLE, LOWER = CODE_OF["bbands_middle"], CODE_OF["bbands_lower"]

WARM_UP = len(SYMBOLS)
"""A node of the graph's own: its operand, undefined on the first n - 1 bars that it is defined."""

SERIES_KIND, ROLLING, POINTWISE, COMPARISON, JUNCTION, CANDLE = range(6)
"""What a node is to the evaluation: a given row, a function with a past, an operator bar by bar, a
comparison of rows, an operator on packed bits, a candle pattern."""


def _kind(name: str) -> int:
    if name in SERIES:
        return SERIES_KIND
    if name in ("<", "<=", ">", ">="):
        return COMPARISON
    if name in (*ARITHMETIC, NEGATE):
        return POINTWISE
    if name in (*JUNCTIONS, "not", "crosses_above", "crosses_below"):
        return JUNCTION
    if FUNCTIONS[name].result is Unit.BOOLEAN:
        return CANDLE
    return ROLLING


KIND: Codes = np.array([*(_kind(name) for name in SYMBOLS), ROLLING], dtype=np.int32)
"""By code; the last one is `WARM_UP`."""


NODE = np.dtype(
    [*((name, "i4") for name in ("code", "a", "b", "c", "d")), ("value", "f8")],
    align=True,
)
"""A place in `SYMBOLS` or `CONSTANT`, the nodes of up to four operands (-1 for none), and the
value of a constant."""

Nodes = NDArray[np.void]


class Graph:
    """The unique nodes of all rules seen so far.

    Attributes
    ----------
    count : int
        Number of nodes.
    nodes : ndarray of shape (capacity,), dtype `NODE`
    """

    def __init__(self) -> None:
        self.count = 0
        self.nodes = np.empty(FIRST_CAPACITY, dtype=NODE)
        self._table = np.full(2 * FIRST_CAPACITY, -1, dtype=np.int32)

    def add(self, population: Population) -> Places:
        """Return the node of every rule of `population`, in its order, adding what is new."""
        roots = np.empty(len(population.bounds) - 1, dtype=np.int64)
        done = 0
        while done < len(roots):
            self._reserve(self.count + len(population.constants) + LARGEST_RULE)
            self.count, done = _add(
                population.codes,
                population.bounds,
                population.constants,
                self.nodes,
                self._table,
                self.count,
                roots,
                done,
            )
        return roots

    def _reserve(self, needed: int) -> None:
        capacity = len(self.nodes)
        if needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        nodes = np.empty(capacity, dtype=NODE)
        nodes[: self.count] = self.nodes[: self.count]
        self.nodes, self._table = nodes, np.full(2 * capacity, -1, dtype=np.int32)
        _rehash(nodes, self._table, self.count)


@njit
def _hash(code: int, a: int, b: int, c: int, d: int) -> int:
    """Return a well mixed hash of a node (the finalizer of splitmix64, Steele et al. 2014)."""
    word = np.uint64(code + 2) * np.uint64(0x9E3779B97F4A7C15)
    word ^= np.uint64(a + 1) * np.uint64(0xBF58476D1CE4E5B9)
    word ^= np.uint64(b + 1) * np.uint64(0x94D049BB133111EB)
    word ^= np.uint64(c + 1) * np.uint64(0xD6E8FEB86659FD93)
    word ^= np.uint64(d + 1) * np.uint64(0xC2B2AE3D27D4EB4F)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((word ^ (word >> np.uint64(31))) & np.uint64(0x7FFFFFFFFFFFFFFF))


@njit
def _rehash(nodes: Nodes, table: Codes, count: int) -> None:
    mask = len(table) - 1
    for node in range(count):
        one = nodes[node]
        place = _hash(one["code"], one["a"], one["b"], one["c"], one["d"]) & mask
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = node


@njit
def _node(nodes: Nodes, table: Codes, count: int, code: int, a: int, b: int, c: int, d: int) -> int:
    """Return the node of a symbol over operands; it is `count`, and filled, if it is new."""
    mask = len(table) - 1
    place = _hash(code, a, b, c, d) & mask
    while table[place] >= 0:
        node = table[place]
        one = nodes[node]
        if (
            one["a"] == a
            and one["b"] == b
            and one["code"] == code
            and one["c"] == c
            and one["d"] == d
        ):
            return int(node)
        place = (place + 1) & mask
    table[place] = count
    one = nodes[count]
    one["code"], one["a"], one["b"], one["c"], one["d"] = code, a, b, c, d
    one["value"] = 0.0
    return count


@njit
def _constant(nodes: Nodes, table: Codes, count: int, value: float) -> int:
    """Return the node of a constant; its bits stand in the hash as if they were operands."""
    pair = np.empty(1)
    pair[0] = value
    halves = pair.view(np.int32)
    node = _node(nodes, table, count, CONSTANT, int(halves[0]), int(halves[1]), 0, 0)
    nodes[node]["value"] = value
    return node


@njit
def _new(
    nodes: Nodes, table: Codes, count: int, code: int, a: int, b: int, c: int, d: int
) -> tuple[int, int]:
    """Return the node of a symbol over operands in its one order, and the number of nodes."""
    if code in (AND, OR, PLUS, TIMES) and a > b:
        a, b = b, a
    node = _node(nodes, table, count, code, a, b, c, d)
    return node, max(count, node + 1)


@njit
def _crossing(nodes: Nodes, table: Codes, count: int, code: int, a: int, b: int) -> tuple[int, int]:
    """Build on ``b < a`` now and ``a <= b`` on the bar before, for a crossing above."""
    if code == CROSSES_BELOW:
        a, b = b, a
    now, count = _new(nodes, table, count, LESS, b, a, -1, -1)
    before, count = _new(nodes, table, count, LESS_EQUAL, a, b, -1, -1)
    return _new(nodes, table, count, CROSSING, now, before, -1, -1)


@njit
def _macd(
    nodes: Nodes,
    table: Codes,
    count: int,
    code: int,
    x: int,
    fast: int,
    slow: int,
    n: int,
    one: int,
) -> tuple[int, int]:
    """Build on the line of a signal over one bar, which starts when the slow average does."""
    line, count = _new(nodes, table, count, MACD, x, fast, slow, one)
    if code == MACD:
        return _new(nodes, table, count, WARM_UP, line, n, -1, -1)
    signal, count = _new(nodes, table, count, EMA, line, n, -1, -1)
    if code == SIGNAL:
        return signal, count
    return _new(nodes, table, count, MINUS, line, signal, -1, -1)


@njit
def _stochastic(
    nodes: Nodes, table: Codes, count: int, code: int, k: int, smooth: int, d: int, one: int
) -> tuple[int, int]:
    """Build on the fast one, which is a slow one that is averaged over one bar."""
    fast, count = _new(nodes, table, count, STOCH, k, one, one, -1)
    slow, count = _new(nodes, table, count, SMA, fast, smooth, -1, -1)
    code = WARM_UP if code == STOCH else SMA
    return _new(nodes, table, count, code, slow, d, -1, -1)


@njit
def _bands(
    nodes: Nodes, table: Codes, count: int, code: int, x: int, n: int, k: int
) -> tuple[int, int]:
    """Build on mean and deviation."""
    mean, count = _new(nodes, table, count, SMA, x, n, -1, -1)
    deviation, count = _new(nodes, table, count, STD, x, n, -1, -1)
    reach, count = _new(nodes, table, count, TIMES, deviation, k, -1, -1)
    if code == UPPER:
        return _new(nodes, table, count, PLUS, mean, reach, -1, -1)
    lower, count = _new(nodes, table, count, MINUS, mean, reach, -1, -1)
    if code == LOWER:
        return lower, count
    upper, count = _new(nodes, table, count, PLUS, mean, reach, -1, -1)
    above, count = _new(nodes, table, count, MINUS, x, lower, -1, -1)
    width, count = _new(nodes, table, count, MINUS, upper, lower, -1, -1)
    return _new(nodes, table, count, OVER, above, width, -1, -1)


@njit
def _add(
    rules: Codes,
    bounds: Places,
    constants: Constants,
    nodes: Nodes,
    table: Codes,
    count: int,
    roots: Places,
    first: int,
) -> tuple[int, int]:
    """Add rules from `first` on while there is room; return the nodes and the rules done."""
    numbers = np.empty(len(constants), dtype=np.int64)
    for i in range(len(constants)):
        numbers[i] = _constant(nodes, table, count, constants[i])
        count = max(count, numbers[i] + 1)
    one = _constant(nodes, table, count, 1.0)
    count = max(count, one + 1)
    stack = np.empty(MAX_NODES + 1, dtype=np.int64)
    for rule in range(first, len(roots)):
        if count + LARGEST_RULE > len(nodes):
            return count, rule
        depth = 0
        for place in range(bounds[rule + 1] - 1, bounds[rule] - 1, -1):
            code = rules[place]
            if code < 0:
                stack[depth] = numbers[-1 - code]
                depth += 1
                continue
            arity = ARITY[code]
            a = stack[depth - 1] if arity > 0 else -1
            b = stack[depth - 2] if arity > 1 else -1
            c = stack[depth - 3] if arity > 2 else -1
            d = stack[depth - 4] if arity > 3 else -1
            depth -= arity
            if code in (MACD, SIGNAL, HISTOGRAM):
                node, count = _macd(nodes, table, count, code, a, b, c, d, one)
            elif code in (STOCH, STOCH_D):
                node, count = _stochastic(nodes, table, count, code, a, b, c, one)
            elif code in (UPPER, LOWER, PERCENT_B):
                node, count = _bands(nodes, table, count, code, a, b, c)
            elif code in (CROSSING, CROSSES_BELOW):
                node, count = _crossing(nodes, table, count, code, a, b)
            else:
                if code in (MEAN, MIDDLE):
                    code, c = SMA, -1
                elif code == GREATER:
                    code, a, b = LESS, b, a
                elif code == GREATER_EQUAL:
                    code, a, b = LESS_EQUAL, b, a
                node, count = _new(nodes, table, count, code, a, b, c, d)
            stack[depth] = node
            depth += 1
        roots[rule] = stack[0]
    return count, len(roots)
