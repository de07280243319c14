"""Expression trees as DEAP trees and back."""

from collections.abc import Callable

import pytest
from deap import gp
from hypothesis import given, settings

from kasauti.errors import GenomeError
from kasauti.genome import Expression, parse_expression
from kasauti.genome.model import Series
from kasauti.genome.primitives import from_breeding, primitive_set, to_breeding
from tests.genome.strategies import expressions


@settings(deadline=None, max_examples=120, derandomize=True)
@given(expressions())
def test_tree_to_breeding_tree_to_tree_is_the_identity(tree: Expression) -> None:
    bred = to_breeding(tree)
    assert isinstance(bred, gp.PrimitiveTree)
    again = from_breeding(bred)
    assert again == tree
    assert repr(again) == repr(tree)  # the types of the numbers too
    assert list(to_breeding(again)) == list(bred)


def test_breeding_trees_are_strongly_typed() -> None:
    tree = to_breeding(parse_expression("rsi(close, 14) < 30 and close > sma(close, 200)"))
    assert [node.name for node in tree] == [
        "and[boolean, boolean]",
        "<[oscillator, number]",
        *("rsi[price, window]", "close", "14.0", "30.0"),
        ">[price, price]",
        *("close", "sma[price, window]", "close", "200.0"),
    ]
    for place, node in enumerate(tree):
        below = place + 1
        for wanted in node.args if node.arity else ():
            assert tree[below].ret is wanted
            below = tree.searchSubtree(below).stop


def test_the_primitive_set_is_deaps() -> None:
    primitives = primitive_set()
    assert isinstance(primitives, gp.PrimitiveSetTyped)
    assert not [
        name
        for name in primitives.mapping
        if name.startswith(("<[oscillator, price", "<[price, osc"))
    ]


FOREIGN: dict[str, Callable[[], gp.PrimitiveTree]] = {
    "another set's primitive": lambda: gp.PrimitiveTree(
        [gp.Primitive("exec", [object], object), gp.Terminal("close", True, object)]
    ),
    "incomplete": lambda: gp.PrimitiveTree(to_breeding(parse_expression("close < open"))[:2]),
    "two trees": lambda: gp.PrimitiveTree([*to_breeding(Series("close"))] * 2),
    "empty": lambda: gp.PrimitiveTree([]),
}


@pytest.mark.parametrize("build", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_breeding_trees_are_refused(build: Callable[[], gp.PrimitiveTree]) -> None:
    with pytest.raises(GenomeError, match="breeding tree"):
        from_breeding(build())


def test_trees_outside_the_language_are_not_bred() -> None:
    with pytest.raises(GenomeError, match="no series"):
        to_breeding(Series("secret"))
