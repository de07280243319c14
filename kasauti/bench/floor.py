"""One strategy written by hand in numba: what nobody can go below who runs strategies one by one.

The rules are ``close > sma(close, 20)`` to enter, ``close < sma(close, 20)`` to leave, a stop of
5 % and 1 % at risk, in the `vectorbt` dialect. Everything general is left out: no other gene, no
missing value, no trade records. A test holds it to the engine's figures.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from kasauti.backtest.engine import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.backtest.vectorbt_call import Prices, prices_of
from kasauti.bench.stopwatch import fastest
from kasauti.compiled import njit
from kasauti.market.bars import Booleans, Floats

WINDOW = 20
STOP = 0.05
RISK = 0.01
REPEATS = 50


@dataclass(frozen=True)
class Floor:
    """Microseconds of one strategy on `bars` bars, by hand in one thread."""

    bars: int
    signals_given_us: float
    signals_computed_us: float


def measure_floor(tester: Backtester) -> Floor:
    """Measure the hand-written strategy on the first symbol."""
    prices = prices_of(tester.bars, 0, tester.features.atr(), tester.account)
    numbers = (tester.account.capital, tester.account.slippage.half_spread)
    enter, leave = crossing(prices.close, WINDOW)

    def given() -> None:
        for _ in range(REPEATS):
            trade(prices, enter, leave, *numbers)

    def computed() -> None:
        for _ in range(REPEATS):
            trade(prices, *crossing(prices.close, WINDOW), *numbers)

    seconds = fastest({"given": given, "computed": computed}, rounds=7)
    micro = {name: one / REPEATS * 1e6 for name, one in seconds.items()}
    return Floor(tester.bars.shape[1], micro["given"], micro["computed"])


def by_hand(tester: Backtester) -> tuple[float, float, float]:
    """Return total return, Sharpe ratio and maximum drawdown of the hand-written strategy."""
    prices = prices_of(tester.bars, 0, tester.features.atr(), tester.account)
    run = partial(trade, prices, *crossing(prices.close, WINDOW))
    total, sharpe, drawdown = run(tester.account.capital, tester.account.slippage.half_spread)
    return total, sharpe * np.sqrt(SESSIONS_A_YEAR * tester.bars.bars_a_session), drawdown


@njit
def crossing(close: Floats, window: int) -> tuple[Booleans, Booleans]:
    """Return where `close` is above and below its mean of `window` bars, by a rolling sum."""
    above, below = np.zeros(len(close), np.bool_), np.zeros(len(close), np.bool_)
    total = 0.0
    for t in range(len(close)):
        total += close[t]
        if t >= window - 1:
            mean = total / window
            above[t], below[t] = close[t] > mean, close[t] < mean
            total -= close[t - window + 1]
    return above, below


@njit
def trade(
    prices: Prices, enter: Booleans, leave: Booleans, capital: float, half_spread: float
) -> tuple[float, float, float]:
    """Return total return, Sharpe ratio a bar and maximum drawdown."""
    cash, quantity, level = capital, 0.0, 0.0
    before, highest, drawdown = capital, capital, 0.0
    total, squares = 0.0, 0.0
    for t in range(len(prices.open)):
        if quantity > 0.0:
            fill = 0.0
            if prices.open[t] <= level:
                fill = prices.open[t]
            elif prices.low[t] <= level:
                fill = level
            elif leave[t - 1]:
                fill = prices.open[t]
            if fill > 0.0:
                value = quantity * fill * (1.0 - half_spread)
                cash += value - value * prices.fees[t]
                quantity = 0.0
        elif t > 0 and enter[t - 1]:
            p = prices.open[t] * (1.0 + half_spread)
            affordable = cash / (p * (1.0 + prices.fees[t]))
            quantity = np.floor(min(RISK * cash / (STOP * p), affordable))
            level = p * (1.0 - STOP)
            cash -= quantity * p * (1.0 + prices.fees[t])
        equity = cash + quantity * prices.close[t]
        change = equity / before - 1.0
        total, squares, before = total + change, squares + change * change, equity
        highest = max(highest, equity)
        drawdown = min(drawdown, equity / highest - 1.0)
    bars = len(prices.open)
    mean = total / bars
    deviation = np.sqrt((squares - bars * mean * mean) / (bars - 1))
    return before / capital - 1.0, mean / deviation, drawdown
