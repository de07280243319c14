"""Real bars as they stand in the shared files, without the loader's repairs."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kasauti.market.bars import Bars
from tests.shared_data import NSE_INDEX, NSE_INTRADAY, NSE_STOCKS

STOCKS = ("INFY", "INDUSINDBK", "ITC", "TITAN")


def read_bars(folder: Path, symbols: tuple[str, ...], *, intraday: bool = False) -> Bars:
    """Return the union of the symbols' times; NaN where a symbol has no row."""
    frames = []
    for symbol in symbols:
        frame = pd.read_csv(folder / f"{symbol}.csv")
        if intraday:
            stamps = pd.to_datetime(frame["timestamp"], utc=True).dt.tz_convert("Asia/Kolkata")
            frame["time"] = stamps.dt.tz_localize(None)
            frame = frame[frame["time"].dt.hour < 16]  # the index's bogus bar of 19:05
        else:
            frame["time"] = pd.to_datetime(frame["date"])
        frames.append(frame.set_index("time")[["open", "high", "low", "close", "volume"]])
    panel = pd.concat(frames, axis=1, keys=symbols, sort=True)
    unit = "datetime64[s]" if intraday else "datetime64[D]"
    fields: dict[str, Any] = {
        name: np.stack([panel[symbol][name].to_numpy(np.float64) for symbol in symbols])
        for name in ("open", "high", "low", "close", "volume")
    }
    return Bars("nse", symbols, panel.index.to_numpy().astype(unit), **fields)


@cache
def indices() -> Bars:
    """NIFTY50 and BANKNIFTY, daily, 2000 to 2022."""
    return read_bars(NSE_INDEX, ("NIFTY50", "BANKNIFTY"))


@cache
def stocks() -> Bars:
    """Four NSE stocks, daily, 2023 to 2025."""
    return read_bars(NSE_STOCKS, STOCKS)


@cache
def intraday() -> Bars:
    """Two stocks and the index, 5-minute bars of one week."""
    return read_bars(NSE_INTRADAY, ("INFY", "CIPLA", "NIFTY50"), intraday=True)
