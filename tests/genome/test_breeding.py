"""Breeding: newcomers, tournaments, mutation and crossover, as laws that every brood keeps."""

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kasauti.errors import GenomeError
from kasauti.genome import Genome, Side, check_genome, genome_from_genes, parse_expression, to_text
from kasauti.genome.breeding import (
    DEFAULT_VOCABULARY,
    OPERATORS,
    Brood,
    Vocabulary,
    breed,
    random_genome,
    random_population,
)
from kasauti.genome.codes import SYMBOLS, Population
from kasauti.genome.grammar import grammar
from kasauti.genome.identity import hashes
from kasauti.genome.language import FUNCTIONS
from kasauti.genome.lattice import ATR_MULTIPLES, BAR_LIMITS, FRACTIONS, RISKS
from kasauti.genome.model import Call, Number, Series
from kasauti.genome.soundness import NOTES, is_sound
from kasauti.genome.tree import prefix
from tests.genome.rules import DESIGN
from tests.genome.test_genome import DESIGN_GENES

ALL = Vocabulary(
    series=("open", "high", "low", "close", "volume", "index", "vix"),
    sides=(Side.LONG, Side.SHORT),
)
PRICES = Vocabulary(series=("open", "high", "low", "close"))
RANDOM, MUTATION, CROSSOVER = range(3)


def population(seed: int, size: int, vocabulary: Vocabulary = ALL) -> Population:
    return random_population(np.random.default_rng(seed), size, vocabulary)


def brood(
    seed: int,
    parents: Population,
    count: int,
    vocabulary: Vocabulary = ALL,
    *,
    immigrants: float = 0.0,
    crossover: float = 0.0,
) -> Brood:
    """Breed parents that are all as good."""
    ranks = np.zeros(len(parents), dtype=np.int64)
    return breed(
        np.random.default_rng(seed),
        parents,
        ranks,
        ranks.astype(np.float64),
        count,
        vocabulary,
        immigrants=immigrants,
        crossover=crossover,
    )


def test_the_operators_have_names() -> None:
    assert (OPERATORS[RANDOM], OPERATORS[MUTATION]) == ("random", "mutation")
    assert OPERATORS[CROSSOVER] == "crossover"


@pytest.mark.parametrize("vocabulary", [ALL, PRICES], ids=["all", "prices"])
def test_generations_stay_in_the_language(vocabulary: Vocabulary) -> None:
    parents = population(3, 60, vocabulary)
    notes = np.empty(1, dtype=NOTES)[0]
    for generation in range(8):
        parents = brood(generation, parents, 60, vocabulary, crossover=0.6).population
        for child in parents:
            assert check_genome(child) == child
            assert child.side in vocabulary.sides
            for rule in (child.entry, child.exit):
                nodes = prefix(rule)
                assert len(nodes) <= vocabulary.max_nodes
                assert {n.name for n in nodes if isinstance(n, Series)} <= set(vocabulary.series)
                assert parse_expression(to_text(rule)) == rule
        for first, last in zip(parents.bounds[:-1], parents.bounds[1:], strict=True):
            codes = parents.codes[first:last]
            assert is_sound(codes, 30, parents.constants, grammar()[0], notes)


def test_without_volume_nothing_reads_volume() -> None:
    parents = population(5, 300, PRICES)
    children = brood(1, parents, 300, PRICES, crossover=0.3).population
    rules = [to_text(rule) for g in (*parents, *children) for rule in (g.entry, g.exit)]
    assert not [rule for rule in rules if any(w in rule for w in ("volume", "obv", "vwap"))]


def test_random_genomes_are_small_and_varied() -> None:
    genomes = population(1, 1000, DEFAULT_VOCABULARY)
    assert 22 <= len(genomes.codes) / len(genomes) <= 24
    assert len(set(hashes(genomes))) >= 0.99 * len(genomes)
    assert len(genomes.constants) < 150  # constants come from a lattice


SHARES = {
    "constant": 8.4598,
    "open": 0.3636,
    "high": 0.4743,
    "low": 0.4749,
    "close": 1.888,
    "volume": 0.9886,
    "sma": 0.7903,
    "ema": 0.7957,
    "rsi": 0.3857,
    "atr": 0.1028,
    "macd": 0.0825,
    "macd_signal": 0.0867,
    "macd_hist": 0.1641,
    "bbands": 0.1025,
    "bbands_upper": 0.1258,
    "bbands_lower": 0.1335,
    "adx": 0.2011,
    "stoch": 0.1965,
    "stoch_d": 0.1012,
    "obv": 0.1068,
    "vwap": 0.1381,
    "roc": 0.3296,
    "highest": 0.218,
    "lowest": 0.2182,
    "lag": 0.2616,
    "std": 0.1467,
    "zscore": 0.2083,
    "rank": 0.2059,
    "crosses_above": 0.4269,
    "crosses_below": 0.4198,
    "+": 0.051,
    "-": 0.0688,
    "*": 0.1271,
    "/": 0.053,
    "<": 1.2222,
    ">": 1.22,
    "and": 0.8827,
    "or": 0.4691,
    "not": 0.133,
}


def test_newcomers_are_drawn_as_often_as_ever() -> None:
    """Nodes a genome of 20,000 genomes of the generator in Python that this one replaced."""
    drawn = population(8, 20_000, DEFAULT_VOCABULARY)
    counts = np.bincount(np.maximum(drawn.codes, -1) + 1, minlength=len(SYMBOLS) + 1)
    found = dict(zip(("constant", *SYMBOLS), counts / len(drawn), strict=True))
    for name, share in SHARES.items():
        # A node's variance is at most 2.2 times its mean; the 20,000 on either side both vary.
        error = (2.2 * share * 2 / 20_000) ** 0.5
        assert abs(found[name] - share) < 4.5 * error, name
    assert found["mean"] == found["bbands_middle"] == found["<="] == found["negate"] == 0.0
    genes = drawn.genes
    options = {"target_kind": 0.4, "trail_kind": 0.3, "max_bars": 0.5}
    for name, share in options.items():
        assert abs(np.mean(genes[name] > 0) - share) < 0.015
    assert abs(np.mean(genes["stop_kind"] == 1) - 0.6) < 0.015
    whole = 0.5 + 0.5 * (0.6**4 + 0.4**4)
    assert abs(np.mean(genes["regimes"] == 15) - whole) < 0.015
    assert set(genes["risk"]) == set(RISKS)
    assert set(genes["max_bars"]) == {0, *BAR_LIMITS}
    assert set(genes["stop"]) == {*ATR_MULTIPLES, *FRACTIONS}


def test_windows_that_must_grow_are_drawn_over_their_whole_range() -> None:
    pairs = {
        (node.arguments[1], node.arguments[2])
        for genome in population(4, 3000)
        for node in prefix(genome.entry)
        if isinstance(node, Call) and FUNCTIONS[node.function].increasing
    }
    values = sorted({fast.value for fast, _ in pairs if isinstance(fast, Number)})
    assert values[0] == 3 and values[-1] == 200  # of 3 .. 250 the fast one leaves the slow one room
    assert len(pairs) > 120  # of 171


def test_same_seed_same_children_whatever_others_draw() -> None:
    def bred() -> list[str]:
        parents = population(42, 30)
        return hashes(brood(7, parents, 30, immigrants=0.1, crossover=0.5).population)

    expected = bred()
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(bred())) for _ in range(3)]
    random.seed(99)
    state = random.getstate()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
    assert random.getstate() == state  # the global generator is left alone
    assert hashes(brood(8, population(42, 30), 30).population) != expected


def test_a_single_random_genome_depends_on_its_generator_alone() -> None:
    one, other = (random_genome(random.Random(3), ALL) for _ in range(2))
    assert one == other
    rng = random.Random(3)
    assert random_genome(rng, ALL) == one != random_genome(rng, ALL)


def changes(child: Genome, parent: Genome) -> set[str]:
    names = ("entry", "exit", "side", "stop", "target", "trail", "max_bars", "regimes", "risk")
    return {name for name in names if getattr(child, name) != getattr(parent, name)}


def test_a_mutant_differs_in_one_place() -> None:
    parents = population(2, 150)
    found = brood(1, parents, 600)
    assert (found.operators == MUTATION).all()
    assert (found.parents[:, 1] == -1).all()
    for child, parent in zip(found.population, found.parents[:, 0], strict=True):
        assert len(changes(child, parents[int(parent)])) == 1


def test_mutation_reaches_every_gene() -> None:
    parents = Population.of([DESIGN])
    changed = {
        name
        for mutant in brood(5, parents, 400).population
        for name, value in mutant.to_genes().items()
        if value != DESIGN_GENES.get(name)
    }
    assert changed == {*DESIGN_GENES, "trail"}


CANDLES = {f"{name}()" for name, function in FUNCTIONS.items() if not function.parameters}


def test_mutations_are_of_every_kind() -> None:
    parent = genome_from_genes({**DESIGN_GENES, "exit": "close < sma(close, 50) and doji()"})
    texts = {to_text(g.exit) for g in brood(5, Population.of([parent]), 10_000).population}
    assert "close < sma(close, 60) and doji()" in texts  # tuned
    assert "close < ema(close, 50) and doji()" in texts  # another function
    assert "close < sma(close, 50)" in texts  # smaller
    candles = {text.removeprefix("close < sma(close, 50) and ") for text in texts} & CANDLES
    assert len(candles) > 5  # another candle
    assert any(" and doji()" in text and len(text) > 40 for text in texts)  # a new part
    assert "close < close and doji()" not in texts


def test_crossing_exchanges_material_of_both_parents() -> None:
    parents = population(7, 100)
    found = brood(6, parents, 200, crossover=1.0)
    assert (found.operators == CROSSOVER).all()
    children, mixed = list(found.population), 0
    for k in range(0, 200, 2):
        first, second = (parents[int(place)] for place in found.parents[k])
        left, right = children[k], children[k + 1]
        assert tuple(found.parents[k + 1]) == tuple(found.parents[k][::-1])
        for name in ("side", "stop", "target", "trail", "max_bars", "regimes", "risk"):
            one = (getattr(left, name), getattr(right, name))
            both = (getattr(first, name), getattr(second, name))
            assert one in (both, both[::-1])
        mixed += left.entry not in (first.entry, second.entry)
    assert mixed > 40


def test_shares_of_newcomers_and_crossings_are_as_asked() -> None:
    count = 20_000
    found = brood(3, population(9, 50), count, immigrants=0.2, crossover=0.7)
    shares = np.bincount(found.operators, minlength=3) / count
    # Of 100 draws 20 give one newcomer, 24 one mutant and 56 two children.
    assert shares == pytest.approx(np.array([20, 24, 112]) / 156, abs=0.015)
    assert (found.parents[found.operators == RANDOM] == -1).all()
    assert len(found.population) == count


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_brood_is_as_large_as_asked(count: int) -> None:
    found = brood(3, population(9, 5), count, crossover=1.0)
    assert len(found.population) == len(list(found.population)) == count
    assert found.operators.shape == (count,)
    assert found.parents.shape == (count, 2)


def test_without_parents_all_are_newcomers() -> None:
    found = brood(3, Population.of(()), 10, crossover=1.0)
    assert (found.operators == RANDOM).all()


Numbering = Callable[[int], Any]
TOURNAMENTS: dict[str, tuple[Numbering, Numbering]] = {
    "rank": (lambda n: np.arange(n), lambda n: np.zeros(n)),
    "rank before crowding": (lambda n: np.arange(n), lambda n: np.arange(n) * 1.0),
    "crowding": (lambda n: np.ones(n, np.int64), lambda n: -np.arange(n) * 1.0),
    "infinite crowding": (
        lambda n: np.ones(n, np.int64),
        lambda n: np.where(np.arange(n) == 0, np.inf, -np.arange(n)),
    ),
}


@pytest.mark.parametrize(("rank", "crowd"), TOURNAMENTS.values(), ids=TOURNAMENTS.keys())
@pytest.mark.parametrize("crossover", [0.0, 1.0], ids=["mutation", "crossover"])
def test_parents_win_a_tournament_of_two(
    rank: Numbering, crowd: Numbering, crossover: float
) -> None:
    """The k-th best of n wins if it is drawn against none better: (2 (n - k) - 1) / n**2."""
    n, count = 8, 8000
    found = breed(
        np.random.default_rng(1),
        population(1, n),
        rank(n),
        crowd(n),
        count,
        ALL,
        immigrants=0.0,
        crossover=crossover,
    )
    wins = np.bincount(found.parents[:, 0], minlength=n) / count
    expected = (2 * (n - np.arange(n)) - 1) / n**2
    assert wins == pytest.approx(expected, abs=0.02)


def test_rules_that_would_not_do_stay_their_parents() -> None:
    small = replace(ALL, max_nodes=10)
    parents = population(3, 100, ALL)
    known = {rule for g in parents for rule in (g.entry, g.exit)}
    children = brood(4, parents, 1000, small, crossover=0.6).population
    rules = [rule for g in children for rule in (g.entry, g.exit)]
    assert all(len(prefix(rule)) <= 10 or rule in known for rule in rules)
    assert any(len(prefix(rule)) > 10 for rule in rules)
    assert any(rule not in known for rule in rules)


def test_constants_of_hand_written_parents_live_on() -> None:
    written = "close > 1.234 * sma(close, 17) and rsi(close, 14) < 33.3"
    parents = Population.of([replace(DESIGN, entry=parse_expression(written))])
    children = brood(4, parents, 200).population
    values = {n.value for g in children for n in prefix(g.entry) if isinstance(n, Number)}
    assert {1.234, 17.0, 33.3} < values
    tuned = {to_text(g.entry) for g in children}
    assert "close > 1.234 * sma(close, 20) and rsi(close, 14) < 33.3" in tuned


def test_constants_that_breeding_leaves_alone() -> None:
    parents = Population.of([replace(DESIGN, entry=parse_expression("close > 123"))])
    entries = {to_text(g.entry) for g in brood(4, parents, 2000).population}
    assert {"close > 123", "open > 123"} <= entries
    plain = {text for text in entries if re.fullmatch(r"close > [0-9.]+", text)}
    assert plain == {"close > 123"}


def test_a_parent_larger_than_the_vocabulary_still_breeds() -> None:
    large = " and ".join(f"close > sma(close, {window})" for window in range(2, 55))
    parent = replace(DESIGN, entry=parse_expression(large))
    parents = Population.of([parent])
    for crossover in (0.0, 1.0):
        for child in brood(1, parents, 50, crossover=crossover).population:
            check_genome(child)


def test_parents_without_their_ranks_are_refused() -> None:
    parents = population(1, 3)
    with pytest.raises(GenomeError, match="rank and a crowding distance for each of 3"):
        breed(
            np.random.default_rng(1),
            parents,
            np.zeros(2, dtype=np.int64),
            np.zeros(3),
            1,
            immigrants=0.0,
            crossover=0.0,
        )


def test_parents_that_no_check_would_pass_are_refused() -> None:
    parents = population(1, 1)
    longer = replace(parents, codes=np.tile(parents.codes, 100), bounds=parents.bounds * 100)
    with pytest.raises(GenomeError, match="check the genome"):
        brood(1, longer, 1)


def test_breeding_is_quick() -> None:
    parents = population(9, 2000)
    brood(1, parents, 2, crossover=0.5)
    began = time.process_time()
    found = brood(1, parents, 2000, immigrants=0.05, crossover=0.7)
    assert len(found.population) == 2000
    assert time.process_time() - began < 0.1  # 6 ms when idle


VOCABULARIES = {
    "unknown series": ({"series": ("close", "secret")}, "secret"),
    "no close": ({"series": ("open",)}, "expected close"),
    "no side": ({"sides": ()}, "at least one side"),
    "no room": ({"max_nodes": 4}, "10 nodes"),
}


@pytest.mark.parametrize(("values", "words"), VOCABULARIES.values(), ids=VOCABULARIES.keys())
def test_impossible_vocabularies_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(GenomeError, match=words):
        Vocabulary(**values)
