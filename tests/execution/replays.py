"""A small replay to run, kill and compare."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from kasauti.execution.approvals import Permit
from kasauti.execution.limits import custom
from kasauti.execution.model import Scope
from kasauti.execution.replay import ReplaySettings
from kasauti.execution.signals import Candidate
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.markets import NSE

GENES: dict[str, Any] = {
    "entry": "close > lag(close, 1)",
    "exit": "close < sma(close, 4)",
    "side": "long",
    "stop": {"atr": 1.5},
    "target": {"fraction": 0.06},
    "trail": {"atr": 2.0},
    "max_bars": 8,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.01,
}
GENOME = genome_from_genes(GENES)
UTC = ZoneInfo("UTC")
PERMIT = Permit(
    GENOME.hash,
    Scope.REPLAY,
    "test",
    "reference strategy",
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
)


def walk(symbols: int = 2, length: int = 60, seed: int = 5, volatility: float = 0.02) -> Bars:
    """Return seeded daily bars with small gaps, on the tick."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2023-01-02"), np.datetime64("2024-12-31"))
    days = days[np.is_busday(days)][:length]
    shape = (symbols, length)
    close = 200 * np.exp(np.cumsum(rng.normal(0.0005, volatility, shape), axis=1))
    before = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    open_ = before * np.exp(rng.normal(0, 0.003, shape))
    high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.006, shape)))
    low = np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.006, shape)))
    fields = (open_, high, low, close)
    open_, high, low, close = (np.round(field / 0.05) * 0.05 for field in fields)
    names = ("AAA", "BBB", "CCC")[:symbols]
    return Bars("nse", names, days, open_, high, low, close, np.full(shape, 1e6))


def settings(bars: Bars, **changes: Any) -> ReplaySettings:
    days: list[date] = bars.sessions.astype(object).tolist()
    made = ReplaySettings(
        candidates=[Candidate(GENOME, Decimal(1))],
        permits={GENOME.hash: PERMIT}.get,
        limits=custom(
            capital=Decimal(100_000),
            trades_a_day=3,
            risk_per_trade=Decimal(2_000),
            daily_loss=Decimal(5_000),
            losing_streak=3,
        ),
        market=NSE,
        calendar=NSE.replay_calendar(days),
        acknowledged_by="tester",
    )
    return replace(made, **changes)


def day(bars: Bars, position: int) -> date:
    found: date = bars.sessions[position].astype(object)
    return found
