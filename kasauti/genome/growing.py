"""Random expressions and rules in prefix codes, compiled; how often what is in `productions`."""

from typing import NamedTuple, Protocol

import numpy as np

from kasauti.compiled import njit
from kasauti.genome.chance import below, uniform, weighted
from kasauti.genome.codes import Codes
from kasauti.genome.grammar import (
    AND,
    ARITY,
    BOOLEAN,
    INCREASING,
    NO_UNIT,
    NOT,
    OR,
    Floats,
    Grammar,
    Integers,
)
from kasauti.genome.productions import OPERAND_DEPTH, Productions
from kasauti.genome.soundness import Notes, is_sound, is_trivial, read_rule

_TRIES = 20
_NEGATED = 0.1
_EITHER = 0.35
_WRITTEN = -1
"""On the stack instead of a depth: a literal's code, not a unit to grow."""


DESK = np.dtype(
    [
        ("state", np.uint64),
        ("stack", np.int64, (64, 2)),
        ("immigrants", np.float64),
        ("crossover", np.float64),
        ("most", np.int64),
        ("born", np.int64),
    ],
    align=True,
)


class Desk(Protocol):
    """A record of type `DESK`: the generator's state, the breeder's settings, room to grow.

    Attributes
    ----------
    state : uint64
    stack : int64, shape (64, 2)
        A few levels of at most four operands.
    immigrants, crossover : float64
    most : int64
        Most nodes of a rule.
    """

    state: np.uint64
    stack: Integers
    immigrants: float
    crossover: float
    most: int
    born: int


class Field(NamedTuple):
    """What growing and changing need at every step: four records and the population's constants.

    The notes are those on the rule at hand; whatever grows overwrites them.
    """

    desk: Desk
    grammar: Grammar
    productions: Productions
    notes: Notes
    numbers: Floats


@njit
def write(codes: Codes, out: Codes, at: int) -> int:
    """Copy `codes` to ``out[at:]``; return the end."""
    for k in range(len(codes)):
        out[at + k] = codes[k]
    return at + len(codes)


@njit
def new_rule(field: Field, first: int, last: int, out: Codes) -> int:
    """Write a sound rule of as many conditions as `grow_rule` draws; return its size.

    Most are sound at once: ``close < sma(close, 50)`` has 5 nodes.
    """
    while True:
        size = grow_rule(field, first, last, out, 0)
        if will_do(field, out[:size]):
            return size


@njit
def will_do(field: Field, rule: Codes) -> bool:
    """Return whether `rule` may be a child's; the notes are then its own."""
    return is_sound(rule, field.desk.most, field.numbers, field.grammar, field.notes)


@njit
def grow_rule(field: Field, first: int, last: int, out: Codes, at: int) -> int:
    """Write a random condition of one or more, joined by and/or, a few under not; return the end.

    Parameters
    ----------
    field : Field
    first, last : int
        `ENTRY`, `EXIT` or `GRAFT`: run of the weights of 1, 2, 3 ... conditions.
    out : int32
    at : int
        Where it begins in `out`.
    """
    joints = field.grammar.joints
    more = weighted(field.desk, field.productions.chances, first, last) - first
    for _ in range(more):
        out[at] = joints[OR if uniform(field.desk) < _EITHER else AND]
        at += 1
    for k in range(more + 1):
        if k > 0 and uniform(field.desk) < _NEGATED:
            out[at] = joints[NOT]
            at += 1
        at = _grow_condition(field, out, at)
    return at


@njit
def _grow_condition(field: Field, out: Codes, at: int) -> int:
    """Write one comparison, crossing or candle, about 5 nodes; trivial only after many tries."""
    end = at
    for _ in range(_TRIES):
        end = grow(field, BOOLEAN, OPERAND_DEPTH + 1, out, at)
        condition = out[at:end]
        read_rule(condition, field.numbers, field.grammar, field.notes)
        if not is_trivial(condition, field.numbers, field.grammar, field.notes):
            break
    return end


@njit
def is_growable(field: Field, unit: int) -> bool:
    """Return whether the series are enough to make a value of `unit`."""
    first, last = field.productions.choices[unit, 0]
    return bool(first < last)


@njit
def grow(field: Field, unit: int, depth: int, out: Codes, at: int) -> int:
    """Write a random expression of `unit` at ``out[at:]``; return its end.

    It is at most `depth` levels above its leaves. Where the unit needs more it gets the fewest.
    """
    productions, symbols, stack = field.productions, field.grammar.symbols, field.desk.stack
    stack[0, 0], stack[0, 1] = unit, depth
    left = 1
    while left > 0:
        left -= 1
        wanted, depth = stack[left, 0], stack[left, 1]
        if depth == _WRITTEN:
            out[at] = wanted
            at += 1
            continue
        first, last = productions.choices[wanted, depth]
        way = weighted(field.desk, productions.chances, first, last)
        symbol = productions.ways[way, 0]
        out[at] = symbol
        at += 1
        arity = symbols[symbol, ARITY]
        for place in range(arity):  # the first operand comes to lie on top
            top = left + arity - 1 - place
            operand = productions.ways[way, 1 + place]
            if operand == NO_UNIT:
                other = productions.ways[way, 2 - place] if arity == 2 else NO_UNIT
                start, stop = productions.lattices[symbol, place, other]
                literal = productions.codes[start + below(field.desk, stop - start)]
                stack[top, 0], stack[top, 1] = literal, _WRITTEN
            else:
                stack[top, 0], stack[top, 1] = operand, max(depth - 1, 0)
        if symbols[symbol, INCREASING]:
            _draw_increasing(field, symbol, left + arity - 1)
        left += arity
    return at


@njit
def _draw_increasing(field: Field, symbol: int, top: int) -> None:
    """Put an ascending sample of the last one's values in the place of windows that must grow.

    Knuth's selection sampling: each value is taken with the share of what is still needed.
    """
    places = field.grammar.symbols[symbol, INCREASING]
    needed, place, last = 0, 0, 0
    for k in range(field.grammar.symbols[symbol, ARITY]):
        if places >> k & 1:
            needed, last = needed + 1, k
    start, stop = field.productions.lattices[symbol, last, NO_UNIT]
    for k in range(start, stop):
        if uniform(field.desk) * (stop - k) < needed:
            while not places >> place & 1:
                place += 1
            field.desk.stack[top - place, 0] = field.productions.codes[k]
            needed, place = needed - 1, place + 1
