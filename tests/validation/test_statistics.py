"""Golden values: shared/reference/validation-and-stress.md, sections 1.1 and 1.2.

Two of them are printed there with a last digit that scipy's norm.ppf does not give either; the
tolerance is one unit of the last printed digit, nothing more.
"""

import math

import numpy as np
import pytest

from kasauti.errors import DataError
from kasauti.validation import statistics as st

DAY = math.sqrt(250)
MONTH = math.sqrt(12)


@pytest.mark.parametrize(
    ("sharpe", "skew", "kurtosis", "exact"),
    [
        pytest.param(0.458, 0, 3, 0.9816749, id="normal"),
        pytest.param(0.458, -2.448, 10.164, 0.9133611, id="skewed"),
        pytest.param(1.585 / MONTH, -2.448, 10.164, 0.9132343, id="from the annual figure"),
    ],
)
def test_psr_of_the_2012_paper(sharpe: float, skew: float, kurtosis: float, exact: float) -> None:
    assert st.psr_2012(sharpe, 24, skew, kurtosis) == pytest.approx(exact, abs=5e-8)


@pytest.mark.parametrize(
    ("skew", "kurtosis", "sharpe", "error", "years"),
    [
        pytest.param(-0.2250, 2.9570, 0.7079, 0.1028, 0.7152157, id="HFR 1"),
        pytest.param(-1.4455, 7.0497, 0.8183, 0.1550, 1.1593027, id="HFR 2"),
    ],
)
def test_standard_error_and_track_record_of_the_2012_paper(
    skew: float, kurtosis: float, sharpe: float, error: float, years: float
) -> None:
    assert st.sharpe_error(sharpe, 134, skew, kurtosis) == pytest.approx(error, abs=5e-5)
    assert st.min_trl(sharpe, skew, kurtosis) / 12 == pytest.approx(years, abs=1e-7)


@pytest.mark.parametrize(
    ("annual", "benchmark", "periods", "skew", "kurtosis", "years"),
    [
        pytest.param(2, 1, 252, 0, 3, 2.7309843, id="daily of 252"),
        pytest.param(2, 1, 250, 0, 3, 2.7311878, id="daily of 250"),
        pytest.param(2, 1, 52, 0, 3, 2.8288336, id="weekly"),
        pytest.param(2, 1, 12, 0, 3, 3.2398007, id="monthly"),
        pytest.param(2, 1, 12, -0.72, 5.78, 4.9912583, id="monthly, skewed"),
        pytest.param(3, 2.5, 12, -0.72, 5.78, 27.3529202, id="pypbo's test"),
    ],
)
def test_minimum_track_record(
    annual: float, benchmark: float, periods: int, skew: float, kurtosis: float, years: float
) -> None:
    root = math.sqrt(periods)
    length = st.min_trl(annual / root, skew, kurtosis, benchmark / root)
    assert length / periods == pytest.approx(years, abs=1e-7)


@pytest.mark.parametrize(
    ("trials", "exact"), [(10, 1.5745983), (45, 2.2356402), (100, 2.5306029), (1000, 3.2551219)]
)
def test_expected_maximum(trials: int, exact: float) -> None:
    assert st.expected_max_sharpe(trials) == pytest.approx(exact, abs=5e-7)


def test_one_trial_expects_nothing() -> None:
    assert st.expected_max_sharpe(1) == 0.0


def test_worked_example_of_the_2014_paper() -> None:
    benchmark = st.expected_max_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1131720019, abs=5e-11)
    assert benchmark * DAY == pytest.approx(1.7894065, abs=5e-8)


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "exact"),
    [
        pytest.param(100, -3, 10, 0.9003968344, id="the example"),
        pytest.param(46, -3, 10, 0.9505017, id="46 trials"),
        pytest.param(47, -3, 10, 0.9494044, id="first below .95"),
        pytest.param(88, 0, 3, 0.9504908, id="normal, 88"),
        pytest.param(89, 0, 3, 0.9498394, id="normal, 89"),
    ],
)
def test_deflated_sharpe(trials: int, skew: float, kurtosis: float, exact: float) -> None:
    found = st.deflated_sharpe(2.5 / DAY, 1250, skew, kurtosis, trials, 0.5 / 250)
    assert found == pytest.approx(exact, abs=5e-8)


def test_moments_and_t_of_a_series() -> None:
    returns = np.array([0.01, -0.02, 0.03, 0.0, 0.01])
    sample = st.describe(returns)
    assert sample.periods == 5
    assert sample.sharpe == pytest.approx(0.006 / 0.018165902124584948)
    assert st.t_statistic(returns) == pytest.approx(0.006 / 0.018165902124584948 * math.sqrt(5))
    assert sample.skew == pytest.approx(-0.17904216869721123)  # scipy.stats.skew
    assert sample.kurtosis == pytest.approx(2.2685950413223144)  # scipy.stats.kurtosis + 3


def test_constant_returns_have_no_sharpe() -> None:
    assert st.describe(np.full(50, 0.001)) == st.Sample(50, 0.0, 0.0, 3.0)
    assert st.t_statistic(np.zeros(50)) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_return_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="return 2 is"):
        st.describe(np.array([0.1, 0.2, bad, 0.1]))


def test_track_record_is_infinite_without_an_edge() -> None:
    assert st.min_trl(0.0, 0.0, 3.0) == math.inf


def test_alpha_finds_what_the_index_does_not_explain() -> None:
    rng = np.random.default_rng(3)
    index = rng.normal(0.0005, 0.01, 2000)
    noise = rng.normal(0.0, 0.002, 2000)
    found = st.alpha_over_index(0.0004 + 0.5 * index + noise, index)
    design = np.column_stack([np.ones(2000), index])
    (alpha, beta), residual, *_ = np.linalg.lstsq(design, 0.0004 + 0.5 * index + noise, rcond=None)
    error = math.sqrt(float(residual[0]) / 1998 * np.linalg.inv(design.T @ design)[0, 0])
    assert (found.alpha, found.beta, found.t) == pytest.approx((alpha, beta, alpha / error))
    assert found.t > 1.645


def test_holding_the_index_has_no_alpha() -> None:
    index = np.random.default_rng(3).normal(0.0005, 0.01, 2000)
    assert abs(st.alpha_over_index(2 * index, index).t) < 1e-6 or (
        abs(st.alpha_over_index(2 * index, index).alpha) < 1e-15
    )


def test_the_tail_is_exact_far_out() -> None:
    assert st.normal_tail(4.5) == pytest.approx(3.397673124730062e-06, rel=1e-12)
    assert st.normal_quantile(1 - st.normal_tail(4.5)) == pytest.approx(4.5, abs=1e-6)
