"""Each gate by itself: what makes it fail, and that it then says why."""

import dataclasses
import warnings

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.backtest.second_opinion import Comparison
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.regimes import online
from kasauti.regimes.model import OnlineLabels
from kasauti.validation.gates import causality, regimes, second_opinion
from kasauti.validation.gates.model import Case
from tests.validation.rules import REVERSAL
from tests.validation.synthetic import constant_bars, make_bars, plant_edge

FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)


def case_on(bars: Bars, *, trials: int = 1, openings: int = 0, **genes: object) -> Case:
    tester = Backtester(bars, account=FREE)
    return Case(genome_from_genes({**REVERSAL, **genes}), tester, trials, openings, seed=0)


def test_labels_that_know_the_future_fail_causality(monkeypatch: pytest.MonkeyPatch) -> None:
    def hindsight(bars: Bars) -> OnlineLabels:
        above = bars.close[0] > np.nanmean(bars.close[0])  # the mean of all bars, later ones too
        return OnlineLabels(np.where(above, 0, 1).astype(np.int8))

    case = case_on(make_bars(sessions=600), regimes=["bull"])
    assert causality.examine(case).passed
    monkeypatch.setattr(online, "label_online", hindsight)
    leaky = causality.examine(case_on(make_bars(sessions=600), regimes=["bull"]))
    assert not leaky.passed
    assert "looks ahead: what it did on 20" in leaky.reason
    assert leaky.figures["leaks"] > 0


def test_regimes_are_scored_apart_and_few_trades_are_unknown() -> None:
    gate = regimes.examine(case_on(plant_edge(3000), regimes=["bull", "bear", "sideways"]))
    rows = gate.figures["regimes"]
    assert gate.passed
    assert rows["volatile"]["state"] == "not traded"
    for name, row in rows.items():
        assert (name in gate.figures["approved"]) == (row["state"] == "earns")
        assert (row["state"] == "unknown") == (row["trades"] < 30 and name != "volatile")
        if row["state"] == "earns":
            low, high = row["interval"]
            assert low < row["mean_return"] < high


@pytest.mark.parametrize(
    ("found", "passed", "reason"),
    [
        pytest.param(Comparison(1, 40, 0, {}, {}, 0.0), True, "the same 40 trades", id="equal"),
        pytest.param(
            Comparison(1, 40, 0, {}, {"max_bars": 1}, 0.0), True, "max_bars", id="left out"
        ),
        pytest.param(
            Comparison(1, 40, 1, {}, {}, 0.0), False, "disagrees on 1 of 40", id="one differs"
        ),
        pytest.param(
            Comparison(0, 0, 0, {"no trade": 1}, {}, 0.0), False, "no trade", id="no trade"
        ),
    ],
)
def test_second_opinion(
    monkeypatch: pytest.MonkeyPatch, found: Comparison, passed: bool, reason: str
) -> None:
    monkeypatch.setattr(second_opinion, "compare", lambda *_, **__: found)
    gate = second_opinion.examine(case_on(make_bars(sessions=300)))
    assert gate.passed == passed
    assert reason in gate.reason


def test_an_account_that_never_moves_has_the_same_sharpe_ratio_twice() -> None:
    """vectorbt calls 0 / 0 infinite; taken as it is, the two would differ by no number at all."""
    case = case_on(constant_bars(), entry="close > 0 * close", exit="close < 0 * close")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        gate = second_opinion.examine(case)
    assert not gate.passed
    assert "nothing to compare" in gate.reason
    assert gate.figures["max_relative_difference"] == 0.0


def test_what_each_profile_can_buy() -> None:
    """A share at 3,000 to 5,000 with a 5 % stop: 150 a trade is all that ₹5,000 may risk."""
    cheap, dear = plant_edge(600), plant_edge(600)
    dear = dataclasses.replace(
        dear, open=dear.open * 40, high=dear.high * 40, low=dear.low * 40, close=dear.close * 40
    )
    rows = {row["profile"]: row for row in case_on(cheap).affordable}
    assert list(rows) == ["ultra-conservative", "conservative", "moderate"]
    assert all(row["bought"] == row["signals"] > 0 for row in rows.values())
    costly = {row["profile"]: row for row in case_on(dear).affordable}
    assert costly["ultra-conservative"]["bought"] < costly["ultra-conservative"]["signals"]
    assert costly["moderate"]["bought"] == costly["moderate"]["signals"]
