"""Expression trees as DEAP primitive trees and back, for comparison; nothing is bred on them.

Every unit is a class, every function and operator one strongly typed `deap.gp.Primitive` for each
combination of units that the type rules allow: exchanging sub-trees of one type stays in the
language by construction.
"""

from functools import cache
from types import MappingProxyType

from deap import gp

from kasauti.errors import GenomeError
from kasauti.genome.forms import FORMS, Form
from kasauti.genome.language import FUNCTIONS, SERIES, Unit
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.tree import fold
from kasauti.genome.units import UnitError, node_unit

UNIT_TYPES = MappingProxyType({u: type(u.name.title().replace("_", ""), (), {}) for u in Unit})


FORM_OF = MappingProxyType({form.name: form for form in FORMS})


@cache
def primitive_set() -> gp.PrimitiveSetTyped:
    """Return the whole language as a strongly typed DEAP primitive set."""
    primitives = gp.PrimitiveSetTyped("kasauti", [], UNIT_TYPES[Unit.BOOLEAN])
    for form in FORMS:
        types = [UNIT_TYPES[unit] for unit in form.operands]
        primitives.addPrimitive(form.node, types, UNIT_TYPES[form.result], name=form.name)
    for name, unit in SERIES.items():
        primitives.addTerminal(name, UNIT_TYPES[unit], name=name)
    return primitives


def to_breeding(expression: Expression) -> gp.PrimitiveTree:
    """Return `expression` as a DEAP tree; `from_breeding` gives exactly the same tree back.

    Raises
    ------
    GenomeError
        If the expression is outside the language.
    """
    try:
        return gp.PrimitiveTree(fold(expression, _to_nodes)[1])
    except UnitError as error:
        raise GenomeError(str(error)) from None


def from_breeding(tree: gp.PrimitiveTree) -> Expression:
    """Return the expression of a DEAP tree over `primitive_set`.

    Raises
    ------
    GenomeError
        If the tree holds a node of another primitive set, or is incomplete.
    """
    stack: list[Expression] = []
    for node in reversed(tree):
        operands = tuple(stack.pop() for _ in range(min(node.arity, len(stack))))
        stack.append(_from_node(node, operands))
    if len(stack) != 1:
        raise GenomeError("the breeding tree is no single complete tree")
    return stack[0]


def _to_nodes(
    node: Expression, parts: tuple[tuple[Unit, list[gp.Terminal | gp.Primitive]], ...]
) -> tuple[Unit, list[gp.Terminal | gp.Primitive]]:
    units = tuple(unit for unit, _ in parts)
    unit = node_unit(node, units)
    if isinstance(node, Series):
        return unit, [primitive_set().mapping[node.name]]
    if isinstance(node, Number):
        return unit, [literal(node.value, Unit.NUMBER)]
    if isinstance(node, Call):
        symbol, parameters = node.function, FUNCTIONS[node.function].parameters
        units = tuple(
            Unit.WINDOW if p.unit is Unit.WINDOW else u
            for p, u in zip(parameters, units, strict=True)
        )
        parts = tuple(
            (u, [literal(part[0].value, u)] if u is Unit.WINDOW else part)
            for u, (_, part) in zip(units, parts, strict=True)
        )
    else:
        symbol = node.operator
    nodes = [primitive_set().mapping[Form(type(node), symbol, units, unit).name]]
    for _, part in parts:
        nodes.extend(part)
    return unit, nodes


def literal(value: float, unit: Unit) -> gp.Terminal:
    """Return the terminal of a constant (`Unit.NUMBER`) or a window."""
    return gp.Terminal(value, False, UNIT_TYPES[unit])


def _from_node(node: gp.Primitive | gp.Terminal, operands: tuple[Expression, ...]) -> Expression:
    if node.arity == 0 and node.name not in FORM_OF:
        return Series(node.value) if node.name in SERIES else Number(node.value)
    form = FORM_OF.get(node.name)
    if form is None or len(operands) != len(form.operands):
        raise GenomeError(f"the breeding tree holds the foreign node {node.name!r:.40}")
    if form.node is Call:
        return Call(form.symbol, operands)
    if form.node is Unary:
        return Unary(form.symbol, operands[0])
    return Binary(form.symbol, operands[0], operands[1])
