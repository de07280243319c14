"""Markets and genomes with a known truth for the testers."""

from dataclasses import replace
from typing import Any

import numpy as np

from kasauti.backtest import Account, Backtester
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.markets import SAMPLE
from kasauti.validation.gates.model import Case

SHORTABLE = replace(SAMPLE, daily_shorts=True)
ALL = ["bull", "bear", "sideways", "volatile"]

EVENT: dict[str, Any] = {
    "entry": "volume > 2 * sma(volume, 20)",
    "exit": "close < lowest(low, 5)",
    "side": "long",
    "stop": {"atr": 3.0},
    "max_bars": 10,
    "regimes": ALL,
    "risk": 0.02,
}
"""What follows `event_world`'s news."""

BUSY: dict[str, Any] = {
    "entry": "rsi(close, 5) < 45 and close > lag(close, 10) * 0.9",
    "exit": "rsi(close, 3) > 75",
    "side": "long",
    "stop": {"atr": 1.5},
    "target": {"fraction": 0.03},
    "trail": {"atr": 2.0},
    "max_bars": 10,
    "regimes": ["bull", "bear", "sideways"],
    "risk": 0.01,
}
"""Every gene of it is present, and acts on most bars that move."""


def event_world(seed: int, drift: float = 0.0016, sessions: int = 3000, symbols: int = 1) -> Bars:
    """Return markets whose news, a day of four times the volume, drive the next ten days.

    Everything else is noise of 1 % a day without a trend. A news day comes every 25 days or so.
    """
    rng = np.random.default_rng(seed)
    shape = (symbols, sessions)
    news = rng.random(shape) < 0.04
    news[:, :30] = False
    returns = rng.normal(0.0, 0.01, shape)
    for after in range(1, 11):
        returns[:, after:] += drift * news[:, :-after]
    close = 100.0 * np.exp(np.cumsum(returns - 0.00005, axis=1))
    before = np.concatenate([np.full((symbols, 1), 100.0), close[:, :-1]], axis=1)
    opened = before * np.exp(rng.normal(0.0, 0.001, shape))
    wick = 1.0 + np.abs(rng.normal(0.0, 0.003, (2, *shape)))
    volume = rng.uniform(0.7, 1.3, shape) * 1e7 * np.where(news, 4.0, 1.0)
    days = np.busday_offset(np.datetime64("2003-01-06"), np.arange(sessions), roll="forward")
    return Bars(
        "sample",
        tuple("ABCDEFGH"[:symbols]),
        days,
        opened,
        np.maximum(opened, close) * wick[0],
        np.minimum(opened, close) / wick[1],
        close,
        volume,
    )


def case_of(
    bars: Bars, genes: dict[str, Any] | Genome, *, trials: int = 1, account: Account | None = None
) -> Case:
    genome = genes if isinstance(genes, Genome) else genome_from_genes(genes)
    return Case(genome, Backtester(bars, account=account, market=SHORTABLE), trials, 0, seed=0)
