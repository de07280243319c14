"""Real NSE bars, built by hand so that these tests stand without the loaders."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kasauti.market.bars import FIELDS, Bars
from tests.shared_data import NSE_INDEX, NSE_STOCKS

STOCKS = ("INFY", "ITC", "INDUSINDBK", "LT", "M&M", "TITAN")


def _frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, parse_dates=["date"]).set_index("date")


@pytest.fixture(scope="session")
def nifty() -> Bars:
    """NIFTY50 and BANKNIFTY, 2000 to 2022 (BANKNIFTY lists in 2005), with index and VIX."""
    index = _frame(NSE_INDEX / "NIFTY50.csv")
    frames = [index, _frame(NSE_INDEX / "BANKNIFTY.csv").reindex(index.index)]
    vix = _frame(NSE_INDEX / "INDIAVIX.csv")["close"].reindex(index.index)
    return Bars(
        "nse",
        ("NIFTY50", "BANKNIFTY"),
        index.index.to_numpy().astype("datetime64[D]"),
        *(np.array([frame[name].to_numpy(float) for frame in frames]) for name in FIELDS),
        series={"index": index["close"].to_numpy(float), "vix": vix.to_numpy(float)},
        index_symbol="NIFTY50",
    )


@pytest.fixture(scope="session")
def stocks() -> Bars:
    """Six NSE stocks, 2023 to 2025; every bar is defined."""
    frames = [_frame(NSE_STOCKS / f"{name}.csv") for name in STOCKS]
    times = frames[0].index
    assert all(frame.index.equals(times) for frame in frames)
    return Bars(
        "nse",
        STOCKS,
        times.to_numpy().astype("datetime64[D]"),
        *(np.array([frame[name].to_numpy(float) for frame in frames]) for name in FIELDS),
    )


@pytest.fixture(scope="session")
def gappy(stocks: Bars) -> Bars:
    """The stocks with a late listing, missing sessions, untrusted opens and missing volumes."""
    values = {name: getattr(stocks, name).copy() for name in FIELDS}
    rng = np.random.default_rng(5)
    missing = rng.random(stocks.shape) < 0.03
    missing[0, :100] = True
    missing[1] = False
    for name in FIELDS:
        values[name][missing] = np.nan
    values["open"][rng.random(stocks.shape) < 0.1] = np.nan
    values["volume"][rng.random(stocks.shape) < 0.1] = np.nan
    return Bars(stocks.market, stocks.symbols, stocks.times, *values.values())
