"""Ingesting: new sessions are appended, history is never rewritten, every difference is named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, Bars
from kasauti.market.ingest import merge
from kasauti.market.sources import load_folder, load_sample
from tests.shared_data import NSE_INDEX, NSE_STOCKS


def panel(symbols: str, first: int, closes: list[list[float]], index: str | None = None) -> Bars:
    """A small daily panel, one letter a symbol, from day `first` of 2024 on."""
    close = np.array(closes, dtype=np.float64)
    days = np.datetime64("2024-01-01") + np.arange(first, first + close.shape[1])
    series = {} if index is None else {"index": close[symbols.index(index)]}
    open_ = close - 0.25
    return Bars(
        "nse",
        tuple(symbols),
        days,
        open_,
        close + 1,
        close / 2,
        close,
        close * 100,
        series=series,
        index_symbol=index,
    )


def test_new_sessions_are_appended() -> None:
    stored = panel("AB", 0, [[1, 2, 3], [4, 5, 6]], "A")
    merged = merge(stored, panel("AB", 2, [[3, 7], [6, 8]], "A"))
    assert merged.findings == ()
    assert merged.appended.tolist() == [np.datetime64("2024-01-04").item()]
    assert (
        merged.bars.data_version == panel("AB", 0, [[1, 2, 3, 7], [4, 5, 6, 8]], "A").data_version
    )


def test_nothing_new_changes_nothing() -> None:
    stored = panel("AB", 0, [[1, 2, 3], [4, 5, 6]])
    merged = merge(stored, panel("AB", 1, [[2, 3], [5, 6]]))
    assert merged.bars is stored
    assert (merged.findings, len(merged.appended)) == ((), 0)


def test_a_differing_value_is_a_finding_and_the_stored_one_stays() -> None:
    stored = panel("AB", 0, [[1, 2, 3], [4, 5, 6]])
    merged = merge(stored, panel("AB", 1, [[2.5, 3, 9], [5, 6, 10]]))
    (finding,) = merged.findings
    assert finding.file == "A"
    # open, high, low, close and volume of one bar
    assert "5 values differ" in finding.problem
    assert "2024-01-02 open: stored 1.75, new 2.25" in finding.problem
    assert "split" in finding.remedy
    np.testing.assert_array_equal(merged.bars.close, [[1, 2, 3, 9], [4, 5, 6, 10]])


def test_a_value_where_none_was_stored_is_a_difference_too() -> None:
    stored = panel("A", 0, [[1, np.nan, 3]])
    merged = merge(stored, panel("A", 1, [[2, 3, 4]]))
    assert "stored nan, new 1.75" in merged.findings[0].problem
    np.testing.assert_array_equal(merged.bars.close, [[1, np.nan, 3, 4]])


def test_a_new_symbol_starts_after_the_stored_bars() -> None:
    stored = panel("A", 0, [[1, 2, 3]])
    merged = merge(stored, panel("AN", 1, [[2, 3, 4], [7, 8, 9]]))
    (finding,) = merged.findings
    assert (finding.file, finding.rows_dropped) == ("N", 2)
    assert "2 bars of a new symbol lie before the last stored bar (2024-01-03)" in finding.problem
    assert merged.bars.symbols == ("A", "N")
    np.testing.assert_array_equal(merged.bars.close[1], [np.nan, np.nan, np.nan, 9])


def test_a_symbol_that_is_gone_has_no_new_bars() -> None:
    merged = merge(panel("AB", 0, [[1], [2]]), panel("A", 1, [[3]]))
    assert merged.findings == ()
    np.testing.assert_array_equal(merged.bars.close, [[1, 3], [2, np.nan]])


def test_a_session_inside_history_is_not_slipped_in() -> None:
    full = panel("A", 0, [[1, 2, 3, 4]])
    gap = panel("A", 0, [[1]])
    stored = merge(gap, panel("A", 2, [[3, 4]])).bars
    merged = merge(stored, full)
    (finding,) = merged.findings
    assert "1 bars of sessions that are not stored" in finding.problem
    assert merged.bars is stored


def test_the_first_new_open_of_an_index_may_not_repeat_the_stored_close() -> None:
    stored, new = panel("A", 0, [[1, 2]], "A"), panel("A", 2, [[2.25]], "A")
    merged = merge(stored, new)  # its open is 2.0, the last stored close
    assert np.isnan(merged.bars.open[0, 2])
    assert "repeats the last stored close" in merged.findings[0].problem
    share = merge(panel("A", 0, [[1, 2]]), panel("A", 2, [[2.25]]))
    assert share.bars.open[0, 2] == 2.0
    assert share.findings == ()


@pytest.mark.parametrize(
    ("stored", "new", "words"),
    [
        pytest.param(
            panel("A", 0, [[1]], "A"), panel("A", 1, [[1]]), "market index .* is None", id="index"
        ),
        pytest.param(panel("A", 0, [[]]), panel("A", 1, [[1]]), "no bars: store", id="empty"),
        pytest.param(load_sample().bars, panel("A", 1, [[1]]), "of market nse", id="market"),
    ],
)
def test_what_does_not_belong_together(stored: Bars, new: Bars, words: str) -> None:
    with pytest.raises(DataError, match=words):
        merge(stored, new)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(cuts=st.lists(st.integers(1, 617), min_size=1, max_size=3, unique=True).map(sorted))
def test_any_instalments_give_the_whole(cuts: list[int]) -> None:
    whole = STOCKS
    bars = whole.between(0, cuts[0])
    for start, stop in zip(cuts, [*cuts[1:], 618], strict=True):
        merged = merge(bars, whole.between(max(start - 5, 0), stop))
        assert merged.findings == ()
        assert len(merged.appended) == stop - start
        bars = merged.bars
    assert bars.data_version == whole.data_version


STOCKS = load_folder([NSE_STOCKS]).bars


def test_instalments_of_real_files_keep_the_stored_past(tmp_path: Path) -> None:
    """A tail of a file, loaded alone, knows less of its opens than the whole: history stays."""
    whole = load_folder([NSE_INDEX], index="NIFTY50").bars
    stored = whole.between(0, 5000)
    tail = tmp_path / "tail"
    tail.mkdir()
    for name in ("NIFTY50", "BANKNIFTY", "INDIAVIX"):
        header, *lines = (NSE_INDEX / f"{name}.csv").read_text().splitlines()
        (tail / f"{name}.csv").write_text("\n".join([header, *lines[-700:]]))
    merged = merge(stored, load_folder([tail], index="NIFTY50").bars)
    assert len(merged.appended) == 636
    past = merged.bars.between(0, 5000)
    assert past.data_version == stored.data_version
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(merged.bars, name), getattr(whole, name))
    np.testing.assert_array_equal(merged.bars.series["vix"], whole.series["vix"])
