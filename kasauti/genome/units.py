"""How units combine: the type rules of expressions, parsed or built by hand."""

import sys
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from kasauti.errors import GenomeError
from kasauti.genome.language import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    JUNCTIONS,
    LEVEL_CHANGES,
    SERIES,
    Function,
    Parameter,
    Unit,
    Variable,
    change_of,
)
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.tree import fold

# Units without a scale of their own: 5 points may be added to an RSI, 5 rupees not to any price.
SCALE_FREE = frozenset(
    (
        Unit.OSCILLATOR,
        Unit.PERCENT,
        Unit.FRACTION,
        Unit.DEVIATION,
        Unit.RATIO,
        Unit.VOLATILITY,
        Unit.NUMBER,
    )
)
_LEVEL_OF = {change: level for level, change in LEVEL_CHANGES.items()}


def unit_of(expression: Expression, positions: Mapping[int, int] | None = None) -> Unit:
    """Return the unit of `expression` after checking every node in it.

    Parameters
    ----------
    expression : Expression
    positions : mapping of int to int, optional
        Character position by ``id`` of the node, for the error.

    Raises
    ------
    GenomeError
        On the first thing outside the language, left to right.
    """
    where = positions or {}

    def combine(node: Expression, units: tuple[Unit, ...]) -> Unit:
        try:
            return node_unit(node, units)
        except UnitError as misfit:
            raise GenomeError(str(misfit), where.get(id(misfit.node or node))) from None

    return fold(expression, combine)


class UnitError(Exception):
    """Units that do not fit; becomes a GenomeError once the position is known.

    `node` is what it is about, where that is not the node being combined.
    """

    def __init__(self, message: str, node: Expression | None = None) -> None:
        self.node = node
        super().__init__(message)


def node_unit(node: Expression, units: tuple[Unit, ...]) -> Unit:
    """Return the unit of one node, given those of its operands."""
    if isinstance(node, Series):
        return _series(node)
    if isinstance(node, Number):
        return _number(node)
    if isinstance(node, Call):
        return _call(node, units)
    if isinstance(node, Unary):
        return _unary(node, units[0])
    return binary_unit(node.operator, units[0], units[1], node)


def _series(node: Series) -> Unit:
    if node.name not in SERIES:
        raise UnitError(f"{node.name!r} is no series: there are {', '.join(SERIES)}")
    return SERIES[node.name]


def _number(node: Number) -> Unit:
    if not is_finite_number(node.value):
        raise UnitError(f"expected a finite number, found {node.value!r:.40}")
    return Unit.NUMBER


def is_finite_number(value: Any) -> bool:
    """Whether `value` is an int or float (no bool) that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def _unary(node: Unary, unit: Unit) -> Unit:
    if node.operator == "not":
        if unit is not Unit.BOOLEAN:
            raise UnitError(f"'not' needs a condition, found {_a(unit)}: compare it with something")
        return unit
    if node.operator != "-":
        raise UnitError(f"{node.operator!r} is no operator of one operand: there are '-' and 'not'")
    if isinstance(node.operand, Number):
        raise UnitError("a negative constant is one Number, not a minus before a Number")
    if unit is Unit.BOOLEAN:
        raise UnitError("'-' needs a value, found a condition")
    return unit


def binary_unit(operator: str, left: Unit, right: Unit, node: Binary | None = None) -> Unit:
    """Return the unit of ``left operator right``; `node` serves the check for division by zero."""
    if operator in JUNCTIONS:
        for unit in (left, right):
            if unit is not Unit.BOOLEAN:
                raise UnitError(
                    f"'{operator}' joins conditions, found {_a(unit)}: compare it with something"
                )
        return Unit.BOOLEAN
    if Unit.BOOLEAN in (left, right):
        raise UnitError(
            f"'{operator}' needs a value on both sides, found a condition: join conditions with"
            " 'and' or 'or' (comparisons cannot be chained)"
        )
    if operator in COMPARISONS:
        return _comparison(operator, left, right)
    if operator in ("+", "-"):
        return _sum(operator, left, right)
    if operator == "*":
        return _product(left, right)
    if operator == "/":
        if node is not None and isinstance(node.right, Number) and node.right.value == 0:
            raise UnitError("division by zero: expected another number")
        return _quotient(left, right)
    raise UnitError(
        f"{operator!r} is no operator: there are {' '.join((*ARITHMETIC, *COMPARISONS))} and or not"
    )


def _comparison(operator: str, left: Unit, right: Unit) -> Unit:
    if left is right is Unit.NUMBER:
        raise UnitError(
            f"'{operator}' compares two constants, which never changes: expected a series on one"
            " side (a rule that is never true is close < 0)"
        )
    if left is right or Unit.NUMBER in (left, right):
        return Unit.BOOLEAN
    advice = ": divide them and compare the ratio" if _level(left) is _level(right) else ""
    raise UnitError(
        f"'{operator}' cannot compare {_a(left)} with {_a(right)}: expected equal units or a number"
        + advice
    )


def _sum(operator: str, left: Unit, right: Unit) -> Unit:
    if left is right:
        return change_of(left) if operator == "-" else left
    if Unit.NUMBER in (left, right):
        other = right if left is Unit.NUMBER else left
        if other in SCALE_FREE:
            return other
        raise UnitError(
            f"'{operator}' cannot join a plain number and {_a(other)}: scale it instead, as in"
            " 1.02 * close"
        )
    if change_of(left) is right:
        return left
    if operator == "+" and change_of(right) is left:
        return right
    raise UnitError(f"'{operator}' cannot join {_a(left)} and {_a(right)}: expected equal units")


def _product(left: Unit, right: Unit) -> Unit:
    if left is Unit.NUMBER:
        return right
    if right is Unit.NUMBER or right is Unit.RATIO:
        return left
    if left is Unit.RATIO:
        return right
    raise UnitError(
        f"'*' cannot multiply {_a(left)} by {_a(right)}: expected a number or a ratio on one side"
    )


def _quotient(left: Unit, right: Unit) -> Unit:
    if right is Unit.NUMBER:
        return left
    if _level(left) is _level(right):
        return Unit.RATIO
    if right is Unit.RATIO:
        return Unit.RATIO if left is Unit.NUMBER else left
    raise UnitError(
        f"'/' cannot divide {_a(left)} by {_a(right)}: expected equal units, or a number or"
        " ratio below"
    )


def _a(unit: Unit) -> str:
    return f"{'an' if unit[0] in 'aeiou' else 'a'} {unit}"


def _level(unit: Unit) -> Unit:
    return _LEVEL_OF.get(unit, unit)


def _call(node: Call, units: tuple[Unit, ...]) -> Unit:
    function = FUNCTIONS.get(node.function)
    if function is None:
        raise UnitError(f"{node.function!r} is no function: there are {', '.join(FUNCTIONS)}")
    expected = len(function.parameters)
    if len(units) != expected:
        raise UnitError(
            f"{function.name} takes {expected} argument{'' if expected == 1 else 's'}, found"
            f" {len(units)}: write {function.signature}"
        )
    variable: Unit = Unit.NUMBER
    for parameter, argument, unit in zip(function.parameters, node.arguments, units, strict=True):
        if parameter.is_literal:
            _check_literal(function, parameter, argument)
        else:
            variable = _bind(function, parameter, argument, unit, variable)
    if function.increasing:
        _check_increasing(function, node)
    if variable is Unit.NUMBER and any(not p.is_literal for p in function.parameters):
        raise UnitError(
            f"{function.name} of a constant never changes: expected a series or an expression,"
            f" found a number in {function.signature}"
        )
    return result_unit(function, variable)


def result_unit(function: Function, variable: Unit) -> Unit:
    """Return the unit of a call of `function` whose unit variable is `variable`."""
    if function.result is Variable.SAME:
        return variable
    if function.result is Variable.CHANGE:
        return change_of(variable)
    return Unit(function.result)


def _bind(
    function: Function, parameter: Parameter, argument: Expression, unit: Unit, bound: Unit
) -> Unit:
    if unit is Unit.BOOLEAN:
        raise UnitError(
            f"argument {parameter.name} of {function.name} must be a value, found a condition",
            argument,
        )
    if unit is Unit.NUMBER:
        return bound
    if bound not in (Unit.NUMBER, unit):
        raise UnitError(
            f"{function.name} cannot join {_a(bound)} and {_a(unit)}: expected equal units",
            argument,
        )
    return unit


def _check_literal(function: Function, parameter: Parameter, argument: Expression) -> None:
    kind = "an integer" if parameter.unit is Unit.WINDOW else "a number"
    wanted = (
        f"argument {parameter.name} of {function.name} must be {kind} from {parameter.low:g} to"
        f" {parameter.high:g}"
    )
    if not isinstance(argument, Number):
        raise UnitError(f"{wanted}, found an expression", argument)
    value = argument.value
    if not parameter.low <= value <= parameter.high:
        raise UnitError(f"{wanted}, found {value:g}", argument)
    if parameter.unit is Unit.WINDOW and value != int(value):
        raise UnitError(f"{wanted}, found {value:g}", argument)


def _check_increasing(function: Function, node: Call) -> None:
    windows = [
        argument.value
        for parameter, argument in zip(function.parameters, node.arguments, strict=True)
        if parameter.name in function.increasing and isinstance(argument, Number)
    ]
    if any(later <= earlier for earlier, later in pairwise(windows)):
        raise UnitError(
            f"the windows {' < '.join(function.increasing)} of {function.name} must grow, found"
            f" {', '.join(f'{window:g}' for window in windows)}"
        )
