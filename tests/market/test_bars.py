"""The panel: immutable, checked when made, versioned by what it holds."""

import re
from typing import Any

import numpy as np
import pytest

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, PRICE_FIELDS, Bars
from kasauti.market.panel import long_frame

DAYS = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
CLOSE = np.array([[1.0, 2.0, 3.0], [np.nan, 5.0, 6.0]])


def bars(**changes: Any) -> Bars:
    values: dict[str, Any] = {
        "market": "nse",
        "symbols": ("A", "B"),
        "times": DAYS,
        **dict.fromkeys(("open", "high", "low", "close", "volume"), CLOSE),
        "series": {"index": CLOSE[0]},
        "index_symbol": "A",
    }
    return Bars(**(values | changes))


def test_nothing_in_a_panel_can_be_changed() -> None:
    source = CLOSE.copy()
    panel = bars(close=source)
    source[0, 0] = 99.0
    assert panel.close[0, 0] == 1.0
    for array in (panel.times, panel.close, panel.series["index"]):
        with pytest.raises(ValueError, match="read-only"):
            array[..., 0] = array[..., 1]
    with pytest.raises(TypeError):
        panel.series["vix"] = CLOSE[0]  # type: ignore[index]  # what the test is about


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbols": ("A", "A")}, "symbols repeat"),
        ({"times": DAYS[::-1]}, "not strictly increasing"),
        ({"times": DAYS[[0, 0, 1]]}, "not strictly increasing"),
        ({"times": DAYS.astype("datetime64[ns]")}, "use datetime64"),
        ({"times": DAYS[None]}, "2 dimensions"),
        ({"times": [1, 2, 3]}, "have type int64"),
        ({"times": DAYS.astype("datetime64[s]").astype(str)}, "have type <U"),
        ({"symbols": "AB"}, "symbols are 'AB': give a tuple"),
        ({"symbols": ("A", 7)}, "give a tuple of names"),
        ({"close": CLOSE.T}, r"close has shape \(3, 2\), expected \(2, 3\)"),
        ({"close": CLOSE[:1]}, r"close has shape \(1, 3\)"),
        ({"low": CLOSE[0]}, r"low has shape \(3,\)"),
        ({"high": [[1.0, 2.0, 3.0], [1.0]]}, "high is ragged"),
        ({"open": CLOSE.astype(str)}, "open has type <U"),
        ({"open": CLOSE.astype(object)}, "open has type object"),
        ({"open": CLOSE + 1j}, "open has type complex128"),
        ({"volume": CLOSE > 2.0}, "volume has type bool"),
        ({"series": {"index": CLOSE[0, :2]}}, "series index has shape"),
        ({"series": {"vix": ["1", "2", "3"]}}, "series vix has type <U1"),
    ],
)
def test_a_panel_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        bars(**changes)


def test_a_bar_without_a_time_is_refused() -> None:
    unknown = np.array(["2024-01-01", "NaT", "2024-01-03"], dtype="datetime64[D]")
    with pytest.raises(DataError, match="bar time 1 is NaT"):
        bars(times=unknown)
    with pytest.raises(DataError, match="bar time 0 is NaT"):
        bars(symbols=("A",), times=unknown[1:2])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in FIELDS for value in (np.inf, -np.inf, -1.0)),
        *((field, 0.0) for field in PRICE_FIELDS),
    ],
)
def test_a_value_that_cannot_be_traded_is_refused_with_its_place(field: str, value: float) -> None:
    wrong = CLOSE.copy()
    wrong[1, 2] = value
    place = re.escape(f"{field} of B on 2024-01-03 (position 2) is {value}")
    with pytest.raises(DataError, match=place):
        bars(**{field: wrong})


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("name", ["index", "vix"])
def test_an_infinite_market_series_is_refused(name: str, value: float) -> None:
    with pytest.raises(DataError, match=f"series {name} of the market on 2024-01-01"):
        bars(series={name: np.array([value, 1.0, np.nan])})


def test_a_bar_without_volume_is_a_bar() -> None:
    assert bars(volume=CLOSE * 0.0).volume[0, 0] == 0.0


def test_whole_numbers_are_numbers() -> None:
    panel = bars(close=np.array([[1, 2, 3], [4, 5, 6]]))
    assert panel.close.dtype == np.float64


@pytest.mark.parametrize(
    "changes",
    [
        {"market": "sample"},
        {"symbols": ("A", "C")},
        {"times": DAYS + 1},
        {"times": DAYS.astype("datetime64[s]")},
        {"open": CLOSE + 1},
        {"volume": CLOSE + 1},
        {"series": {}},
        {"series": {"vix": CLOSE[0]}},
        {"series": {"index": CLOSE[0] + 1}},
        {"index_symbol": None},
    ],
)
def test_the_version_tells_every_difference(changes: dict[str, Any]) -> None:
    assert bars(**changes).data_version != bars().data_version


def test_equal_numbers_have_equal_versions() -> None:
    other = CLOSE.copy()
    other[1, 0], other[1, 1] = -np.nan, -0.0
    zero = np.where(other == 0.0, 0.0, CLOSE)
    assert other.tobytes() != zero.tobytes()
    assert bars(volume=other).data_version == bars(volume=zero).data_version


def test_a_part_of_a_panel() -> None:
    panel = bars(open=CLOSE + 1, high=CLOSE + 2, low=CLOSE + 3, volume=CLOSE + 4)
    part = panel.between(1).select(("B",))
    assert (part.symbols, part.shape, part.index_symbol) == (("B",), (1, 2), "A")
    np.testing.assert_array_equal(part.times, DAYS[1:])
    for name, shift in (("open", 1), ("high", 2), ("low", 3), ("close", 0), ("volume", 4)):
        np.testing.assert_array_equal(getattr(part, name), CLOSE[1:, 1:] + shift)
    np.testing.assert_array_equal(part.series["index"], [2.0, 3.0])
    with pytest.raises(DataError, match=r"no bars for \['C'\]; there are \['A', 'B'\]"):
        panel.select(("C",))


def test_bars_a_session() -> None:
    stamps = ["2024-01-01T09:15", "2024-01-01T09:20", "2024-01-02T09:15"]
    intraday = bars(times=np.array(stamps, dtype="datetime64[s]"))
    assert (intraday.is_daily, intraday.bars_a_session) == (False, 2)
    assert (bars().is_daily, bars().bars_a_session) == (True, 1)
    assert bars().between(0, 0).bars_a_session == 1


def test_the_long_frame_lists_every_bar_once() -> None:
    frame = long_frame(bars())
    assert frame["symbol"].tolist() == ["A", "A", "A", "B", "B"]
    assert frame["close"].tolist() == [1.0, 2.0, 3.0, 5.0, 6.0]
    assert [str(time.date()) for time in frame["time"]] == [
        *("2024-01-01", "2024-01-02", "2024-01-03"),
        *("2024-01-02", "2024-01-03"),
    ]
