"""Names of whole populations are those of their genomes, one by one."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.genome import Genome, Side, family, parse_expression
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.genome.identity import families, gene_texts, hashes
from kasauti.genome.language import SERIES
from tests.genome.rules import DESIGN
from tests.genome.strategies import genomes
from tests.genome.test_genome import DESIGN_FAMILY, DESIGN_HASH

ALL = Vocabulary(series=tuple(SERIES), sides=(Side.LONG, Side.SHORT))


def assert_named_alike(population: Population, genomes: list[Genome]) -> None:
    assert hashes(population) == [genome.hash for genome in genomes]
    assert families(population) == [family(genome) for genome in genomes]


def test_the_designs_example_keeps_its_name() -> None:
    population = Population.of([DESIGN])
    assert hashes(population) == [DESIGN_HASH]
    assert families(population) == [DESIGN_FAMILY]


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.lists(genomes(), min_size=1, max_size=8))
def test_names_are_those_of_each_genome(some: list[Genome]) -> None:
    assert_named_alike(Population.of(some), some)


def test_names_of_thousands_of_bred_genomes() -> None:
    population = random_population(np.random.default_rng(2), 1500, ALL)
    assert_named_alike(population, list(population))


def test_names_of_a_part_of_a_population() -> None:
    population = random_population(np.random.default_rng(3), 20, ALL)
    assert hashes(population[5:9]) == hashes(population)[5:9]
    assert families(population.take([7, 2, 7])) == [families(population)[k] for k in (7, 2, 7)]


def test_nobody_has_no_names() -> None:
    assert hashes(Population.of(())) == []
    assert families(Population.of(())) == []


WRITTEN = (
    "close > -0.0 * open",
    "close > 1e22 * open",
    "close < 0.1 * volume / (2 * volume) * open",
    "rsi(close, 14) < -3",
    "-macd(close) < -(2 * macd(close) - macd(open))",
    "not (doji() and not hammer())",
    "not doji() and (hammer() or doji())",
    "doji() and (hammer() and doji())",
    "doji() or hammer() and doji() or hammer()",
    "(doji() or hammer()) and doji()",
    "close - (open - low) > (close - open) + low",
    "close / (open / low) > open * (close / low)",
    "crosses_above(rsi(close, 14), 30)",
    "stoch(14, 3, 3) + 5 > -(adx(14) - 2.5)",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_brackets_and_numbers_are_written_as_the_definition_does(text: str) -> None:
    genome = replace(DESIGN, entry=parse_expression(text))
    population = Population.of([genome])
    assert_named_alike(population, [genome])
    whole = json.dumps(genome.to_genes(), sort_keys=True, separators=(",", ":")).encode()
    assert gene_texts(population) == [whole]
    assert hashes(population) == [hashlib.sha256(whole).hexdigest()]


def test_numbers_tell_hashes_apart_and_not_families() -> None:
    short, long = (
        replace(DESIGN, exit=parse_expression(f"close < sma(close, {window})"))
        for window in (20, 200)
    )
    population = Population.of([short, long, replace(short, side=Side.SHORT)])
    assert len(set(hashes(population))) == 3
    assert families(population)[0] == families(population)[1] != families(population)[2]
