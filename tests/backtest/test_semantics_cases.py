"""DESIGN section 4 where a case needs more than a row of a table: panels, sessions, windows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Slippage
from kasauti.errors import UsageError
from kasauti.genome import Side
from kasauti.market.charges import NSE_CHARGES
from kasauti.market.markets import NSE
from tests.backtest.by_hand import (
    FLAT,
    FREE,
    NOTHING,
    Row,
    atr,
    run,
)


def test_what_came_to_nothing_is_counted_and_told() -> None:
    poor = run([FLAT] * 4, account=replace(FREE, capital=99.0), enter=[0, 1])
    assert poor.counters["skipped_less_than_one_share"] == 2
    assert poor.notes == ("entries that the account could not buy one share for: 2",)
    undefined = run([FLAT] * 4, stop=atr(2.0))
    assert undefined.counters["skipped_undefined_distance"] == 1
    impact = replace(FREE, slippage=Slippage(0.0, 0.02))
    silent = run([FLAT] * 4, account=impact, leave=[1])
    assert silent.counters["fills_without_volume"] == 2
    assert run([FLAT] * 4, leave=[1]).counters["fills_without_volume"] == 0


def test_a_symbol_that_stops_trading_is_closed_at_its_last_price() -> None:
    ends = [FLAT, FLAT, (103, 104, 102, 103), NOTHING, NOTHING]
    result = run(ends, [FLAT] * 5, leave=[2])
    first = result.trades[0]
    assert (first.symbol, first.reason, first.exit_price) == ("A", "delisted", 103.0)
    assert first.exit_time.isoformat() == "2025-01-03"
    assert result.equity[0].tolist() == [100_000, 100_000, 103_000, 103_000, 103_000]
    assert [trade.symbol for trade in result.trades] == ["A", "B"]


def test_its_last_price_pays_slippage_and_charges_too() -> None:
    account = Account(5_000.0, NSE_CHARGES, Slippage(0.001, 0.0))
    ends = [FLAT, FLAT, (103, 104, 102, 103), NOTHING]
    trade = run(ends, [FLAT] * 4, account=account, risk=0.02).trades[0]
    assert trade.exit_price == pytest.approx(103 * 0.999)
    assert trade.charges > 23.60


def test_equity_is_marked_at_the_last_known_close() -> None:
    result = run([FLAT, (100, 104, 99, 103), NOTHING, (102, 102, 102, 102)])
    assert result.equity.tolist() == [[100_000, 103_000, 103_000, 102_000]]


def test_a_gap_in_the_middle_of_the_window_is_no_end() -> None:
    rows = [FLAT, FLAT, NOTHING, NOTHING, FLAT, FLAT]
    result = run(rows, [FLAT] * 6, window=(0, 4))
    assert result.trades == ()
    assert [position.quantity for position in result.open] == [1000, 1000]


def test_trading_is_confined_to_the_window() -> None:
    rows = [FLAT] * 5 + [(104.0, 104.0, 104.0, 104.0)] * 2
    result = run(rows, enter=[0, 1, 3, 5], window=(2, 6))
    # decided on bar 3, in at bar 4, still open at 104 on bar 5; bars 0, 1 and 5 decide nothing
    assert result.equity.tolist() == [[100_000, 100_000, 100_000, 104_000]]
    assert [str(time) for time in result.times] == [f"2025-01-0{day}" for day in (3, 4, 5, 6)]
    assert result.trades == ()
    assert result.open[0].entry_time.isoformat() == "2025-01-05"
    assert result.open[0].profit == 4_000


def session_times(days: int, bars: int) -> Any:
    starts = np.arange(bars) * np.timedelta64(75 * 60, "s") + np.timedelta64(9 * 3600 + 900, "s")
    first = np.datetime64("2025-01-01T00:00:00")
    return np.concatenate(
        [first + np.timedelta64(day * 86400, "s") + starts for day in range(days)]
    )


def test_an_intraday_short_is_bought_back_before_the_session_ends() -> None:
    # bars start at 9:15, 10:30, 11:45, 13:00 and 14:15; the last one is the session's last
    rows = [FLAT] * 4 + [(98.0, 99.0, 97.0, 97.0)] + [FLAT] * 5
    times = session_times(2, 5)
    result = run(rows, times=times, market=NSE, enter=[1, 8], side=Side.SHORT)
    trade = result.trades[0]
    assert (trade.reason, trade.exit_price, len(result.trades)) == ("square_off", 98.0, 1)
    assert result.open == ()  # the entry that was due on the last bar lapsed
    assert trade.exit_time.isoformat() == "2025-01-01T14:15:00"
    long = run(rows, times=times, market=NSE, enter=[1])
    assert long.trades == ()


def test_an_intraday_round_trip_within_the_session_is_charged_as_intraday() -> None:
    account = Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE)
    times = session_times(2, 5)
    given: dict[str, Any] = {"account": account, "times": times, "risk": 0.02}
    same_day = run([FLAT] * 10, leave=[2], **given).trades[0]
    next_day = run([FLAT] * 10, leave=[5], **given).trades[0]
    # 1,000 in and 1,000 out: 5.967406 and 5 + 0.25 + 0.0317 + 0.905706
    assert same_day.charges == pytest.approx(5.967406 + 6.187406)
    # 7.087406 and 5 + 1 + 0.0317 + 0.905706 + 23.60
    assert next_day.charges == pytest.approx(7.087406 + 30.537406)


def test_a_position_is_charged_as_delivery_while_it_is_open() -> None:
    account = Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE)
    held = run([FLAT] * 10, times=session_times(2, 5), account=account, risk=0.02, leave=[2])
    assert held.equity[0, 1] == pytest.approx(5_000 - 7.087406)
    assert held.equity[0, 3] == pytest.approx(5_000 - 5.967406 - 6.187406)


def test_a_daily_short_is_refused_where_the_market_forbids_it() -> None:
    with pytest.raises(UsageError, match="held overnight"):
        run([FLAT] * 3, side=Side.SHORT, market=NSE)


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(UsageError, match="window"):
        run([FLAT] * 3, window=(3, None))


EXPOSURES = {
    "exit at an open": ([FLAT] * 5, [2], 2 / 5),
    "gap through the stop": ([FLAT, FLAT, FLAT, (80, 80, 80, 80), FLAT], [], 2 / 5),
    "stop during the bar": ([FLAT, FLAT, FLAT, (95, 95, 80, 80), FLAT], [], 3 / 5),
    "a bar that is not whole": ([FLAT, FLAT, NOTHING, FLAT, FLAT], [2, 3], 3 / 5),
    "never": ([FLAT] * 5, [0], 0.0),
}


@pytest.mark.parametrize(("rows", "leave", "share"), EXPOSURES.values(), ids=EXPOSURES.keys())
def test_exposure_counts_bars_held_beyond_the_open(
    rows: list[Row], leave: list[int], share: float
) -> None:
    assert run(rows, leave=leave).metrics.exposure == share
