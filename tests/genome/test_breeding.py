"""Breeding: the exchange with DEAP, random genomes, mutation and crossover."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from deap import gp
from hypothesis import given, settings

from kasauti.errors import GenomeError
from kasauti.genome import (
    Expression,
    Genome,
    Side,
    check_genome,
    genome_from_genes,
    parse_expression,
    to_text,
)
from kasauti.genome.breeding import (
    Vocabulary,
    from_breeding,
    mate,
    mutate,
    primitive_set,
    random_genome,
    to_breeding,
)
from kasauti.genome.model import Number, Series
from kasauti.genome.tree import prefix
from kasauti.genome.trivial import is_trivial
from tests.genome.strategies import expressions
from tests.genome.test_genome import DESIGN_GENES

ALL = Vocabulary(
    series=("open", "high", "low", "close", "volume", "index", "vix"),
    sides=(Side.LONG, Side.SHORT),
)
PRICES = Vocabulary(series=("open", "high", "low", "close"))


def population(seed: int, size: int, vocabulary: Vocabulary = ALL) -> list[Genome]:
    rng = random.Random(seed)
    return [random_genome(rng, vocabulary) for _ in range(size)]


def next_generation(
    parents: list[Genome], rng: random.Random, vocabulary: Vocabulary
) -> list[Genome]:
    children: list[Genome] = []
    while len(children) < len(parents):
        pair = mate(rng.choice(parents), rng.choice(parents), rng, vocabulary)
        children += [mutate(child, rng, vocabulary) for child in pair]
    return children


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


@pytest.mark.parametrize("vocabulary", [ALL, PRICES], ids=["all", "prices"])
def test_generations_stay_in_the_language(vocabulary: Vocabulary) -> None:
    rng = random.Random(11)
    parents = population(3, 60, vocabulary)
    for _ in range(8):
        parents = next_generation(parents, rng, vocabulary)
        for child in parents:
            assert check_genome(child) == child
            assert child.side in vocabulary.sides
            for rule in (child.entry, child.exit):
                nodes = prefix(rule)
                assert len(nodes) <= vocabulary.max_nodes
                assert not is_trivial(rule)
                assert {n.name for n in nodes if isinstance(n, Series)} <= set(vocabulary.series)
                assert parse_expression(to_text(rule)) == rule


def test_without_volume_nothing_reads_volume() -> None:
    rules = [to_text(rule) for g in population(5, 300, PRICES) for rule in (g.entry, g.exit)]
    assert not [rule for rule in rules if any(w in rule for w in ("volume", "obv", "vwap"))]


def test_random_genomes_are_small_and_varied() -> None:
    genomes = population(1, 400, Vocabulary())
    sizes = [len(prefix(genome.entry)) + len(prefix(genome.exit)) for genome in genomes]
    assert 14 <= sum(sizes) / len(sizes) <= 26
    assert len({genome.hash for genome in genomes}) >= 0.99 * len(genomes)
    windows = {
        node.value
        for genome in genomes
        for node in prefix(genome.entry)
        if isinstance(node, Number)
    }
    assert len(windows) < 150  # constants come from a lattice


def test_same_seed_same_children_whatever_others_draw() -> None:
    def breed() -> list[str]:
        rng = random.Random(42)
        parents = [random_genome(rng, ALL) for _ in range(30)]
        return [child.hash for child in next_generation(parents, rng, ALL)]

    expected = breed()
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(breed())) for _ in range(3)]
    random.seed(99)
    state = random.getstate()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
    assert random.getstate() == state  # the global generator is left alone


def test_a_mutant_differs_and_its_parent_stays() -> None:
    rng = random.Random(8)
    for genome in population(2, 150):
        before = genome.hash
        assert mutate(genome, rng, ALL).hash != before
        assert genome.hash == before


def test_mutation_reaches_every_gene() -> None:
    rng = random.Random(5)
    parent = genome_from_genes(DESIGN_GENES)
    changed = {
        name
        for _ in range(400)
        for name, value in mutate(parent, rng, ALL).to_genes().items()
        if value != DESIGN_GENES.get(name)
    }
    assert changed == {*DESIGN_GENES, "trail"}


def test_mating_exchanges_material_of_both_parents() -> None:
    rng = random.Random(6)
    mixed = 0
    for first, second in zip(population(7, 100), population(8, 100), strict=True):
        left, right = mate(first, second, rng, ALL)
        assert {left.risk, right.risk} == {first.risk, second.risk}
        mixed += left.entry not in (first.entry, second.entry)
    assert mixed > 40


def test_a_parent_larger_than_the_vocabulary_still_breeds() -> None:
    large = " and ".join(f"close > sma(close, {window})" for window in range(2, 20))
    parent = replace(genome_from_genes(DESIGN_GENES), entry=parse_expression(large))
    rng = random.Random(1)
    assert mutate(parent, rng) != parent
    mate(parent, parent, rng)


def test_breeding_is_quick() -> None:
    rng = random.Random(4)
    parents = population(9, 200)
    began = time.process_time()
    children = [c for _ in range(5) for c in next_generation(parents, rng, ALL)]
    assert len(children) == 1000
    assert time.process_time() - began < 3.0  # each is mated and mutated; about 1 s when idle


VOCABULARIES = {
    "unknown series": ({"series": ("close", "secret")}, "secret"),
    "no close": ({"series": ("open",)}, "expected close"),
    "no side": ({"sides": ()}, "at least one side"),
    "no room": ({"max_nodes": 4}, "10 nodes"),
}


@pytest.mark.parametrize(("values", "words"), VOCABULARIES.values(), ids=VOCABULARIES.keys())
def test_impossible_vocabularies_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(GenomeError, match=words):
        Vocabulary(**values)  # type: ignore[arg-type]  # what a settings file might say


TRIVIAL = {
    "close < close": True,
    "crosses_above(close, close)": True,
    "close > highest(high, 20)": True,
    "close > highest(close, 20)": True,
    "lowest(low, 5) > open": True,
    "low > high": True,
    "rsi(close, 14) < 100": True,
    "rsi(close, 14) < sma(rsi(close, 5), 3)": False,
    "sma(rsi(close, 14), 3) > 105": True,
    "zscore(close, 3) > 1.5": True,
    "zscore(close, 20) > 1.5": False,
    "atr(14) < 0": True,
    "2 * atr(14) > 0": True,
    "macd(close) > 0": False,
    "doji() and doji()": True,
    "not not doji()": True,
    "close - close > 0": True,
    "close / close > 1": True,
    "close > lag(highest(high, 20), 1)": False,
    "low < 1.02 * low": True,
    "2 * macd(close) < macd(close)": False,
    "open < close": False,
    "high > bbands_upper(close)": False,
}


@pytest.mark.parametrize(("text", "expected"), TRIVIAL.items(), ids=TRIVIAL)
def test_trivial_conditions(text: str, expected: bool) -> None:
    assert is_trivial(parse_expression(text)) is expected
