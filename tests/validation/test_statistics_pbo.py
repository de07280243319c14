"""Golden values: shared/reference/validation-and-stress.md, section 1.6."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics import backtest_overfitting

LAW = settings(deadline=None, max_examples=30, derandomize=True)
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def golden() -> Floats:
    return np.random.default_rng(7).standard_normal((1000, 100)).T * 0.01


def test_the_value_that_four_packages_agree_on(golden: Floats) -> None:
    found = backtest_overfitting(golden, 8)
    assert found.probability == pytest.approx(0.2857142857, abs=5e-11)
    assert (len(found.logits), found.dropped) == (70, 0)


def test_the_oldest_periods_are_dropped_where_blocks_do_not_divide(golden: Floats) -> None:
    found = backtest_overfitting(golden, 16)
    assert found.probability == pytest.approx(0.3083916, abs=5e-8)  # not holdout's 0.3712510
    assert (len(found.logits), found.dropped) == (12_870, 8)
    without = backtest_overfitting(golden[:, 8:], 16)
    assert np.array_equal(found.logits, without.logits)


def test_a_transposed_matrix_gives_another_value(golden: Floats) -> None:
    assert backtest_overfitting(golden.T, 8).probability != pytest.approx(0.2857142857, abs=1e-3)


def test_it_equals_the_definition_written_out() -> None:
    matrix = np.random.default_rng(1).normal(0.001, 0.01, (7, 60))
    blocks = np.split(np.arange(60), 6)
    relative = []
    for chosen in combinations(range(6), 3):
        one = np.concatenate([blocks[at] for at in chosen])
        other = np.setdiff1d(np.arange(60), one)
        ranked = [
            matrix[:, part].mean(axis=1) / matrix[:, part].std(axis=1, ddof=1)
            for part in (one, other)
        ]
        winner = int(ranked[0].argmax())
        relative.append(float((ranked[1] <= ranked[1][winner]).sum()) / 8)
    found = backtest_overfitting(matrix, 6)
    assert np.sort(found.logits) == pytest.approx(
        np.sort([math.log(w / (1 - w)) for w in relative])
    )
    assert found.probability == np.mean([w <= 0.5 for w in relative])


def test_without_an_edge_it_scatters_around_a_half() -> None:
    """pbo.marketmaker.cc: null .476 ± .137, in sample 1.98, out of sample .06 a year; here 8."""
    found = [
        backtest_overfitting(np.random.default_rng(seed).normal(0, 0.01, (200, 1000)))
        for seed in range(8)
    ]
    assert np.mean([one.probability for one in found]) == pytest.approx(
        0.476, abs=3 * 0.137 / 8**0.5
    )
    assert all(0.02 < one.probability < 0.98 for one in found)
    year = math.sqrt(252)
    assert year * np.mean([one.in_sample for one in found]) == pytest.approx(1.98, abs=0.15)
    assert year * np.mean([one.out_of_sample for one in found]) == pytest.approx(0.06, abs=0.25)


def test_a_planted_edge_is_no_overfitting() -> None:
    """The same source: .15 a period in 20 of 200: PBO .001, 3.73 in and 2.34 out of sample."""
    found = []
    for seed in range(4):
        matrix = np.random.default_rng(seed).normal(0, 1, (200, 1000))
        matrix[:20] += 0.15
        found.append(backtest_overfitting(matrix))
    assert np.mean([one.probability for one in found]) < 0.01
    year = math.sqrt(252)
    assert year * np.mean([one.in_sample for one in found]) == pytest.approx(3.73, abs=0.2)
    assert year * np.mean([one.out_of_sample for one in found]) == pytest.approx(2.34, abs=0.2)


def test_a_strategy_that_stands_still_in_a_half_counts_as_nothing_there() -> None:
    matrix = np.random.default_rng(2).normal(-0.01, 0.01, (3, 40))
    matrix[0, 20:] = 0.0
    found = backtest_overfitting(matrix, 2)
    first = matrix[:, :20].mean(axis=1) / matrix[:, :20].std(axis=1, ddof=1)
    # Of the second half it is the best, with 0 among losers; in the first it has its own Sharpe.
    assert found.in_sample == pytest.approx((first.max() + 0.0) / 2)
    assert np.isfinite(found.logits).all()
    assert found.logits[1] == pytest.approx(
        [-math.log(3), 0, math.log(3)][(first < first[0]).sum()]
    )


@pytest.mark.parametrize(
    ("matrix", "blocks", "message"),
    [
        pytest.param(np.ones((1, 100)), 4, "at least 2 strategies", id="one strategy"),
        pytest.param(np.ones(100), 4, "shape", id="a series"),
        pytest.param(np.eye(10, 100), 5, "even number", id="odd blocks"),
        pytest.param(np.eye(10, 20), 16, "at least two in each", id="too short"),
        pytest.param(np.zeros((2, 100)), 4, "strategy 0 returns 0", id="never trades"),
        pytest.param(np.where(np.eye(3, 90) > 0, np.nan, 1), 4, "strategy 0, return 0", id="NaN"),
    ],
)
def test_bad_input_is_named(matrix: Floats, blocks: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        backtest_overfitting(matrix, blocks)


@given(seed=hs.integers(0, 10_000), blocks=hs.sampled_from([2, 4, 6, 8]), rows=hs.integers(2, 12))
@LAW
def test_order_and_size_of_the_strategies_do_not_matter(seed: int, blocks: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0.0005, 0.01, (rows, 97))
    found = backtest_overfitting(matrix, blocks)
    assert 0.0 <= found.probability <= 1.0
    other = backtest_overfitting(rng.permutation(matrix) * 10.0 ** rng.uniform(-3, 3), blocks)
    assert other.logits == pytest.approx(found.logits)
    scaled = backtest_overfitting(matrix * rng.uniform(0.1, 10, (rows, 1)), blocks)
    assert scaled.logits == pytest.approx(found.logits)
