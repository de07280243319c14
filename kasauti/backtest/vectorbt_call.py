"""The one call of vectorbt that means what our `vectorbt` dialect means; who compares stands apart.

vectorbt has two engines, numba and (with the package vectorbt-rust) rust. Its methods do not all
pass on the engine of their portfolio: Sharpe ratio and drawdown follow the global setting, which by
default takes rust wherever it is installed. `running` sets it, so that one engine does everything;
vectorbt then refuses what its rust engine cannot do instead of falling back to numba.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.account import Account
from kasauti.backtest.tape import filled_closes, one_fee
from kasauti.genome.codes import ATR, NO_DISTANCE
from kasauti.market.bars import Bars, Booleans, Floats

Engine = Literal["numba", "rust"]


class Prices(NamedTuple):
    """One symbol's bars as vectorbt gets them, arrays of shape (T,).

    Opens, highs and lows are as they are: nothing fills on an undefined open. Closes are filled,
    so that a position always has a value. `fees` are fractions of an order's value.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    atr: Floats
    fees: Floats


def prices_of(bars: Bars, row: int, atr: Floats, account: Account) -> Prices:
    """Return the bars of the symbol at `row`; `atr` has shape (S, T)."""
    fees = one_fee(account.charges.rates(bars.times))
    close = filled_closes(bars.close[row])
    return Prices(bars.open[row], bars.high[row], bars.low[row], close, atr[row], fees)


class Columns(NamedTuple):
    """K strategies on one symbol as vectorbt is asked to trade them.

    `entries` and `exits` (T, K) stand on the bars that they fill on. `sizes` (T, K) are shares.
    `stops` and `targets` (T, K) are fractions of the fill price, NaN for none. `shorts` and
    `trails` have shape (K,); a trailing stop is in `stops`.
    """

    entries: Booleans
    exits: Booleans
    sizes: Floats
    stops: Floats
    targets: Floats
    shorts: Booleans
    trails: Booleans


@contextmanager
def running(engine: Engine) -> Iterator[None]:
    """Let every function of vectorbt run on `engine`, or raise where it cannot."""
    import vectorbt as vbt  # 10 s to import, only where it is asked for its opinion

    before = vbt.settings["engine"]
    vbt.settings["engine"] = engine
    try:
        yield
    finally:
        vbt.settings["engine"] = before


def has_rust() -> bool:
    """Whether vectorbt's rust engine is installed, in vectorbt's own version."""
    from vectorbt._engine import is_rust_available

    return bool(is_rust_available())


def columns_for(
    prices: Prices,
    account: Account,
    genes: NDArray[np.void],
    entries: Booleans,
    exits: Booleans,
    sizes: Floats,
) -> Columns:
    """Return K strategies as vectorbt is asked to trade them.

    Parameters
    ----------
    prices : Prices
    account : Account
    genes : ndarray of shape (K,), dtype `GENES`
        Of expressible genomes.
    entries, exits, sizes : ndarray of shape (T, K)
    """
    sides, trails = genes["side"], genes["trail_kind"] != NO_DISTANCE
    kinds = np.where(trails, genes["trail_kind"], genes["stop_kind"])
    nearest = np.where(trails, genes["trail"], genes["stop"])
    half_spread = account.slippage.half_spread
    stops = _fractions(prices, kinds, nearest, sides, half_spread)
    targets = _fractions(prices, genes["target_kind"], genes["target"], sides, half_spread)
    return Columns(entries, exits, sizes, stops, targets, sides < 0.0, trails)


def _fractions(
    prices: Prices, kinds: NDArray[np.int64], values: Floats, sides: Floats, half_spread: float
) -> Floats:
    """Return K distances as fractions of the fill price, shape (T, K), NaN for no distance."""
    found = np.empty((len(prices.open), len(kinds)))
    found[:] = np.where(kinds == NO_DISTANCE, np.nan, values)
    of_atr = np.flatnonzero(kinds == ATR)
    if len(of_atr) > 0:
        fills = prices.open[1:, None] * (1.0 + sides[of_atr] * half_spread)
        found[0, of_atr] = np.nan
        found[1:, of_atr] = values[of_atr] * prices.atr[:-1, None] / fills
    return found


def simulate(prices: Prices, account: Account, columns: Columns, engine: Engine) -> Any:
    """Return vectorbt's portfolio, one column a strategy; call it inside `running`."""
    import vectorbt as vbt
    from vectorbt.portfolio import nb

    nb.simulate_from_signals_nb.enable_caching()  # else every process compiles it anew, 25 s

    def same(values: Floats) -> Floats:
        return values[:, None]

    return vbt.Portfolio.from_signals(
        np.repeat(same(prices.close), len(columns.shorts), axis=1),
        entries=columns.entries,
        exits=columns.exits,
        direction=columns.shorts.astype(np.int64)[None, :],
        size=columns.sizes,
        price=same(prices.open),
        open=same(prices.open),
        high=same(prices.high),
        low=same(prices.low),
        sl_stop=columns.stops,
        sl_trail=columns.trails[None, :],
        tp_stop=columns.targets,
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        upon_long_conflict="exit",
        upon_short_conflict="exit",
        accumulate=False,
        size_granularity=1.0,
        min_size=1.0,
        fees=same(prices.fees),
        slippage=account.slippage.half_spread,
        init_cash=account.capital,
        freq="1D",
        engine=engine,
    )


def figures(portfolio: Any, bars_a_year: int) -> Floats:
    """Return total return, Sharpe ratio and maximum drawdown by vectorbt's methods, shape (K, 3).

    The accessor of returns is made once and without a benchmark. The portfolio's own shorthands
    make it for every figure, with a benchmark that none of them needs: up to half as long again.
    The Sharpe ratio of an account that never moves is 0, as ours is; vectorbt calls it infinite.
    """
    returns = portfolio.returns()
    accessor = returns.vbt.returns(freq=portfolio.wrapper.freq, year_freq=f"{bars_a_year} days")
    sharpe = accessor.sharpe_ratio().to_numpy()
    return np.column_stack(
        [
            portfolio.total_return().to_numpy(),
            np.where(np.isinf(sharpe), 0.0, sharpe),
            accessor.max_drawdown().to_numpy(),
        ]
    )
