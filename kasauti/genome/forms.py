"""Every legal way to make a value, by units: the type rules as a list; weights are elsewhere."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from kasauti.genome.language import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    JUNCTIONS,
    MEASURED,
    Function,
    Unit,
)
from kasauti.genome.model import Binary, Call, Unary
from kasauti.genome.units import UnitError, binary_unit, result_unit


class Form(NamedTuple):
    """One way to make a value: what stands at the node, the units below it and its own."""

    node: type[Call] | type[Unary] | type[Binary]
    symbol: str
    operands: tuple[Unit, ...]
    result: Unit

    @property
    def name(self) -> str:
        """Its name in the primitive set, unique: ``sma[price, window]``."""
        return f"{self.symbol}[{', '.join(self.operands)}]"


def _function_forms(function: Function) -> Iterator[Form]:
    variables = [p for p in function.parameters if not p.is_literal]
    choices = (Unit.NUMBER, *MEASURED) if len(variables) > 1 else MEASURED
    for units in product(choices, repeat=len(variables)):
        bound = set(units) - {Unit.NUMBER}
        if len(bound) > 1 or (variables and not bound):
            continue
        values = iter(units)
        operands = tuple(
            Unit(p.unit) if p.is_literal else next(values) for p in function.parameters
        )
        unit = bound.pop() if bound else Unit.NUMBER
        yield Form(Call, function.name, operands, result_unit(function, unit))


def _operator_forms() -> Iterator[Form]:
    yield Form(Unary, "not", (Unit.BOOLEAN,), Unit.BOOLEAN)
    for unit in (Unit.NUMBER, *MEASURED):
        yield Form(Unary, "-", (unit,), unit)
    units = (Unit.BOOLEAN, Unit.NUMBER, *MEASURED)
    for operator, left, right in product((*ARITHMETIC, *COMPARISONS, *JUNCTIONS), units, units):
        try:
            yield Form(Binary, operator, (left, right), binary_unit(operator, left, right))
        except UnitError:
            continue


FORMS: tuple[Form, ...] = (
    *_operator_forms(),
    *(form for function in FUNCTIONS.values() for form in _function_forms(function)),
)
