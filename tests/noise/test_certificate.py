"""Counting worlds: the exact interval, and what a certificate says."""

import pytest

from kasauti.noise.certificate import Certificate, best_possible_power, clopper_pearson, stopped_by
from kasauti.noise.pipeline import APPROVED, Found, Outcome


def outcome(number: int, *ends: str, sharpe: float = 0.0, captured: float | None = None) -> Outcome:
    return Outcome(
        number=number,
        base="NASDAQ",
        generator="garch" if number % 2 else "phases",
        sharpe=sharpe,
        approved=APPROVED in ends,
        candidates=len(ends),
        stopped_by=ends,
        found=Found(120, 4.0, 0.5) if ends else None,
        own_sharpe=captured,
        captured_sharpe=captured,
        evaluations=100,
        seconds={"search": 2.0, "gates": float(number)},
    )


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Clopper and Pearson by Brown, Cai, DasGupta 2001 and R's binom.test
        pytest.param(4, 20, 0.05733, 0.43661, id="binom.test(4, 20)"),
        pytest.param(1, 10, 0.00253, 0.44502, id="binom.test(1, 10)"),
        pytest.param(9, 10, 0.55498, 0.99747, id="binom.test(9, 10)"),
        pytest.param(160, 200, 0.73777, 0.85313, id="binom.test(160, 200)"),
        # one-sided: 1 - .05^(1/300), the 'rule of three'
        pytest.param(0, 300, 0.0, 0.009936, id="none of 300 is at most 1 %"),
        pytest.param(20, 20, 0.860892, 1.0, id="all of 20, .05^(1/20)"),
    ],
)
def test_the_interval_is_exact(hits: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("hits", "trials"), [(1, 0), (5, 4), (-1, 4)])
def test_what_is_no_share_is_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        clopper_pearson(hits, trials)


def test_the_certificate_counts_worlds() -> None:
    plain = (
        outcome(0, "walk_forward", "statistics", "statistics"),
        outcome(1, "statistics"),
        outcome(2, "stress", APPROVED, "sealed"),
        outcome(3),
    )
    some = (
        outcome(0, APPROVED, sharpe=1.5, captured=1.2),
        outcome(1, "sealed", sharpe=1.5, captured=1.0),
    )
    found = Certificate(plain, ((1.5, some),), 100, 1, 9.0).to_json()
    assert (found["worlds"], found["approved_worlds"], found["rate"]) == (4, 1, 0.25)
    assert found["interval"] == pytest.approx(clopper_pearson(1, 4))
    assert found["stopped_by"] == {
        "walk_forward": 1,
        "statistics": 1,
        "approved": 1,
        "no candidate": 1,
    }
    assert found["approved_by_generator"] == {"garch": 0, "phases": 1}
    assert found["seconds_by_part"] == pytest.approx({"search": 2.0, "gates": 7 / 6})
    (row,) = found["planted"]
    assert (row["sharpe"], row["worlds"], row["approved_worlds"], row["power"]) == (1.5, 2, 1, 0.5)
    assert row["captured_sharpe"] == pytest.approx(1.1)
    assert found["evaluations"] == 100
    assert found["seconds"] == 9.0


def test_only_the_best_candidates_end_is_counted() -> None:
    assert stopped_by([outcome(0, "stress", "sealed")]) == {"stress": 1}


@pytest.mark.parametrize(
    ("sharpe", "power"),
    [(0.5, 0.01), (1.0, 0.25), (1.5, 0.89), (2.0, 1.00)],  # issue 4, budgets: "about"
)
def test_the_best_that_any_test_could_reach(sharpe: float, power: float) -> None:
    assert best_possible_power(sharpe) == pytest.approx(power, abs=0.025)
