"""Figures of an equity curve and its trades; nothing is simulated here.

Conventions: equity is marked at the close, the first return is 0, standard deviations have
``ddof=1``, the risk-free rate is 0, a year is 252 sessions. A return after equity reached zero is
0. Drawdowns are negative fractions and include the initial capital. Whatever is undefined for want
of variance or of trades is 0, so that no figure is ever NaN.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from kasauti.compiled import njit
from kasauti.market.bars import Floats

SESSIONS_A_YEAR = 252
LARGEST_EXPONENT = 700.0
"""exp(700) is about 1e304: a few good intraday bars, a year of them, would be no float."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one account, or of a panel by its summed equity.

    Attributes
    ----------
    total_return : float
        Last equity over the capital, minus 1.
    cagr : float
        The same a year of 252 sessions; -1 where equity ends at or below zero.
    sharpe : float
        Mean over standard deviation of the returns a bar, times the root of the bars a year.
    sortino : float
        The same over the root of the mean squared negative return.
    max_drawdown : float
        Lowest equity relative to its peak so far, minus 1: a negative fraction.
    trades : int
        Closed trades.
    win_rate : float
        Share of closed trades with a profit net of charges.
    exposure : float
        Share of the bars on which a position was held beyond the open; a panel's mean.
    charges : float
        Rupees paid, those of an open position's entry included.
    """

    total_return: float
    cagr: float
    sharpe: float
    sortino: float
    max_drawdown: float
    trades: int
    win_rate: float
    exposure: float
    charges: float

    def to_json(self) -> dict[str, float | int]:
        """Return the figures by name."""
        return asdict(self)


@njit
def returns_of(equity: Floats) -> Floats:
    """Return the simple returns of an equity curve, shape (T,); the first is 0."""
    returns = np.zeros(len(equity))
    for t in range(1, len(equity)):
        if equity[t - 1] > 0.0:
            returns[t] = equity[t] / equity[t - 1] - 1.0
    return returns


@njit
def max_drawdown(equity: Floats, capital: float) -> float:
    """Return the lowest equity relative to its peak so far, the capital included, minus 1."""
    peak, worst = capital, 0.0
    for value in equity:
        peak = max(peak, value)
        worst = min(worst, value / peak - 1.0)
    return worst


@njit
def mean_and_deviation(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation (ddof 1); (0, 0) where there are fewer than two."""
    if len(values) < 2:
        return 0.0, 0.0
    mean = np.mean(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return float(mean), float(np.sqrt(squares / (len(values) - 1)))


@njit
def sharpe_ratio(returns: Floats, bars_a_year: float) -> float:
    """Return the annualised Sharpe ratio at a risk-free rate of 0; 0 without variance."""
    mean, deviation = mean_and_deviation(returns)
    return mean / deviation * np.sqrt(bars_a_year) if deviation > 0.0 else 0.0


@njit
def sortino_ratio(returns: Floats, bars_a_year: float) -> float:
    """Return mean over downside deviation (over all bars, target 0), annualised; 0 without one."""
    squares = 0.0
    for value in returns:
        if value < 0.0:
            squares += value * value
    if squares == 0.0:
        return 0.0
    return float(np.mean(returns) / np.sqrt(squares / len(returns)) * np.sqrt(bars_a_year))


@njit
def t_statistic(values: Floats) -> float:
    """Return the t of the mean against zero; 0 without variance."""
    mean, deviation = mean_and_deviation(values)
    return mean / deviation * np.sqrt(len(values)) if deviation > 0.0 else 0.0


def metrics_of(
    equity: Floats,
    capital: float,
    bars_a_session: int,
    profits: Floats,
    exposure: float,
    charges: float,
) -> Metrics:
    """Return the figures of one curve.

    Parameters
    ----------
    equity : ndarray of shape (T,), float64
        At least one bar.
    capital : float
        Equity before the first bar.
    bars_a_session : int
    profits : ndarray of shape (number of closed trades,), float64
        Net of charges.
    exposure, charges : float
    """
    returns = returns_of(equity)
    bars_a_year = float(SESSIONS_A_YEAR * bars_a_session)
    growth = float(equity[-1]) / capital
    return Metrics(
        total_return=growth - 1.0,
        cagr=_yearly(growth, len(equity) / bars_a_year),
        sharpe=float(sharpe_ratio(returns, bars_a_year)),
        sortino=float(sortino_ratio(returns, bars_a_year)),
        max_drawdown=float(max_drawdown(equity, capital)),
        trades=len(profits),
        win_rate=float(np.mean(profits > 0.0)) if len(profits) else 0.0,
        exposure=float(exposure),
        charges=float(charges),
    )


def _yearly(growth: float, years: float) -> float:
    """Return ``growth ** (1 / years) - 1``; -1 where nothing is left to grow."""
    if growth <= 0.0:
        return -1.0
    return math.expm1(min(math.log(growth) / years, LARGEST_EXPONENT))
