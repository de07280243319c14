"""Golden values: shared/reference/validation-and-stress.md, section 1.9."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from kasauti.errors import DataError
from kasauti.validation import statistics as st

LAW = settings(deadline=None, max_examples=40, derandomize=True)


def test_deterministic_example() -> None:
    """Sharpe .75 over 240 months, 200 tests: t 3.3541, p .00079623."""
    alone = st.bonferroni_haircut(0.75, 240, 1)
    assert alone.p_value == pytest.approx(0.00079623, abs=5e-9)
    assert (alone.sharpe, alone.haircut) == pytest.approx((0.75, 0.0), abs=1e-12)
    sidak = st.sidak_haircut(0.75, 240, 200)
    assert sidak.p_value == pytest.approx(0.147268, abs=5e-7)
    assert (sidak.sharpe, sidak.haircut) == pytest.approx((0.3241, 0.568), abs=5.1e-4)
    bonferroni = st.bonferroni_haircut(0.75, 240, 200)
    assert bonferroni.p_value == pytest.approx(0.159246, abs=5e-7)
    assert (bonferroni.sharpe, bonferroni.haircut) == pytest.approx((0.3148, 0.580), abs=5.1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sample_call_of_the_authors(seed: int) -> None:
    """Haircut_SR(3, 120, 1, 1, 1, 0.1, 100, 0.4); the simulation's noise is the authors' too."""
    corrected = st.corrected_sharpe(1.0, 0.1, 12)
    assert corrected == pytest.approx(0.912, abs=5e-4)
    found = st.haircut_sharpe(corrected, 120, 100, 0.4, np.random.default_rng(seed))
    expected = {
        "bonferroni": (0.465, 0.232, 0.746, 0.0006),
        "holm": (0.409, 0.262, 0.713, 0.004),
        "bhy": (0.172, 0.4345, 0.5235, 0.006),
        "average": (0.349, 0.2975, 0.6735, 0.003),
    }
    for name, (p, sharpe, haircut, within) in expected.items():
        cut = getattr(found, name)
        assert (cut.p_value, cut.sharpe, cut.haircut) == pytest.approx(
            (p, sharpe, haircut), abs=within
        ), name


def test_one_seed_one_answer() -> None:
    one, other = (st.haircut_sharpe(1, 100, 30, 0.2, np.random.default_rng(5)) for _ in "ab")
    assert one == other


def test_nothing_is_left_of_a_loss() -> None:
    found = st.haircut_sharpe(-0.5, 120, 10, 0.0, np.random.default_rng(0), reps=20)
    assert found.average == st.Haircut(1.0, 0.0, 1.0)
    assert st.sidak_haircut(-0.5, 120, 10) == st.Haircut(1.0, 0.0, 1.0)


@given(
    sharpe=hs.floats(0.01, 4),
    months=hs.integers(12, 400),
    tests=hs.integers(1, 5000),
    rho=hs.floats(0, 0.9),
)
@LAW
def test_laws_of_haircuts(sharpe: float, months: int, tests: int, rho: float) -> None:
    sidak, bonferroni = (
        cut(sharpe, months, tests) for cut in (st.sidak_haircut, st.bonferroni_haircut)
    )
    assert 0.0 <= sidak.p_value <= bonferroni.p_value + 1e-15 <= 1.0 + 1e-15
    assert 0.0 <= bonferroni.sharpe <= sidak.sharpe + 1e-12 <= sharpe + 1e-12
    more = st.bonferroni_haircut(sharpe, months, tests + 1)
    assert more.sharpe <= bonferroni.sharpe + 1e-12
    found = st.haircut_sharpe(
        sharpe, months, min(tests, 40), rho, np.random.default_rng(1), reps=20
    )
    for cut in (found.bonferroni, found.holm, found.bhy, found.average):
        assert 0.0 <= cut.p_value <= 1.0
        assert 0.0 <= cut.sharpe <= sharpe
        assert cut.haircut == pytest.approx(1 - cut.sharpe / sharpe)


def test_autocorrelation_cuts_trending_and_credits_reverting_returns() -> None:
    assert st.corrected_sharpe(1.0, 0.0, 252) == 1.0
    assert st.corrected_sharpe(1.0, 0.3, 252) < 1.0 < st.corrected_sharpe(1.0, -0.3, 252)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((1.0, 2, 10, 0.0), "3 months", id="no record"),
        pytest.param((1.0, 120, 0, 0.0), "1 test", id="no test"),
        pytest.param((1.0, 120, 10, 1.0), "correlation", id="all the same"),
        pytest.param((float("nan"), 120, 10, 0.0), "Sharpe nan", id="NaN"),
    ],
)
def test_bad_input_is_named(arguments: tuple[float, int, int, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        st.haircut_sharpe(*arguments, np.random.default_rng(0))
    with pytest.raises(DataError, match="autocorrelation"):
        st.corrected_sharpe(1.0, 1.0, 12)
