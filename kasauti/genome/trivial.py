"""Conditions that never change or repeat themselves: legal to write, pointless to breed."""

import math

from kasauti.genome.language import COMPARISONS
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.tree import prefix

_CROSSES = ("crosses_above", "crosses_below")
_KEEP_RANGE = ("sma", "ema", "mean", "highest", "lowest", "lag", "bbands_middle")
_INSIDE_BAR = ("open", "close")
_UNBOUNDED = (-math.inf, math.inf)
_RANGES = {
    **dict.fromkeys(("rsi", "adx", "stoch", "stoch_d"), (0.0, 100.0)),
    **dict.fromkeys(("atr", "std", "vwap"), (0.0, math.inf)),
    "rank": (0.0, 1.0),
}


def is_trivial(expression: Expression) -> bool:
    """Whether some node compares or joins a value with itself, or with a bound of itself.

    ``close < close``, ``close > highest(high, 20)`` (the current bar is one of the 20),
    ``rsi(close, 14) < 100``, ``a and a``, ``not not a``, ``close - close``.
    """
    return any(_is_trivial_node(node) for node in prefix(expression))


def _is_trivial_node(node: Expression) -> bool:
    if isinstance(node, Unary):
        operand = node.operand
        return isinstance(operand, Unary) and operand.operator == node.operator
    if isinstance(node, Call) and node.function in _CROSSES:
        return _never_changes(*node.arguments)
    if isinstance(node, Binary):
        if node.operator in COMPARISONS:
            return _never_changes(node.left, node.right)
        return node.operator in ("and", "or", "-", "/") and node.left == node.right
    return False


def _never_changes(left: Expression, right: Expression) -> bool:
    (low, high), (other_low, other_high) = _range(left), _range(right)
    if high <= other_low or other_high <= low:
        return True
    if low >= 0 and _unscaled(left) == _unscaled(right):
        return True
    return _never_above(left, right) or _never_above(right, left)


def _unscaled(node: Expression) -> Expression:
    """Return what a constant multiplies: ``1.02 * low`` and ``low`` never change places."""
    if isinstance(node, Binary) and node.operator == "*" and isinstance(node.left, Number):
        return node.right
    return node


def _never_above(low: Expression, high: Expression) -> bool:
    """Whether ``low <= high`` on every bar, as far as the shape of the two shows it."""
    if low == high:
        return True
    if isinstance(high, Call) and high.function == "highest":
        return _never_above(low, high.arguments[0])
    if isinstance(low, Call) and low.function == "lowest":
        return _never_above(low.arguments[0], high)
    if isinstance(low, Series) and isinstance(high, Series):
        return (low.name == "low" and high.name in (*_INSIDE_BAR, "high")) or (
            low.name in _INSIDE_BAR and high.name == "high"
        )
    return False


def _range(node: Expression) -> tuple[float, float]:
    """Return bounds that the values of `node` never leave."""
    if isinstance(node, Series):
        return (0.0, math.inf)
    if isinstance(node, Number):
        return (node.value, node.value)
    if isinstance(node, Call):
        return _call_range(node)
    if isinstance(node, Binary) and node.operator == "*":
        is_positive = _range(node.left)[0] >= 0 and _range(node.right)[0] >= 0
        return (0.0, math.inf) if is_positive else _UNBOUNDED
    return _UNBOUNDED


def _call_range(node: Call) -> tuple[float, float]:
    if node.function in _KEEP_RANGE:
        return _range(node.arguments[0])
    if node.function == "zscore" and isinstance(node.arguments[1], Number):
        # n values of mean 0 and standard deviation 1: none is farther out than sqrt(n - 1).
        most = math.sqrt(node.arguments[1].value - 1)
        return (-most, most)
    return _RANGES.get(node.function, _UNBOUNDED)
