"""The plain arrays and numbers that the kernels read, and how bars and genomes become them."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account, Dialect
from kasauti.compiled import borrowed, njit
from kasauti.features.bits import pack
from kasauti.genome.codes import ATR, FRACTION, NO_DISTANCE
from kasauti.market.bars import Bars, Booleans, Floats
from kasauti.market.charge_kernels import variable_buy_rate
from kasauti.market.markets import Market
from kasauti.simd import LANES

__all__ = ["ATR", "BLOCK_BITS", "FRACTION", "NO_DISTANCE", "Costs", "Rules", "Tape", "tapes_of"]

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
Number = TypeVar("Number", bound=np.generic)
VOLUME_WINDOW = 20
LARGEST_SLIPPAGE = 0.5
"""Upper bound of the slippage, so that a sale far beyond the volume still has a price."""

BLOCK_BITS = 4
BLOCK = 1 << BLOCK_BITS
"""Bars whose extremes are kept together: a level out of their reach is passed in one step."""


class Tape(NamedTuple):
    """One symbol's bars as a kernel reads them; arrays of shape (T,) unless said otherwise.

    A panel's tape has one more axis in front, see `tapes_of` and `symbol_of`; only `session`,
    `rates` and `fees` are the same for all symbols.

    Attributes
    ----------
    open, high, low : float64
        In the `vectorbt` dialect filled where undefined, as vectorbt fills them.
    mark : float64, shape (T + LANES,)
        Closes, filled forward, and backward at the start: what a position is worth. The last ones
        are no bars: they let any bar be read with the three after it.
    mean_volume : float64
        Over the 20 bars *before* each bar, NaN without any.
    atr : float64
    whole : bool
        Where orders fill: all four prices are finite (`vectorbt`: the open is).
    session : int64
        Number of each bar's session.
    next_whole, next_cover : int64, shape (T + 1,)
        First whole bar from each bar on, T if there is none; and the first whole one where a
        short may not be held any longer.
    lowest, highest : float64
        The lower of open and low, the higher of open and high; nothing reaches infinities, which
        stand where nothing fills.
    lowest_of, highest_of, mark_highest_of : float64, shape (ceil(T / 16),)
        Extremes of `lowest`, `highest` and `mark` over each `BLOCK` bars.
    may_enter_long, may_enter_short, may_leave : uint64, shape (ceil(T / 64),)
        Packed: on which closes an entry or an exit can be decided and acted upon.
    rates : float64, shape (T, len(RATE_FIELDS))
    fees : float64
        The `vectorbt` dialect's one fee, a fraction of an order's value on either side.
    last_bar : int64, shape (1,)
        Position of the symbol's last finite close, -1 if it has none.
    """

    open: Floats
    high: Floats
    low: Floats
    mark: Floats
    mean_volume: Floats
    atr: Floats
    whole: Booleans
    session: Integers
    next_whole: Integers
    next_cover: Integers
    lowest: Floats
    highest: Floats
    lowest_of: Floats
    highest_of: Floats
    mark_highest_of: Floats
    may_enter_long: Words
    may_enter_short: Words
    may_leave: Words
    rates: Floats
    fees: Floats
    last_bar: Integers


class Rules(NamedTuple):
    """The genes beside the two expressions, as numbers; see `kasauti.genome.codes.GENES`."""

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


def costs_of(account: Account) -> Costs:
    """Return the numbers of `account`."""
    slippage = account.slippage
    return Costs(float(account.capital), float(slippage.half_spread), float(slippage.impact))


def tapes_of(bars: Bars, atr: Floats, account: Account, market: Market, dialect: Dialect) -> Tape:
    """Return the panel's tape: every array of a `Tape` with one more axis in front, S long.

    Parameters
    ----------
    bars : Bars
    atr : ndarray of shape (S, T)
        ATR(14), NaN during its warm-up.
    account : Account
        Its charges give the rates of each bar.
    market : Market
        Whether a short may be held over the close, and when it is squared off.
    dialect : Dialect
    """
    ours = dialect is Dialect.KASAUTI
    known = np.isfinite(bars.close)
    mark = np.stack([filled_closes(row) for row in bars.close])
    open_, high, low = (bars.open, bars.high, bars.low) if ours else _filled(bars, mark)
    whole = np.isfinite(bars.open)
    if ours:
        whole = whole & np.isfinite(bars.high) & np.isfinite(bars.low) & known
    fills = whole if ours else np.ones_like(whole)
    lowest = np.where(fills, np.minimum(open_, low), np.inf)
    highest = np.where(fills, np.maximum(open_, high), -np.inf)
    covers = square_off_bars(bars, market) if ours else np.zeros(len(bars.times), np.bool_)
    whole_next = _before(whole)
    rates = account.charges.rates(bars.times)
    session = np.unique(bars.sessions, return_inverse=True)[1].astype(np.int64)
    columns = {
        "open": open_,
        "high": high,
        "low": low,
        "mark": np.pad(mark, ((0, 0), (0, LANES)), mode="edge"),
        "mean_volume": mean_volume_before(bars.volume),
        "atr": atr,
        "whole": whole,
        "session": session,
        "next_whole": _next(whole),
        "next_cover": _next(whole & covers),
        "lowest": lowest,
        "highest": highest,
        "lowest_of": _of_blocks(np.minimum, lowest, np.inf),
        "highest_of": _of_blocks(np.maximum, highest, -np.inf),
        "mark_highest_of": _of_blocks(np.fmax, mark, -np.inf),
        "may_enter_long": pack(known & whole_next),
        "may_enter_short": pack(known & whole_next & ~_before(covers)),
        "may_leave": pack(known if ours else known & whole_next),
        "rates": rates,
        "fees": one_fee(rates),
        "last_bar": np.array([[np.flatnonzero(row)[-1:].max(initial=-1)] for row in known]),
    }
    return Tape(**{name: _frozen(column) for name, column in columns.items()})


@njit
def symbol_of(panel: Tape, row: int) -> Tape:
    """Return the tape of the symbol in `row` of a panel's tape: views that are not counted."""
    return Tape(
        borrowed(panel.open)[row],
        borrowed(panel.high)[row],
        borrowed(panel.low)[row],
        borrowed(panel.mark)[row],
        borrowed(panel.mean_volume)[row],
        borrowed(panel.atr)[row],
        borrowed(panel.whole)[row],
        borrowed(panel.session),
        borrowed(panel.next_whole)[row],
        borrowed(panel.next_cover)[row],
        borrowed(panel.lowest)[row],
        borrowed(panel.highest)[row],
        borrowed(panel.lowest_of)[row],
        borrowed(panel.highest_of)[row],
        borrowed(panel.mark_highest_of)[row],
        borrowed(panel.may_enter_long)[row],
        borrowed(panel.may_enter_short)[row],
        borrowed(panel.may_leave)[row],
        borrowed(panel.rates),
        borrowed(panel.fees),
        borrowed(panel.last_bar)[row],
    )


def _frozen(array: NDArray[Number]) -> NDArray[Number]:
    """Return a read-only view; one type of array means one compiled kernel."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def filled_closes(close: Floats) -> Floats:
    """Return `close` (T,) with gaps filled forward and the start backward, as a value to mark at.

    Nothing trades on a filled close.
    """
    known = np.flatnonzero(np.isfinite(close))
    if len(known) == 0:
        return close
    position = np.searchsorted(known, np.arange(len(close)), side="right") - 1
    return np.ascontiguousarray(close[known[np.maximum(position, 0)]])


def _filled(bars: Bars, mark: Floats) -> tuple[Floats, Floats, Floats]:
    """Return open, high and low as vectorbt reads them: what is undefined comes from the close."""
    open_ = np.where(np.isnan(bars.open), mark, bars.open)
    high = np.where(np.isnan(bars.high), np.maximum(open_, mark), bars.high)
    low = np.where(np.isnan(bars.low), np.minimum(open_, mark), bars.low)
    return open_, high, low


def _before(flags: Booleans) -> Booleans:
    """Return the flags of the next bar, false on the last one."""
    earlier = np.zeros_like(flags)
    earlier[..., :-1] = flags[..., 1:]
    return earlier


def _next(flags: Booleans) -> Integers:
    """Return the first position from each one on where `flags` (S, T) is true, else T."""
    symbols, length = flags.shape
    where = np.full((symbols, length + 1), length, dtype=np.int64)
    where[:, :-1][flags] = np.nonzero(flags)[1]
    return np.minimum.accumulate(where[:, ::-1], axis=1)[:, ::-1]


def _of_blocks(extreme: np.ufunc, values: Floats, nothing: float) -> Floats:
    symbols, length = values.shape
    padded = np.full((symbols, -(-length // BLOCK) * BLOCK), nothing)
    padded[:, :length] = values
    found: Floats = extreme.reduce(padded.reshape(symbols, -1, BLOCK), axis=2)
    return found


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
def one_fee(rates: Floats) -> Floats:
    """Return what either side of a delivery costs without any minimum, a fraction of its value.

    Parameters
    ----------
    rates : ndarray of shape (T, len(RATE_FIELDS)), float64
    """
    fees = np.empty(len(rates))
    for t in range(len(rates)):
        fees[t] = rates[t, 0] + variable_buy_rate(rates[t], True)
    return fees


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
