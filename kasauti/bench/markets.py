"""The bars that the benchmark runs on: one real daily series, one synthetic intraday one."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from kasauti.market.bars import FIELDS, Bars, Floats, Times
from kasauti.market.sources import load_sample

DAILY_SYMBOL = "NASDAQ"
"""The sample's longest series with real opens; 5,023 bars are left of 5,031."""

INTRADAY_BARS = 500_000
BARS_A_SESSION = 75
_OPEN = timedelta(hours=9, minutes=15)
_BAR = timedelta(minutes=5)
_FIRST_DAY = date(1998, 1, 1)


def daily_bars() -> Bars:
    """Return the sample's `DAILY_SYMBOL` without its bars that miss a value.

    Without gaps the functions of TA-Lib can be called on the rows as they are, so the tools that
    we compare ourselves with pay nothing for ours being careful.
    """
    bars = load_sample().bars.select((DAILY_SYMBOL,))
    values = np.stack([getattr(bars, name)[0] for name in FIELDS])
    whole = np.isfinite(values).all(axis=0)
    return _one_symbol(bars.market, DAILY_SYMBOL, bars.times[whole], values[:, whole])


@dataclass(frozen=True)
class Believable:
    """Moments of the synthetic series, each near those of an Indian large cap's 5-minute bars."""

    night: float = 0.007  # standard deviation of the log gap between two sessions
    bar: float = 0.0011  # of one bar's log return in the middle of a session
    memory: float = 0.985  # of the sessions' log volatility: a shock halves in 46 sessions
    unrest: float = 0.07  # standard deviation of that log volatility's daily shock
    volume: float = 40_000.0  # shares in a quiet bar


def intraday_bars(count: int = INTRADAY_BARS, seed: int = 1) -> Bars:
    """Return one seeded series of `count` 5-minute bars: 75 a session from 09:15, weekdays only.

    Volatility and volume are high at the open and the close, volatility moves in waves over the
    sessions, prices gap over night, and volume follows the size of the move.
    """
    rng, like = np.random.default_rng(seed), Believable()
    sessions = -(-count // BARS_A_SESSION)
    clock = np.linspace(-1.0, 1.0, BARS_A_SESSION)
    smile = 0.75 + 0.9 * clock**2
    level = np.exp(_waves(rng.normal(0.0, like.unrest, sessions), like.memory))
    scale = like.bar * level[:, None] * smile
    moves = scale * rng.standard_t(5, (sessions, BARS_A_SESSION)) / np.sqrt(5 / 3)
    gaps = like.night * level * rng.standard_t(4, sessions) / np.sqrt(2)
    gaps[0] = 0.0
    steps = moves + 0.0
    steps[:, 0] += gaps
    close = np.cumsum(steps.ravel())
    open_ = close - moves.ravel()
    wick = scale.ravel() * 0.4
    high = np.maximum(open_, close) + wick * rng.exponential(1.0, close.size)
    low = np.minimum(open_, close) - wick * rng.exponential(1.0, close.size)
    size = 0.5 + np.abs(moves) / scale
    volume = like.volume * smile * size * rng.lognormal(0.0, 0.4, moves.shape)
    rows = (*map(_rupees, (open_, high, low, close)), np.rint(volume.ravel()))
    return _one_symbol("nse", "SYNTHETIC", _times(sessions)[:count], np.stack(rows)[:, :count])


def _one_symbol(market: str, symbol: str, times: Times, rows: Floats) -> Bars:
    open_, high, low, close, volume = rows[:, None, :]
    return Bars(market, (symbol,), times, open_, high, low, close, volume)


def _waves(shocks: Floats, memory: float) -> Floats:
    """Return the autoregressive sum of `shocks`, from 0."""
    waves = np.empty(len(shocks))
    level = 0.0
    for session, shock in enumerate(shocks):
        level = memory * level + shock
        waves[session] = level
    return waves


def _rupees(log_price: Floats) -> Floats:
    return np.maximum(np.round(1_000.0 * np.exp(log_price) * 20.0), 1.0) / 20.0


def _times(sessions: int) -> Times:
    days = np.busday_offset(np.datetime64(_FIRST_DAY), np.arange(sessions), roll="forward")
    first = np.datetime64(datetime.min + _OPEN) - np.datetime64(datetime.min)
    clock = first + np.arange(BARS_A_SESSION) * np.timedelta64(_BAR)
    times: Times = days[:, None].astype("datetime64[s]") + clock.astype("timedelta64[s]")
    return times.ravel()
