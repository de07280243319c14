"""In which order collected nodes are evaluated; where their rows go is for `schedule` to say.

A value's consumers are evaluated as soon as all their operands are there, comparisons first: they
then read it from a core's first cache, and its row is soon free for another. Junctions of truths
follow some at a time. What has lanes waits
until enough of its kind can be advanced at once. Of 10,000 genomes' 88,000 accesses to rows 8,000
miss a cache of 64 rows; taken rule by rule it would be 73,000.
"""

from typing import NamedTuple

import numpy as np

from kasauti.compiled import njit
from kasauti.features.graph import COMPARISON, JUNCTION, KIND, ROLLING
from kasauti.features.rolling import LANES, has_lanes
from kasauti.genome.codes import Codes, Places
from kasauti.market.bars import Booleans

JUNCTIONS_AT_ONCE = 64
"""Junctions that wait for each other: taken alone between comparisons they cost twice as much."""

Consumers = tuple[Places, Places, Places]


class Queue(NamedTuple):
    """Junctions whose operands are there: `nodes` from ``ends[0]`` to ``ends[1]``."""

    nodes: Places
    ends: Places


@njit
def arrange(codes: Codes, is_there: Booleans, reads: Codes, order: Places, lanes: Codes) -> None:
    """Fill `order` with the positions of all nodes, operands before their consumers.

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
    """
    count = len(codes)
    consumers = _consumers(codes, reads)
    waiting = np.empty((len(KIND), LANES), dtype=np.int64)
    held = np.zeros(len(KIND), dtype=np.int64)
    ready = np.empty(count, dtype=np.int64)
    queue = Queue(np.empty(count, dtype=np.int64), np.zeros(2, dtype=np.int64))
    stop = 0
    for node in range(count):
        if reads[node, 0] < 0 and reads[node, 1] < 0:
            ready[0] = node
            stop = _evaluate(
                codes, is_there, consumers, waiting, held, ready, 1, queue, order, lanes, stop
            )
            if queue.ends[1] - queue.ends[0] >= JUNCTIONS_AT_ONCE:
                stop = _join(queue, consumers, order, lanes, stop)
    code = 0
    while code < len(KIND):  # what waits in vain for others of its kind is advanced alone
        if held[code] == 0:
            code += 1
            continue
        held[code] -= 1
        order[stop], lanes[stop] = waiting[code, held[code]], 1
        depth = _release(order, stop, stop + 1, codes, consumers, ready, 0)
        stop = _evaluate(
            codes, is_there, consumers, waiting, held, ready, depth, queue, order, lanes, stop + 1
        )
        code = 0
    _join(queue, consumers, order, lanes, stop)


@njit
def _evaluate(
    codes: Codes,
    is_there: Booleans,
    consumers: Consumers,
    waiting: Places,
    held: Places,
    ready: Places,
    depth: int,
    queue: Queue,
    order: Places,
    lanes: Codes,
    stop: int,
) -> int:
    """Put the stack of ready nodes, and all that gets ready by them, in order; return its end.

    Junctions are only queued.
    """
    while depth > 0:
        depth -= 1
        node = ready[depth]
        code, first = codes[node], stop
        if KIND[code] == JUNCTION:
            queue.nodes[queue.ends[1]] = node
            queue.ends[1] += 1
            continue
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
def _join(queue: Queue, consumers: Consumers, order: Places, lanes: Codes, stop: int) -> int:
    """Put the queued junctions, and those that get ready by them, in order; return its end."""
    begin, of, missing = consumers
    nodes, (head, tail) = queue.nodes, queue.ends
    while head < tail:
        node = nodes[head]
        head += 1
        order[stop], lanes[stop] = node, 1
        stop += 1
        for k in range(begin[node], begin[node + 1]):  # a truth's consumers are junctions
            missing[of[k]] -= 1
            if missing[of[k]] == 0:
                nodes[tail] = of[k]
                tail += 1
    queue.ends[0], queue.ends[1] = head, tail
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
        for side in range(2):
            operand = reads[node, side]
            if operand >= 0:
                consumers[place[operand]] = node
                place[operand] += 1
    return first, consumers, missing
