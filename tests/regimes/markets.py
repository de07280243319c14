"""Closes of the two markets that regimes are scored on."""

import pandas as pd
from skfolio.datasets import load_sp500_index

from tests.shared_data import NSE_INDEX


def sp500() -> "pd.Series[float]":
    """Return the S&P 500's closes, 1990 to 2022, as they ship with skfolio."""
    closes: pd.Series[float] = load_sp500_index()["SP500"]
    return closes


def nifty() -> "pd.Series[float]":
    """Return NIFTY 50's closes, 2000 to 2022."""
    frame = pd.read_csv(NSE_INDEX / "NIFTY50.csv", parse_dates=["date"])
    return frame.set_index("date")["close"].astype(float)
