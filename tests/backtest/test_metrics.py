"""Figures of small curves, worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from kasauti.backtest.metrics import Metrics, max_drawdown, metrics_of, returns_of, t_statistic

# 100, 110, 99, 118.8: returns 0, 0.1, -0.1, 0.2; mean 0.05; squared deviations 0.0025, 0.0025,
# 0.0225, 0.0225, so the variance is 0.05 / 3; mean squared negative return 0.01 / 4
CURVE = (100.0, 110.0, 99.0, 118.8)


def figures(equity: tuple[float, ...], capital: float = 100.0, **given: Any) -> Metrics:
    profits = np.array(given.pop("profits", []), dtype=np.float64)
    rest = {"bars_a_session": 1, "exposure": 0.25, "charges": 7.0, **given}
    return metrics_of(np.array(equity), capital, profits=profits, **rest)


def test_figures_of_a_curve_by_hand() -> None:
    found = figures(CURVE, profits=[10.0, -11.0, 0.0, 19.8])
    assert found.total_return == pytest.approx(0.188)
    assert found.cagr == pytest.approx(1.188 ** (252 / 4) - 1)
    assert found.sharpe == pytest.approx(0.05 / math.sqrt(0.05 / 3) * math.sqrt(252))
    assert found.sortino == pytest.approx(0.05 / 0.05 * math.sqrt(252))
    assert found.max_drawdown == pytest.approx(-0.1)
    assert (found.trades, found.win_rate) == (4, 0.5)  # a trade that nets nothing is no win
    assert (found.exposure, found.charges) == (0.25, 7.0)


def test_intraday_bars_are_annualised_by_the_bars_of_a_session() -> None:
    daily, intraday = figures(CURVE), figures(CURVE, bars_a_session=75)
    assert intraday.sharpe == pytest.approx(daily.sharpe * math.sqrt(75))
    assert intraday.sortino == pytest.approx(daily.sortino * math.sqrt(75))
    assert figures((100.0, 100.1), bars_a_session=75).cagr == pytest.approx(1.001**9450 - 1)


def test_a_growth_beyond_any_float_is_capped() -> None:
    assert math.isfinite(figures(CURVE, bars_a_session=75).cagr)


DRAWDOWNS = {
    "rising": ((100.0, 101.0, 102.0), 100.0, 0.0),
    "from the initial capital, which no close reached": ((90.0, 95.0, 99.0), 100.0, -0.10),
    "from the highest close so far": ((100.0, 120.0, 90.0, 130.0, 110.0), 100.0, -0.25),
    "beyond everything": ((100.0, -10.0), 100.0, -1.1),
}


@pytest.mark.parametrize(("curve", "capital", "worst"), DRAWDOWNS.values(), ids=DRAWDOWNS.keys())
def test_drawdown(curve: tuple[float, ...], capital: float, worst: float) -> None:
    assert max_drawdown(np.array(curve), capital) == pytest.approx(worst)


NO_VARIANCE = {
    "nothing happened": ((100.0, 100.0, 100.0), 0.0),
    "one bar": ((100.0,), 0.0),
    "all gone": ((100.0, 0.0, 0.0), -1.0),
    "more than all gone": ((100.0, -20.0, -20.0), -1.2),
}


@pytest.mark.parametrize(("curve", "total"), NO_VARIANCE.values(), ids=NO_VARIANCE.keys())
def test_no_figure_is_ever_undefined(curve: tuple[float, ...], total: float) -> None:
    found = figures(curve)
    assert found.total_return == pytest.approx(total)
    assert all(math.isfinite(value) for value in found.to_json().values())
    if total == 0.0:
        assert (found.sharpe, found.sortino, found.win_rate, found.cagr) == (0.0, 0.0, 0.0, 0.0)
    else:
        assert found.cagr == -1.0


def test_returns_start_at_zero_and_end_with_the_equity() -> None:
    np.testing.assert_allclose(returns_of(np.array(CURVE)), [0.0, 0.1, -0.1, 0.2])
    np.testing.assert_array_equal(returns_of(np.array([100.0, -5.0, -9.0])), [0.0, -1.05, 0.0])


def test_t_statistic_by_hand() -> None:
    # mean 2, variance 2 / 2 = 1: 2 / (1 / sqrt(3))
    assert t_statistic(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 * math.sqrt(3))
    assert t_statistic(np.array([2.0])) == 0.0
    assert t_statistic(np.array([2.0, 2.0])) == 0.0
