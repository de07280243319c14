"""Great Expectations on bars: real bars pass, and each expectation fails on what it is for."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kasauti.market.expectations import EXPECTATIONS, ExpectationResult, check_bars
from kasauti.market.findings import Severity
from kasauti.market.panel import long_frame
from kasauti.market.sources import load_folder, load_sample
from tests.shared_data import NSE_INDEX, NSE_INTRADAY, NSE_STOCKS

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    """Thirty bars each of three shares."""
    bars = load_folder([NSE_STOCKS]).bars
    return long_frame(bars.select(("INFY", "ITC", "M&M")).between(0, 30))


def failed(results: list[ExpectationResult]) -> set[str]:
    return {result.name for result in results if not result.passed}


def cell(row: int, **values: Any) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, value in values.items():
            frame.loc[row, name] = value
        return frame

    return change


def scaled(row: int, factor: float) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row:29, ["open", "high", "low", "close"]] *= factor
        return frame

    return change


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    order = [1, 0, *range(2, len(frame))]
    return frame.iloc[order]


BROKEN: dict[str, tuple[Change, set[str]]] = {
    "columns_present": (lambda frame: frame.drop(columns="volume"), set(EXPECTATIONS)),
    "columns_typed": (
        lambda frame: frame.assign(close=frame["close"].astype(str)),
        set(EXPECTATIONS) - {"columns_present"},
    ),
    "keys_not_null": (cell(29, time=pd.NaT), {"keys_not_null"}),
    "bars_unique": (
        lambda frame: pd.concat([frame.iloc[:1], frame]),
        {"bars_unique", "times_increase"},
    ),
    "times_increase": (swapped, {"times_increase"}),
    "symbols_have_bars": (
        lambda frame: frame.assign(close=frame["close"].where(frame["symbol"] != "ITC")),
        {"symbols_have_bars", "close_present"},
    ),
    "close_present": (cell(4, close=np.nan), {"close_present"}),
    "prices_positive": (cell(4, low=-0.5), {"prices_positive"}),
    "high_is_highest": (cell(4, high=1000.0), {"high_is_highest"}),
    "low_is_lowest": (cell(4, low=1500.0, high=1600.0, open=1490.0), {"low_is_lowest"}),
    "volume_not_negative": (cell(4, volume=-1.0), {"volume_not_negative"}),
    "moves_plausible": (scaled(5, 0.1), {"moves_plausible"}),
}


def test_there_is_a_broken_frame_for_every_expectation() -> None:
    assert set(BROKEN) == set(EXPECTATIONS)


@pytest.mark.parametrize("name", BROKEN)
def test_an_expectation_fails_on_what_it_is_for(name: str, small: pd.DataFrame) -> None:
    change, expected = BROKEN[name]
    results = check_bars(change(small.copy()))
    assert [result.name for result in results] == list(EXPECTATIONS)
    assert name in expected
    assert failed(results) == expected


def test_the_small_frame_is_sound_before_it_is_broken(small: pd.DataFrame) -> None:
    before = small.copy()
    assert failed(check_bars(small, ["INFY", "ITC"])) == set()
    pd.testing.assert_frame_equal(small, before)


def test_a_symbol_that_must_be_there_is_missed(small: pd.DataFrame) -> None:
    results = check_bars(small, ["INFY", "TCS"])
    assert failed(results) == {"symbols_have_bars"}


def test_no_bars_at_all_do_not_pass(small: pd.DataFrame) -> None:
    assert "symbols_have_bars" in failed(check_bars(small.iloc[:0]))


def test_a_failure_shows_figures_and_rows(small: pd.DataFrame) -> None:
    results = check_bars(cell(4, high=1000.0)(small.copy()))
    (result,) = [result for result in results if not result.passed]
    assert result.severity is Severity.ERROR
    assert result.figures["rows"] == 90
    assert int(result.figures["unexpected"]) >= 1
    assert result.sample[0]["symbol"] == "INFY"
    assert result.sample[0]["time"].startswith(str(small["time"][4].date()))
    assert result.sample[0]["high"] == "1000.0"


def test_only_an_implausible_move_is_a_warning() -> None:
    warnings = [name for name, (level, _) in EXPECTATIONS.items() if level is Severity.WARNING]
    assert warnings == ["moves_plausible"]


@pytest.mark.parametrize("source", ["indices", "stocks", "intraday"])
def test_repaired_bars_pass(source: str) -> None:
    folder = {"indices": NSE_INDEX, "stocks": NSE_STOCKS, "intraday": NSE_INTRADAY}[source]
    bars = load_folder([folder]).bars
    assert failed(check_bars(long_frame(bars), bars.symbols)) == set()


def test_the_sample_passes_in_three_seconds() -> None:
    bars = load_sample().bars
    frame = long_frame(bars)
    assert len(frame) == np.isfinite(bars.close).sum()
    start = time.process_time()
    results = check_bars(frame, bars.symbols)
    assert time.process_time() - start < 3.0
    assert failed(results) == set()


def test_nothing_is_written_printed_or_sent(
    small: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert failed(check_bars(small)) == set()
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert capfd.readouterr() == ("", "")
