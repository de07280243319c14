"""The plain arrays and numbers that the kernels read, and how bars and genomes become them."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account
from kasauti.compiled import njit
from kasauti.genome.model import Distance, DistanceKind, Genome, Side
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.market.markets import Market

Integers = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)
NO_DISTANCE, ATR, FRACTION = 0, 1, 2
VOLUME_WINDOW = 20
LARGEST_SLIPPAGE = 0.5
"""Upper bound of the slippage, so that a sale far beyond the volume still has a price."""


class Tape(NamedTuple):
    """One symbol's bars; every array has shape (T,), `rates` (T, len(RATE_FIELDS)).

    `whole` is true where open, high, low and close are all finite: nothing fills elsewhere.
    `mean_volume` is over the 20 bars *before* each bar. `session` numbers the sessions.
    `square_off` is true where a short may not be held any longer. `last_bar` is the position of
    the symbol's last finite close, -1 if it has none.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    whole: Booleans
    mean_volume: Floats
    atr: Floats
    rates: Floats
    session: Integers
    square_off: Booleans
    last_bar: int


class Rules(NamedTuple):
    """The genes beside the two expressions, as numbers; kinds are `NO_DISTANCE` and so on."""

    side: float
    stop_kind: int
    stop: float
    target_kind: int
    target: float
    trail_kind: int
    trail: float
    max_bars: int
    risk: float


class Costs(NamedTuple):
    """Capital in rupees and slippage as fractions of the price."""

    capital: float
    half_spread: float
    impact: float


def rules_of(genome: Genome) -> Rules:
    """Return the numeric genes of `genome`; no time stop is ``max_bars`` 0."""
    stop, target, trail = (_numbers(d) for d in (genome.stop, genome.target, genome.trail))
    side = 1.0 if genome.side is Side.LONG else -1.0
    return Rules(side, *stop, *target, *trail, genome.max_bars or 0, genome.risk)


def _numbers(distance: Distance | None) -> tuple[int, float]:
    if distance is None:
        return NO_DISTANCE, 0.0
    kind = ATR if distance.kind is DistanceKind.ATR else FRACTION
    return kind, float(distance.value)


def costs_of(account: Account) -> Costs:
    """Return the numbers of `account`."""
    slippage = account.slippage
    return Costs(float(account.capital), float(slippage.half_spread), float(slippage.impact))


def tapes_of(bars: Bars, atr: Floats, account: Account, market: Market) -> tuple[Tape, ...]:
    """Return one tape a symbol.

    Parameters
    ----------
    bars : Bars
    atr : ndarray of shape (S, T)
        ATR(14), NaN during its warm-up.
    account : Account
        Its charges give the rates of each bar.
    market : Market
        Whether a short may be held over the close, and when it is squared off.
    """
    rates = account.charges.rates(bars.times)
    session = np.unique(bars.sessions, return_inverse=True)[1].astype(np.int64)
    square_off = square_off_bars(bars, market)
    volume = mean_volume_before(bars.volume)
    return tuple(
        frozen_tape(
            bars.open[row],
            bars.high[row],
            bars.low[row],
            bars.close[row],
            volume[row],
            atr[row],
            rates,
            session,
            square_off,
        )
        for row in range(len(bars.symbols))
    )


def frozen_tape(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    mean_volume: Floats,
    atr: Floats,
    rates: Floats,
    session: Integers,
    square_off: Booleans,
) -> Tape:
    """Return a `Tape` of read-only arrays; one type of array means one compiled kernel."""
    whole = np.isfinite(open_) & np.isfinite(high) & np.isfinite(low) & np.isfinite(close)
    return Tape(
        _frozen(open_),
        _frozen(high),
        _frozen(low),
        _frozen(close),
        _frozen(whole),
        _frozen(mean_volume),
        _frozen(atr),
        _frozen(rates),
        _frozen(session),
        _frozen(square_off),
        int(np.flatnonzero(np.isfinite(close))[-1:].max(initial=-1)),
    )


def _frozen(array: NDArray[Number]) -> NDArray[Number]:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def square_off_bars(bars: Bars, market: Market) -> Booleans:
    """Return where a short has to be bought back at the open, shape (T,).

    Nowhere if the market lets a short be held over the close, and nowhere on daily bars. Else on
    every intraday bar from the market's square-off time on, and on a session's last bar always.
    """
    due = np.zeros(len(bars.times), dtype=np.bool_)
    if market.daily_shorts or bars.is_daily or len(bars.times) == 0:
        return due
    due[:-1] = bars.sessions[1:] != bars.sessions[:-1]
    due[-1] = True
    if market.square_off is not None:
        clock = (bars.times - bars.sessions).astype("timedelta64[s]").astype(np.int64)
        at = market.square_off
        due |= clock >= at.hour * 3600 + at.minute * 60 + at.second
    return due


def mean_volume_before(volume: Floats) -> Floats:
    """Return the mean of the finite volumes of the 20 bars before each bar, shape of `volume`.

    NaN where none of them is finite; fewer than 20 bars at the start are used as they are.
    """
    mean = np.full(volume.shape, np.nan)
    for symbol, row in enumerate(volume):
        _mean_before(row, VOLUME_WINDOW, mean[symbol])
    return mean


@njit
def _mean_before(values: Floats, window: int, mean: Floats) -> None:
    for t in range(len(values)):
        total, count = 0.0, 0
        for before in range(max(0, t - window), t):
            if np.isfinite(values[before]):
                total += values[before]
                count += 1
        if count > 0:
            mean[t] = total / count


@njit
def distance_from(kind: int, value: float, atr: float, price: float) -> float:
    """Return a distance in rupees: ``value * atr`` or ``value * price``."""
    return value * atr if kind == ATR else value * price
