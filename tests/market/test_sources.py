"""Sources on real bars: every trap of the data's README is found, everything genuine stays."""

import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, Bars
from kasauti.market.sources import Finding, Loaded, Severity, load_folder, load_sample
from tests.shared_data import FIXTURES, NSE_INDEX, NSE_INTRADAY, NSE_STOCKS


@pytest.fixture(scope="module")
def sample() -> Loaded:
    return load_sample()


@pytest.fixture(scope="module")
def indices() -> Loaded:
    return load_folder([NSE_INDEX], index="NIFTY50")


@pytest.fixture(scope="module")
def stocks() -> Loaded:
    return load_folder([NSE_STOCKS])


@pytest.fixture(scope="module")
def intraday() -> Loaded:
    return load_folder([NSE_INTRADAY], index="NIFTY50")


def value(bars: Bars, symbol: str, day: str, name: str = "close") -> float:
    at = int(np.searchsorted(bars.times, np.datetime64(day)))
    assert bars.times[at] == np.datetime64(day)
    return float(getattr(bars, name)[bars.symbols.index(symbol), at])


def move(bars: Bars, symbol: str, day: str) -> float:
    close = bars.close[bars.symbols.index(symbol)]
    at = int(np.searchsorted(bars.times, np.datetime64(day)))
    return float(close[at] / close[at - 1] - 1)


def of_file(loaded: Loaded, file: str) -> list[Finding]:
    return [finding for finding in loaded.findings if finding.file == file]


# shared/market/README.md, known closes.
@pytest.mark.parametrize(
    ("symbol", "day", "close"),
    [
        ("NIFTY50", "2004-05-17", 1388.75),
        ("NIFTY50", "2008-10-24", 2584.00),
        ("NIFTY50", "2008-10-27", 2524.20),
        ("NIFTY50", "2009-05-18", 4323.15),
        ("NIFTY50", "2020-03-23", 7610.25),
        ("NIFTY50", "2021-10-18", 18477.05),
        ("BANKNIFTY", "2020-03-23", 16917.65),
    ],
)
def test_known_closes(indices: Loaded, symbol: str, day: str, close: float) -> None:
    assert value(indices.bars, symbol, day) == close


def test_the_volatility_index_is_a_series_and_no_symbol(indices: Loaded) -> None:
    bars = indices.bars
    assert bars.symbols == ("BANKNIFTY", "NIFTY50")
    assert bars.shape == (2, 5636)
    vix = dict(zip(bars.times.tolist(), bars.series["vix"].tolist(), strict=True))
    assert vix[date(2020, 3, 24)] == 83.61
    assert np.isnan(vix[date(2010, 7, 16)])  # before its first day
    for broken in (date(2013, 8, 22), date(2021, 2, 12), date(2021, 3, 30)):
        assert np.isnan(vix[broken])
    assert np.isfinite(bars.series["vix"]).sum() == 3002


def test_the_named_index_is_a_series_and_stays_a_symbol(indices: Loaded) -> None:
    bars = indices.bars
    assert bars.index_symbol == "NIFTY50"
    np.testing.assert_array_equal(bars.series["index"], bars.close[1])


def test_what_is_wrong_with_the_volatility_index(indices: Loaded) -> None:
    volume, zeros, close, opens = of_file(indices, "INDIAVIX.csv")
    assert volume.problem == "volume is empty on 3005 of 3005 rows"
    assert (zeros.row, zeros.rows_dropped) == (2626, 2)
    assert "open, high, low zero or negative on 2 lines: 2626 (2021-02-12), 2656 (2021-03-30)" in (
        zeros.problem
    )
    assert (close.row, close.rows_dropped) == (778, 1)
    assert close.problem == "close is below low on line 778 (2013-08-22)"
    assert opens.row == 2
    for year in range(2010, 2023):
        assert f"{year} (" in opens.problem


def test_index_opens_that_repeat_the_previous_close_are_left_out(indices: Loaded) -> None:
    (finding,) = of_file(indices, "NIFTY50.csv")
    # The README's 10 to 29 rows a year before 2008.
    for part in ("2000 (14)", "2003 (29)", "2007 (10)", "162 rows"):
        assert part in finding.problem
    bars = indices.bars.select(("NIFTY50",))
    assert (finding.row, finding.rows_dropped) == (5, 0)
    assert np.isnan(value(bars, "NIFTY50", "2000-01-06", "open"))
    assert np.isfinite(value(bars, "NIFTY50", "2000-01-06"))
    assert np.isnan(bars.open).sum() == 162
    assert not (bars.open[0, 1:] == bars.close[0, :-1]).any()


def test_empty_volume_stays_empty(indices: Loaded) -> None:
    volume, _ = of_file(indices, "BANKNIFTY.csv")
    assert (volume.severity, volume.problem) == (
        Severity.INFO,
        "volume is empty on 10 of 4269 rows",
    )
    row = indices.bars.symbols.index("BANKNIFTY")
    listed = np.isfinite(indices.bars.close[row])
    assert np.isnan(indices.bars.volume[row][listed]).sum() == 10


def test_a_symbol_is_undefined_before_it_lists(indices: Loaded) -> None:
    row = indices.bars.symbols.index("BANKNIFTY")
    before = indices.bars.times < np.datetime64("2005-06-09")
    for name in FIELDS:
        assert np.isnan(getattr(indices.bars, name)[row, before]).all()
    assert np.isfinite(indices.bars.close[row, ~before]).sum() == 4269


def test_weekend_sessions_stay(indices: Loaded) -> None:
    weekday = (indices.bars.times.astype("datetime64[D]").astype(int) + 3) % 7
    weekends = indices.bars.times[weekday >= 5]
    assert np.datetime64("2020-11-14") in weekends  # Muhurat
    assert np.datetime64("2020-02-01") in weekends  # budget


def test_genuine_shares_lose_nothing(stocks: Loaded) -> None:
    assert stocks.findings == ()
    assert stocks.bars.shape == (24, 618)
    assert "M&M" in stocks.bars.symbols
    assert np.isfinite(stocks.bars.open).all()
    assert move(stocks.bars, "INDUSINDBK", "2025-03-11") == pytest.approx(-0.272, abs=5e-4)


def test_a_list_of_survivors_says_so(stocks: Loaded, indices: Loaded, sample: Loaded) -> None:
    assert any("survivorship bias" in note for note in stocks.notes)
    assert not any("survivorship" in note for note in indices.notes)
    assert any(
        "BANKNIFTY, NIFTY50" in note and "cannot be bought" in note for note in indices.notes
    )
    assert any("survived" in note for note in sample.notes)


def test_utc_stamps_become_exchange_time(intraday: Loaded) -> None:
    bars = intraday.bars
    assert bars.times.dtype == np.dtype("datetime64[s]")
    assert (bars.shape, bars.bars_a_session) == ((13, 375), 75)
    assert str(bars.times[0]) == "2026-07-13T09:15:00"
    assert str(bars.times[-1]) == "2026-07-17T15:25:00"
    assert value(bars, "INFY", "2026-07-13T09:15") == 1072.4
    findings = [finding for finding in intraday.findings if "read as UTC" in finding.problem]
    assert len(findings) == 13
    assert np.isfinite(bars.open).all()  # the rule of repeated opens is for daily bars


def test_bars_outside_the_session_are_left_out(intraday: Loaded) -> None:
    _, at_close, bogus = of_file(intraday, "NIFTY50.csv")
    assert (at_close.row, at_close.rows_dropped) == (77, 1)
    assert "2026-07-13 15:30" in at_close.problem
    assert (bogus.row, bogus.rows_dropped) == (378, 1)
    assert "line 378 (2026-07-17 19:05)" in bogus.problem


def stamped(zone: str, *times: str) -> str:
    rows = [f"{time}{zone},100,102,99,101,5" for time in times]
    return "\n".join(["timestamp,open,high,low,close,volume", *rows, ""])


@pytest.mark.parametrize(
    ("zone", "times", "expected"),
    [
        pytest.param(
            "+05:30",
            ["2026-07-13 09:15:00", "2026-07-13 09:20:00"],
            ["2026-07-13T09:15", "2026-07-13T09:20"],
            id="india",
        ),
        pytest.param(
            "Z",
            ["2026-07-13T03:45:00", "2026-07-13T03:50:00"],
            ["2026-07-13T09:15", "2026-07-13T09:20"],
            id="utc",
        ),
        pytest.param(
            "-0400",
            ["2026-07-12 23:45:00", "2026-07-12 23:50:00"],
            ["2026-07-13T09:15", "2026-07-13T09:20"],
            id="new-york-the-evening-before",
        ),
    ],
)
def test_stamps_with_a_zone_are_converted(
    zone: str, times: list[str], expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "A.csv").write_text(stamped(zone, *times))
    loaded = load_folder([tmp_path])
    (finding,) = loaded.findings
    assert "stamps carry a time zone" in finding.problem
    assert "Asia/Kolkata" in finding.remedy
    assert loaded.bars.times.tolist() == np.array(expected, dtype="datetime64[s]").tolist()


def test_an_evening_session_is_kept_where_the_calendar_has_one(tmp_path: Path) -> None:
    muhurat = ["2025-10-21 13:45:00", "2025-10-21 14:40:00", "2025-10-21 15:00:00"]
    (tmp_path / "A.csv").write_text(stamped("", *muhurat))
    loaded = load_folder([tmp_path])
    assert [str(time)[11:16] for time in loaded.bars.times] == ["13:45", "14:40"]
    (finding,) = loaded.findings
    assert (finding.row, finding.rows_dropped) == (4, 1)


def test_days_before_the_calendar_use_ordinary_hours_or_are_special(tmp_path: Path) -> None:
    times = ["2020-11-13 09:15:00", "2020-11-13 19:05:00"]  # the evening one is false
    muhurat = ["2020-11-14 18:15:00", "2020-11-14 18:20:00"]  # a real Saturday evening
    ordinary = [f"2020-11-{day} 10:00:00" for day in range(16, 21)]
    at_close = "2020-11-20 15:30:00"
    (tmp_path / "A.csv").write_text(stamped("", *times, *muhurat, *ordinary, at_close))
    loaded = load_folder([tmp_path])
    assert [(finding.row, finding.rows_dropped) for finding in loaded.findings] == [(11, 1), (3, 1)]
    assert loaded.bars.shape == (1, 8)


def test_stamps_that_fit_as_written_are_not_taken_for_utc(tmp_path: Path) -> None:
    morning = [f"2026-07-13 09:{minute}:00" for minute in (15, 30, 45)]  # 14:45 on, were it UTC
    (tmp_path / "A.csv").write_text(stamped("", *morning))
    loaded = load_folder([tmp_path])
    assert loaded.findings == ()
    assert str(loaded.bars.times[0]) == "2026-07-13T09:15:00"


def test_flat_bars_of_a_market_halt_are_genuine(tmp_path: Path) -> None:
    halt = FIXTURES / "nifty50_5min_2020-03-23_circuit_breaker_partial.csv"
    loaded = load_folder([halt])
    assert loaded.findings == ()
    assert loaded.bars.shape == (1, 31)
    assert value(loaded.bars, halt.stem, "2020-03-23T10:00") == 7903.0


def test_the_sample(sample: Loaded) -> None:
    bars = sample.bars
    assert bars.symbols == ("SP500", "NASDAQ", "AAPL", "GOOG", "IBM", "MSFT")
    assert (bars.market, bars.index_symbol, bars.shape) == ("sample", "SP500", (6, 5031))
    np.testing.assert_array_equal(bars.series["index"], bars.close[0])
    assert value(bars, "SP500", "1999-01-04") == 1228.099976
    assert np.isnan(value(bars, "AAPL", "1999-01-04"))
    assert np.isnan(value(bars, "GOOG", "2004-08-18"))
    assert np.isfinite(value(bars, "GOOG", "2004-08-19"))
    assert np.isnan(value(bars, "IBM", "2013-03-04"))
    assert load_sample().bars.data_version == bars.data_version


def test_sample_shares_are_adjusted_for_splits(sample: Loaded) -> None:
    bars = sample.bars
    # Close 130.31, adjusted 4.18666...: all prices take the ratio, volume its inverse.
    ratio = 4.186662803811 / 130.31
    assert value(bars, "AAPL", "2000-03-01") == pytest.approx(4.186662803811)
    assert value(bars, "AAPL", "2000-03-01", "open") == pytest.approx(118.56 * ratio)
    assert value(bars, "AAPL", "2000-03-01", "volume") == pytest.approx(9_616_100 / ratio)
    assert move(bars, "AAPL", "2005-02-28") == pytest.approx(0.008, abs=2e-3)  # a 2:1 split
    assert move(bars, "AAPL", "2000-09-29") == pytest.approx(-0.519, abs=5e-4)  # real
    with np.errstate(invalid="ignore"):
        assert not (bars.high < bars.low).any()


def test_sample_opens_that_are_no_traded_price_are_left_out(sample: Loaded) -> None:
    whole_years, single, nasdaq = sample.findings
    assert whole_years.file == "sp500.csv.gz"
    assert "1999 (243 of 252 rows)" in whole_years.problem
    assert "2006 (107 of 251 rows)" in whole_years.problem
    assert "2007 (39)" in single.problem
    assert nasdaq.file == "nasdaq.csv.gz"
    years = sample.bars.times.astype("datetime64[Y]").astype(int) + 1970
    opens = sample.bars.open[0]
    assert np.isnan(opens[years <= 2006]).all()
    assert np.isfinite(opens[years == 2007]).sum() == 251 - 39
    assert np.isfinite(sample.bars.close[0]).all()
    assert np.isfinite(sample.bars.open[2][np.isfinite(sample.bars.close[2])]).all()


def daily(days: int, repeats: int) -> str:
    """A flat share of which `repeats` opens are the close before."""
    start = np.datetime64("2024-01-01")
    opens = [101.0 if 0 < row <= repeats else 100.0 for row in range(days)]
    rows = [f"{start + row},{opens[row]},102,99,101,5" for row in range(days)]
    return "\n".join(["date,open,high,low,close,volume", *rows, ""])


@pytest.mark.parametrize(
    ("symbol", "days", "repeats", "left"),
    [
        pytest.param("INFY", 60, 19, 60, id="share-under-a-third"),
        pytest.param("INFY", 60, 20, 0, id="share-from-a-third"),
        pytest.param("INFY", 59, 58, 59, id="share-short-year"),
        pytest.param("NIFTY50", 60, 19, 41, id="index-under-a-third"),
        pytest.param("NIFTYBEES", 60, 19, 60, id="a-fund-is-traded"),
        pytest.param("SENSEX", 20, 3, 17, id="index-short-year"),
    ],
)
def test_when_an_open_is_believed(
    symbol: str, days: int, repeats: int, left: int, tmp_path: Path
) -> None:
    (tmp_path / f"{symbol}.csv").write_text(daily(days, repeats))
    loaded = load_folder([tmp_path])
    assert np.isfinite(loaded.bars.open).sum() == left
    assert np.isfinite(loaded.bars.close).sum() == days
    assert len(loaded.findings) == (left < days)


def test_a_named_index_has_the_rule_of_indices(tmp_path: Path) -> None:
    (tmp_path / "MYINDEX.csv").write_text(daily(60, 10))
    assert np.isfinite(load_folder([tmp_path]).bars.open).sum() == 60
    assert np.isfinite(load_folder([tmp_path], index="MYINDEX").bars.open).sum() == 50


def test_folders_join_into_one_panel_in_any_order() -> None:
    both = load_folder([NSE_STOCKS, NSE_INDEX], index="NIFTY50").bars
    assert both.shape == (26, 6254)
    assert both.symbols == tuple(sorted(both.symbols))
    swapped = load_folder([NSE_INDEX, NSE_STOCKS], index="NIFTY50").bars
    assert swapped.data_version == both.data_version


@pytest.mark.parametrize(
    ("folders", "index", "words"),
    [
        pytest.param([NSE_INDEX], "SENSEX", "no market index 'SENSEX'; there are BANK", id="index"),
        pytest.param([NSE_INDEX], "INDIAVIX", "no market index 'INDIAVIX'", id="vix-as-index"),
        pytest.param([NSE_INDEX / "no"], None, "there is no folder .*no", id="no-folder"),
        pytest.param([FIXTURES.parent], None, "no CSV or Parquet file in shared", id="no-file"),
        pytest.param([NSE_STOCKS, NSE_INTRADAY], None, "symbol APOLLOHOSP .* twice", id="twice"),
        pytest.param([NSE_STOCKS, FIXTURES], None, "5-minute bars .* and daily bars", id="mixed"),
        pytest.param([NSE_INDEX / "INDIAVIX.csv"], None, "no file in INDIAVIX.csv", id="only-vix"),
    ],
)
def test_what_cannot_be_loaded(folders: list[Path], index: str | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_folder(folders, index=index)


def test_two_bar_lengths_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text(stamped("", "2026-07-13 09:15:00", "2026-07-13 09:20:00"))
    (tmp_path / "B.csv").write_text(stamped("", "2026-07-13 09:15:00", "2026-07-13 09:30:00"))
    with pytest.raises(DataError, match=r"5-minute bars \(A.csv\).*15-minute bars \(B.csv\)|15-m"):
        load_folder([tmp_path])


def test_a_real_size_folder_loads_in_a_second() -> None:
    seconds = []
    for _ in range(3):  # the best of three, and processor time: the machine has other work
        start = time.process_time()
        load_folder([NSE_STOCKS, NSE_INDEX], index="NIFTY50")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.text('0123456789-:,.\n"TZ+ naif\r\0', max_size=200).map(
            lambda text: ("date,open,high,low,close\n" + text).encode()
        ),
    ),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_any_bytes_give_findings_or_bars(
    content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / f"A.{suffix}").write_bytes(content)
    (folder / "FINE.csv").write_text(daily(3, 0))
    try:
        loaded = load_folder([folder])
    except DataError as error:
        assert "daily bars" in str(error)  # the bytes happened to be an intraday file
        return
    assert "A" in loaded.bars.symbols or any(
        finding.severity is Severity.ERROR for finding in loaded.findings
    )
