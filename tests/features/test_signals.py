"""Packed rules of whole populations: bit for bit those of `Features`, however they were come by."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.features import signals as engine
from kasauti.features.bits import unpack
from kasauti.features.blocks import run_schedule
from kasauti.features.evaluate import Features
from kasauti.features.graph import COMPARISON, JUNCTION, KIND, Graph
from kasauti.features.patterns import PATTERNS
from kasauti.features.rows import Rows
from kasauti.features.schedule import LOAD
from kasauti.features.signals import RowsInUse, Signals
from kasauti.genome import Genome, genome_from_genes, parse_expression
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import Population
from kasauti.genome.language import SERIES
from kasauti.market.bars import FIELDS, Bars
from tests.backtest import real_bars
from tests.genome import strategies
from tests.genome.test_genome import DESIGN_GENES

Flags = NDArray[np.bool_]

DESIGN = genome_from_genes(DESIGN_GENES)
EVERYTHING = Vocabulary(series=tuple(SERIES))

LENGTHS = (1, 2, 63, 64, 65, 1023, 1024, 1025, 2500)
"""Around a word of 64 bars and a block of 1024."""


def with_series(bars: Bars) -> Bars:
    """The bars with a market index and a VIX, which have gaps of their own."""
    rng = np.random.default_rng(11)
    series = {"index": bars.close[0] * 7.0, "vix": rng.uniform(10.0, 40.0, bars.shape[1])}
    for values in series.values():
        values[rng.random(len(values)) < 0.02] = np.nan
    return replace(bars, series=series)


def holed(bars: Bars) -> Bars:
    """Single values, whole bars and long stretches missing; no volume in places."""
    rng = np.random.default_rng(12)
    gone = rng.random(bars.shape) < 0.02
    gone[:, bars.shape[1] // 3 : bars.shape[1] // 3 + 40] = True
    gone[-1, : bars.shape[1] // 8] = True
    fields: dict[str, Any] = {
        name: np.where(gone | (rng.random(bars.shape) < 0.01), np.nan, getattr(bars, name))
        for name in FIELDS
    }
    fields["volume"][rng.random(bars.shape) < 0.1] = 0.0
    return replace(bars, **fields)


def nothing(bars: Bars) -> Bars:
    """The last symbol never lists, the first has no volume."""
    fields = {name: getattr(bars, name).copy() for name in FIELDS}
    for values in fields.values():
        values[-1] = np.nan
    fields["volume"][0] = np.nan
    return replace(bars, **fields)


def still(bars: Bars) -> Bars:
    """One price for long, and steps between a few prices: most comparisons are of equal values."""
    steps = np.arange(bars.shape[1]) // 9 % 4 % 3 + 100.0
    steps[bars.shape[1] // 2 :] = 101.0
    fields: dict[str, Any] = {name: np.tile(steps, (bars.shape[0], 1)) for name in FIELDS}
    return replace(bars, **fields)


DAMAGE = {"whole": lambda bars: bars, "holed": holed, "nothing": nothing, "still": still}


@cache
def panel(length: int, damage: str = "whole") -> Bars:
    # BANKNIFTY lists in 2005: the first bars of these have one symbol with NaN only
    first = 1300 if length > 100 else 2000
    bars = real_bars.indices().between(first, first + length)
    return with_series(DAMAGE[damage](bars))


def unpacked(signals: Signals, population: Population) -> Flags:
    """Return all rules, shape (N, 2, S, T)."""
    with signals.rules(population) as rules:
        return unpack(rules.packed[rules.which], signals.bars.shape[1])


def whole_rows(features: Features, population: Population) -> Flags:
    """Return the same one rule after the other, by the functions of whole rows."""
    return np.array(
        [[features.evaluate(rule) for rule in (one.entry, one.exit)] for one in population]
    )


def assert_same(bars: Bars, population: Population, signals: Signals | None = None) -> Flags:
    got = unpacked(signals or Signals(bars), population)
    wanted = whole_rows(Features(bars), population)
    wrong = np.flatnonzero((got != wanted).any(axis=(1, 2, 3)))
    assert len(wrong) == 0, f"{len(wrong)} differ, the first is {population[int(wrong[0])]}"
    return got


def random_genomes(seed: int, count: int) -> Population:
    return random_population(np.random.default_rng(seed), count, EVERYTHING)


def of_rules(*texts: str) -> Population:
    rules = [parse_expression(text) for text in texts]
    return Population.of(replace(DESIGN, entry=rule, exit=rule) for rule in rules)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("length", LENGTHS)
def test_packed_rules_equal_whole_rows_bit_for_bit(length: int, damage: str) -> None:
    population = random_genomes(length, 60 if length > 1000 else 150)
    found = assert_same(panel(length, damage), population)
    if length > 1000 and damage != "still":
        share = found.any(axis=(2, 3)).mean()
        assert share > 0.5, "rules that never hold show nothing"


@pytest.mark.parametrize("length", [2, 65, 300, 1025])
@pytest.mark.parametrize("damage", ["holed", "still"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(genomes=st.lists(strategies.genomes(), min_size=4, max_size=16))
def test_whatever_the_language_can_say_is_the_same_packed(
    length: int, damage: str, genomes: list[Genome]
) -> None:
    assert_same(panel(length, damage), Population.of(genomes))


TIES = (
    *(
        f"{a} {sign} {b}"
        for sign in ("<", "<=", ">", ">=")
        for a, b in (
            ("close", "open"),
            ("close", "sma(close, 3)"),
            ("close", "ema(close, 5)"),
            ("close", "vwap(4)"),
            ("close", "bbands_upper(close, 7, 2)"),
            ("close", "highest(high, 5)"),
            ("close * 3 / 3", "close"),
            ("(close - open) + (open - close)", "0"),
            ("mean(close, 10)", "bbands_middle(close, 10, 2)"),
            ("std(close, 8)", "atr(5)"),
            ("rank(close, 6)", "0.5"),
            ("zscore(close, 6)", "0"),
            ("rsi(close, 4)", "50"),
            ("roc(close, 3)", "0"),
            ("close", "101"),
        )
    ),
    *(
        f"{crossing}({a}, {b})"
        for crossing in ("crosses_above", "crosses_below")
        for a, b in (
            ("close", "open"),
            ("close", "sma(close, 3)"),
            ("close", "lag(close, 1)"),
            ("close", "highest(high, 5)"),
            ("roc(close, 3)", "0"),
            ("close", "101"),
        )
    ),
)


@pytest.mark.parametrize("length", [64, 1025])
def test_ties_decide_alike_as_all_is_float64_by_the_arithmetic_of_whole_rows(length: int) -> None:
    bars = panel(length, "still")
    found = assert_same(bars, of_rules(*TIES))
    features = Features(bars)
    equal = features.evaluate(parse_expression("close"))
    middle = features.evaluate(parse_expression("sma(close, 3)"))
    assert (equal == middle).mean() > 0.3, "no ties, nothing shown"
    # close and open are equal on every bar: only <= and >= hold, and nothing ever crosses
    by_text = dict(zip(TIES, found[:, 0], strict=True))
    assert not by_text["close < open"].any()
    assert not by_text["close > open"].any()
    assert by_text["close <= open"].all()
    assert by_text["close >= open"].all()
    assert not by_text["crosses_above(close, open)"].any()
    assert not by_text["crosses_below(close, open)"].any()


def test_a_difference_in_the_last_bit_of_float64_decides() -> None:
    bars = panel(300)
    nudged = replace(bars, open=np.nextafter(bars.close, np.inf))
    found = assert_same(nudged, of_rules("close < open", "close >= open"))
    known = np.isfinite(bars.close)
    assert known.any()
    np.testing.assert_array_equal(found[0, 0], known)
    assert not found[1].any()


class Counted:
    """`run_schedule`, counting the nodes that it has to evaluate for one symbol."""

    def __init__(self) -> None:
        self.instructions: list[int] = []

    def __call__(self, *arguments: Any) -> None:
        program, _, _, symbol = arguments[:4]
        if symbol == 0:
            self.instructions.append(int(np.count_nonzero(program["kind"] != LOAD)))
        run_schedule(*arguments)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counter = Counted()
    monkeypatch.setattr(engine, "run_schedule", counter)
    return counter


def test_what_lives_on_is_not_evaluated_again(counted: Counted) -> None:
    signals = Signals(panel(300))
    first, more = random_genomes(1, 100), random_genomes(2, 20)
    unpacked(signals, first)
    unpacked(signals, first)
    unpacked(signals, first[30:60])
    unpacked(signals, Population.join([first, more]))
    unpacked(Signals(panel(300)), more)
    whole, again, part, joined, fresh = counted.instructions
    assert whole > 300
    assert again == part == 0
    assert 0 < joined <= fresh


def test_only_what_is_new_in_a_changed_rule_is_evaluated(counted: Counted) -> None:
    signals = Signals(panel(300))
    unpacked(signals, of_rules("close > sma(close, 20) and rsi(close, 14) < 30"))
    unpacked(signals, of_rules("close > sma(close, 20) and rsi(close, 14) < 35"))
    # the RSI, if it was not worth a row, one comparison and one conjunction
    first, second = counted.instructions
    assert first == 5
    assert second in (2, 3)


def test_a_value_that_many_rules_read_is_kept(counted: Counted) -> None:
    signals = Signals(panel(300))
    unpacked(signals, of_rules(*(f"rsi(close, 14) < {limit}" for limit in range(20, 40))))
    assert_same(panel(300), of_rules("rsi(close, 14) < 40"), signals)
    assert counted.instructions == [21, 1]


TIGHT = 1
"""Bytes: as few rows as there may be, 16 values and 3,200 truths."""


def generations(seed: int, count: int, size: int) -> Iterator[Population]:
    """Populations that overlap by half, and one that comes back after a while."""
    parts = [random_genomes(seed + i, size // 2) for i in range(count + 1)]
    for i in range(count):
        yield Population.join([parts[i], parts[i + 1]])
        if i % 3 == 2:
            yield Population.join([parts[0], parts[i]])


@pytest.mark.parametrize("budget", [TIGHT, 2**20, engine.BUDGET], ids=["tight", "small", "usual"])
def test_call_after_call_gives_what_a_fresh_evaluation_gives(budget: int) -> None:
    bars = panel(300, "holed")
    signals, features = Signals(bars, budget), Features(bars)
    for population in generations(100, 12, 100):
        wanted = whole_rows(features, population)
        np.testing.assert_array_equal(unpacked(signals, population), wanted)


def test_a_tight_budget_forgets_and_a_usual_one_does_not(counted: Counted) -> None:
    bars = panel(65)
    many = list(generations(200, 40, 60))
    total = {}
    for budget in (TIGHT, engine.BUDGET):
        signals = Signals(bars, budget)
        counted.instructions.clear()
        for population in many:
            unpacked(signals, population)
        total[budget] = sum(counted.instructions)
    assert total[TIGHT] > 1.05 * total[engine.BUDGET]


def test_more_truths_than_rows_are_no_hindrance_where_the_rules_fit() -> None:
    bars = panel(2500)  # three blocks: what crosses or is used again must not mix them up
    population, graph = random_genomes(9, 2_500), Graph()
    graph.add(population)
    codes = graph.nodes["code"][: graph.count]
    truths = np.isin(KIND[codes[codes >= 0]], (COMPARISON, JUNCTION)).sum()
    small, usual = Signals(bars, 2**23), Signals(bars)
    assert 2 * len(population) < small.capacity < truths < usual.capacity
    np.testing.assert_array_equal(unpacked(small, population), unpacked(usual, population))


@pytest.mark.parametrize("budget", [2**22, 2**24])
def test_rows_stay_within_the_budget(budget: int) -> None:
    signals = Signals(panel(2500), budget)
    series = (len(FIELDS) + 2) * panel(2500).close.nbytes
    for population in generations(300, 3, 60):
        unpacked(signals, population)
    held = signals._values.nbytes - series + signals._packed.nbytes
    assert held <= budget
    assert held > 0.9 * budget


def test_a_population_beyond_all_rows_is_refused_and_leaves_no_trace() -> None:
    bars = panel(65)
    signals = Signals(bars, TIGHT)
    small, large = random_genomes(5, 50), random_genomes(6, 2000)
    before = unpacked(signals, small)
    for _ in range(3):
        with pytest.raises(RowsInUse), signals.rules(large):
            pass
        np.testing.assert_array_equal(unpacked(signals, small), before)
        assert_same(bars, large[:100], signals)


def test_rows_in_use_are_not_taken_away() -> None:
    """A caller's rows stay as they are while others, in need of rows, come and go."""
    bars = panel(65)
    signals = Signals(bars, TIGHT)
    mine = random_genomes(7, 25)
    with signals.rules(mine) as rules:
        before = rules.packed[rules.which].copy()
        for seed in range(8, 20):
            other = random_genomes(seed, 40)
            np.testing.assert_array_equal(
                unpacked(signals, other), whole_rows(Features(bars), other)
            )
        np.testing.assert_array_equal(rules.packed[rules.which], before)


def test_another_caller_s_rows_keep_nobody_from_forgetting() -> None:
    """Any number of calls pass while one takes long: only what it uses itself is kept for it."""
    bars = panel(65)
    signals = Signals(bars, TIGHT)
    with signals.rules(random_genomes(7, 10)):
        for seed in range(500, 520):
            unpacked(signals, random_genomes(seed, 40))


def long_rule(first: int, conditions: int) -> str:
    """A rule that needs two rows a condition."""
    return " and ".join(f"close > {first + i}" for i in range(conditions))


def test_a_single_genome_waits_for_rows_that_others_have() -> None:
    bars = panel(65)
    signals = Signals(bars, TIGHT)
    entry, leave = of_rules(long_rule(0, 50), long_rule(50, 50))
    single = Population.of([replace(entry, exit=leave.exit)])
    with ThreadPoolExecutor(1) as executor:
        with ExitStack() as stack:
            first = 1000
            with suppress(RowsInUse):
                while True:  # until there are fewer rows left than the genome needs
                    pair = of_rules(long_rule(first, 20), long_rule(first + 20, 20))
                    stack.enter_context(signals.rules(pair))
                    first += 40
            waiting = executor.submit(unpacked, signals, single)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        found = waiting.result(timeout=30)
    np.testing.assert_array_equal(found, whole_rows(Features(bars), single))


@pytest.mark.parametrize("budget", [2**20, engine.BUDGET], ids=["small", "usual"])
def test_threads_share_one_memory_and_get_what_one_gets_alone(budget: int) -> None:
    bars = panel(1025, "holed")
    alone = Signals(bars)
    many = list(generations(400, 16, 60))
    wanted = [unpacked(alone, population) for population in many]
    shared = Signals(bars, budget)
    with ThreadPoolExecutor(4) as executor:
        for _ in range(3):
            found = list(executor.map(lambda population: unpacked(shared, population), many))
            for got, right in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got, right)
    assert_every_row_is_owned_or_free(shared)


def assert_every_row_is_owned_or_free(signals: Signals) -> None:
    """No row was lost or given twice, also where two calls evaluated the same node."""
    fixed = {"_value_rows": len(FIELDS) + len(signals.bars.series), "_packed_rows": len(PATTERNS)}
    for name, first in fixed.items():
        rows: Rows = getattr(signals, name)
        owned = np.flatnonzero(rows._owner)
        free = rows._free[: rows._waiting]
        assert sorted([*owned, *free]) == list(range(first, rows._fresh))


def test_a_graph_that_grew_too_large_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_NODES", 500)
    bars = panel(65, "holed")
    signals, features = Signals(bars), Features(bars)
    for seed in range(12):
        population = random_genomes(seed, 80)
        np.testing.assert_array_equal(
            unpacked(signals, population), whole_rows(features, population)
        )
        assert signals._graph.count < 2500


def test_a_missing_series_is_refused_and_the_next_population_is_not() -> None:
    signals = Signals(real_bars.indices().between(2000, 2100))
    unpacked(signals, of_rules("doji()"))
    for _ in range(2):
        with pytest.raises(DataError, match="no series 'vix'"):
            unpacked(signals, of_rules("hammer() and vix > 20", "close > sma(close, 5)"))
        assert_same(signals.bars, of_rules("close > sma(close, 7)", "hammer()"), signals)


def test_an_evaluation_that_broke_off_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = panel(300)
    signals = Signals(bars)
    population = random_genomes(9, 50)

    def out_of_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_schedule", out_of_memory)
        with pytest.raises(MemoryError):
            unpacked(signals, population)
    assert_same(bars, population, signals)


def test_operators_on_constants_alone_are_values_too() -> None:
    rules = ("close > -(2 + 3)", "close > 3 * (1 + 2)", "-(-(0 + 0)) < atr(14)")
    assert_same(panel(300), of_rules(*rules))


def test_an_error_of_the_caller_costs_nothing(counted: Counted) -> None:
    bars = panel(300)
    signals = Signals(bars)
    population = random_genomes(9, 50)
    with pytest.raises(KeyError), signals.rules(population):
        raise KeyError
    assert_same(bars, population, signals)
    assert counted.instructions[1] == 0
