"""A small market and a backtester over it, quick enough to search in a test."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from kasauti.backtest import Backtester
from kasauti.evolution.register import DataSet, Origin, Trial
from kasauti.evolution.search import SearchSettings
from kasauti.market.bars import Bars
from kasauti.regimes.model import OnlineLabels

AT = datetime(2024, 3, 1, 18, 0, tzinfo=ZoneInfo("Asia/Kolkata"))
SETTINGS = SearchSettings(seed=11, evaluations=150, population=40, min_trades=5)


def bars(length: int = 500, symbols: tuple[str, ...] = ("AAA", "BBB"), seed: int = 5) -> Bars:
    """Return random walks with drift; opens lie between the closes beside them."""
    rng = np.random.default_rng(seed)
    shape = (len(symbols), length)
    close = 100.0 * np.exp(np.cumsum(rng.normal(5e-4, 0.015, shape), axis=1))
    before = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    open_ = np.sqrt(before * close)
    spread = 1.0 + np.abs(rng.normal(0.0, 0.005, shape))
    return Bars(
        "nse",
        symbols,
        np.datetime64("2015-01-01") + np.arange(length),
        open_,
        np.maximum(open_, close) * spread,
        np.minimum(open_, close) / spread,
        close,
        rng.integers(100_000, 200_000, shape).astype(np.float64),
    )


def backtester(length: int = 500) -> Backtester:
    """Return a backtester with regimes that simply alternate every 50 bars."""
    codes = (np.arange(length) // 50 % 4).astype(np.int8)
    return Backtester(bars(length), labels=OnlineLabels(codes))


def dataset(name: str = "d1", symbols: tuple[str, ...] = ("AAA", "BBB")) -> DataSet:
    """Return a data set by hand."""
    return DataSet(name, symbols, "2015-01-01", "2019-12-31")


def trial(genome: str, origin: Origin = Origin.EVOLUTION, stage: str = "evolution") -> Trial:
    """Return a trial with a made-up hash."""
    return Trial(genome, {"entry": "close > open"}, "family", origin, stage, {"sharpe": 0.5})
