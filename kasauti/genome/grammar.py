"""The language as arrays that kernels read: what each symbol takes, gives and never leaves.

Kernels get these tables as an argument. As globals they would be frozen into numba's cache, which
does not notice when the language changes. One record of fixed shape is one pointer to a kernel: a
tuple of arrays costs seven times the time to compile and to call.
"""

import math
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kasauti.genome.codes import ARITY as ARITY_OF
from kasauti.genome.codes import CODE_OF, NEGATE, SYMBOLS
from kasauti.genome.forms import FORMS, Form
from kasauti.genome.language import COMPARISONS, FUNCTIONS, MEASURED, SERIES, Unit
from kasauti.genome.model import Unary

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

NUMBER, BOOLEAN = 0, 1
UNITS: tuple[Unit, ...] = (Unit.NUMBER, Unit.BOOLEAN, *MEASURED)
"""A unit in a table is its place here; `NO_UNIT` stands for a literal or for no operand."""
NO_UNIT = 14
MOST_OPERANDS = 4

# Columns of `Grammar.symbols`.
ARITY, ROLE, RANGE, IN_BAR, WINDOWS, INCREASING = 0, 1, 2, 3, 4, 5
# What a symbol does, as far as triviality and the rules on literals ask.
PLAIN, COMPARES, JOINS, SUBTRACTS, DIVIDES, MULTIPLIES, NEGATES, HIGHEST, LOWEST = range(9)
# Where the bounds of a value come from.
FIXED, OF_FIRST, OF_PRODUCT, OF_ZSCORE = 0, 1, 2, 3
# Last axis of `Grammar.forms`.
RESULT, SIGNATURE = 0, 1
# Places in `Grammar.joints`.
AND, OR, NOT = 0, 1, 2

_ROLES = {
    **dict.fromkeys((*COMPARISONS, "crosses_above", "crosses_below"), COMPARES),
    **dict.fromkeys(("and", "or"), JOINS),
    **dict.fromkeys(("not", NEGATE), NEGATES),
    **{"-": SUBTRACTS, "/": DIVIDES, "*": MULTIPLIES, "highest": HIGHEST, "lowest": LOWEST},
}
_RANGES = {
    **dict.fromkeys(("sma", "ema", "mean", "highest", "lowest", "lag", "bbands_middle"), OF_FIRST),
    **{"*": OF_PRODUCT, "zscore": OF_ZSCORE},
}
_BOUNDS = {
    **dict.fromkeys(SERIES, (0.0, math.inf)),
    **dict.fromkeys(("rsi", "adx", "stoch", "stoch_d"), (0.0, 100.0)),
    **dict.fromkeys(("atr", "std", "vwap"), (0.0, math.inf)),
    "rank": (0.0, 1.0),
}
# Of two prices of one bar the one that stands lower here is never above the other.
_IN_BAR = {"low": 1, "open": 2, "close": 2, "high": 3}


GRAMMAR = np.dtype(
    [
        ("symbols", np.int64, (len(SYMBOLS), 6)),
        ("forms", np.int64, (len(SYMBOLS), NO_UNIT + 1, NO_UNIT + 1, 2)),
        ("limits", np.float64, (len(SYMBOLS), MOST_OPERANDS, 2)),
        ("bounds", np.float64, (len(SYMBOLS), 2)),
        ("joints", np.int64, (3,)),
    ],
    align=True,
)


class Grammar(Protocol):
    """A record of type `GRAMMAR`: the language by symbol (a code from 0) and unit (see `UNITS`).

    Attributes
    ----------
    symbols : int64, shape (symbols, 6)
        Columns `ARITY`, `ROLE`, `RANGE`, `IN_BAR` (0 for what is no price of a bar), and the places
        of operands that are windows or must grow, as bits.
    forms : int64, shape (symbols, units + 1, units + 1, 2)
        Unit of the result, and the signature, of a symbol over operands of these units, literal
        operands left out; -1 where the language forbids it. Symbols of one signature take and give
        the same.
    limits : float64, shape (symbols, 4, 2)
        Range of each literal operand, NaN for an expression.
    bounds : float64, shape (symbols, 2)
        What the values never leave, where `RANGE` is `FIXED`.
    joints : int64, shape (3,)
        Codes of and, or, not.
    """

    symbols: Integers
    forms: Integers
    limits: Floats
    bounds: Floats
    joints: Integers


def code_of(form: Form) -> int:
    """Return the code of the form's symbol."""
    return CODE_OF[NEGATE if form.node is Unary and form.symbol == "-" else form.symbol]


def unit_code(unit: Unit) -> int:
    """Return the place of `unit` in `UNITS`; a window is a literal: `NO_UNIT`."""
    return NO_UNIT if unit is Unit.WINDOW else UNITS.index(unit)


@cache
def signatures() -> dict[tuple[str, ...], int]:
    """Return the number of each signature: the unit of the result and those of the operands."""
    found: dict[tuple[str, ...], int] = {}
    for unit in SERIES.values():
        found.setdefault((unit,), len(found))
    for form in FORMS:
        found.setdefault((form.result, *form.operands), len(found))
    return found


@cache
def grammar() -> NDArray[np.void]:
    """Return the tables of the language: one record of type `GRAMMAR`."""
    found = np.zeros(1, dtype=GRAMMAR)
    symbols, bounds, limits = (found[name][0] for name in ("symbols", "bounds", "limits"))
    for code, name in enumerate(SYMBOLS):
        symbols[code, :4] = (
            ARITY_OF[code],
            _ROLES.get(name, PLAIN),
            _RANGES.get(name, FIXED),
            _IN_BAR.get(name, 0),
        )
        bounds[code] = _BOUNDS.get(name, (-math.inf, math.inf))
    limits[:] = math.nan
    for name, function in FUNCTIONS.items():
        code = CODE_OF[name]
        for place, parameter in enumerate(function.parameters):
            if parameter.is_literal:
                limits[code, place] = parameter.low, parameter.high
            symbols[code, WINDOWS] |= (parameter.unit is Unit.WINDOW) << place
            symbols[code, INCREASING] |= (parameter.name in function.increasing) << place
    found["joints"][0] = [CODE_OF[name] for name in ("and", "or", "not")]
    found["forms"][0] = _forms(limits)
    return found


def _forms(limits: Floats) -> Integers:
    forms = np.full((len(SYMBOLS), NO_UNIT + 1, NO_UNIT + 1, 2), -1, dtype=np.int64)
    for name, unit in SERIES.items():
        forms[CODE_OF[name], NO_UNIT, NO_UNIT] = unit_code(unit), signatures()[(unit,)]
    for form in FORMS:
        code = code_of(form)
        units = [
            unit_code(unit)
            for place, unit in enumerate(form.operands)
            if math.isnan(limits[code, place, 0])
        ]
        first, second = (*units, NO_UNIT, NO_UNIT)[:2]
        signature = signatures()[(form.result, *form.operands)]
        forms[code, first, second] = unit_code(form.result), signature
    return forms
