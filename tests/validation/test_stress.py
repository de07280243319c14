"""Historical crashes. Golden values: shared/reference/validation-and-stress.md, section 4.2."""

import dataclasses
from datetime import date

import numpy as np
import pandas as pd
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_folder, load_sample
from kasauti.validation.stress import (
    CrashWindow,
    crash_windows,
    differing,
    held_shares,
    largest_share,
    position_on,
    replay,
)
from kasauti.validation.stress.model import WORST_LOSS
from kasauti.validation.stress.windows import cold
from tests.shared_data import NSE_INDEX
from tests.validation.rules import HOLD

FREE = Account(100_000_000.0, charges=NO_CHARGES, slippage=NO_SLIPPAGE)
PERCENT = 100.0


def holding(risk: float = 1.0) -> Genome:
    return genome_from_genes({**HOLD, "risk": risk})


def run(bars: Bars, genome: Genome) -> Result:
    return Backtester(bars, account=FREE).run(genome)


def from_closes(symbol: str, days: np.ndarray, closes: np.ndarray) -> Bars:
    """Return bars that open where the bar before closed: what is bought is bought at a close."""
    opens = np.concatenate([closes[:1], closes[:-1]])
    return Bars(
        "sample",
        (symbol,),
        days.astype("M8[D]"),
        opens[None],
        np.maximum(opens, closes)[None],
        np.minimum(opens, closes)[None],
        closes[None],
        np.full((1, len(closes)), np.nan),
    )


@pytest.fixture(scope="module")
def sample() -> Bars:
    return load_sample().bars


@pytest.fixture(scope="module")
def sp500(sample: Bars) -> Bars:
    return sample.select(("SP500",))


@pytest.fixture(scope="module")
def long_sp500() -> Bars:
    """S&P 500 closes 1990-2022 that ship with skfolio."""
    from skfolio.datasets import load_sp500_index

    closes: pd.Series = load_sp500_index()["SP500"]
    return from_closes("SP500", closes.index.to_numpy(), closes.to_numpy(dtype=float))


@pytest.fixture(scope="module")
def nifty() -> Bars:
    return load_folder([NSE_INDEX], market="nse").bars.select(("NIFTY50",))


def windows_with_falls(market: str, first: date, last: date) -> list[CrashWindow]:
    return [
        window
        for window in crash_windows(market)
        if window.fall is not None and first <= window.start and window.end <= last
    ]


@pytest.mark.parametrize(
    "window",
    windows_with_falls("us", date(1990, 1, 2), date(2022, 12, 28)),
    ids=lambda window: window.name,
)
def test_each_us_fall_and_worst_day(long_sp500: Bars, window: CrashWindow) -> None:
    check_figures(long_sp500, window)


@pytest.mark.parametrize(
    "window",
    windows_with_falls("nse", date(2000, 1, 3), date(2022, 8, 26)),
    ids=lambda window: window.name,
)
def test_each_nifty_fall_and_worst_day(nifty: Bars, window: CrashWindow) -> None:
    check_figures(nifty, window)


def check_figures(bars: Bars, window: CrashWindow) -> None:
    first, last = position_on(bars, window.start), position_on(bars, window.end)
    closes = bars.close[0, first : last + 1]
    assert (bars.sessions[first], bars.sessions[last]) == (
        np.datetime64(window.start),
        np.datetime64(window.end),
    )
    assert window.fall is not None
    assert window.worst_day is not None
    assert PERCENT * (closes[-1] / closes[0] - 1) == pytest.approx(
        PERCENT * window.fall, abs=0.00501
    )
    assert PERCENT * (closes[1:] / closes[:-1] - 1).min() == pytest.approx(
        PERCENT * window.worst_day, abs=0.00501
    )


def test_the_tables_are_as_long_as_the_reference() -> None:
    """13 windows of the S&P and 11 of NIFTY stand in the reference with a fall."""
    assert len(windows_with_falls("us", date(1900, 1, 1), date(2100, 1, 1))) == 13
    published = {-51.36, -19.14, -29.87, -59.86, -28.01, -22.52, -14.55, -38.44, -17.23, -5.93}
    published |= {-15.77, -20.12, 20.18}
    found = {round(PERCENT * (window.fall or 0.0), 2) for window in crash_windows("nse")}
    assert published <= found


def test_the_flash_crash_within_the_day(sp500: Bars) -> None:
    """2010-05-06: low 1065.79 on a close of 1165.87 the day before, -8.58 %; close -3.24 %."""
    at = position_on(sp500, date(2010, 5, 6))
    before = sp500.close[0, at - 1]
    assert PERCENT * (sp500.low[0, at] / before - 1) == pytest.approx(-8.58, abs=0.005)
    assert PERCENT * (sp500.close[0, at] / before - 1) == pytest.approx(-3.24, abs=0.005)


@pytest.mark.parametrize(
    ("scenario", "fall", "dies"),
    [
        ("1990 Gulf War", -19.92, False),
        ("1998 Russia and LTCM", -19.34, False),
        ("2000-2002 dot-com", -49.15, True),
        ("2007-2009 financial crisis", -56.78, True),
        ("2011 euro debt and downgrade", -19.39, False),
        ("2018 fourth quarter", -19.78, False),
        ("2020 COVID", -33.92, True),
        ("2022 rate shock", -25.43, True),
    ],
)
def test_always_long_at_the_boundary(
    long_sp500: Bars, scenario: str, fall: float, dies: bool
) -> None:
    """Close to close and without charges, section 4.2's boundary test of the kill rule."""
    losses, _ = replay(long_sp500, run(long_sp500, holding()), crash_windows("sample"))
    (found,) = [loss for loss in losses if loss.scenario == scenario]
    assert PERCENT * found.loss == pytest.approx(fall, abs=0.006)
    assert found.kills is dies


def test_always_long_dies_in_1987() -> None:
    """A path through the reference's closes: 336.77, a day of -20.47 % to 224.84, 223.92."""
    days = np.busday_offset("1986-08-25", np.arange(400), roll="forward")
    start = int(np.searchsorted(days, np.datetime64("1987-08-25")))
    monday = int(np.searchsorted(days, np.datetime64("1987-10-19")))
    end = int(np.searchsorted(days, np.datetime64("1987-12-04")))
    knots = [0, start, monday - 1, monday, end, 399]
    levels = np.log([250.0, 336.77, 224.84 / (1 - 0.2047), 224.84, 223.92, 250.0])
    bars = from_closes("SP500", days, np.exp(np.interp(np.arange(400), knots, levels)))
    losses, _ = replay(bars, run(bars, holding()), crash_windows("sample"))
    (found,) = losses
    assert found.scenario == "1987 Black Monday"
    assert PERCENT * found.loss == pytest.approx(-33.51, abs=0.01)
    assert found.kills
    assert differing(bars, crash_windows("sample")) == ()


def test_a_fifth_itself_does_not_kill() -> None:
    assert WORST_LOSS == -0.20


def test_holding_nifty_loses_what_nifty_lost(nifty: Bars) -> None:
    losses, _ = replay(nifty, run(nifty, holding()), crash_windows("nse"))
    found = {loss.scenario: loss.loss for loss in losses}
    for window in windows_with_falls("nse", date(2000, 2, 1), date(2022, 8, 26)):
        assert window.fall is not None
        assert found[window.name] <= window.fall + 1e-4  # the lowest close, not the last
    assert found["2008 financial crisis"] == pytest.approx(-0.5986, abs=6e-5)
    assert found["2020 COVID"] == pytest.approx(-0.3844, abs=6e-5)


def test_a_fall_that_differs_from_the_record_is_said(sp500: Bars) -> None:
    assert differing(sp500, crash_windows("sample")) == ()
    at = position_on(sp500, date(2009, 3, 9))
    closes = sp500.close.copy()
    closes[0, at] *= 1.10
    wrong = dataclasses.replace(sp500, close=closes, series={})
    (said,) = differing(dataclasses.replace(wrong, index_symbol=None), crash_windows("sample"))
    assert said == ("2007-2009 financial crisis (recorded -56.78%, in these bars -52.45%)")


def test_falls_are_checked_only_on_the_index_that_they_were_measured_on(sample: Bars) -> None:
    assert differing(sample.select(("IBM",)), crash_windows("sample")) == ()
    alone = dataclasses.replace(sample.select(("NASDAQ",)), series={}, index_symbol=None)
    assert differing(alone, crash_windows("sample")) == ()


def test_a_crash_at_the_very_beginning_is_cold(nifty: Bars) -> None:
    names = cold(nifty, windows_with_falls("nse", date(2000, 1, 3), date(2022, 8, 26)))
    assert names == ("2000-2001 dot-com",)


def test_a_partly_covered_crash_is_untested(sp500: Bars) -> None:
    half = sp500.between(0, position_on(sp500, date(2011, 8, 1)))
    losses, untested = replay(half, run(half, holding()), crash_windows("sample"))
    tested = {loss.scenario for loss in losses}
    assert tested == {"2007-2009 financial crisis", "2010 flash crash"}
    assert "2011 euro debt and downgrade" in untested
    assert tested.isdisjoint(untested)


def test_a_crash_without_traded_opens_is_untested(sp500: Bars) -> None:
    """The S&P opens of 2000-2002 are the previous close: nothing fills, so nothing is proved."""
    _, untested = replay(sp500, run(sp500, holding()), crash_windows("sample"))
    assert "2000-2002 dot-com" in untested


def test_only_windows_that_touch_the_sealed_range(sp500: Bars) -> None:
    result = run(sp500, holding())
    losses, _ = replay(sp500, result, crash_windows("sample"), touching=date(2014, 12, 31))
    assert [loss.scenario for loss in losses] == [
        "2015-2016 China",
        "2018 Volmageddon",
        "2018 fourth quarter",
    ]


def test_the_worst_account_of_a_panel_decides(sample: Bars) -> None:
    window = CrashWindow("us", "dot-com", date(2000, 3, 24), date(2002, 10, 9))
    ((loss,), _) = replay(sample, run(sample, holding()), [window])
    start, stop = position_on(sample, window.start), position_on(sample, window.end)
    falls = sample.close[:, start : stop + 1].min(axis=1) / sample.close[:, start] - 1
    assert loss.symbol == sample.symbols[int(np.nanargmin(falls))]


def test_what_is_held_over_each_close(sample: Bars) -> None:
    bars = sample.select(("IBM",)).between(0, 500)
    genes = holding(0.5).to_genes() | {"max_bars": 10}
    result = run(bars, genome_from_genes(genes))
    held = held_shares(bars, result, 0)
    flat = np.flatnonzero(held == 0)
    assert len(result.trades) == 18
    first = result.trades[0].entry_time
    assert held[: position_on(bars, first)].max() == 0  # IBM's first bars are missing
    assert set(np.diff(flat[flat > position_on(bars, first)])) == {11}  # ten bars, one flat close
    assert 0.5 < largest_share(bars, result, 0) < 1.0
