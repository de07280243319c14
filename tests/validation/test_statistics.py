"""Golden values: shared/reference/validation-and-stress.md, sections 1.1, 1.2 and 1.5.

Two of them are printed there with a last digit that scipy's norm.ppf does not give either; the
tolerance is one unit of the last printed digit, nothing more.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from kasauti.errors import DataError
from kasauti.validation import statistics as st

LAW = settings(deadline=None, max_examples=50, derandomize=True)
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


@pytest.mark.parametrize(
    ("trials", "exact", "error"),
    [
        (2, 0.564190, -0.079),
        (5, 1.162964, 0.026),
        (10, 1.538753, 0.023),
        (45, 2.207720, 0.013),
        (100, 2.507594, 0.009),
        (1000, 3.241436, 0.004),
        (10000, 3.851616, 0.002),
    ],
)
def test_exact_expected_maximum_and_the_error_of_the_closed_form(
    trials: int, exact: float, error: float
) -> None:
    assert st.expected_max_sharpe(trials, exact=True) == pytest.approx(exact, abs=5.1e-7)
    assert st.expected_max_sharpe(trials) / exact - 1 == pytest.approx(error, abs=6e-4)


@pytest.mark.parametrize(
    ("trials", "mean", "variance"),
    [
        pytest.param(1, 0.0, 1.0, id="one"),
        pytest.param(2, 1 / math.sqrt(math.pi), 1 - 1 / math.pi, id="two"),
        # Three: 3 / (2 root pi), and 1 + root(3) / (2 pi) - 9 / (4 pi).
        pytest.param(
            3,
            1.5 / math.sqrt(math.pi),
            1 + math.sqrt(3) / (2 * math.pi) - 2.25 / math.pi,
            id="three",
        ),
    ],
)
def test_moments_of_the_maximum_in_closed_form(trials: int, mean: float, variance: float) -> None:
    assert st.maximum_moments(trials) == pytest.approx((mean, variance), abs=1e-13)


def test_deflated_sharpe_with_the_exact_maximum() -> None:
    found = st.deflated_sharpe(2.5 / DAY, 1250, -3, 10, 100, 0.5 / 250, exact=True)
    assert found == pytest.approx(0.9054440, abs=5e-8)  # holdout 0.1.0, method='exact'


def test_minimum_backtest_length() -> None:
    assert st.min_btl(45, 1) == pytest.approx(4.9980870, abs=5e-8)
    assert st.min_btl(46, 1) == pytest.approx(5.0363027, abs=5e-8)
    assert st.min_btl_bound(45, 1) == pytest.approx(7.6133, abs=5e-5)


def test_nothing_is_long_enough_without_an_edge() -> None:
    assert st.min_btl(10, 0.0) == st.min_btl(10, -1.0) == st.min_btl_bound(10, 0.0) == math.inf


@pytest.mark.parametrize("trials", [0, 0.99, math.nan])
def test_less_than_one_trial_is_refused(trials: float) -> None:
    for function in (st.expected_max_sharpe, st.maximum_moments, lambda n: st.min_btl_bound(n, 1)):
        with pytest.raises(DataError, match="trials"):
            function(trials)


def test_moments_that_no_returns_have_are_refused() -> None:
    with pytest.raises(DataError, match="no distribution has these"):
        st.psr_2012(1.0, 100, 2.5, 3.0)


@given(
    sharpe=hs.floats(-0.3, 0.3),
    skew=hs.floats(-3, 3),
    more=hs.floats(0.1, 10),
    periods=hs.integers(10, 10_000),
    benchmark=hs.floats(-0.2, 0.2),
    step=hs.floats(0.001, 0.1),
)
@LAW
def test_laws_of_the_2012_formula(
    sharpe: float, skew: float, more: float, periods: int, benchmark: float, step: float
) -> None:
    kurtosis = 1.0 + skew**2 + more  # Pearson: no kurtosis is lower
    found = st.psr_2012(sharpe, periods, skew, kurtosis, benchmark)
    assert 0.0 <= found <= 1.0
    assert st.psr_2012(sharpe, periods, skew, kurtosis, benchmark + step) <= found
    later = st.psr_2012(sharpe, 2 * periods, skew, kurtosis, benchmark)
    assert later >= found if sharpe > benchmark else later <= found
    if sharpe > benchmark + 0.001:
        length = st.min_trl(sharpe, skew, kurtosis, benchmark, 0.95)
        assert st.psr_2012(sharpe, length, skew, kurtosis, benchmark) == pytest.approx(0.95)


@given(
    trials=hs.floats(2, 1e5),
    more=hs.floats(0.1, 1e4),
    exact=hs.booleans(),
    annual=hs.floats(0.1, 4),
)
@LAW
def test_more_trials_expect_more_of_luck(
    trials: float, more: float, exact: bool, annual: float
) -> None:
    fewer = st.expected_max_sharpe(trials, exact=exact)
    assert st.expected_max_sharpe(trials + more, exact=exact) > fewer
    assert st.min_btl(trials, annual) <= st.min_btl_bound(trials, annual)
    before = st.deflated_sharpe(0.05, 1000, -1, 6, trials, 0.001, exact=exact)
    assert st.deflated_sharpe(0.05, 1000, -1, 6, trials + more, 0.001, exact=exact) < before


@given(seed=hs.integers(0, 1000), scale=hs.floats(1e-3, 1e3))
@LAW
def test_scaling_returns_changes_no_statistic_of_them(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    returns, index = rng.normal(0.001, 0.02, (2, 60))
    one, other = st.describe(returns), st.describe(scale * returns)
    assert (other.sharpe, other.skew, other.kurtosis) == pytest.approx(
        (one.sharpe, one.skew, one.kurtosis), abs=1e-9
    )
    before, after = st.alpha_over_index(returns, index), st.alpha_over_index(scale * returns, index)
    assert (after.t, after.t_newey_west) == pytest.approx((before.t, before.t_newey_west))
    assert (after.alpha, after.beta) == pytest.approx((scale * before.alpha, scale * before.beta))


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


def test_both_errors_of_alpha_equal_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(11)
    index = rng.standard_t(4, 1500) * 0.01
    noise = rng.normal(0, 0.01, 1501)
    returns = 0.0005 + 0.7 * index + noise[1:] + 0.5 * noise[:-1]
    found = st.alpha_over_index(returns, index)
    model = sm.OLS(returns, sm.add_constant(index))
    assert found.lags == 7  # 4 (1500 / 100)^(2/9)
    robust = model.fit(cov_type="HAC", cov_kwds={"maxlags": 7, "use_correction": False})
    assert found.t == pytest.approx(model.fit().tvalues[0], rel=1e-10)
    assert found.t_newey_west == pytest.approx(robust.tvalues[0], rel=1e-10)
    assert abs(found.t_newey_west) < abs(found.t)  # the noise hangs together


def test_weighted_alpha_equals_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(12)
    weights = rng.uniform(0.1, 3.0, 900)
    index = rng.normal(0.001, 0.01, 900)
    returns = 0.0005 + 0.7 * index + rng.normal(0, 0.01, 900) / np.sqrt(weights)
    found = st.alpha_over_index(returns, index, weights=weights)
    model = sm.WLS(returns, sm.add_constant(index), weights=weights).fit()
    assert (found.alpha, found.beta) == pytest.approx(tuple(model.params), rel=1e-10)
    assert found.t == pytest.approx(model.tvalues[0], rel=1e-10)


@given(seed=hs.integers(0, 1000), held=hs.floats(-2, 2))
@LAW
def test_holding_more_of_the_index_moves_beta_only(seed: int, held: float) -> None:
    rng = np.random.default_rng(seed)
    returns, index = rng.normal(0.001, 0.02, (2, 100))
    before, after = (
        st.alpha_over_index(returns, index),
        st.alpha_over_index(returns + held * index, index),
    )
    assert after.beta == pytest.approx(before.beta + held)
    assert (after.alpha, after.t) == pytest.approx((before.alpha, before.t), abs=1e-9)


def test_an_index_that_never_moves_is_refused() -> None:
    with pytest.raises(DataError, match="index returns: every return is 0"):
        st.alpha_over_index(np.random.default_rng(0).normal(size=50), np.zeros(50))


def test_holding_the_index_has_no_alpha() -> None:
    index = np.random.default_rng(3).normal(0.0005, 0.01, 2000)
    assert abs(st.alpha_over_index(2 * index, index).t) < 1e-6 or (
        abs(st.alpha_over_index(2 * index, index).alpha) < 1e-15
    )


def test_the_tail_is_exact_far_out() -> None:
    assert st.normal_tail(4.5) == pytest.approx(3.397673124730062e-06, rel=1e-12)
    assert st.normal_quantile(1 - st.normal_tail(4.5)) == pytest.approx(4.5, abs=1e-6)
