"""Whether a rule in prefix codes may be bred: in the language, small enough, not trivial. Compiled.

Trivial is what compares or joins a value with itself, or with a bound of itself, on every bar:
``close < close``, ``close > highest(high, 20)`` (the current bar is one of the 20),
``rsi(close, 14) < 100``, ``a and a``, ``not not a``, ``close - close``.
"""

import math
from typing import Protocol

import numpy as np

from kasauti.compiled import njit
from kasauti.genome.codes import Codes
from kasauti.genome.grammar import (
    ARITY,
    BOOLEAN,
    COMPARES,
    DIVIDES,
    FIXED,
    HIGHEST,
    IN_BAR,
    INCREASING,
    JOINS,
    LOWEST,
    MULTIPLIES,
    NEGATES,
    NO_UNIT,
    NUMBER,
    OF_FIRST,
    OF_PRODUCT,
    RANGE,
    RESULT,
    ROLE,
    SUBTRACTS,
    WINDOWS,
    Floats,
    Grammar,
    Integers,
)
from kasauti.genome.tree import MAX_DEPTH, MAX_NODES

ROOM = 2 * MAX_NODES
"""Nodes that fit into notes and into a rule that is being written: no legal rule is longer than
`MAX_NODES`, and no part that is put into it: a grown rule has 121 nodes at most."""

NOTES = np.dtype(
    [
        ("ends", np.int64, (ROOM,)),
        ("units", np.int64, (ROOM,)),
        ("heights", np.int64, (ROOM,)),
        ("lows", np.float64, (ROOM,)),
        ("highs", np.float64, (ROOM,)),
    ],
    align=True,
)


class Notes(Protocol):
    """A record of type `NOTES`: what is known of each node of one rule.

    Attributes
    ----------
    ends : int64
        Where the sub-tree ends.
    units, heights : int64
        A literal's unit is `NUMBER`.
    lows, highs : float64
        Bounds that the values never leave.
    """

    ends: Integers
    units: Integers
    heights: Integers
    lows: Floats
    highs: Floats


@njit
def is_sound(rule: Codes, most: int, numbers: Floats, grammar: Grammar, notes: Notes) -> bool:
    """Return whether `rule` is a condition of the language of `most` nodes that is not trivial."""
    return (
        len(rule) <= min(most, MAX_NODES)
        and read_rule(rule, numbers, grammar, notes)
        and notes.units[0] == BOOLEAN
        and notes.heights[0] <= MAX_DEPTH
        and not is_trivial(rule, numbers, grammar, notes)
    )


@njit
def read_rule(rule: Codes, numbers: Floats, grammar: Grammar, notes: Notes) -> bool:
    """Note ends, units and heights; return whether every node is one of the language."""
    for node in range(len(rule) - 1, -1, -1):
        if rule[node] < 0:
            notes.ends[node], notes.units[node], notes.heights[node] = node + 1, NUMBER, 1
        elif not _read_node(rule, node, numbers, grammar, notes):
            return False
    return True


@njit
def form_of(rule: Codes, node: int, grammar: Grammar, notes: Notes) -> tuple[int, int]:
    """Return the units of the first two operands of `node` that are no literal arguments."""
    first, second = NO_UNIT, NO_UNIT
    child = node + 1
    for place in range(grammar.symbols[rule[node], ARITY]):
        if math.isnan(grammar.limits[rule[node], place, 0]):
            if first == NO_UNIT:
                first = notes.units[child]
            else:
                second = notes.units[child]
        child = notes.ends[child]
    return first, second


@njit
def _read_node(rule: Codes, node: int, numbers: Floats, grammar: Grammar, notes: Notes) -> bool:
    symbol = rule[node]
    role, windows = grammar.symbols[symbol, ROLE], grammar.symbols[symbol, WINDOWS]
    increasing = grammar.symbols[symbol, INCREASING]
    child, height, last, previous = node + 1, 0, 1.0, -math.inf
    for place in range(grammar.symbols[symbol, ARITY]):
        if child >= len(rule):
            return False
        low, high = grammar.limits[symbol, place]
        if rule[child] < 0:
            last = numbers[-1 - rule[child]]
            is_out = last < low or last > high  # neither where the operand is no literal argument
            if is_out or (windows >> place & 1 and last != math.floor(last)):
                return False
            if increasing >> place & 1:
                if last <= previous:
                    return False
                previous = last
        elif not math.isnan(low):
            return False
        else:
            last = 1.0
        height = max(height, notes.heights[child])
        child = notes.ends[child]
    if role == DIVIDES and last == 0.0:
        return False  # division by the constant zero
    if role == NEGATES and rule[node + 1] < 0:
        return False  # a negative constant is one number
    notes.ends[node], notes.heights[node] = child, height + 1
    first, second = form_of(rule, node, grammar, notes)
    notes.units[node] = grammar.forms[symbol, first, second, RESULT]
    return bool(notes.units[node] >= 0)


@njit
def is_trivial(rule: Codes, numbers: Floats, grammar: Grammar, notes: Notes) -> bool:
    """Return whether some node never changes, of a rule that `read_rule` has noted."""
    for node in range(len(rule) - 1, -1, -1):
        if rule[node] < 0:
            notes.lows[node] = notes.highs[node] = numbers[-1 - rule[node]]
            continue
        _note_bounds(rule, node, numbers, grammar, notes)
        if _is_trivial_node(rule, node, grammar, notes):
            return True
    return False


@njit
def _is_trivial_node(rule: Codes, node: int, grammar: Grammar, notes: Notes) -> bool:
    role, left = grammar.symbols[rule[node], ROLE], node + 1
    if role == COMPARES:
        return _never_changes(rule, left, notes.ends[left], grammar, notes)
    if role in (JOINS, SUBTRACTS, DIVIDES):
        return _equal(rule, left, notes.ends[left], notes)
    return bool(role == NEGATES and rule[left] == rule[node])


@njit
def _note_bounds(rule: Codes, node: int, numbers: Floats, grammar: Grammar, notes: Notes) -> None:
    kind = grammar.symbols[rule[node], RANGE]
    if kind == FIXED:
        notes.lows[node], notes.highs[node] = grammar.bounds[rule[node]]
        return
    first, second = node + 1, notes.ends[node + 1]
    if kind == OF_FIRST:
        notes.lows[node], notes.highs[node] = notes.lows[first], notes.highs[first]
    elif kind == OF_PRODUCT:
        is_positive = notes.lows[first] >= 0.0 and notes.lows[second] >= 0.0
        notes.lows[node], notes.highs[node] = 0.0 if is_positive else -math.inf, math.inf
    else:
        # n values of mean 0 and standard deviation 1: none is farther out than sqrt(n - 1).
        most = math.sqrt(numbers[-1 - rule[second]] - 1.0)
        notes.lows[node], notes.highs[node] = -most, most


@njit
def _never_changes(rule: Codes, left: int, right: int, grammar: Grammar, notes: Notes) -> bool:
    if notes.highs[left] <= notes.lows[right] or notes.highs[right] <= notes.lows[left]:
        return True
    if notes.lows[left] >= 0.0 and _equal(
        rule, _unscaled(rule, left, grammar), _unscaled(rule, right, grammar), notes
    ):
        return True
    return _never_above(rule, left, right, grammar, notes) or _never_above(
        rule, right, left, grammar, notes
    )


@njit
def _unscaled(rule: Codes, node: int, grammar: Grammar) -> int:
    """Return what a constant multiplies: ``1.02 * low`` and ``low`` never change places."""
    if rule[node] >= 0 and grammar.symbols[rule[node], ROLE] == MULTIPLIES and rule[node + 1] < 0:
        return node + 2
    return node


@njit
def _never_above(rule: Codes, low: int, high: int, grammar: Grammar, notes: Notes) -> bool:
    """Return whether ``low <= high`` on every bar, as far as the shape of the two shows it."""
    while not _equal(rule, low, high, notes):
        if rule[low] < 0 or rule[high] < 0:
            return False
        if grammar.symbols[rule[high], ROLE] == HIGHEST:
            high += 1
        elif grammar.symbols[rule[low], ROLE] == LOWEST:
            low += 1
        else:
            below, above = grammar.symbols[rule[low], IN_BAR], grammar.symbols[rule[high], IN_BAR]
            return bool(0 < below < above)
    return True


@njit
def _equal(rule: Codes, one: int, other: int, notes: Notes) -> bool:
    length = notes.ends[one] - one
    if notes.ends[other] - other != length:
        return False
    same = 0
    while same < length and rule[one + same] == rule[other + same]:
        same += 1
    return bool(same == length)
