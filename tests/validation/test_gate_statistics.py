"""Gate 5: what it stops, what it lets through, and what it says of both."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.evolution.register import DataSet, Origin, Trial, TrialRegister
from kasauti.genome import family, genome_from_genes
from kasauti.market.bars import Bars, Floats
from kasauti.market.charges import NO_CHARGES
from kasauti.noise.pipeline import WHEN
from kasauti.validation.gates import statistics
from kasauti.validation.gates.model import Case
from kasauti.validation.threshold import SEALED_WEIGHT, SEARCHED_WEIGHT, recorded
from tests.validation.rules import REVERSAL
from tests.validation.synthetic import make_bars, plant_edge

FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)


def case_on(
    bars: Bars,
    *,
    trials: int = 1,
    openings: int = 0,
    peers: Floats | None = None,
    **genes: object,
) -> Case:
    tester = Backtester(bars, account=FREE)
    genome = genome_from_genes({**REVERSAL, **genes})
    return Case(genome, tester, trials, openings, seed=0, peers=peers)


def strangers(count: int, bars: int = 3000) -> Floats:
    return np.random.default_rng(1).normal(0.0, 0.01, (count, bars))


def relatives(count: int, bars: int = 3000) -> Floats:
    """Return series that share nearly all of their variance."""
    common = np.random.default_rng(2).normal(0.0, 0.01, bars)
    return common + 0.05 * strangers(count, bars)


@pytest.mark.parametrize(
    ("strength", "trials", "openings", "complaint"),
    [
        pytest.param(0.4, 100, 0, None, id="a strong edge after few trials"),
        pytest.param(0.0, 1, 0, "is needed, which the luckiest", id="no edge"),
        pytest.param(0.14, 1, 0, None, id="a weaker edge, tried once"),
        pytest.param(0.14, 1, 9, "is needed, which the luckiest", id="after many openings"),
        pytest.param(0.14, 100_000, 0, "is needed, which the luckiest", id="after five searches"),
        pytest.param(0.2, 100_000, 0, "worthless ones", id="the best of very many"),
    ],
)
def test_what_luck_explains(
    strength: float, trials: int, openings: int, complaint: str | None
) -> None:
    gate = statistics.examine(case_on(plant_edge(3000, strength), trials=trials, openings=openings))
    assert gate.passed == (complaint is None), gate.reason
    if complaint is not None:
        assert complaint in gate.reason


def test_relatives_are_one_trial_and_strangers_are_many() -> None:
    """The same t and the same register: what counts is how many trials were really different."""
    bars = plant_edge(3000, 0.21)
    found = {
        name: statistics.examine(case_on(bars, trials=10_000, peers=peers)).figures
        for name, peers in (("alike", relatives(64)), ("different", strangers(64)))
    }
    assert found["alike"]["effective_trials"] < 2
    assert found["different"]["effective_trials"] > 1000
    assert found["alike"]["deflated_sharpe"] > found["different"]["deflated_sharpe"]
    for figures in found.values():
        assert figures["trials"] == 10_000
        registered = figures["deflated_sharpe_registered"]
        assert registered == pytest.approx(found["alike"]["deflated_sharpe_registered"])
        assert registered <= figures["deflated_sharpe"]


def test_holding_a_rising_market_has_no_alpha() -> None:
    rising = plant_edge(3000, 0.0)
    drift = np.exp(0.0035 * np.arange(3000))
    bars = dataclasses.replace(
        rising,
        open=rising.open * drift,
        high=rising.high * drift,
        low=rising.low * drift,
        close=rising.close * drift,
    )
    case = case_on(bars, entry="close > 0 * close", exit="close < 0 * close", max_bars=500)
    gate = statistics.examine(case)
    assert 0.9 * gate.figures["t"] > gate.figures["threshold"]  # as if the rise were its doing
    assert gate.figures["reachable_t"] < gate.figures["threshold"]
    assert not gate.passed
    assert "holding the index does not explain" in gate.reason
    assert "worthless ones" not in gate.reason  # what it passed is not complained of


def test_every_overfitting_statistic_is_reported_with_its_meaning() -> None:
    case = case_on(plant_edge(3000, 0.3), trials=1000, peers=strangers(64))
    told = statistics.examine(case).figures["overfitting"]
    for name in ("pbo", "reality_check", "spa", "haircut_sharpe", "psr_2025", "min_track_record"):
        assert isinstance(told[name]["value"], float)
        assert told[name]["meaning"].endswith(".")


def test_the_gate_names_its_calibration() -> None:
    figures = statistics.examine(case_on(plant_edge(3000, 0.3))).figures
    assert figures["calibration"] == recorded().name
    assert figures["threshold"] == recorded().threshold
    assert "worlds without an edge" in figures["calibration"]


def test_a_flat_account_passes_nothing() -> None:
    gate = statistics.examine(case_on(make_bars(sessions=1200), entry="close < 0 * close"))
    assert not gate.passed
    assert gate.figures.get("t", 0.0) == 0.0


def test_a_return_that_is_no_number_is_no_statistic() -> None:
    case = case_on(make_bars(sessions=1200))
    broken = case.returns.copy()
    broken[7] = np.nan
    case.__dict__["returns"] = broken
    gate = statistics.examine(case)
    assert not gate.passed
    assert "no statistic of these returns means anything" in gate.reason


def test_peers_are_the_registered_ones_that_move(tmp_path: Path) -> None:
    bars = plant_edge(800, 0.3)
    tester = Backtester(bars, account=FREE)
    register, dataset = TrialRegister(tmp_path / "register.sqlite"), DataSet.of(bars)
    genomes = [
        genome_from_genes({**REVERSAL, "entry": entry})
        for entry in ("roc(close, 1) < -0.5", "roc(close, 2) < -0.5", "close < 0 * close")
    ]
    register.record(
        dataset,
        [Trial(g.hash, g.to_genes(), family(g), Origin.EVOLUTION, "evolution") for g in genomes],
        at=WHEN,
    )
    peers = statistics.peers_of(register, tester, dataset)
    expected = {tester.returns(genome).tobytes() for genome in genomes[:2]}
    assert {one.tobytes() for one in peers} == expected
    empty = TrialRegister(tmp_path / "empty.sqlite")
    assert statistics.peers_of(empty, tester, dataset).shape == (0, 800)


NEEDED = recorded().threshold


JUST = (NEEDED - SEALED_WEIGHT) / SEARCHED_WEIGHT + 0.01


@pytest.mark.parametrize(
    ("searched", "sealed", "openings", "holds"),
    [
        pytest.param(NEEDED / SEARCHED_WEIGHT, 1.0, 0, True, id="both good"),
        pytest.param(NEEDED * 2, -1.7, 0, False, id="a great search that the unseen bars deny"),
        pytest.param(NEEDED * 2, -1.6, 0, True, id="a great search that they do not deny"),
        pytest.param(0.6 * NEEDED, 3.0, 0, False, id="joined under the threshold"),
        pytest.param(JUST, 1.0, 0, True, id="just over it"),
        pytest.param(JUST, 1.0, 3, False, id="the fourth to open needs more"),
    ],
)
def test_one_joined_value_decides(
    searched: float, sealed: float, openings: int, holds: bool
) -> None:
    assert statistics.holds_unseen(searched, sealed, openings) is holds


def test_a_second_search_is_a_second_chance() -> None:
    first = statistics.threshold_after(0, 20_700)
    assert first == recorded().threshold
    assert statistics.threshold_after(0, 41_400) == statistics.threshold_after(1) > first
