"""What dirty data brings, planted into real bars."""

import numpy as np

from kasauti.market.bars import Bars


def damaged(bars: Bars, seed: int) -> Bars:
    """Plant undefined opens, bars and volumes, halts, gaps, a late start and an early end."""
    rng = np.random.default_rng(seed)
    fields = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    volume = bars.volume.copy()
    shape = bars.shape
    fields["open"][rng.random(shape) < 0.03] = np.nan
    fields["high"][rng.random(shape) < 0.01] = np.nan
    gone = rng.random(shape) < 0.03
    for row in range(shape[0]):  # halts of several bars
        for first in rng.integers(0, shape[1] - 10, 5):
            gone[row, first : first + int(rng.integers(2, 9))] = True
    for values in fields.values():
        values[gone] = np.nan
        values[0, -(shape[1] // 10) :] = np.nan  # the first symbol stops trading
        values[-1, : shape[1] // 20] = np.nan  # the last one lists late
    jump = np.exp(np.cumsum(rng.normal(0, 0.15, shape) * (rng.random(shape) < 0.01), axis=1))
    for name, values in fields.items():
        fields[name] = values * jump
    volume[:, : shape[1] // 3] = np.nan
    volume[rng.random(shape) < 0.3] = np.nan
    return Bars(bars.market, bars.symbols, bars.times, volume=volume, **fields)
