"""Rolling functions block after block equal the whole row to the last bit, however it is cut."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kasauti.features import indicators as ta
from kasauti.features.rolling import NAMES, advance, state_size
from kasauti.genome.codes import CODE_OF
from kasauti.market.bars import Bars
from tests.backtest.real_bars import indices, intraday, stocks

Floats = NDArray[np.float64]
Windows = tuple[float, ...]

BAR = ("high", "low", "close")
INPUTS = {
    "atr": BAR,
    "adx": BAR,
    "stoch": BAR,
    "stoch_d": BAR,
    "obv": ("close", "volume"),
    "vwap": (*BAR, "volume"),
}
WHOLE: dict[str, Callable[..., Floats]] = {
    "mean": ta.sma,
    "macd": lambda *x: ta.macd(*x)[0],
    "macd_signal": lambda *x: ta.macd(*x)[1],
    "macd_hist": lambda *x: ta.macd(*x)[2],
    "bbands": ta.bbands_percent,
    "bbands_upper": lambda *x: ta.bbands(*x)[0],
    "bbands_middle": lambda *x: ta.bbands(*x)[1],
    "bbands_lower": lambda *x: ta.bbands(*x)[2],
    "stoch": lambda *x: ta.stoch(*x)[0],
    "stoch_d": lambda *x: ta.stoch(*x)[1],
}
LENGTHS = (2, 3, 5, 14, 20, 60, 250, 500)
BANDS = ((2, 1.0), (3, 2.0), (20, 2.0), (20, 0.1), (75, 2.5), (500, 10.0))
CROSSED = ((2, 3, 1), (12, 26, 9), (26, 12, 9), (5, 250, 2), (14, 14, 3), (2, 500, 500), (7, 30, 1))
STOCHASTICS = ((1, 1, 1), (14, 3, 3), (5, 1, 4), (1, 3, 2), (250, 9, 5), (3, 500, 2), (2, 2, 500))
WINDOWS: dict[str, Sequence[Windows]] = {
    **{key: [(n,) for n in LENGTHS] for key in NAMES},
    **{key: [(n,) for n in (1, *LENGTHS)] for key in ("atr", "vwap", "roc", "lag")},
    **dict.fromkeys(("bbands", "bbands_upper", "bbands_middle", "bbands_lower"), BANDS),
    **dict.fromkeys(("macd", "macd_signal", "macd_hist"), CROSSED),
    **dict.fromkeys(("stoch", "stoch_d"), STOCHASTICS),
    "obv": [()],
}
CASES = [(name, windows) for name in NAMES for windows in WINDOWS[name]]


def whole_row(name: str, inputs: Sequence[Floats], windows: Windows) -> Floats:
    function: Callable[..., Floats] = WHOLE.get(name) or getattr(ta, name)
    return function(*inputs, *windows)


def in_blocks(
    name: str, inputs: Sequence[Floats], windows: Windows, lengths: Sequence[int]
) -> Floats:
    """Advance over blocks of `lengths`, the last of them again and again, and over nothing."""
    columns = [np.array(values) for values in (*inputs, *[inputs[0]] * (4 - len(inputs)))]
    p0, p1, p2 = [float(window) for window in (*windows, 0, 0, 0)][:3]
    code, total = CODE_OF[name], len(columns[0])
    state = np.zeros(state_size(code, p0, p1, p2))
    out = np.full(total + 3, 7.0)
    place = 0
    for turn in range(total + len(lengths)):
        end = min(place + lengths[min(turn, len(lengths) - 1)], total)
        x0, x1, x2, x3 = [values[place:end] for values in columns]
        advance(code, x0, x1, x2, x3, p0, p1, p2, state, out[place : end + 3])
        place = end
        if place == total:
            break
    assert (out[total:] == 7.0).all(), "written past the block"
    return out[:total]


def defined_rows(bars: Bars, names: Sequence[str]) -> list[list[Floats]]:
    rows = []
    for symbol in range(len(bars.symbols)):
        columns = [getattr(bars, name)[symbol] for name in names]
        keep = ~np.isnan(columns).any(axis=0)
        rows.append([values[keep] for values in columns])
    return rows


@pytest.mark.parametrize("bars", [indices, stocks, intraday], ids=["indices", "stocks", "5 min"])
@pytest.mark.parametrize("name", NAMES)
def test_real_bars_in_blocks_equal_the_whole_row(name: str, bars: Callable[[], Bars]) -> None:
    for inputs in defined_rows(bars(), INPUTS.get(name, ("close",))):
        for windows in WINDOWS[name]:
            whole = whole_row(name, inputs, windows)
            for lengths in ([512], [1, 2, 37, 256], [10_000]):
                found = in_blocks(name, inputs, windows, lengths)
                np.testing.assert_array_equal(found, whole, f"{name}{windows} in {lengths}")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in INPUTS])
def test_functions_of_functions(name: str) -> None:
    """An oscillator around zero, with runs of equal values: no price looks like it."""
    close = defined_rows(stocks(), ("close",))[0][0]
    for values in (np.round(ta.roc(close, 3)[3:]), ta.zscore(close, 9)[8:] * 1e-9):
        for windows in WINDOWS[name]:
            found = in_blocks(name, [values], windows, [100])
            np.testing.assert_array_equal(found, whole_row(name, [values], windows))


@st.composite
def series(draw: st.DrawFn) -> Floats:
    """Runs of one value, steps and noise, in units from tiny to huge, zeros among them."""
    unit = 10.0 ** draw(st.integers(-160, 140))
    runs = st.tuples(
        st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0, 0.1]), st.integers(1, 40), st.booleans()
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = [
        level + noisy * rng.standard_normal(length)
        for level, length, noisy in draw(st.lists(runs, min_size=1, max_size=8))
    ]
    return np.concatenate(parts) * unit


@settings(deadline=None, max_examples=150, derandomize=True)
@given(case=st.sampled_from(CASES), data=st.data())
def test_any_series_cut_anyhow_equals_the_whole_row(
    case: tuple[str, Windows], data: st.DataObject
) -> None:
    name, windows = case
    values = data.draw(series())
    width = np.abs(data.draw(series())[0])
    inputs = {
        "high": values + width,
        "low": values - width,
        "close": values,
        "volume": np.abs(np.round(values[::-1] / (np.abs(values).max() or 1.0))),
    }
    columns = [inputs[field] for field in INPUTS.get(name, ("close",))]
    lengths = data.draw(st.lists(st.integers(0, 60), max_size=12))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = whole_row(name, columns, windows)
    found = in_blocks(name, columns, windows, [*lengths, data.draw(st.integers(1, 300))])
    np.testing.assert_array_equal(found, whole)
