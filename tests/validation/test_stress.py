from datetime import date

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_folder, load_sample
from kasauti.validation.stress import (
    CrashWindow,
    crash_windows,
    largest_share,
    overnight_gap,
    replay,
    stress,
)
from tests.shared_data import NSE_INDEX

FREE = Account(100_000_000.0, charges=NO_CHARGES, slippage=NO_SLIPPAGE)


def holding(risk: float = 1.0) -> Genome:
    """Buys on the first bar and holds: the stop is out of reach, so risk is about the share."""
    return genome_from_genes(
        {
            "entry": "close > 0 * close",
            "exit": "close < 0 * close",
            "side": "long",
            "stop": {"fraction": 0.99},
            "regimes": ["bull", "bear", "sideways", "volatile"],
            "risk": risk,
        }
    )


def run(bars: Bars, genome: Genome) -> Result:
    return Backtester(bars, account=FREE).run(genome)


@pytest.fixture(scope="module")
def sp500() -> Bars:
    return load_sample().bars.select(("SP500",))


@pytest.fixture(scope="module")
def nifty() -> Bars:
    return load_folder([NSE_INDEX], market="nse").bars.select(("NIFTY50",))


@pytest.mark.parametrize(
    ("scenario", "fall"),
    [
        ("2007-2009 financial crisis", -0.5678),
        ("2010 flash crash", -0.1599),
        ("2011 euro debt and downgrade", -0.1939),
        ("2015-2016 China", -0.1416),
        ("2018 Volmageddon", -0.1016),
        ("2018 fourth quarter", -0.1978),
    ],
)
def test_holding_the_index_loses_what_the_index_lost(
    sp500: Bars, scenario: str, fall: float
) -> None:
    found = {loss.scenario: loss for loss in stress(sp500, run(sp500, holding())).losses}
    assert found[scenario].loss == pytest.approx(fall, abs=6e-5)
    assert found[scenario].kills == (fall < -0.20)


@pytest.mark.parametrize(
    ("scenario", "fall"),
    [
        ("2000-2001 dot-com", -0.5136),
        ("2004 election", -0.1914),
        ("2006 May sell-off", -0.2987),
        ("2008 financial crisis", -0.5986),
        ("2010-2011 inflation and euro debt", -0.2801),
        ("2015-2016 China", -0.2252),
        ("2018 IL&FS", -0.1455),
        ("2020 COVID", -0.3844),
        ("2021-2022 rate shock", -0.1723),
    ],
)
def test_holding_nifty_loses_what_nifty_lost(nifty: Bars, scenario: str, fall: float) -> None:
    found = {loss.scenario: loss for loss in stress(nifty, run(nifty, holding())).losses}
    assert found[scenario].loss == pytest.approx(fall, abs=6e-5)


def test_a_partly_covered_crash_is_untested(sp500: Bars) -> None:
    half = sp500.between(0, int(np.searchsorted(sp500.times, np.datetime64("2011-08-01"))))
    found = stress(half, run(half, holding()))
    tested = {loss.scenario for loss in found.losses}
    assert tested == {"2007-2009 financial crisis", "2010 flash crash"}
    assert "2011 euro debt and downgrade" in found.untested
    assert tested.isdisjoint(found.untested)


def test_a_crash_without_traded_opens_is_untested(sp500: Bars) -> None:
    """The S&P opens of 2000-2002 are the previous close: nothing fills, so nothing is proved."""
    assert "2000-2002 dot-com" in stress(sp500, run(sp500, holding())).untested


def test_only_windows_that_touch_the_sealed_range(sp500: Bars) -> None:
    result = run(sp500, holding())
    losses, _ = replay(sp500, result, crash_windows("sample"), touching=date(2014, 12, 31))
    assert [loss.scenario for loss in losses] == [
        "2015-2016 China",
        "2018 Volmageddon",
        "2018 fourth quarter",
    ]


def test_the_worst_account_of_a_panel_decides() -> None:
    bars = load_sample().bars
    window = CrashWindow("us", "dot-com", date(2000, 3, 24), date(2002, 10, 9))
    result = run(bars, holding())
    ((loss,), _) = replay(bars, result, [window])
    start, stop = np.searchsorted(
        bars.times, [np.datetime64(window.start), np.datetime64(window.end)]
    )
    falls = bars.close[:, start : stop + 1].min(axis=1) / bars.close[:, start] - 1
    assert loss.symbol == bars.symbols[int(np.nanargmin(falls))]


@pytest.mark.parametrize(
    ("symbol", "gap"), [("SP500", 0.10), ("IBM", 0.20)], ids=["an index", "a share"]
)
def test_the_gap_hits_the_largest_share_held(symbol: str, gap: float) -> None:
    bars = load_sample().bars.select((symbol,)).between(0, 3000)
    result = run(bars, holding(0.5))
    share = largest_share(bars, result, 0)
    assert 0.5 < share < 1.0
    assert overnight_gap(bars, result).loss == pytest.approx(-gap * share)


def test_shares_held_in_full_survive_the_gap_by_a_hair() -> None:
    bars = load_sample().bars.select(("IBM",)).between(0, 3000)
    gap = overnight_gap(bars, run(bars, holding()))
    assert gap.loss == pytest.approx(-0.20, abs=1e-4)
    assert not gap.kills


def test_a_genome_that_never_trades_loses_nothing(sp500: Bars) -> None:
    never = genome_from_genes(
        {
            "entry": "close < 0 * close",
            "exit": "close < 0 * close",
            "side": "long",
            "stop": {"fraction": 0.1},
            "regimes": ["bull", "bear", "sideways", "volatile"],
            "risk": 0.5,
        }
    )
    found = stress(sp500, run(sp500, never))
    assert {loss.loss for loss in (*found.losses, found.gap)} == {0.0}
    assert not found.fatal
