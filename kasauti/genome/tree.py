"""Walking expression trees without recursion and within limits; nothing knows here what nodes mean.

Trees may be built by hand, so every walk holds the limits itself: a tree that is too deep, too
large or made of something else is refused before anything is done with it.
"""

from collections.abc import Callable
from typing import TypeVar

from kasauti.errors import GenomeError
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary

MAX_DEPTH = 60
MAX_NODES = 400

Result = TypeVar("Result")


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the operands or arguments of `node`, left to right.

    Raises
    ------
    GenomeError
        If `node` is not a node of the language.
    """
    match node:  # the classes are final, and this runs a million times a search
        case Series() | Number():
            return ()
        case Binary():
            return (node.left, node.right)
        case Call() if type(node.arguments) is tuple:
            return node.arguments
        case Unary():
            return (node.operand,)
    raise GenomeError(
        f"a {type(node).__name__} stands where a node of the expression tree was expected:"
        " build trees from Series, Number, Call (arguments in a tuple), Unary and Binary"
    )


def prefix(expression: Expression) -> list[Expression]:
    """Return every node, each before its operands, left to right (DEAP's order).

    Raises
    ------
    GenomeError
        Above `MAX_NODES` nodes or `MAX_DEPTH` levels.
    """
    return _walk(expression, leftmost_first=True)


def fold(
    expression: Expression, combine: Callable[[Expression, tuple[Result, ...]], Result]
) -> Result:
    """Return `combine` applied bottom-up, left to right: to each node and its operands' results.

    Raises
    ------
    GenomeError
        Above `MAX_NODES` nodes or `MAX_DEPTH` levels.
    """
    results: list[Result] = []
    for node in reversed(_walk(expression, leftmost_first=False)):
        count = len(children(node))
        if count == 0:
            results.append(combine(node, ()))
            continue
        operands = tuple(results[-count:])
        del results[-count:]
        results.append(combine(node, operands))
    return results[0]


def _walk(expression: Expression, *, leftmost_first: bool) -> list[Expression]:
    found: list[Expression] = []
    stack = [(expression, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise GenomeError(f"the expression is nested deeper than {MAX_DEPTH}: simplify it")
        if len(found) == MAX_NODES:
            raise GenomeError(f"the expression has more than {MAX_NODES} nodes: simplify it")
        found.append(node)
        operands = children(node)
        stack.extend((o, depth + 1) for o in (reversed(operands) if leftmost_first else operands))
    return found


def with_children(node: Expression, operands: tuple[Expression, ...]) -> Expression:
    """Return `node` over other operands."""
    if isinstance(node, Call):
        return Call(node.function, operands)
    if isinstance(node, Unary):
        return Unary(node.operator, *operands)
    if isinstance(node, Binary):
        return Binary(node.operator, *operands)
    return node


def rebuild(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Return the tree with `change` applied to every node, bottom-up."""

    def combine(node: Expression, operands: tuple[Expression, ...]) -> Expression:
        return change(with_children(node, operands))

    return fold(expression, combine)
