"""Gate 4 as a trader reads it: what kills is named, and what could not be tested is said."""

import dataclasses

import numpy as np
import pytest

from kasauti.backtest import Backtester
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.sources import load_folder, load_sample
from kasauti.validation.gates import stress as gate
from kasauti.validation.gates.model import Case, Gate, plain
from tests.shared_data import NSE_INDEX
from tests.validation.rules import HOLD
from tests.validation.synthetic import constant_bars, make_bars

CAREFUL = {
    "entry": "ema(close, 12) > ema(close, 26) and rsi(close, 14) < 70",
    "exit": "close < sma(close, 50)",
    "side": "long",
    "stop": {"atr": 2.5},
    "max_bars": 40,
    "regimes": ["bull", "sideways"],
    "risk": 0.01,
}
SCENARIOS = [
    "overnight gap",
    "market-wide halt at 10%",
    "market-wide halt at 15%",
    "market-wide halt at 20%",
    "frozen feed",
    "exit in a liquidity drought",
    "prescribed crash of 58% over 189 sessions",
    "volatility twice the usual",
    "filtered historical simulation",
    "blocks of the 5 worst quarters",
    "liquidity drought",
]


@pytest.fixture(scope="module")
def nifty() -> Bars:
    return load_folder([NSE_INDEX], market="nse").bars.select(("NIFTY50",)).between(0, 4500)


def examine(bars: Bars, genes: dict[str, object]) -> Gate:
    return gate.examine(Case(genome_from_genes(genes), Backtester(bars), 1, 0, seed=0))


def test_always_long_dies_and_the_years_are_named(nifty: Bars) -> None:
    found = examine(nifty, HOLD)
    assert not found.passed
    for told in ("2000-2001 dot-com", "2008 financial crisis", "prescribed crash of 58%"):
        assert f"{told}" in found.reason
    assert found.reason.startswith("loses more than 20 % in ")
    assert "half of 200 worlds lose as much or more" in found.reason


def test_a_careful_genome_lives_and_hears_what_is_untested(nifty: Bars) -> None:
    found = examine(nifty, CAREFUL)
    assert found.passed, found.reason
    assert [one["scenario"] for one in found.figures["synthetic"]] == SCENARIOS
    assert all(-0.20 <= one["loss"] <= 0.0 for one in found.figures["synthetic"])
    assert "2020 COVID" in found.figures["untested"]
    assert found.figures["cold"] == ["2000-2001 dot-com"]
    assert found.figures["caps_tier"] is True
    assert "Not covered, so untested: 2018 IL&FS, 2020 COVID" in found.reason
    assert "Began before its indicators were warm: 2000-2001 dot-com" in found.reason
    assert found.reason.endswith("Untested history allows the lowest capital tier only")
    assert plain(found.figures) == found.to_json()["figures"]


def test_size_decides(nifty: Bars) -> None:
    """The same rules with ten times the risk die of the 20 % halt alone."""
    assert examine(nifty, CAREFUL).passed
    bold = examine(nifty, {**CAREFUL, "risk": 0.1})
    assert not bold.passed
    assert "market-wide halt at 20%" in bold.reason


def test_bars_without_any_known_crash_are_not_approved() -> None:
    bars = make_bars(sessions=900, start="1991-01-01")
    found = examine(bars, CAREFUL)
    assert not found.passed
    assert "cover no known crash" in found.reason
    assert found.figures["caps_tier"] is True


@pytest.mark.parametrize(
    ("genes", "bars", "reason"),
    [
        pytest.param(
            {**HOLD, "entry": "close < 0 * close"}, make_bars(), "never held", id="never trades"
        ),
        pytest.param(
            HOLD,
            constant_bars(),
            "never moves",
            id="constant prices",
        ),
    ],
)
def test_what_cannot_be_tested_fails(genes: dict[str, object], bars: Bars, reason: str) -> None:
    found = examine(bars, genes)
    assert not found.passed
    assert found.reason.startswith("not tested: ")
    assert reason in found.reason


def test_a_record_that_differs_is_said() -> None:
    bars = load_sample().bars.select(("SP500",)).between(0, 3500)
    closes = bars.close.copy()
    at = int(np.searchsorted(bars.times, np.datetime64("2010-07-02")))
    closes[0, at] *= 0.97
    wrong = dataclasses.replace(
        bars, close=closes, low=np.fmin(bars.low, closes), series={}, index_symbol=None
    )
    found = examine(wrong, CAREFUL)
    assert found.figures["differing"] == [
        "2010 flash crash (recorded -15.99%, in these bars -18.51%)"
    ]
    assert "These bars differ from the record: 2010 flash crash" in found.reason


def test_too_few_sessions_for_garch_are_said() -> None:
    bars = load_sample().bars.select(("SP500",)).between(2260, 2740)
    found = examine(bars, CAREFUL)
    assert "EWMA with a decay of 0.94 instead" in found.reason
