"""Real NSE bars, built by hand so that these tests stand without the loaders."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kasauti.market.bars import Bars
from tests.shared_data import NSE_INDEX, NSE_STOCKS

Floats = NDArray[np.float64]

STOCKS = ("INFY", "ITC", "INDUSINDBK", "LT", "M&M", "TITAN")


def _frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, parse_dates=["date"]).set_index("date")


def _panel(
    symbols: tuple[str, ...], frames: list[pd.DataFrame], series: dict[str, pd.Series]
) -> Bars:
    def rows(name: str) -> Floats:
        return np.array([frame[name].to_numpy(dtype=np.float64) for frame in frames])

    return Bars(
        "nse",
        symbols,
        frames[0].index.to_numpy().astype("datetime64[D]"),
        open=rows("open"),
        high=rows("high"),
        low=rows("low"),
        close=rows("close"),
        volume=rows("volume"),
        series={name: values.to_numpy(dtype=np.float64) for name, values in series.items()},
    )


@pytest.fixture(scope="session")
def nifty() -> Bars:
    """NIFTY50 and BANKNIFTY, 2000 to 2022 (BANKNIFTY lists in 2005), with index and VIX."""
    index = _frame(NSE_INDEX / "NIFTY50.csv")
    bank = _frame(NSE_INDEX / "BANKNIFTY.csv").reindex(index.index)
    vix = _frame(NSE_INDEX / "INDIAVIX.csv").reindex(index.index)
    series = {"index": index["close"], "vix": vix["close"]}
    return _panel(("NIFTY50", "BANKNIFTY"), [index, bank], series)


@pytest.fixture(scope="session")
def stocks() -> Bars:
    """Six NSE stocks, 2023 to 2025; every bar is defined."""
    frames = [_frame(NSE_STOCKS / f"{name}.csv") for name in STOCKS]
    assert all(frame.index.equals(frames[0].index) for frame in frames)
    return _panel(STOCKS, frames, {})


@pytest.fixture(scope="session")
def gappy(stocks: Bars) -> Bars:
    """The stocks with a late listing, missing sessions, untrusted opens and missing volumes."""
    rng = np.random.default_rng(5)
    missing = rng.random(stocks.shape) < 0.03
    missing[0, :100] = True
    missing[1] = False

    def holed(values: Floats, share: float = 0.0) -> Floats:
        return np.where(missing | (rng.random(stocks.shape) < share), np.nan, values)

    return replace(
        stocks,
        open=holed(stocks.open, 0.1),
        high=holed(stocks.high),
        low=holed(stocks.low),
        close=holed(stocks.close),
        volume=holed(stocks.volume, 0.1),
    )
