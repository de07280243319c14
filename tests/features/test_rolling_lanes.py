"""Four nodes at once equal one at a time to the last bit, in any mixture of both."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kasauti.features.rolling import LANES, NAMES, advance_lanes, has_lanes, state_size
from kasauti.genome.codes import CODE_OF
from tests.backtest.real_bars import indices, intraday
from tests.features.test_rolling import (
    WINDOWS,
    Floats,
    Windows,
    defined_rows,
    in_blocks,
    series,
    whole_row,
)

WITH_LANES = [name for name in NAMES if has_lanes(CODE_OF[name])]


class Nodes:
    """Nodes of one function over rows of equal length, in the layout of `advance_lanes`."""

    def __init__(self, name: str, rows: list[Floats], windows: list[Windows]) -> None:
        self.code, self.length = CODE_OF[name], len(rows[0])
        self.parameters = [
            np.array([(*w, 0, 0)[i] for w in windows], dtype=np.float64) for i in range(3)
        ]
        sizes = [state_size(self.code, *column) for column in zip(*self.parameters, strict=True)]
        self.at = np.cumsum([5, *sizes[:-1]]).astype(np.int64)
        self.states = np.full(5 + sum(sizes) + 5, 7.0)
        self.states[5:-5] = 0.0
        stride = self.length + 3
        self.pool = np.full(2 * len(rows) * stride, 7.0)
        self.inputs = np.arange(len(rows)) * stride
        self.outputs = self.inputs + len(rows) * stride
        for start, row in zip(self.inputs, rows, strict=True):
            self.pool[start : start + self.length] = row

    def advance(self, first: int, length: int) -> None:
        inputs, outputs = self.inputs + first, self.outputs + first
        p0, p1, p2 = self.parameters
        advance_lanes(
            self.code, self.pool, inputs, outputs, length, p0, p1, p2, self.states, self.at
        )

    def values(self) -> NDArray[np.float64]:
        gap = self.pool[self.outputs[0] :].reshape(len(self.inputs), -1)
        assert (gap[:, self.length :] == 7.0).all(), "written past a row"
        assert (self.states[:5] == 7.0).all(), "written before the states"
        assert (self.states[-5:] == 7.0).all(), "written past the states"
        return gap[:, : self.length]


def test_the_lattice_of_averages_has_lanes() -> None:
    assert {"sma", "mean", "bbands_middle", "ema", "rsi", "macd", "macd_signal", "macd_hist"} == {
        *WITH_LANES
    }
    assert not has_lanes(CODE_OF["close"])


@pytest.mark.parametrize("length", [1, 100, 512, 10_000])
@pytest.mark.parametrize("name", WITH_LANES)
def test_real_bars_four_at_once(name: str, length: int) -> None:
    for row in [*defined_rows(indices(), ("close",))[0], *defined_rows(intraday(), ("low",))[0]]:
        x = row[: 700 if length == 1 else None]
        rows = [x, x[::-1], np.log(x), np.round(x)]
        for i in range(0, len(WINDOWS[name]), LANES):
            windows = [WINDOWS[name][(i + k) % len(WINDOWS[name])] for k in range(LANES)]
            nodes = Nodes(name, rows, windows)
            for first in range(0, len(x), length):
                nodes.advance(first, min(length, len(x) - first))
            for values, window, found in zip(rows, windows, nodes.values(), strict=True):
                np.testing.assert_array_equal(found, whole_row(name, [values], window))


@settings(deadline=None, max_examples=120, derandomize=True)
@given(name=st.sampled_from(WITH_LANES), data=st.data())
def test_any_four_nodes_cut_anyhow(name: str, data: st.DataObject) -> None:
    drawn = data.draw(series())
    length = len(drawn)
    rows = [drawn, drawn[::-1], np.abs(drawn), np.roll(drawn, 7)]
    windows = [data.draw(st.sampled_from(WINDOWS[name])) for _ in range(LANES)]
    nodes = Nodes(name, rows, windows)
    cuts = sorted({0, length, *data.draw(st.lists(st.integers(0, length), max_size=12))})
    for first, end in pairwise(cuts):
        nodes.advance(first, 0)
        nodes.advance(first, end - first)
    for values, window, found in zip(rows, windows, nodes.values(), strict=True):
        np.testing.assert_array_equal(found, in_blocks(name, [values], window, [length]))
