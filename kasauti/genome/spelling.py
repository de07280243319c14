"""A population's rules as canonical text, compiled; `kasauti.genome.text` is the definition."""

from functools import cache
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.genome.codes import ARITY, NEGATE, SYMBOLS, Population
from kasauti.genome.grammar import Integers
from kasauti.genome.language import FUNCTIONS, SERIES
from kasauti.genome.text import BINDING, MINUS_BINDING

Letters = NDArray[np.uint8]

# How a symbol stands to its operands: alone, before them in brackets, before one, between two.
_ALONE, _CALL, _PREFIX, _INFIX = 0, 1, 2, 3
_SIGNS = ("(", ")", ", ")
_OPEN, _CLOSE, _COMMA = (len(SYMBOLS) + place for place in range(3))
_AROUND = 6
"""Most letters that a node adds to its own piece: brackets and a comma before it."""
_PUSHED = 2 * int(ARITY.max())
"""Most that a node leaves on the stack: its operands, the commas between and a bracket."""

SYNTAX = np.dtype(
    [(name, np.int64, (len(SYMBOLS),)) for name in ("place", "arity", "binding")], align=True
)


class _Syntax(Protocol):
    """A record of type `SYNTAX`: by symbol, where it stands, its operands, how tightly it binds."""

    place: Integers
    arity: Integers
    binding: Integers


def spelled(
    population: Population, numbers: list[bytes], frames: Integers, pieces: list[bytes]
) -> list[bytes]:
    """Return one text a genome: its two rules between pieces of text.

    Parameters
    ----------
    population : Population
    numbers : list of bytes
        Text of each constant of the population.
    frames : ndarray of shape (N, K), int64
        Places in `pieces` of what stands before the entry, between the rules, and after the exit.
    pieces : list of bytes
    """
    known = [*_symbol_pieces(), *numbers]
    lengths = np.array([len(piece) for piece in (*known, *pieces)], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    letters = np.frombuffer(b"".join((*known, *pieces)), dtype=np.uint8)
    codes = population.codes
    nodes = np.where(codes < 0, len(_symbol_pieces()) - 1 - codes, codes).astype(np.int64)
    frames = frames + len(known)
    room = lengths[nodes].sum() + _AROUND * len(nodes) + lengths[frames].sum()
    text, ends = np.empty(room, dtype=np.uint8), np.zeros(len(population) + 1, dtype=np.int64)
    longest = int(np.diff(population.bounds).max(initial=0))
    stack = np.empty(_PUSHED * longest + 1, dtype=np.int64)
    _spell(nodes, population.bounds, frames, letters, starts, _syntax(), stack, text, ends)
    written, bounds = text[: ends[-1]].tobytes(), ends.tolist()
    return [written[first:last] for first, last in pairwise(bounds)]


@cache
def _symbol_pieces() -> tuple[bytes, ...]:
    written = []
    for name in SYMBOLS:
        if name in FUNCTIONS:
            written.append(f"{name}(")
        elif name in BINDING:
            written.append("not " if name == "not" else f" {name} ")
        else:
            written.append("-" if name == NEGATE else name)
    return tuple(piece.encode() for piece in (*written, *_SIGNS))


@cache
def _syntax() -> NDArray[np.void]:
    syntax = np.zeros(1, dtype=SYNTAX)
    syntax["arity"][0] = ARITY
    for code, name in enumerate(SYMBOLS):
        if name in SERIES:
            continue
        operator = _PREFIX if ARITY[code] == 1 else _INFIX
        syntax["place"][0, code] = _CALL if name in FUNCTIONS else operator
        syntax["binding"][0, code] = MINUS_BINDING if name == NEGATE else BINDING.get(name, 0)
    return syntax


@njit
def _spell(
    nodes: Integers,
    bounds: Integers,
    frames: Integers,
    letters: Letters,
    starts: Integers,
    syntaxes: NDArray[np.void],
    stack: Integers,
    text: Letters,
    ends: Integers,
) -> None:
    syntax = syntaxes[0]
    at = ends[0]
    for k in range(len(frames)):
        for place in range(frames.shape[1]):
            at = _put(frames[k, place], letters, starts, text, at)
            if place < 2:
                first = bounds[2 * k + place]
                at = _put_rule(nodes, first, letters, starts, syntax, stack, text, at)
        ends[k + 1] = at


@njit
def _put(piece: int, letters: Letters, starts: Integers, text: Letters, at: int) -> int:
    for k in range(starts[piece], starts[piece + 1]):
        text[at] = letters[k]
        at += 1
    return at


@njit
def _put_rule(
    nodes: Integers,
    node: int,
    letters: Letters,
    starts: Integers,
    syntax: _Syntax,
    stack: Integers,
    text: Letters,
    at: int,
) -> int:
    """Write the rule that begins at `node`; return the end.

    On the stack lies what is still to be written: a piece, or an expression that needs brackets
    where it binds less than b, as ``-1 - b``.
    """
    stack[0] = -1
    left = 1
    while left > 0:
        left -= 1
        piece, least = stack[left], -1 - stack[left]
        if least < 0:
            at = _put(piece, letters, starts, text, at)
            continue
        piece = nodes[node]
        node += 1
        way = syntax.place[piece] if piece < len(syntax.place) else _ALONE
        if way >= _PREFIX and syntax.binding[piece] < least:
            at = _put(_OPEN, letters, starts, text, at)
            stack[left] = _CLOSE
            left += 1
        if way == _INFIX:
            # Operators group to the left, so an equal operator on the right keeps its brackets.
            stack[left] = -2 - syntax.binding[piece]
            stack[left + 1] = piece
            stack[left + 2] = -1 - syntax.binding[piece]
            left += 3
            continue
        at = _put(piece, letters, starts, text, at)
        if way == _PREFIX:
            stack[left] = -1 - syntax.binding[piece]
            left += 1
        elif way == _CALL:
            stack[left] = _CLOSE
            left += 1
            for operand in range(syntax.arity[piece]):
                if operand > 0:
                    stack[left] = _COMMA
                    left += 1
                stack[left] = -1
                left += 1
    return at
