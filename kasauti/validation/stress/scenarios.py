"""Recipes of stochastic worlds: which real sessions follow which, how scaled; no world is built."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from kasauti.market.bars import Floats
from kasauti.validation.stress.garch import Volatility
from kasauti.validation.stress.history import History, Places

WORLDS = 200
SESSIONS = 63
"""A quarter."""

TAIL, MEDIAN = 0.05, 0.5
"""The 95th percentile of the losses decides; of a prescribed path the median."""

BLOCK = 10
"""Mean sessions of a bootstrap block, two weeks: volatility clusters survive."""

CRASH, CRASH_SESSIONS, CRASH_VIX = -0.58, 189, 72.0
"""Federal Reserve, 2026 severely adverse scenario: three quarters, VIX peaking in the first."""

WORST_WINDOWS = 5
DROUGHT_SPREAD, DROUGHT_VOLUME = 10.0, 0.1
"""Half-spread times 5 to 10 and volume times .1 to .3: the worse end of both."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How W worlds of H sessions follow from a history.

    A session's log prices, relative to the close before it, are those of a real session times
    `scale`, plus one shift a session that keeps the mean, or leads to `total`.

    Attributes
    ----------
    name : str
    starts : ndarray of shape (W,), int64
        Whole session after whose close each world begins.
    drawn : ndarray of shape (W, H), int64
        The real session behind each of a world's.
    scale : ndarray of shape (W, H), float64
    vix : ndarray of shape (W, H), float64, or None
        Level of the volatility index; None keeps those of the sessions drawn.
    total : float or None
        Price at a world's end over that at its start, minus 1.
    quantile : float
        Which of the worlds, from the worst, decides.
    volume, half_spread : float
        Factors of both.
    """

    name: str
    starts: Places
    drawn: Places
    scale: Floats
    vix: Floats | None = None
    total: float | None = None
    quantile: float = TAIL
    volume: float = 1.0
    half_spread: float = 1.0

    def part(self, first: int, stop: int) -> "Recipe":
        """Return the recipe of the worlds `first` to `stop` (exclusive)."""
        few = slice(first, stop)
        vix = None if self.vix is None else self.vix[few]
        return replace(
            self, starts=self.starts[few], drawn=self.drawn[few], scale=self.scale[few], vix=vix
        )


def prescribed_crash(history: History, rng: Generator) -> Recipe:
    """Return the fall of 58 % over 189 sessions at twice the symbol's own volatility.

    The volatility index rises to 72 over the first quarter and stays there.
    """
    starts = _starts(history, rng)
    drawn = _stationary(len(history.places), CRASH_SESSIONS, rng)
    rise = np.minimum(np.arange(1, CRASH_SESSIONS + 1) / SESSIONS, 1.0)
    before = _vix_at(history, starts)[:, None]
    return Recipe(
        f"prescribed crash of {-CRASH:.0%} over {CRASH_SESSIONS} sessions",
        starts,
        drawn,
        np.full(drawn.shape, 2.0),
        before ** (1.0 - rise) * CRASH_VIX**rise,
        CRASH,
        MEDIAN,
    )


def double_volatility(history: History, rng: Generator) -> Recipe:
    """Return real sessions in blocks with twice their volatility and their own drift."""
    starts = _starts(history, rng)
    drawn = _stationary(len(history.places), SESSIONS, rng)
    vix = np.repeat(2.0 * _vix_at(history, starts)[:, None], SESSIONS, axis=1)
    return Recipe("volatility twice the usual", starts, drawn, np.full(drawn.shape, 2.0), vix)


def filtered_history(history: History, volatility: Volatility, rng: Generator) -> Recipe:
    """Return filtered historical simulation: real shocks, each scaled to the volatility simulated.

    Shocks are drawn one by one; the variance starts where it was at each world's start and follows
    the shocks.

    References
    ----------
    Barone-Adesi, Giannopoulos and Vosper (1999); SEBI circular 2024/131 for the clearing's fund.
    """
    starts = _starts(history, rng)
    deviation, shocks = volatility.deviation, history.returns - volatility.mean
    drawn = rng.integers(0, len(shocks), (WORLDS, SESSIONS))
    scale = np.empty(drawn.shape)
    variance = volatility.next_variance(shocks[starts], deviation[starts] ** 2)
    for session in range(SESSIONS):
        now = drawn[:, session]
        scale[:, session] = np.sqrt(variance) / deviation[now]
        variance = volatility.next_variance(shocks[now] * scale[:, session], variance)
    simulated = scale * deviation[drawn]
    vix = _vix_at(history, starts)[:, None] * simulated / simulated[:, :1]
    return Recipe("filtered historical simulation", starts, drawn, scale, vix)


def worst_windows(history: History, direction: float, rng: Generator) -> Recipe:
    """Return blocks out of the five quarters in which the position's side lost most.

    Parameters
    ----------
    direction : float
        1 for a long position, -1 for a short one.
    """
    windows = _worst_starts(direction * history.returns)
    window = rng.integers(0, len(windows), (WORLDS, SESSIONS))
    within = rng.integers(0, SESSIONS, (WORLDS, SESSIONS))
    keep = rng.random(window.shape) >= 1.0 / BLOCK
    for session in range(1, SESSIONS):
        stays = keep[:, session]
        window[stays, session] = window[stays, session - 1]
        within[stays, session] = (within[stays, session - 1] + 1) % SESSIONS
    drawn = windows[window] + within
    return Recipe(
        f"blocks of the {len(windows)} worst quarters",
        _starts(history, rng),
        drawn,
        np.ones(drawn.shape),
    )


def drought(history: History, rng: Generator) -> Recipe:
    """Return ordinary sessions with ten times the half-spread and a tenth of the volume."""
    drawn = _stationary(len(history.places), SESSIONS, rng)
    return Recipe(
        "liquidity drought",
        _starts(history, rng),
        drawn,
        np.ones(drawn.shape),
        volume=DROUGHT_VOLUME,
        half_spread=DROUGHT_SPREAD,
    )


def _starts(history: History, rng: Generator) -> Places:
    """Return the sessions after which worlds begin: one drawn from each of 200 equal stretches."""
    first = history.warm_sessions - 1
    eligible = len(history.places) - first
    return first + ((np.arange(WORLDS) + rng.random(WORLDS)) / WORLDS * eligible).astype(np.int64)


def _stationary(count: int, length: int, rng: Generator) -> Places:
    """Return positions of a stationary bootstrap (Politis and Romano 1994), shape (200, length)."""
    drawn = rng.integers(0, count, (WORLDS, length))
    keep = rng.random((WORLDS, length)) >= 1.0 / BLOCK
    for session in range(1, length):
        stays = keep[:, session]
        drawn[stays, session] = (drawn[stays, session - 1] + 1) % count
    return drawn


def _worst_starts(returns: Floats) -> Places:
    """Return the first sessions of the worst quarters, none of which overlap."""
    sums = np.convolve(returns, np.ones(SESSIONS), mode="valid")
    found: list[int] = []
    while len(found) < WORST_WINDOWS and np.isfinite(sums).any():
        worst = int(np.argmin(sums))
        found.append(worst)
        sums[max(0, worst - SESSIONS + 1) : worst + SESSIONS] = np.inf
    return np.array(found, dtype=np.int64)


def _vix_at(history: History, starts: Places) -> Floats:
    """Return the volatility index at each start, shape (W,); NaN without one."""
    vix = history.bars.series.get("vix")
    if vix is None:
        return np.full(len(starts), np.nan)
    levels: Floats = vix[history.places[starts, -1]]
    return levels
