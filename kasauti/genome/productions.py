"""What growing may write and how often, as arrays; the kernels that grow live in `growing`."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kasauti.genome.codes import ATR, CODE_OF, FRACTION, SYMBOLS
from kasauti.genome.forms import FORMS, Form
from kasauti.genome.grammar import (
    MOST_OPERANDS,
    NO_UNIT,
    Floats,
    Integers,
    code_of,
    signatures,
    unit_code,
)
from kasauti.genome.language import FUNCTIONS, JUNCTIONS, MEASURED, SERIES, Unit
from kasauti.genome.lattice import (
    ATR_MULTIPLES,
    BAR_LIMITS,
    FRACTIONS,
    LEVELS,
    RISKS,
    SCALES,
    parameter_values,
)
from kasauti.genome.model import Call, Side
from kasauti.genome.weights import PLAIN, form_weight, series_weight

OPERAND_DEPTH = 2
"""Levels above its leaves that an operand of a grown condition may have."""

# Runs of `Productions.chances` that come first: one, two or three conditions in an entry, in an
# exit and in a new part of either; and the mutations, see `variation`.
ENTRY, EXIT, GRAFT, CHANGES = (0, 3), (3, 6), (6, 8), (8, 13)
_WEIGHTS = ((0.3, 0.5, 0.2), (0.6, 0.35, 0.05), (0.8, 0.2), (0.25, 0.15, 0.1, 0.3, 0.2))

# Places in `Productions.genes`; multiples and fractions stand at `ATR` and `FRACTION`.
SIDES, LIMITS, RISK_VALUES = 0, 3, 4

PRODUCTIONS = np.dtype(
    [
        ("choices", np.int64, (NO_UNIT + 1, OPERAND_DEPTH + 2, 2)),
        ("chances", np.float64, (1024,)),
        ("ways", np.int64, (1024, 1 + MOST_OPERANDS)),
        ("lattices", np.int64, (len(SYMBOLS), MOST_OPERANDS, NO_UNIT + 1, 2)),
        ("genes", np.int64, (5, 2)),
        ("values", np.float64, (512,)),
        ("codes", np.int64, (512,)),
        ("alternatives", np.int64, (len(signatures()), 2)),
        ("names", np.int64, (512,)),
    ],
    align=True,
)


class Productions(Protocol):
    """A record of type `PRODUCTIONS`: what may be bred over some series. Room left over is 0.

    Attributes
    ----------
    choices : int64, shape (units + 1, depths, 2)
        Run of ways to make a unit within so many levels; empty where there is none.
    chances : float64
        Running sums of the weights of the runs of ways, `ENTRY`, `EXIT`, `GRAFT` and `CHANGES`.
    ways : int64, shape (W, 1 + 4)
        Symbol and the units of its operands, `NO_UNIT` for literals.
    lattices : int64, shape (symbols, 4, units + 1, 2)
        Run of values that a constant or window takes, by symbol, place, and the unit of the other
        operand if there are two; empty where breeding leaves it alone, as in ``close > 100``.
    genes : int64, shape (5, 2)
        Runs of values that the other genes take: `SIDES` (1 and -1), `LIMITS` ...
    values : float64
        Ascending in each run.
    codes : int64
        Codes of `values` in the constants of the population that is bred.
    alternatives : int64, shape (signatures, 2)
        Run of symbols of a signature.
    names : int64
    """

    choices: Integers
    chances: Floats
    ways: Integers
    lattices: Integers
    genes: Integers
    values: Floats
    codes: Integers
    alternatives: Integers
    names: Integers


class _Way(NamedTuple):
    """A series, or a form of call or operator, with its height and weight."""

    form: Form | str
    height: int
    weight: float


@cache
def productions(series: tuple[str, ...], sides: tuple[Side, ...]) -> NDArray[np.void]:
    """Return one record of type `PRODUCTIONS`; `codes` are still to be filled in."""
    found = np.zeros(1, dtype=PRODUCTIONS)
    tables = {name: found[name][0] for name in PRODUCTIONS.names or ()}
    chances = [chance for weights in _WEIGHTS for chance in accumulate(weights)]
    rows = [(0,) * (1 + MOST_OPERANDS)] * len(chances)
    for unit, ways in _ways(series).items():
        for depth in range(OPERAND_DEPTH + 2):
            fitting = _fitting(ways, depth)
            tables["choices"][unit_code(unit), depth] = len(rows), len(rows) + len(fitting)
            chances += accumulate(weight for _, weight in fitting)
            rows += [_row(form) for form, _ in fitting]
    tables["chances"][: len(rows)], tables["ways"][: len(rows)] = chances, rows
    values: list[float] = []
    for k, lattice in enumerate(_gene_lattices(sides)):
        tables["genes"][k] = len(values), len(values) + len(lattice)
        values += lattice
    _add_lattices(tables["lattices"], values)
    tables["values"][: len(values)] = values
    names: list[int] = []
    for signature, symbols in _alternatives(series).items():
        tables["alternatives"][signature] = len(names), len(names) + len(symbols)
        names += symbols
    tables["names"][: len(names)] = names
    return found


def lattice_values(tables: NDArray[np.void]) -> Floats:
    """Return the values that constants and windows may take; those of other genes come first."""
    return np.asarray(tables["values"][0, tables["genes"].max() : tables["lattices"].max()])


def _gene_lattices(sides: tuple[Side, ...]) -> tuple[Sequence[float], ...]:
    lattices: list[Sequence[float]] = [()] * 5
    lattices[SIDES] = [1.0 if side is Side.LONG else -1.0 for side in sides]
    lattices[ATR], lattices[FRACTION] = ATR_MULTIPLES, FRACTIONS
    lattices[LIMITS], lattices[RISK_VALUES] = BAR_LIMITS, RISKS
    return tuple(lattices)


def _row(form: Form | str) -> tuple[int, ...]:
    if isinstance(form, str):
        return (CODE_OF[form], *[NO_UNIT] * MOST_OPERANDS)
    units = [NO_UNIT if unit is Unit.NUMBER else unit_code(unit) for unit in form.operands]
    return (code_of(form), *units, *[NO_UNIT] * (MOST_OPERANDS - len(units)))


def _ways(series: tuple[str, ...]) -> dict[Unit, list[_Way]]:
    """Return, for each unit that `series` can make, the ways to make it."""
    heights = {SERIES[name]: 0 for name in series}
    forms = [form for form in FORMS if _is_bred(form, series)]
    for _ in MEASURED:  # a unit needs at most as many rounds as there are units
        for form in forms:
            height = _height(form, heights)
            if height is not None:
                heights[form.result] = min(height, heights.get(form.result, height))
    found: dict[Unit, list[_Way]] = {unit: [] for unit in heights}
    for name in series:
        found[SERIES[name]].append(_Way(name, 0, series_weight(name)))
    for form in forms:
        height = _height(form, heights)
        if height is not None:
            found[form.result].append(_Way(form, height, form_weight(form)))
    return found


def _fitting(ways: list[_Way], depth: int) -> list[tuple[Form | str, float]]:
    """Return what is at most `depth` levels high, or the lowest there is, with its weight."""
    lowest = min(way.height for way in ways)
    return [
        (
            way.form,
            way.weight * (PLAIN if depth < OPERAND_DEPTH and isinstance(way.form, str) else 1.0),
        )
        for way in ways
        if way.height <= max(depth, lowest)
    ]


def _height(form: Form, heights: dict[Unit, int]) -> int | None:
    below = [unit for unit in form.operands if unit not in (Unit.WINDOW, Unit.NUMBER)]
    if any(unit not in heights for unit in below):
        return None
    return 1 + max(heights[unit] for unit in below) if below else 0


def _is_bred(form: Form, series: tuple[str, ...]) -> bool:
    is_readable = form.node is not Call or set(FUNCTIONS[form.symbol].reads) <= set(series)
    return is_readable and form_weight(form) > 0


def _add_lattices(lattices: Integers, values: list[float]) -> None:
    """Append the values of constants and windows, and note their runs."""
    runs: dict[tuple[float, ...], tuple[int, int]] = {}
    for form in FORMS:
        for place, unit in enumerate(form.operands):
            if unit not in (Unit.WINDOW, Unit.NUMBER):
                continue
            lattice = _lattice(form, place)
            if lattice not in runs:
                runs[lattice] = len(values), len(values) + len(lattice)
                values += lattice
            other = NO_UNIT
            if len(form.operands) == 2:
                other = unit_code(form.operands[1 - place])
            lattices[code_of(form), place, other] = runs[lattice]


def _lattice(form: Form, place: int) -> tuple[float, ...]:
    """Return the values that the constant or window at `place` of `form` takes in breeding."""
    if form.node is Call and FUNCTIONS[form.symbol].parameters[place].is_literal:
        return parameter_values(form.symbol, FUNCTIONS[form.symbol].parameters[place])
    if form.symbol in ("*", "/"):
        return SCALES
    return LEVELS.get(form.operands[1 - place], ()) if len(form.operands) == 2 else ()


def _alternatives(series: tuple[str, ...]) -> dict[int, list[int]]:
    """Return the symbols that breeding may use over `series`, by signature."""
    found: dict[int, list[int]] = {number: [] for number in signatures().values()}
    for name in series:
        found[signatures()[(SERIES[name],)]].append(CODE_OF[name])
    for form in FORMS:
        if _is_bred(form, series) or form.symbol in JUNCTIONS:
            found[signatures()[(form.result, *form.operands)]].append(code_of(form))
    return found
