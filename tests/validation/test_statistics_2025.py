"""Golden values: shared/reference/validation-and-stress.md, section 1.3.

They are the asserts of the authors' own code (zoonek/2025-sharpe-ratio, 6199ecb), three decimals.
"""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from kasauti.errors import DataError
from kasauti.validation import statistics as st

LAW = settings(deadline=None, max_examples=50, derandomize=True)
SHARPE = 0.036 / 0.079
MOMENTS = (-2.448, 10.164)
PRINTED = partial(pytest.approx, abs=5.1e-4)


@pytest.mark.parametrize(
    ("benchmark", "rho", "revised"),
    [
        pytest.param(0.0, 0.0, 0.987, id="against 0"),
        pytest.param(0.1, 0.0, 0.939, id="against .1"),
        pytest.param(0.0, 0.2, 0.966, id="against 0, autocorrelated"),
        pytest.param(0.1, 0.2, 0.900, id="against .1, autocorrelated"),
    ],
)
def test_psr_of_the_2025_revision(benchmark: float, rho: float, revised: float) -> None:
    assert st.psr_2025(SHARPE, 24, *MOMENTS, benchmark, rho=rho) == PRINTED(revised)


@pytest.mark.parametrize(("benchmark", "older"), [(0.0, 0.9127), (0.1, 0.8554)])
def test_the_2012_formula_disagrees_on_the_same_fund(benchmark: float, older: float) -> None:
    found = st.psr_2012(SHARPE, 24, *MOMENTS, benchmark)
    assert found == pytest.approx(older, abs=5e-5)
    assert found < st.psr_2025(SHARPE, 24, *MOMENTS, benchmark) - 0.07


@pytest.mark.parametrize(
    ("moments", "rho", "error"),
    [
        pytest.param(MOMENTS, 0.0, 0.329, id="skewed"),
        pytest.param((0, 3), 0.0, 0.214, id="normal"),
        pytest.param(MOMENTS, 0.2, 0.379, id="autocorrelated"),
    ],
)
def test_standard_error(moments: tuple[float, float], rho: float, error: float) -> None:
    assert st.sharpe_error_2025(SHARPE, 24, *moments, rho=rho) == PRINTED(error)


@pytest.mark.parametrize(
    ("significance", "rho", "periods"),
    [(0.05, 0.0, 13.029), (0.10, 0.0, 7.909), (0.10, 0.2, 11.863)],
)
def test_minimum_track_record(significance: float, rho: float, periods: float) -> None:
    found = st.min_trl_2025(SHARPE, *MOMENTS, significance=significance, rho=rho)
    assert found == PRINTED(periods)


def test_power_and_false_discovery_rates() -> None:
    missed = 1 - st.power_2025(0.0, 0.5, 24, *MOMENTS)
    assert missed == PRINTED(0.315)
    assert st.planned_false_discovery_rate(0.05, 0.05, 1 - missed) == PRINTED(0.581)
    assert st.observed_false_discovery_rate(SHARPE, 0.0, 0.5, 24, *MOMENTS) == PRINTED(0.306)


def test_the_best_of_ten() -> None:
    assert st.expected_max_sharpe(10, 0.1) == PRINTED(0.498)
    deflated = partial(st.deflated_sharpe_2025, SHARPE, 24, *MOMENTS, 10, 0.1)
    assert deflated() == PRINTED(0.416)
    assert deflated(spread_of_maximum=False) == PRINTED(0.451)


def test_effective_rank() -> None:
    assert st.effective_rank(np.eye(3)) == pytest.approx(3.0)
    assert st.effective_rank(np.ones((5, 5))) == pytest.approx(1.0)
    pair = np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]])  # eigenvalues 1.6, .4, 1
    entropy = -sum(share * math.log(share) for share in (1.6 / 3, 0.4 / 3, 1 / 3))
    assert st.effective_rank(pair) == pytest.approx(math.exp(entropy))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.ones((2, 3)), id="not square"),
        pytest.param(np.array([[1.0, 0.5], [0.2, 1.0]]), id="not symmetric"),
        pytest.param(np.array([[1.0, np.nan], [np.nan, 1.0]]), id="not a number"),
        pytest.param(np.diag([1.0, 2.0]), id="a covariance"),
    ],
)
def test_what_is_no_correlation_is_refused(
    bad: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    with pytest.raises(DataError, match="correlation"):
        st.effective_rank(bad)


def test_no_edge_needs_for_ever() -> None:
    assert st.min_trl_2025(0.1, benchmark=0.1) == math.inf


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: st.psr_2025(0.1, 24, rho=1.0), "rho"),
        (lambda: st.sharpe_error_2025(1.0, 24, 2.5, 3.0), "no returns have these"),
        (lambda: st.planned_false_discovery_rate(1.5, 0.05, 0.5), "prior"),
    ],
)
def test_bad_input_is_named(call: object, field: str) -> None:
    assert callable(call)
    with pytest.raises(DataError, match=field):
        call()


@given(
    sharpe=hs.floats(-0.5, 0.5),
    step=hs.floats(0.001, 0.5),
    skew=hs.floats(-2, 2),
    rho=hs.floats(-0.5, 0.5),
    trials=hs.floats(1, 1000),
)
@LAW
def test_laws_of_the_2025_formula(
    sharpe: float, step: float, skew: float, rho: float, trials: float
) -> None:
    kurtosis = 2.0 + skew**2
    found = st.psr_2025(sharpe, 250, skew, kurtosis, 0.05, rho=rho, trials=trials)
    assert 0.0 <= found <= 1.0
    assert st.psr_2025(sharpe + step, 250, skew, kurtosis, 0.05, rho=rho, trials=trials) >= found
    if sharpe > 0.06:
        length = st.min_trl_2025(sharpe, skew, kurtosis, 0.05, rho=rho, trials=trials)
        reached = st.psr_2025(sharpe, length, skew, kurtosis, 0.05, rho=rho, trials=trials)
        assert reached == pytest.approx(0.95)
    # Size at the null, and more power for a larger edge, below the edge at which moments turn it.
    size = st.power_2025(0.05, 0.05, 250, skew, kurtosis, rho=rho, trials=trials)
    assert size == pytest.approx(0.05)
