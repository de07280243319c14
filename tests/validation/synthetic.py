"""Synthetic daily bars for the tests of this folder."""

import numpy as np

from kasauti.market.bars import Bars

LONGEST = 6000


def make_bars(
    symbols: tuple[str, ...] = ("AAA",),
    sessions: int = 1000,
    start: str = "2010-01-04",
    seed: int = 1,
    market: str = "sample",
) -> Bars:
    """Return random-walk bars on business days; a longer panel begins like a shorter one."""
    days = np.busday_offset(np.datetime64(start), np.arange(LONGEST), roll="forward")
    closes, opens, highs, lows, volumes = [], [], [], [], []
    for symbol in symbols:
        rng = np.random.default_rng([seed, *symbol.encode()])
        close = 100 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, LONGEST)))
        gap = rng.normal(0, 0.003, LONGEST)
        before = np.concatenate([[100.0], close[:-1]])
        opened = before * np.exp(gap)
        closes.append(close)
        opens.append(opened)
        highs.append(np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.003, LONGEST))))
        lows.append(np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.003, LONGEST))))
        volumes.append(rng.integers(100_000, 1_000_000, LONGEST).astype(float))
    return Bars(
        market,
        symbols,
        days,
        np.array(opens),
        np.array(highs),
        np.array(lows),
        np.array(closes),
        np.array(volumes),
    ).between(0, sessions)


def plant_edge(sessions: int = 5000, strength: float = 0.4, seed: int = 5) -> Bars:
    """Return one symbol whose days tend to be undone by the next: an edge that the language names.

    The close-to-close return is ``-strength`` times the one before plus noise of 1 % a day; each
    bar opens on the close before it, so the reversal can be bought.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, 0.01, sessions)
    returns = np.empty(sessions)
    before = 0.0
    for day in range(sessions):
        before = returns[day] = noise[day] - strength * before
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate([[100.0], close[:-1]]) * (1 + rng.normal(0, 1e-4, sessions))
    wick = 1 + np.abs(rng.normal(0, 0.002, (2, sessions)))
    days = np.busday_offset(np.datetime64("1999-01-04"), np.arange(sessions), roll="forward")
    return Bars(
        "sample",
        ("PLANTED",),
        days,
        opened[None],
        (np.maximum(opened, close) * wick[0])[None],
        (np.minimum(opened, close) / wick[1])[None],
        close[None],
        np.full((1, sessions), 1e7),
    )


def constant_bars(sessions: int = 1000) -> Bars:
    """Return one symbol whose price never moves."""
    bars, price = make_bars(sessions=sessions), np.full((1, sessions), 5.0)
    return Bars("sample", ("FLAT",), bars.times, price, price, price, price, bars.volume)
