"""The stationary bootstrap: counts, intervals, block lengths; oracle arch 8."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation import statistics as st
from kasauti.validation.statistics import resampling
from kasauti.validation.statistics.blas import one_thread

LAW = settings(deadline=None, max_examples=40, derandomize=True)
Floats = NDArray[np.float64]


def autoregressive(seed: int, weight: float, periods: int) -> Floats:
    noise = np.random.default_rng(seed).normal(0, 0.01, periods + 50)
    series = np.zeros_like(noise)
    for at in range(1, len(noise)):
        series[at] = weight * series[at - 1] + noise[at]
    return series[50:]


@given(
    periods=hs.integers(1, 60),
    block=hs.floats(1, 200),
    reps=hs.integers(1, 9),
    seed=hs.integers(0, 99),
)
@LAW
def test_a_resample_takes_as_many_periods_as_there_are(
    periods: int, block: float, reps: int, seed: int
) -> None:
    counts = resampling.resample_counts(periods, block, reps, np.random.default_rng(seed))
    assert counts.shape == (reps, periods)
    assert (counts >= 0).all() and (counts == counts.round()).all()
    assert (counts.sum(axis=1) == periods).all()


def test_every_period_is_as_likely_and_neighbours_come_together() -> None:
    counts = resampling.resample_counts(50, 10.0, 20_000, np.random.default_rng(0)) - 1
    assert counts.mean(axis=0) == pytest.approx(np.zeros(50), abs=0.06)
    # In a block of mean length 10 the next period follows with probability 1 - 1 / 10.
    assert float((counts[:, 0] * counts[:, 1]).mean()) > 0.8 * float((counts[:, 0] ** 2).mean())
    single = resampling.resample_counts(20, 1.0, 20_000, np.random.default_rng(0)) - 1
    assert float((single[:, 0] * single[:, 1]).mean()) == pytest.approx(-1 / 20, abs=0.02)


@pytest.mark.parametrize("block", [1.0, 4.0, 25.0])
def test_resampled_means_scatter_as_the_lemma_says(block: float) -> None:
    matrix = np.stack([autoregressive(1, 0.6, 301), autoregressive(2, -0.3, 301)])
    means = resampling.resampled_means(matrix, block, 20_000, np.random.default_rng(5))
    expected = resampling.long_run_variances(matrix, block) / 301
    assert means.var(axis=0) == pytest.approx(expected, rel=0.05)
    assert means.mean(axis=0) == pytest.approx(
        matrix.mean(axis=1), abs=4e-2 * expected.max() ** 0.5
    )


def test_products_take_one_thread_and_give_the_others_back() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with one_thread():
        assert 1 in threads()  # numpy's; scipy may have its own
    assert threads() == before


def test_the_same_seed_gives_the_same_resamples() -> None:
    series = autoregressive(1, 0.3, 200)[None, :]
    one, other = (
        resampling.resampled_means(series, 5, 300, np.random.default_rng(9)) for _ in "ab"
    )
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(autoregressive(0, 0.0, 1000), id="white"),
        pytest.param(autoregressive(1, 0.5, 1000), id="trending"),
        pytest.param(autoregressive(2, 0.95, 2000), id="nearly a random walk"),
        pytest.param(autoregressive(3, -0.4, 801), id="reverting"),
        pytest.param(np.cumsum(np.random.default_rng(4).normal(size=300)), id="a random walk"),
        pytest.param(np.abs(autoregressive(5, 0.2, 5000)), id="absolute"),
    ],
)
def test_optimal_block_length_equals_arch(series: Floats) -> None:
    from arch.bootstrap import optimal_block_length

    oracle = float(optimal_block_length(series)["stationary"].iloc[0])
    assert st.optimal_block_length(series) == pytest.approx(max(1.0, oracle), rel=1e-9)


def test_optimal_block_length_of_index_returns_equals_arch() -> None:
    from arch.bootstrap import optimal_block_length
    from arch.data import sp500

    returns = sp500.load()["Adj Close"].pct_change().dropna().to_numpy()
    for series in (returns, returns**2):
        oracle = float(optimal_block_length(series)["stationary"].iloc[0])
        assert st.optimal_block_length(series) == pytest.approx(max(1.0, oracle), rel=1e-9)


@pytest.mark.parametrize("statistic", ["mean", "sharpe"])
def test_intervals_cover_an_autocorrelated_mean(statistic: str) -> None:
    """Of 150 series without a mean; intervals for independent returns cover 77 % instead of 90."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(150):
        series = autoregressive(seed, 0.3, 400)
        found = st.stationary_bootstrap_interval(series, statistic, 0.9, rng, reps=300)
        covered += found.low <= 0.0 <= found.high
    assert 0.81 <= covered / 150 <= 0.97


def test_intervals_of_independent_returns_are_those_of_the_formulas() -> None:
    series = np.random.default_rng(8).normal(0.001, 0.01, 2500)
    rng = np.random.default_rng(1)
    mean = st.stationary_bootstrap_interval(series, "mean", 0.95, rng, block=1.0, reps=4000)
    error = float(series.std()) / 50
    assert mean.estimate == pytest.approx(series.mean())
    assert (mean.low, mean.high) == pytest.approx(
        (series.mean() - 1.96 * error, series.mean() + 1.96 * error), abs=0.12 * error
    )
    sharpe = st.stationary_bootstrap_interval(series, "sharpe", 0.95, rng, block=1.0, reps=4000)
    sample = st.describe(series)
    error = st.sharpe_error(sample.sharpe, 2500, sample.skew, sample.kurtosis)
    assert sharpe.estimate == pytest.approx(sample.sharpe)
    assert (sharpe.low, sharpe.high) == pytest.approx(
        (sample.sharpe - 1.96 * error, sample.sharpe + 1.96 * error), abs=0.12 * error
    )


@given(seed=hs.integers(0, 500), scale=hs.floats(1e-3, 1e3), shift=hs.floats(-0.01, 0.01))
@LAW
def test_laws_of_intervals(seed: int, scale: float, shift: float) -> None:
    series = np.random.default_rng(seed).normal(0.001, 0.01, 80)

    def interval(values: Floats, statistic: str, level: float) -> st.Interval:
        rng = np.random.default_rng(7)
        return st.stationary_bootstrap_interval(values, statistic, level, rng, block=3, reps=200)

    mean = interval(series, "mean", 0.9)
    moved = interval(series * scale + shift, "mean", 0.9)
    assert (moved.low, moved.high) == pytest.approx(
        (mean.low * scale + shift, mean.high * scale + shift), abs=1e-9 * max(scale, 1)
    )
    sharpe, scaled = interval(series, "sharpe", 0.9), interval(series * scale, "sharpe", 0.9)
    assert (scaled.low, scaled.high) == pytest.approx((sharpe.low, sharpe.high))
    wider = interval(series, "sharpe", 0.99)
    assert wider.low <= sharpe.low <= sharpe.high <= wider.high


def test_a_series_of_a_few_trades_has_a_finite_interval() -> None:
    series = np.zeros(300)
    series[[10, 200]] = 0.02, -0.01
    found = st.stationary_bootstrap_interval(series, "sharpe", 0.95, np.random.default_rng(0))
    assert math.isfinite(found.low) and found.low <= 0 <= found.high


@pytest.mark.parametrize(
    ("returns", "options", "message"),
    [
        pytest.param(np.array([0.1, np.nan, 0.2]), {}, "returns: return 1 is nan", id="NaN"),
        pytest.param(np.zeros(50), {}, "returns: every return is 0", id="constant"),
        pytest.param(np.ones((3, 4)), {}, "shape", id="a matrix"),
        pytest.param(np.arange(50.0), {"level": 1.0}, "level", id="certainty"),
        pytest.param(np.arange(50.0), {"statistic": "median"}, "one of mean, sharpe", id="unknown"),
        pytest.param(np.arange(50.0), {"block": 0.5}, "blocks of 0.5", id="short blocks"),
    ],
)
def test_bad_input_is_named(returns: Floats, options: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {
        "statistic": "mean",
        "level": 0.9,
        "rng": np.random.default_rng(0),
        **options,
    }
    with pytest.raises(DataError, match=message):
        st.stationary_bootstrap_interval(returns, **call)


def test_mean_correlation_and_autocorrelation_equal_numpy() -> None:
    matrix = np.random.default_rng(3).normal(size=(6, 200))
    matrix[1] += matrix[0]
    table = np.corrcoef(matrix)
    assert resampling.mean_correlation(matrix) == pytest.approx((table.sum() - 6) / 30)
    series = autoregressive(4, 0.4, 5000)
    assert resampling.autocorrelation(series) == pytest.approx(0.4, abs=0.05)
