"""The canonical text of an expression: one tree, one text; reading it back is the parser's work."""

from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.tree import fold

# How tightly an operator binds, as in Python; the parser uses the same table.
BINDING = {
    "or": 10,
    "and": 20,
    "not": 30,
    "<": 40,
    "<=": 40,
    ">": 40,
    ">=": 40,
    "+": 50,
    "-": 50,
    "*": 60,
    "/": 60,
}
MINUS_BINDING = 70
_ATOM = 100


def to_text(expression: Expression) -> str:
    """Return the canonical text: single spaces, fewest parentheses, shortest numbers.

    ``parse_expression(to_text(tree)) == tree`` for every tree that passes the type check.

    Raises
    ------
    GenomeError
        If the tree is too large, too deep or contains a foreign object.
    """
    return fold(expression, _write)[0]


def number_text(value: float) -> str:
    """Return the shortest text that reads back as `value`: ``70``, ``0.5``; -0.0 is ``0``."""
    return repr(float(value) + 0.0).removesuffix(".0")


def _write(node: Expression, parts: tuple[tuple[str, int], ...]) -> tuple[str, int]:
    if isinstance(node, Series):
        return node.name, _ATOM
    if isinstance(node, Number):
        return number_text(node.value), _ATOM
    if isinstance(node, Call):
        return f"{node.function}({', '.join(text for text, _ in parts)})", _ATOM
    if isinstance(node, Unary):
        binding = MINUS_BINDING if node.operator == "-" else BINDING["not"]
        space = "" if node.operator == "-" else " "
        return f"{node.operator}{space}{_within(parts[0], binding)}", binding
    return _write_binary(node, parts[0], parts[1])


def _write_binary(node: Binary, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    binding = BINDING.get(node.operator, 0)
    # Operators group to the left, so an equal operator on the right keeps its parentheses.
    return f"{_within(left, binding)} {node.operator} {_within(right, binding + 1)}", binding


def _within(part: tuple[str, int], binding: int) -> str:
    text, own = part
    return text if own >= binding else f"({text})"
