from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.evolution.effective import clusters, effective_number, effective_trials
from kasauti.evolution.register import DataSet, TrialRegister
from kasauti.market.bars import Floats
from tests.evolution.small import dataset
from tests.evolution.test_search import BACKTESTER, search

T = 4_000


def correlated(count: int, correlation: float, seed: int = 1) -> Floats:
    """Return `count` series with one common factor, so that each pair has the correlation."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(T)
    own = rng.standard_normal((count, T))
    series: Floats = correlation**0.5 * common + (1.0 - correlation) ** 0.5 * own
    return series


@pytest.mark.parametrize("trials", [20, 1_000])
def test_relatives_at_one_correlation_follow_the_closed_form(trials: int) -> None:
    # (Σλ)² / Σλ² of an equicorrelation matrix of N series is N / (1 + (N - 1) ρ²): for ρ = .8 and
    # many trials 1 / .64. With ρ = .8 > √.5 all are one cluster.
    found = effective_number(correlated(64, 0.8), trials)
    assert found == pytest.approx(trials / (1.0 + (trials - 1) * 0.64), rel=0.05)


def test_the_participation_ratio_of_the_whole_set_is_what_the_eigenvalues_say() -> None:
    series = correlated(30, 0.75)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(series))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert effective_number(series, 30) == pytest.approx(expected, rel=0.01)


def test_independent_trials_count_in_full() -> None:
    independent = np.random.default_rng(2).standard_normal((64, T))
    assert effective_number(independent, 64) == pytest.approx(64, rel=0.03)
    assert effective_number(independent, 1_000) == pytest.approx(1_000, rel=0.05)


def test_copies_are_one_trial() -> None:
    copies = np.repeat(correlated(1, 0.0), 50, axis=0)
    assert effective_number(copies, 5_000) == pytest.approx(1.0, abs=1e-3)


def test_never_fewer_than_the_behavioural_clusters() -> None:
    rng = np.random.default_rng(3)
    leaders = rng.standard_normal((6, T)) + 0.8 * rng.standard_normal(T)  # pairs at about .39
    series = np.repeat(leaders, 5, axis=0) + 0.1 * rng.standard_normal((30, T))
    series[:20] = series[0] + 0.1 * rng.standard_normal((20, T))  # most are one and the same
    assert clusters(np.asarray(np.corrcoef(series))) == 3
    assert effective_number(series, 10_000) == 3.0


@pytest.mark.parametrize(
    ("correlation", "count"),
    [pytest.param(0.70, 2, id="less than half shared"), pytest.param(0.71, 1, id="more than half")],
)
def test_a_cluster_shares_half_of_its_variance(correlation: float, count: int) -> None:
    assert clusters(np.array([[1.0, correlation], [correlation, 1.0]])) == count


def test_opposites_are_two_clusters() -> None:
    assert clusters(np.array([[1.0, -0.9], [-0.9, 1.0]])) == 2


def test_series_that_never_traded_are_no_trials() -> None:
    series = correlated(10, 0.8)
    still = np.vstack([series, np.zeros((30, T))])
    assert effective_number(still, 100) == effective_number(series, 100)


@pytest.mark.parametrize(
    "returns",
    [np.empty((0, 5)), np.zeros((4, 5)), correlated(1, 0.0)],
    ids=["none", "still", "one"],
)
def test_at_least_one(returns: Floats) -> None:
    assert effective_number(returns, 100) == 1.0


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 100), st.floats(0.0, 0.95), st.integers(1, 500))
def test_the_effective_number_keeps_its_bounds(seed: int, correlation: float, trials: int) -> None:
    found = effective_number(correlated(12, correlation, seed)[:, :300], trials)
    assert 1.0 <= found <= trials


def test_the_registered_trials_of_a_search(tmp_path: Path) -> None:
    result = search(tmp_path)
    register = TrialRegister(tmp_path / "register.sqlite")
    searched = DataSet.of(BACKTESTER.bars)
    sample = register.reservoir(searched.id, 64)
    assert len(sample) == 64
    found = effective_trials(register, BACKTESTER, searched)
    assert 1.0 < found < result.evaluations
    assert found == effective_trials(register, BACKTESTER, searched)
    assert effective_trials(register, BACKTESTER, dataset("never searched")) == 1.0
