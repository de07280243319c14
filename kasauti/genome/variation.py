"""Changed and crossed rules in prefix codes, compiled; which parents breed is in `breeding`.

Every change writes a child that is typed by construction; whether it will do is `soundness`.
"""

from kasauti.compiled import njit
from kasauti.genome.chance import below, neighbour
from kasauti.genome.codes import Codes
from kasauti.genome.grammar import ARITY, BOOLEAN, NO_UNIT, NUMBER, SIGNATURE, Integers
from kasauti.genome.growing import Field, grow, grow_rule, is_growable, will_do, write
from kasauti.genome.productions import GRAFT
from kasauti.genome.soundness import Notes, form_of, read_rule

GRAFTED, POINT, SHRINK, TUNE, OTHER_GENE = 0, 1, 2, 3, 4
"""Mutations, in the order of `CHANGES`; the last one is not of a rule: see `genes`."""

_GRAFT_DEPTH = 2
_ANY = (1 << NO_UNIT) - 1


@njit
def changed(field: Field, rule: Codes, change: int, out: Codes) -> int:
    """Write `rule` after `change`; return its size, 0 where the result would not do or differ.

    `GRAFTED` puts a new sub-tree in the place of one of its unit, `POINT` another function,
    operator or series that takes and gives the same, `SHRINK` a part of a sub-tree in its place,
    `TUNE` a neighbouring value for a constant or window.
    """
    if not read_rule(rule, field.numbers, field.grammar, field.notes):
        return 0
    if change == GRAFTED:
        size = _graft(field, rule, out)
    elif change == POINT:
        size = _point(field, rule, out)
    elif change == SHRINK:
        size = _shrink(field, rule, out)
    else:
        size = _tune(field, rule, out)
    is_other = size != len(rule) or _differs(rule, out)
    return size if size > 0 and is_other and will_do(field, out[:size]) else 0


@njit
def _differs(rule: Codes, out: Codes) -> bool:
    same = 0
    while same < len(rule) and rule[same] == out[same]:
        same += 1
    return same < len(rule)


@njit
def cuts(
    field: Field, one: Codes, other: Codes, notes: Notes, here: Integers, there: Integers
) -> None:
    """Write where a random sub-tree of `one` begins and ends, and one of its unit in `other`.

    Constants and windows are never cut out; both are conditions, so there always is a pair.
    """
    here[0] = here[1] = there[0] = there[1] = 0
    if not read_rule(one, field.numbers, field.grammar, field.notes):
        return
    if not read_rule(other, field.numbers, field.grammar, notes):
        return
    units = 0
    for node in range(len(other)):
        units |= 1 << notes.units[node]
    here[0] = _site(field, one, 0, units, field.notes)
    here[1] = field.notes.ends[here[0]]
    there[0] = _site(field, other, 0, 1 << field.notes.units[here[0]], notes)
    there[1] = notes.ends[there[0]]


@njit
def splice(rule: Codes, first: int, last: int, part: Codes, out: Codes) -> int:
    """Write `rule` with `part` in the place of ``rule[first:last]``; return its size."""
    end = write(part, out, write(rule[:first], out, 0))
    return write(rule[last:], out, end)


@njit
def _site(field: Field, rule: Codes, start: int, units: int, notes: Notes) -> int:
    """Draw a node from `start` on whose unit is a bit of `units`, no constant; -1 without any."""
    units &= ~(1 << NUMBER)
    count = 0
    for node in range(start, len(rule)):
        count += units >> notes.units[node] & 1
    if count == 0:
        return -1
    wanted = below(field.desk, count)
    for node in range(start, len(rule)):
        if units >> notes.units[node] & 1:
            if wanted == 0:
                return node
            wanted -= 1
    return -1


@njit
def _graft(field: Field, rule: Codes, out: Codes) -> int:
    node = _site(field, rule, 0, _ANY, field.notes)
    unit, end = field.notes.units[node], field.notes.ends[node]  # growing overwrites the notes
    write(rule[:node], out, 0)
    if unit == BOOLEAN:
        size = grow_rule(field, GRAFT[0], GRAFT[1], out, node)
    elif is_growable(field, unit):
        size = grow(field, unit, _GRAFT_DEPTH, out, node)
    else:
        return 0
    return write(rule[end:], out, size)


@njit
def _point(field: Field, rule: Codes, out: Codes) -> int:
    node = _site(field, rule, 0, _ANY, field.notes)
    first, second = form_of(rule, node, field.grammar, field.notes)
    signature = field.grammar.forms[rule[node], first, second, SIGNATURE]
    start, stop = field.productions.alternatives[signature]
    others = 0
    for k in range(start, stop):
        others += field.productions.names[k] != rule[node]
    if others == 0:
        return 0
    wanted = below(field.desk, others)
    write(rule, out, 0)
    for k in range(start, stop):
        if field.productions.names[k] != rule[node]:
            if wanted == 0:
                out[node] = field.productions.names[k]
                break
            wanted -= 1
    return len(rule)


@njit
def _shrink(field: Field, rule: Codes, out: Codes) -> int:
    notes = field.notes
    node = _site(field, rule, 0, _ANY, notes)
    part = _site(field, rule[: notes.ends[node]], node + 1, 1 << notes.units[node], notes)
    if part < 0:
        return 0
    return splice(rule, node, notes.ends[node], rule[part : notes.ends[part]], out)


@njit
def _tune(field: Field, rule: Codes, out: Codes) -> int:
    productions = field.productions
    found, constant, start, stop = 0, 0, 0, 0
    for node in range(len(rule)):
        arity = field.grammar.symbols[rule[node], ARITY] if rule[node] >= 0 else 0
        child = node + 1
        for place in range(arity):
            if rule[child] < 0:
                other = _other_unit(node, place, arity, field.notes)
                low, high = productions.lattices[rule[node], place, other]
                value = field.numbers[-1 - rule[child]]
                if high - low > 1 or (high > low and productions.values[low] != value):
                    found += 1
                    if below(field.desk, found) == 0:  # each is kept with the same probability
                        constant, start, stop = child, low, high
            child = field.notes.ends[child]
    if found == 0:
        return 0
    value = field.numbers[-1 - rule[constant]]
    write(rule, out, 0)
    out[constant] = productions.codes[neighbour(field.desk, productions.values, start, stop, value)]
    return len(rule)


@njit
def _other_unit(node: int, place: int, arity: int, notes: Notes) -> int:
    """Return the unit of the other of two operands."""
    if arity != 2:
        return NO_UNIT
    return int(notes.units[node + 1 if place == 1 else notes.ends[node + 1]])
