"""Combinatorial purged cross-validation against published identities and skfolio."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV

from kasauti.errors import VerdictRefused
from kasauti.market.bars import Floats
from kasauti.validation.cross_validation import (
    CrossValidation,
    cross_validate,
    group_edges,
    paths_of,
    splits_of,
    training_bars,
)


@pytest.mark.parametrize(
    ("groups", "tested", "splits", "paths"),
    # C(N, k) and k / N C(N, k): Lopez de Prado 2018, chapter 12; run with skfolio 1.12.2 in
    # section 1.7 of shared/reference/validation-and-stress.md
    [(6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36), (12, 6, 924, 462)],
)
def test_the_numbers_of_splits_and_paths(groups: int, tested: int, splits: int, paths: int) -> None:
    assert splits_of(groups, tested).shape == (splits, tested)
    assert paths_of(groups, tested).shape == (paths, groups)


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (8, 2), (10, 8), (7, 3)])
def test_every_path_tests_every_group_once_and_every_split_is_used_up(
    groups: int, tested: int
) -> None:
    splits, paths = splits_of(groups, tested), paths_of(groups, tested)
    used = sorted((int(split), group) for path in paths for group, split in enumerate(path))
    assert used == sorted(
        (split, int(group)) for split, chosen in enumerate(splits) for group in chosen
    )
    oracle = CombinatorialPurgedCV(n_folds=groups, n_test_folds=tested)
    assert np.array_equal(paths.T, oracle.recombined_paths)
    assert np.array_equal(splits, oracle.test_set_index)


@pytest.mark.parametrize(
    ("bars", "groups", "tested", "purge", "embargo"),
    [(600, 6, 2, 0, 0), (1000, 8, 2, 20, 10), (1003, 10, 8, 40, 11), (997, 6, 3, 5, 0)],
)
def test_training_bars_are_those_of_skfolio(
    bars: int, groups: int, tested: int, purge: int, embargo: int
) -> None:
    oracle = CombinatorialPurgedCV(
        n_folds=groups, n_test_folds=tested, purged_size=purge, embargo_size=embargo
    )
    found = training_bars(bars, groups, tested, purge, embargo)
    edges = group_edges(bars, groups)
    for row, (train, tests) in zip(found, oracle.split(np.zeros((bars, 1))), strict=True):
        assert np.flatnonzero(row).tolist() == train.tolist()
        for one in tests:
            assert one[0] in edges
            assert one[-1] + 1 in edges


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    bars=st.integers(400, 1500),
    groups=st.integers(3, 10),
    purge=st.integers(0, 20),
    embargo=st.integers(0, 15),
    data=st.data(),
)
def test_no_training_bar_is_near_a_tested_one(
    bars: int, groups: int, purge: int, embargo: int, data: st.DataObject
) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    learn = training_bars(bars, groups, tested, purge, embargo)
    edges = group_edges(bars, groups)
    for row, chosen in zip(learn, splits_of(groups, tested), strict=True):
        train = np.flatnonzero(row)
        for group in chosen.tolist():
            start, stop = edges[group], edges[group + 1]
            assert not ((train >= start - purge) & (train < stop + purge + embargo)).any()
        kept = sum(edges[g + 1] - edges[g] for g in range(groups) if g not in chosen)
        assert len(train) >= kept - tested * (2 * purge + embargo)


def _cross(returns: Floats, exits: Floats | None = None, **changes: int) -> CrossValidation:
    given = {"purge": 10, "embargo": 5, "fewest_trades": 1, "groups": 6, "tested": 2} | changes
    trades = np.ones_like(returns) if exits is None else exits
    return cross_validate(returns, trades, bars_a_year=252.0, **given)


def test_the_paths_of_one_candidate_are_all_its_own_sharpe_ratio() -> None:
    returns = np.random.default_rng(0).normal(0.0004, 0.01, (1, 1200))
    found = _cross(returns)
    own = returns[0].mean() / returns[0].std(ddof=1) * math.sqrt(252)
    assert found.paths == pytest.approx([own] * 5)
    assert found.kept == found.splits == 15


def test_a_split_is_tested_with_what_its_own_training_bars_chose() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(0.0, 0.01, (4, 1201))
    found = _cross(returns)
    learn = training_bars(1201, 6, 2, 10, 5)
    chosen = [
        max(range(4), key=lambda c: returns[c, row].mean() / returns[c, row].std(ddof=1))
        for row in learn
    ]
    edges = group_edges(1201, 6)
    expected = []
    for path in paths_of(6, 2):
        joined = np.concatenate(
            [
                returns[chosen[split], edges[group] : edges[group + 1]]
                for group, split in enumerate(path)
            ]
        )
        expected.append(joined.mean() / joined.std(ddof=1) * math.sqrt(252))
    assert found.paths == pytest.approx(expected)
    trained = [
        returns[c, row].mean() / returns[c, row].std(ddof=1)
        for c, row in zip(chosen, learn, strict=True)
    ]
    assert found.trained_sharpe == pytest.approx(np.mean(trained) * math.sqrt(252))


def test_the_best_of_noise_earns_nothing_out_of_sample() -> None:
    rng = np.random.default_rng(2)
    paths: list[float] = []
    trained = []
    for _ in range(20):
        returns = rng.normal(0.0, 0.01, (20, 2000))
        found = _cross(returns, groups=8)
        paths += found.paths
        trained.append(found.trained_sharpe)
    # 20 candidates over 6 of 8 years: the best of 20 is 1.87 deviations of 1 / sqrt(6) a year
    assert np.mean(trained) == pytest.approx(1.87 / math.sqrt(6), rel=0.25)
    assert abs(np.mean(paths)) < 0.25


def test_a_candidate_that_hardly_trades_is_never_chosen() -> None:
    returns = np.random.default_rng(3).normal(0.0, 0.01, (2, 1200))
    returns[1] += 0.005
    exits = np.ones((2, 1200))
    assert _cross(returns, exits, fewest_trades=10).kept == 0
    exits[:, 1::2] = 0.0
    exits[1, ::4] = 0.0  # half as often as the strategy itself, and less in some splits
    assert 0 < _cross(returns, exits).kept < 15
    exits[1, ::8] = exits[1, 2::8] = 0.0
    assert _cross(returns, exits).kept == 15
    exits = np.zeros((2, 1200))
    exits[:, ::200] = 1.0
    assert _cross(returns, exits, fewest_trades=10).kept == 15
    assert _cross(returns, exits, fewest_trades=2).kept == 0


def test_a_flat_strategy_has_no_sharpe_ratio() -> None:
    assert _cross(np.zeros((2, 1200))).paths == (0.0,) * 5


@pytest.mark.parametrize(
    ("returns", "complaint"),
    [
        pytest.param(np.zeros((1, 100)), "16 bars a group", id="groups shorter than the gap"),
        pytest.param(np.full((1, 1200), np.nan), "not a finite number", id="NaN"),
        pytest.param(np.full((1, 1200), np.inf), "not a finite number", id="infinite"),
    ],
)
def test_refusals(returns: Floats, complaint: str) -> None:
    with pytest.raises(VerdictRefused, match=complaint):
        _cross(returns)


def test_figures_are_what_a_report_shows() -> None:
    returns = np.random.default_rng(4).normal(0.0005, 0.01, (3, 1600))
    figures = _cross(returns, groups=8).to_figures()
    assert len(figures["paths"]) == 7
    assert figures["lowest_5_percent"] <= figures["median"] <= figures["highest_5_percent"]
    assert figures["positive"] == np.mean(np.array(figures["paths"]) > 0)
