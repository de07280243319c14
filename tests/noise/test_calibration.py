"""The threshold: reached as seldom as was asked where the truth is known."""

import json
from dataclasses import replace
from datetime import date
from math import sqrt

import numpy as np
import pytest

from kasauti.errors import DataError
from kasauti.noise.calibration import Statistics, calibrate, skewness, threshold_of
from kasauti.noise.pipeline import EVALUATIONS, Found, Outcome, settings_for
from kasauti.validation.threshold import (
    RATE,
    SEALED_WEIGHT,
    SEARCHED_WEIGHT,
    NullTail,
    Threshold,
    recorded,
)
from tests.noise.test_certificate import outcome

TAIL = NullTail(4.6, 0.75, 0.4, 1.1)


def null(count: int, seed: int = 0) -> Statistics:
    rng = np.random.default_rng(seed)
    searched, sealed = rng.normal(4.6, 0.75, count), rng.normal(0.4, 1.1, count)
    return Statistics(searched, sealed, np.full(count, "NIFTY50"))


def outcomes(statistics: Statistics) -> list[Outcome]:
    return [
        replace(outcome(k), found=Found(120, float(t), float(s)), base=str(market))
        for k, (t, s, market) in enumerate(
            zip(statistics.searched, statistics.sealed, statistics.market, strict=True)
        )
    ]


@pytest.mark.parametrize("rate", [0.05, 0.0025, 0.0005])
def test_the_threshold_is_exceeded_at_its_rate(rate: float) -> None:
    """Against two million simulated worlds."""
    worlds, threshold = null(2_000_000), TAIL.threshold(rate)
    found = (worlds.joined >= threshold).mean()
    assert found == pytest.approx(rate, abs=4 * sqrt(rate / 2e6))


def test_it_is_the_quantile_of_the_joined_normal() -> None:
    """Mean + 2.80703 deviations at .25 % (R's qnorm)."""
    mean = SEARCHED_WEIGHT * 4.6 + SEALED_WEIGHT * 0.4
    deviation = sqrt((SEARCHED_WEIGHT * 0.75) ** 2 + (SEALED_WEIGHT * 1.1) ** 2)
    assert TAIL.threshold(0.0025) == pytest.approx(mean + 2.80703 * deviation, abs=1e-3)


def test_the_market_where_luck_reaches_furthest_decides() -> None:
    """Its rate is the one asked for; the average over the markets is lower."""
    rng = np.random.default_rng(7)
    market = np.repeat(["CALM", "LUCKY"], 500_000)
    searched = rng.normal(2.5, 0.75, 1_000_000) + 0.5 * (market == "LUCKY")
    worlds = Statistics(searched, rng.normal(0.0, 1.0, 1_000_000), market)
    assert worlds.worst == "LUCKY"
    above = worlds.joined >= worlds.tail().threshold(0.001)
    assert above[market == "LUCKY"].mean() == pytest.approx(0.001, rel=0.2)
    assert above[market == "CALM"].mean() < 0.0004


def test_openings_and_larger_searches_divide_the_rate() -> None:
    artefact = calibrate(
        outcomes(null(200)), evaluations=20_000, seed=1, on=date(2026, 1, 2), code="abc"
    )
    assert artefact.after(0) == pytest.approx(artefact.tail.threshold(RATE), abs=1e-4)
    assert artefact.after(3) == pytest.approx(artefact.tail.threshold(RATE / 4), abs=1e-6)
    assert artefact.after(0, 39_999) == artefact.after(0)
    assert artefact.after(0, 40_000) == artefact.after(1)
    assert artefact.after(4, 40_000) == artefact.after(4)


def test_the_interval_holds_the_truth_and_narrows() -> None:
    truth = TAIL.threshold(RATE)
    wide, narrow = threshold_of(null(60, 2), 1)[1], threshold_of(null(1000, 2), 1)[1]
    for low, high in (wide, narrow):
        assert low < truth < high
    assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0])


def test_the_same_worlds_give_the_same_artefact() -> None:
    made = [
        calibrate(outcomes(null(60)), evaluations=100, seed=1, on=date(2026, 1, 2), code="abc")
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_the_artefact_is_read_back_as_it_was_written() -> None:
    made = calibrate(outcomes(null(60)), evaluations=100, seed=1, on=date(2026, 1, 2), code="abc")
    assert Threshold.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"weights": {"searched": 1.0, "sealed": 0.0}}, "was made for", id="weights"),
        pytest.param({"market": None} | {"markets": None}, "not complete", id="no market"),
        pytest.param({"tail": None}, "not complete", id="no tail"),
        pytest.param({"interval": []}, "not complete", id="no interval"),
    ],
)
def test_an_artefact_of_another_statistic_is_refused(
    change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        Threshold.from_json(recorded().to_json() | change)


def test_worlds_with_an_edge_calibrate_nothing() -> None:
    with pytest.raises(DataError, match="without an edge only"):
        Statistics.of([*outcomes(null(60)), outcome(0, sharpe=1.5)])


def test_too_few_worlds_calibrate_nothing() -> None:
    with pytest.raises(DataError, match="needs 30"):
        Statistics.of(outcomes(null(29)))


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="small one above 0"):
        TAIL.threshold(0.0)


def test_skewness_tells_gumbel_from_normal() -> None:
    rng = np.random.default_rng(0)
    assert skewness(rng.normal(size=200_000)) == pytest.approx(0.0, abs=0.02)
    assert skewness(rng.gumbel(size=200_000)) == pytest.approx(1.14, abs=0.04)


def test_what_ships_is_for_the_statistic_and_the_search_in_use() -> None:
    artefact = recorded()
    assert artefact.rate == RATE == 0.001  # DESIGN.md, section 7, allows .0025 at most
    assert artefact.evaluations >= 20_000
    assert artefact.worlds >= 100
    assert abs(artefact.skewness) < 0.5  # a normal law is used
    assert artefact.threshold == pytest.approx(artefact.tail.threshold(artefact.rate), abs=1e-3)
    assert artefact.interval[0] < artefact.threshold < artefact.interval[1]


def test_the_recorded_threshold_was_made_for_the_search_in_use() -> None:
    made, used = recorded(), settings_for(EVALUATIONS, 0)
    assert (made.evaluations, made.min_trades) == (used.evaluations, used.min_trades)
