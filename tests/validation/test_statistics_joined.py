"""The best that any test of the joined t can reach.

Issue 4: 12 searched and 3 sealed years, 1,000 effective trials, .25 % false approvals: about .01,
.25, .89 and 1.00 at a true Sharpe of .5, 1, 1.5 and 2; weights about .9 and .436, threshold near
4.5.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from kasauti.errors import DataError
from kasauti.validation.statistics import joined

LAW = settings(deadline=None, max_examples=15, derandomize=True)
TRIAL = joined.Trial(searched_years=12, sealed_years=3, trials=1000)
RATE = 0.0025


@pytest.fixture(scope="module")
def rule() -> joined.Rule:
    return joined.rule_at(TRIAL, RATE, 0.9, 0.436)


def test_the_threshold_holds_the_rate(rule: joined.Rule) -> None:
    assert rule.threshold == pytest.approx(4.556171, abs=1e-6)
    assert joined.false_approvals(TRIAL, rule) == pytest.approx(RATE, abs=1e-12)


@pytest.mark.parametrize(
    ("sharpe", "about", "exact"),
    [(0.5, 0.01, 0.006726), (1.0, 0.25, 0.243537), (1.5, 0.89, 0.889615), (2.0, 1.00, 0.999103)],
)
def test_power(rule: joined.Rule, sharpe: float, about: float, exact: float) -> None:
    found = joined.power(TRIAL, rule, sharpe)
    assert found.approved == pytest.approx(about, abs=0.007)
    assert found.approved == pytest.approx(exact, abs=1e-6)
    # No test whatever gains more than .0001 on the joined one.
    assert found.captured < found.approved <= found.best < found.approved + 1e-4


def test_the_best_weights_are_the_roots_of_the_shares_of_time() -> None:
    found = joined.best_rule(TRIAL, RATE, 1.5)
    assert found.searched_weight == pytest.approx(math.sqrt(0.8), abs=2e-4)
    assert found.sealed_weight == pytest.approx(math.sqrt(0.2), abs=4e-4)
    assert found.threshold == pytest.approx(4.554665, abs=1e-5)


def test_simulated_worlds_agree(rule: joined.Rule) -> None:
    rng = np.random.default_rng(3)
    worlds = 20_000
    luckiest = rng.standard_normal((worlds, 100)).max(axis=1)
    trial = joined.Trial(12, 3, 100)
    rule = joined.rule_at(trial, 0.05, 0.9, 0.436)
    sealed = rng.standard_normal(worlds)
    false = float(
        np.mean(rule.joined(1, 0) * luckiest + rule.joined(0, 1) * sealed > rule.threshold)
    )
    assert false == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / worlds))
    edge = rng.standard_normal(worlds) + math.sqrt(12)
    wins = edge > luckiest
    values = 0.9 * np.maximum(edge, luckiest) + 0.436 * (sealed + math.sqrt(3) * wins)
    found = joined.power(trial, rule, 1.0)
    within = 4 * math.sqrt(0.25 / worlds)
    assert float(np.mean(values > rule.threshold)) == pytest.approx(found.approved, abs=within)
    assert float(np.mean((values > rule.threshold) & wins)) == pytest.approx(
        found.captured, abs=within
    )


def test_a_single_trial_is_the_textbook_test() -> None:
    """One strategy, weights by time: the joined t is the t of all years."""
    trial = joined.Trial(12, 3, 1)
    rule = joined.rule_at(trial, 0.05, math.sqrt(0.8), math.sqrt(0.2))
    assert rule.threshold == pytest.approx(1.6448536269514722, abs=1e-9)


@given(
    trials=hs.floats(1, 1e5),
    sharpe=hs.floats(0.1, 2.5),
    rate=hs.floats(0.001, 0.2),
    angle=hs.floats(0.1, 1.4),
)
@LAW
def test_laws(trials: float, sharpe: float, rate: float, angle: float) -> None:
    trial = joined.Trial(12, 3, trials)
    rule = joined.rule_at(trial, rate, math.cos(angle), math.sin(angle))
    found = joined.power(trial, rule, sharpe)
    assert 0.0 <= found.captured <= found.approved <= found.best + 1e-9 <= 1.0 + 2e-9
    assert joined.power(trial, rule, sharpe + 0.2).captured > found.captured
    stricter = joined.rule_at(trial, rate / 2, math.cos(angle), math.sin(angle))
    assert stricter.threshold > rule.threshold
    searched_more = joined.Trial(12, 3, trials * 2)
    assert (
        joined.rule_at(searched_more, rate, math.cos(angle), math.sin(angle)).threshold
        > rule.threshold
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="trial"):
        joined.Trial(12, 3, 0)
    with pytest.raises(DataError, match="rate"):
        joined.rule_at(TRIAL, 0.0, 0.9, 0.4)
    with pytest.raises(DataError, match="weights"):
        joined.rule_at(TRIAL, 0.01, 1.0, 0.0)
