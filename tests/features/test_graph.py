"""The graph of a population: one node for what has the same values, different ones for the rest."""

from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kasauti.features.graph import Graph
from kasauti.genome import Binary, Call, Expression, Unary, genome_from_genes, parse_expression
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.genome.language import SERIES, Unit
from kasauti.genome.model import Number, Series
from kasauti.genome.tree import children, prefix
from tests.genome import strategies
from tests.genome.test_genome import DESIGN_GENES

DESIGN = genome_from_genes(DESIGN_GENES)

law = settings(max_examples=60, deadline=None, derandomize=True)
prices = strategies.expressions(Unit.PRICE, depth=3)
conditions = strategies.expressions(depth=3)
windows = st.integers(2, 250).map(lambda v: Number(float(v)))


def of_rules(*rules: Expression) -> Population:
    return Population.of(replace(DESIGN, entry=rule, exit=rule) for rule in rules)


def nodes_of(*rules: Expression) -> list[int]:
    """Return the node of each rule in one graph."""
    roots = Graph().add(of_rules(*rules))
    assert (roots[::2] == roots[1::2]).all()
    return [int(root) for root in roots[::2]]


def same(*rules: Expression) -> bool:
    return len(set(nodes_of(*rules))) == 1


@law
@given(a=prices, b=prices, symbol=st.sampled_from(["+", "*", "<", "<=", ">", ">="]))
def test_operands_in_either_order_are_one_node(a: Expression, b: Expression, symbol: str) -> None:
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(symbol, symbol)
    assert same(Binary(symbol, a, b), Binary(mirrored, b, a))


@law
@given(a=conditions, b=conditions, symbol=st.sampled_from(["and", "or"]))
def test_junctions_in_either_order_are_one_node(a: Expression, b: Expression, symbol: str) -> None:
    assert same(Binary(symbol, a, b), Binary(symbol, b, a))
    assert not same(Binary("and", a, b), Binary("or", a, b))


@law
@given(x=prices, n=windows, k=st.floats(0.5, 4.0))
def test_every_name_of_a_simple_average_is_one_node(x: Expression, n: Number, k: float) -> None:
    assert same(Call("sma", (x, n)), Call("mean", (x, n)), Call("bbands_middle", (x, n, Number(k))))


@law
@given(a=prices, b=prices)
def test_a_crossing_below_is_the_other_one_above(a: Expression, b: Expression) -> None:
    assert same(Call("crosses_below", (a, b)), Call("crosses_above", (b, a)))
    assume(not same(a, b))
    assert not same(Call("crosses_above", (a, b)), Call("crosses_above", (b, a)))


@law
@given(a=prices, b=prices)
def test_what_is_not_symmetric_is_two_nodes(a: Expression, b: Expression) -> None:
    assume(not same(a, b))
    for symbol in ("-", "/", "<", "<=", ">", ">="):
        assert not same(Binary(symbol, a, b), Binary(symbol, b, a))
    assert not same(Binary("<", a, b), Binary("<=", a, b))


def spelt_out(node: Expression) -> Expression:
    """Return Bollinger bands as the formula that they stand for, anything else as it is."""
    if not isinstance(node, Call) or not node.function.startswith("bbands"):
        return node
    x, n, k = node.arguments
    mean, reach = Call("sma", (x, n)), Binary("*", Call("std", (x, n)), k)
    upper, lower = Binary("+", mean, reach), Binary("-", mean, reach)
    percent = Binary("/", Binary("-", x, lower), Binary("-", upper, lower))
    forms: dict[str, Expression] = {
        "bbands": percent,
        "bbands_upper": upper,
        "bbands_middle": mean,
        "bbands_lower": lower,
    }
    return forms[node.function]


def meaning(node: Expression) -> Hashable:
    """Return what identifies an expression beside the ways of writing it, worked out apart."""
    node = spelt_out(node)
    if isinstance(node, Number):
        return ("number", node.value)
    if isinstance(node, Series):
        return ("series", node.name)
    name = node.function if isinstance(node, Call) else node.operator
    parts = [meaning(child) for child in children(node)]
    if isinstance(node, Unary):
        return ("unary", name, parts[0])
    name = "sma" if name == "mean" else name
    if name in (">", ">=", "crosses_below"):
        name = {">": "<", ">=": "<=", "crosses_below": "crosses_above"}[name]
        parts = parts[::-1]
    if name in ("and", "or", "+", "*"):
        parts = sorted(parts, key=repr)
    return (type(node).__name__, name, *parts)


@law
@given(rules=st.lists(conditions, min_size=2, max_size=20))
def test_one_node_if_and_only_if_one_meaning(rules: list[Expression]) -> None:
    values = [meaning(rule) for rule in rules]
    found = nodes_of(*rules)
    for i, one in enumerate(values):
        for k, other in enumerate(values):
            assert (one == other) == (found[i] == found[k])


def test_one_node_if_and_only_if_one_meaning_on_a_generation() -> None:
    population = random_population(np.random.default_rng(1), 3000, Vocabulary(tuple(SERIES)))
    graph = Graph()
    roots = graph.add(population)
    values = [meaning(rule) for one in population for rule in (one.entry, one.exit)]
    pairs = set(zip(roots.tolist(), values, strict=True))
    assert len(pairs) == len(set(values)) == len(set(roots.tolist()))
    assert 1000 < len(pairs) < len(roots), "some rules must be met twice, most only once"


STEPS = {
    **{"crosses_above": 2, "crosses_below": 2, "stoch": 2, "stoch_d": 2},
    **{"macd": 1, "macd_signal": 1, "macd_hist": 2},
    **{"bbands_upper": 3, "bbands_lower": 3, "bbands": 7},
}
"""Nodes that a function adds beside its own, being made of others."""


def bound(rules: list[Expression]) -> int:
    """Return the number of distinct sub-trees, the steps of composed ones and the constant 1."""
    trees = {node for rule in rules for node in prefix(rule)}
    steps = (STEPS.get(tree.function, 0) for tree in trees if isinstance(tree, Call))
    return 1 + len(trees) + sum(steps)


@law
@given(rules=st.lists(conditions, min_size=1, max_size=20))
def test_no_more_nodes_than_distinct_sub_trees(rules: list[Expression]) -> None:
    graph = Graph()
    graph.add(of_rules(*rules))
    assert graph.count <= bound(rules)


def test_a_generation_has_fewer_nodes_than_distinct_sub_trees() -> None:
    genomes = list(random_population(np.random.default_rng(2), 2000, Vocabulary(tuple(SERIES))))
    graph = Graph()
    graph.add(Population.of(genomes))
    rules = [rule for one in genomes for rule in (one.entry, one.exit)]
    assert graph.count < bound(rules)
    assert graph.count < sum(len(list(prefix(rule))) for rule in rules) / 2


def test_operands_come_before_what_is_built_on_them() -> None:
    graph = Graph()
    graph.add(random_population(np.random.default_rng(3), 500, Vocabulary(tuple(SERIES))))
    nodes = graph.nodes[: graph.count]
    built = nodes[nodes["code"] >= 0]
    at = np.flatnonzero(nodes["code"] >= 0)
    for operand in ("a", "b", "c", "d"):
        assert (built[operand] < at).all()


def test_a_graph_keeps_its_nodes_while_it_grows() -> None:
    """Tables are enlarged several times, whatever was there keeps its number."""
    graph = Graph()
    parts = [random_population(np.random.default_rng(seed), 1000) for seed in range(12)]
    first, capacity = [graph.add(part).copy() for part in parts], len(Graph().nodes)
    count = graph.count
    assert len(graph.nodes) >= 4 * capacity
    for part, roots in zip(parts, first, strict=True):
        np.testing.assert_array_equal(graph.add(part), roots)
    assert graph.count == count


def test_the_order_of_populations_changes_no_equality() -> None:
    parts = [random_population(np.random.default_rng(seed), 200) for seed in range(4)]
    whole = Graph().add(Population.join(parts))
    graph = Graph()
    found = {k: graph.add(parts[k]) for k in (2, 0, 3, 1)}
    apart = np.concatenate([found[k] for k in range(4)])
    assert len(set(zip(whole, apart, strict=True))) == len(set(whole)) == len(set(apart))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("close > sma(close, 20)", "close > sma(close, 21)"),
        ("close > sma(close, 20)", "close > ema(close, 20)"),
        ("close > sma(close, 20)", "close > sma(open, 20)"),
        ("close > sma(close, 20)", "close >= sma(close, 20)"),
        ("close > sma(close, 20)", "not (close > sma(close, 20))"),
        ("close > sma(close, 20)", "crosses_above(close, sma(close, 20))"),
        ("close > bbands_upper(close, 20, 2)", "close > bbands_upper(close, 20, 2.5)"),
        ("macd(close, 12, 26, 9) > 0", "macd(close, 12, 26, 10) > 0"),
        ("close > 0.1 + 0.2", "close > 0.3"),
        ("close - open > 0", "open - close > 0"),
        ("close / 2 > open", "close * 0.5 > open"),
        ("(close > 1 and close > 2) or close > 3", "close > 1 and (close > 2 or close > 3)"),
        ("close + (open + high) > low", "(close + open) + high > low"),
        ("doji()", "hammer()"),
    ],
)
def test_what_may_differ_on_some_bar_is_two_nodes(one: str, other: str) -> None:
    assert not same(parse_expression(one), parse_expression(other))
