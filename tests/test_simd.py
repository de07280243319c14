"""Registers of four do lane by lane what numpy does, and join lanes in the stated order."""

import numpy as np
import pytest

from kasauti.compiled import njit
from kasauti.market.bars import Floats
from kasauti.simd import (
    fetch,
    first_lanes,
    highest,
    larger,
    load,
    lowest,
    smaller,
    splat,
    total,
    where_positive,
    with_lane,
)

NUMBERS = np.array([1.5, -2.0, 0.0, 1e-300, 7.0, -0.0, 3.0, 0.1, 0.2, 0.3, 0.7, 1e16])


@njit
def _extremes_and_sums(numbers: Floats, out: Floats) -> None:
    for at in range(len(numbers) - 3):
        four = load(numbers, at)
        out[at, 0], out[at, 1], out[at, 2] = lowest(four), highest(four), total(four)


@njit
def _arithmetic(a: Floats, b: Floats, out: Floats) -> None:
    x, y = load(a, 0), load(b, 0)
    results = (x + y, x - y, x * y, x / y, smaller(x, y), larger(x, y), where_positive(x, y))
    for row in range(7):
        for lane in range(4):
            kept = with_lane(splat(-np.inf), lane, 0.0)  # all others are out of the way
            out[row, lane] = highest(kept + results[row])


@njit
def _chosen(a: Floats, count: int, lane: int, out: Floats) -> None:
    four = load(a, 0)
    out[0] = total(first_lanes(four, count, splat(100.0)))
    out[1] = total(with_lane(four, lane, 1000.0))


def test_any_four_neighbours_are_read_and_joined() -> None:
    out = np.empty((len(NUMBERS) - 3, 3))
    _extremes_and_sums(NUMBERS, out)
    for at, (least, most, added) in enumerate(out):
        a, b, c, d = NUMBERS[at : at + 4]
        assert (least, most) == (min(a, b, c, d), max(a, b, c, d))
        assert added == (a + c) + (b + d)


def test_operators_work_lane_by_lane() -> None:
    a, b = np.array([1.5, -2.0, 1e-300, 7.0]), np.array([0.1, 4.0, 3.0, -7.5])
    out = np.empty((7, 4))
    _arithmetic(a, b, out)
    expected = [a + b, a - b, a * b, a / b, np.minimum(a, b), np.maximum(a, b), (a > 0.0) * b]
    assert np.array_equal(out, np.stack(expected))


def test_what_is_no_number_is_passed_over() -> None:
    a, b = np.array([np.nan, 1.0, np.nan, -1.0]), np.array([2.0, 2.0, 2.0, 2.0])
    out = np.empty((7, 4))
    _arithmetic(a, b, out)
    assert out[4].tolist() == [2.0, 1.0, 2.0, -1.0]  # smaller: the second
    assert out[5].tolist() == [2.0, 2.0, 2.0, 2.0]
    assert out[6].tolist() == [0.0, 2.0, 0.0, 0.0]  # not above zero


@pytest.mark.parametrize("number", range(-3, 8))
def test_lanes_are_chosen_by_number(number: int) -> None:
    numbers, out = np.array([1.0, 2.0, 3.0, 4.0]), np.empty(2)
    _chosen(numbers, number, number, out)
    assert out[0] == numbers[: max(0, number)].sum() + 100.0 * (4 - min(4, max(0, number)))
    assert out[1] == (10.0 if number not in range(4) else 1010.0 - numbers[number])


@njit
def _fetch_all(words: Floats) -> None:
    for at in range(len(words)):
        fetch(words, at)


def test_fetching_changes_nothing() -> None:
    numbers = NUMBERS.copy()
    _fetch_all(numbers)
    np.testing.assert_array_equal(numbers, NUMBERS)
