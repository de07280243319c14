"""Memory is given to others once nobody holds it, and not before."""

import gc
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from kasauti.features import memory
from kasauti.market.bars import Floats


@pytest.fixture(autouse=True)
def nothing_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    monkeypatch.setattr(memory, "_idle", deque())


def place(values: Floats) -> int:
    return int(values.ctypes.data)


def test_what_nobody_holds_is_given_again() -> None:
    first = memory.empty(1000, 3)
    at = place(first)
    del first
    assert place(memory.empty(3000)) == at


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param(lambda a: a, id="the array"),
        pytest.param(lambda a: a[5], id="a row"),
        pytest.param(lambda a: a[2:].T[1:], id="a view of a view"),
        pytest.param(lambda a: a.view(np.uint64), id="other numbers"),
        pytest.param(lambda a: a.reshape(-1)[7:9], id="another shape"),
    ],
)
def test_what_is_held_by_any_view_is_not(hold: Callable[[Floats], Floats]) -> None:
    first = memory.empty(1000, 3)
    first[:] = 7.0
    view = hold(first)
    before = view.copy()
    del first
    others = [memory.empty(3000) for _ in range(3)]
    for other in others:
        other[:] = 1.0
    np.testing.assert_array_equal(view, before)


def test_arrays_begin_at_a_line_and_do_not_overlap() -> None:
    arrays = [memory.empty(count) for count in (1, 7, 8, 1000)]
    assert all(place(one) % 64 == 0 for one in arrays)
    for number, one in enumerate(arrays):
        one[:] = number
    assert all((one == number).all() for number, one in enumerate(arrays))


@pytest.mark.parametrize(("asked", "again"), [(510, True), (480, False), (1001, False)])
def test_much_too_large_or_too_small_is_not_given(asked: int, again: bool) -> None:
    first = memory.empty(1000)
    at = place(first)
    del first
    held = memory.empty(asked)
    assert (place(held) == at) is again


def test_no_more_is_kept_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT", 20_000)
    arrays = [memory.empty(1000) for _ in range(5)]
    arrays.clear()
    assert 0 < sum(one.size for one in memory._idle) <= 20_000
