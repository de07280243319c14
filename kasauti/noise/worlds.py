"""Surrogate markets made from real bars with the edge removed; what is planted stands in `planted`.

A world is a sequence of real bars, each taken as four prices and a volume relative to the close
before it, so that a world has the gaps, ranges and wild days of its market. What makes it free of
an edge is the same everywhere: given everything before it, the mean return of a bar is the market's
own mean, exactly. Up and down are drawn anew for each bar by mirroring it (bootstrap and phases),
or the shock is drawn independently (GARCH). Resampling alone would not do: blocks and the spectrum
of returns carry the market's momentum into the world.

The market's own mean stays: real markets drift, a strategy that merely holds must be told from one
that knows something, and that is the pipeline's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kasauti.compiled import njit
from kasauti.errors import DataError
from kasauti.market.bars import Bars, Floats, Times

SYMBOL = "WORLD"
FIRST_CLOSE = 100.0
MEAN_BLOCK = 20
"""Sessions in a block of the bootstrap: about the cube root of 20 years of them."""

LEAST_RATIO = 0.05  # no bar loses more than 95 %: a share of nothing cannot be mirrored back
FEWEST_BARS = 500

Places = NDArray[np.int64]


class Generator(StrEnum):
    """How a world is drawn."""

    BOOTSTRAP = "bootstrap"
    PHASES = "phases"
    GARCH = "garch"


@dataclass(frozen=True)
class Garch:
    """A GJR-GARCH(1, 1) of the close-to-close returns.

    Attributes
    ----------
    omega, alpha, gamma, beta : float
        Of the variance, in squared returns; gamma weighs the falls.
    """

    omega: float
    alpha: float
    gamma: float
    beta: float

    @property
    def persistence(self) -> float:
        """What is left of a shock to the variance a bar later."""
        return self.alpha + self.gamma / 2.0 + self.beta


@dataclass(frozen=True, eq=False)
class Base:
    """One real symbol as the stuff that worlds are made of.

    Attributes
    ----------
    name, market : str
    times : ndarray of shape (T,), datetime64
        Dates that a world may bear.
    shapes : ndarray of shape (N, 4), float64
        Open, high, low and close over the close before, minus 1, minus `drift`.
    volume : ndarray of shape (N,), float64
        NaN where unknown.
    drift : float
        Mean close-to-close return.
    garch : Garch
        Fitted once.
    sigma : ndarray of shape (N,), float64
        The volatility that the fit gives each bar.
    """

    name: str
    market: str
    times: Times
    shapes: Floats
    volume: Floats
    drift: float
    garch: Garch
    sigma: Floats

    @classmethod
    def of(cls, bars: Bars, symbol: str) -> "Base":
        """Return the base that a symbol's daily bars make.

        Bars without all four prices are left out, and so is the bar after a missing close.

        Raises
        ------
        DataError
            Under 500 bars are left, or they are not daily, or their prices never move.
        """
        if not bars.is_daily:
            raise DataError(f"{symbol} has intraday bars: worlds are made from daily ones")
        row = bars.symbols.index(symbol)
        prices = np.stack([bars.open[row], bars.high[row], bars.low[row], bars.close[row]], axis=1)
        ratios = prices[1:] / bars.close[row, :-1, None]
        whole = np.isfinite(ratios).all(axis=1)
        kept = ratios[whole]
        if len(kept) < FEWEST_BARS:
            raise DataError(
                f"{symbol} has {len(kept)} whole bars, a world needs {FEWEST_BARS} to be made from"
            )
        if np.ptp(kept[:, 3]) == 0.0:
            raise DataError(f"the closes of {symbol} never move: no world can be made from them")
        drift = float(kept[:, 3].mean() - 1.0)
        shapes: Floats = kept - 1.0 - drift
        garch, sigma = fit_garch(shapes[:, 3])
        volume = bars.volume[row, 1:][whole]
        return cls(symbol, bars.market, bars.times, shapes, volume, drift, garch, sigma)

    @property
    def volatility(self) -> float:
        """Deviation of the close-to-close returns."""
        return float(self.shapes[:, 3].std())


@dataclass(frozen=True, eq=False)
class Stuff:
    """The bars of one world before they are strung together.

    Attributes
    ----------
    shapes : ndarray of shape (T, 4), float64
        Open, high, low and close over the close before, minus 1, of mean 0.
    volume : ndarray of shape (T,), float64
    """

    shapes: Floats
    volume: Floats


def draw(base: Base, generator: Generator, sessions: int, rng: np.random.Generator) -> Stuff:
    """Draw the bars of a world of `sessions` bars."""
    if generator is Generator.GARCH:
        places = rng.integers(len(base.shapes), size=sessions)
        standard = base.shapes / base.sigma[:, None]
        standard -= standard[
            :, 3
        ].mean()  # the shocks' own mean would be a drift that grows in storms
        shocks = np.ascontiguousarray(standard[places])
        shapes = shocks * _simulated_sigma(base, shocks[:, 3])[:, None]
    else:
        order = _blocks if generator is Generator.BOOTSTRAP else _phases
        places = order(base, sessions, rng)
        shapes = _mirrored(base.shapes[places], rng.random(sessions) < 0.5)
    return Stuff(shapes, base.volume[places])


def make_world(base: Base, generator: Generator, sessions: int, rng: np.random.Generator) -> Bars:
    """Return one symbol of `sessions` daily bars without an edge, under the base's last dates."""
    stuff = draw(base, generator, sessions, rng)
    return to_bars(base, stuff, string(stuff.shapes + base.drift))


def to_bars(base: Base, stuff: Stuff, prices: Floats) -> Bars:
    """Return prices of shape (T, 4) as the bars of a world."""
    opened, high, low, close = (np.ascontiguousarray(prices[:, k])[None] for k in range(4))
    times = dates(base, len(prices))
    return Bars(base.market, (SYMBOL,), times, opened, high, low, close, stuff.volume[None])


def side_by_side(worlds: Sequence[Bars]) -> Bars:
    """Return worlds of the same dates as the symbols of one panel."""

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(bars, name) for bars in worlds])

    return Bars(
        worlds[0].market,
        tuple(f"{SYMBOL} {k}" for k in range(len(worlds))),
        worlds[0].times,
        joined("open"),
        joined("high"),
        joined("low"),
        joined("close"),
        joined("volume"),
    )


def dates(base: Base, sessions: int) -> Times:
    """Return the base's last dates; weekdays before them where it has too few."""
    missing = sessions - len(base.times)
    if missing <= 0:
        return base.times[-sessions:]
    before = np.busday_offset(base.times[0], np.arange(-missing, 0), roll="forward")
    return np.concatenate([before.astype("datetime64[D]"), base.times])


def string(shapes: Floats) -> Floats:
    """Return prices of shape (T, 4) from bars relative to the close before them."""
    ratios = np.maximum(1.0 + shapes, LEAST_RATIO)
    before = FIRST_CLOSE * np.concatenate([[1.0], np.cumprod(ratios[:-1, 3])])
    prices: Floats = ratios * before[:, None]
    return prices


def fit_garch(returns: Floats) -> tuple[Garch, Floats]:
    """Fit a GJR-GARCH(1, 1) to returns of mean 0 and give the volatility of each.

    Glosten, Jagannathan and Runkle 1993. A fit that would explode is refused.

    Raises
    ------
    DataError
        The variance would not come back.
    """
    from arch import arch_model  # seconds to import

    percent = 100.0 * returns  # arch wants variances near 1
    fitted = arch_model(percent, mean="Zero", vol="GARCH", p=1, o=1, q=1).fit(disp="off")
    omega, alpha, gamma, beta = (
        float(fitted.params[name]) for name in ("omega", "alpha[1]", "gamma[1]", "beta[1]")
    )
    garch = Garch(omega / 1e4, alpha, gamma, beta)
    if not garch.persistence < 1.0:
        raise DataError(
            f"the volatility fitted to these returns explodes (persistence "
            f"{garch.persistence:.3f}): make worlds from another symbol or a longer history"
        )
    sigma: Floats = np.asarray(fitted.conditional_volatility, dtype=np.float64) / 100.0
    return garch, sigma


def _simulated_sigma(base: Base, shocks: Floats) -> Floats:
    """Return the volatility of every bar, at most what the market ever had.

    Without a bound one world in twenty explodes: real shocks have too heavy tails for the fit.
    """
    garch, variances = base.garch, np.empty(len(shocks))
    highest = float(base.sigma.max()) ** 2
    _variances(garch.omega, garch.alpha, garch.gamma, garch.beta, highest, shocks, variances)
    return np.sqrt(variances)


@njit
def _variances(
    omega: float,
    alpha: float,
    gamma: float,
    beta: float,
    highest: float,
    shocks: Floats,
    variances: Floats,
) -> None:
    variance = omega / (1.0 - alpha - gamma / 2.0 - beta)
    for t in range(len(shocks)):
        variance = min(variance, highest)
        variances[t] = variance
        weight = alpha + gamma if shocks[t] < 0.0 else alpha
        variance = omega + weight * variance * shocks[t] ** 2 + beta * variance


def _blocks(base: Base, sessions: int, rng: np.random.Generator) -> Places:
    """Return places in blocks of geometric length that wrap around (Politis and Romano 1994)."""
    count = len(base.shapes)
    begins = rng.random(sessions) < 1.0 / MEAN_BLOCK
    begins[0] = True
    starts = rng.integers(count, size=int(begins.sum()))
    at = np.flatnonzero(begins)
    block = np.cumsum(begins) - 1
    places: Places = (starts[block] + np.arange(sessions) - at[block]) % count
    return places


def _phases(base: Base, sessions: int, rng: np.random.Generator) -> Places:
    """Return places so that the size of the moves keeps its spectrum and nothing else.

    The amplitude-adjusted phases of Theiler et al. 1992, of the size of the returns: a Gaussian
    series with the ranks of the sizes has the phases of its spectrum drawn anew, and the bars are
    put into the order of its ranks. Every bar is used as often as any other.
    """
    sizes = np.abs(base.shapes[:, 3])
    count = len(sizes)
    pieces = [_reordered(sizes, rng) for _ in range(-(-sessions // count))]
    return np.concatenate(pieces)[:sessions]


def _reordered(sizes: Floats, rng: np.random.Generator) -> Places:
    count = len(sizes)
    by_size = np.argsort(sizes, kind="stable")
    ranks = np.empty(count, dtype=np.int64)
    ranks[by_size] = np.arange(count)
    gaussian = np.sort(rng.standard_normal(count))[ranks]
    spectrum = np.fft.rfft(gaussian)
    turned = spectrum * np.exp(2j * np.pi * rng.random(len(spectrum)))
    turned[0] = spectrum[0]
    if count % 2 == 0:
        turned[-1] = spectrum[-1]
    series = np.fft.irfft(turned, n=count)
    order = np.empty(count, dtype=np.int64)
    order[np.argsort(series, kind="stable")] = by_size
    return order


def _mirrored(shapes: Floats, turned: NDArray[np.bool_]) -> Floats:
    """Turn bars upside down: what was the high is the low."""
    upside_down = -shapes[:, [0, 2, 1, 3]]
    return np.where(turned[:, None], upside_down, shapes)
