"""In which order collected nodes are evaluated; where their rows go is for `schedule` to say.

A value's consumers are evaluated as soon as all their operands are there, comparisons first: they
then read it from a core's first cache, and its row is soon free for another. What has lanes waits
until enough of its kind can be advanced at once. Of 10,000 genomes' 88,000 accesses to rows 8,000
miss a cache of 64 rows; taken rule by rule it would be 73,000.
"""

import numpy as np

from kasauti.compiled import njit
from kasauti.features.graph import COMPARISON, JUNCTION, KIND, ROLLING
from kasauti.features.rolling import LANES, has_lanes
from kasauti.genome.codes import Codes, Places
from kasauti.market.bars import Booleans

Consumers = tuple[Places, Places, Places]


@njit
def arrange(codes: Codes, is_there: Booleans, reads: Codes, order: Places, lanes: Codes) -> int:
    """Fill `order` with the positions of all nodes but junctions, operands before their consumers.

    Parameters
    ----------
    codes : ndarray of shape (count,), int32
        Of the collected nodes.
    is_there : ndarray of shape (count,), bool
        Nodes whose value has only to be brought.
    reads : ndarray of shape (count, 2), int32
        Positions of each node's operands, -1 for those that are not among the collected.
    order : ndarray of shape (count,), int64
    lanes : ndarray of shape (count,), int32
        Filled beside `order`: of how many nodes that can be advanced at once each is one.

    Returns
    -------
    int
        How many positions there are in `order`.
    """
    count = len(codes)
    consumers = _consumers(codes, reads)
    waiting = np.empty((len(KIND), LANES), dtype=np.int64)
    held = np.zeros(len(KIND), dtype=np.int64)
    ready = np.empty(count, dtype=np.int64)
    stop = 0
    for node in range(count):
        is_source = reads[node, 0] < 0 and reads[node, 1] < 0
        if is_source and KIND[codes[node]] != JUNCTION:
            ready[0] = node
            stop = _evaluate(
                codes, is_there, consumers, waiting, held, ready, 1, order, lanes, stop
            )
    code = 0
    while code < len(KIND):  # what waits in vain for others of its kind is advanced alone
        if held[code] == 0:
            code += 1
            continue
        held[code] -= 1
        order[stop], lanes[stop] = waiting[code, held[code]], 1
        depth = _release(order, stop, stop + 1, codes, consumers, ready, 0)
        stop = _evaluate(
            codes, is_there, consumers, waiting, held, ready, depth, order, lanes, stop + 1
        )
        code = 0
    return stop


@njit
def _evaluate(
    codes: Codes,
    is_there: Booleans,
    consumers: Consumers,
    waiting: Places,
    held: Places,
    ready: Places,
    depth: int,
    order: Places,
    lanes: Codes,
    stop: int,
) -> int:
    """Put the stack of ready nodes, and all that gets ready by them, in order; return its end."""
    while depth > 0:
        depth -= 1
        node = ready[depth]
        code, first = codes[node], stop
        if KIND[code] == ROLLING and not is_there[node] and has_lanes(code):
            waiting[code, held[code]] = node
            held[code] += 1
            if held[code] < LANES:
                continue
            held[code] = 0
            for k in range(LANES):
                order[stop], lanes[stop] = waiting[code, k], LANES
                stop += 1
        else:
            order[stop], lanes[stop] = node, 1
            stop += 1
        depth = _release(order, first, stop, codes, consumers, ready, depth)
    return stop


@njit
def _release(
    order: Places,
    first: int,
    stop: int,
    codes: Codes,
    consumers: Consumers,
    ready: Places,
    depth: int,
) -> int:
    """Push what waited for nothing but the nodes from `first` to `stop`; comparisons on top."""
    begin, of, missing = consumers
    for on_top in (False, True):
        for place in range(first, stop):
            node = order[place]
            for k in range(begin[node], begin[node + 1]):
                if (KIND[codes[of[k]]] == COMPARISON) == on_top:
                    missing[of[k]] -= 1
                    if missing[of[k]] == 0:
                        ready[depth] = of[k]
                        depth += 1
    return depth


@njit
def _consumers(codes: Codes, reads: Codes) -> Consumers:
    """Return where each node's consumers begin, they, and how many operands each node awaits."""
    count = len(codes)
    first = np.zeros(count + 1, dtype=np.int64)
    missing = np.zeros(count, dtype=np.int64)
    for node in range(count):
        if KIND[codes[node]] != JUNCTION:
            for side in range(2):
                operand = reads[node, side]
                if operand >= 0:
                    first[operand + 1] += 1
                    missing[node] += 1
    for node in range(count):
        first[node + 1] += first[node]
    consumers = np.empty(first[count], dtype=np.int64)
    place = first[:-1].copy()
    for node in range(count):
        if KIND[codes[node]] != JUNCTION:
            for side in range(2):
                operand = reads[node, side]
                if operand >= 0:
                    consumers[place[operand]] = node
                    place[operand] += 1
    return first, consumers, missing
