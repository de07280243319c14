"""DESIGN section 4, rule by rule, on a handful of bars with numbers worked out by hand.

Unless a case says otherwise: 100,000 rupees, no charges, no slippage, risk 1 and a stop of 10 % of
the price. The entry is decided on bar 0 and fills at bar 1's open of 100: the stop is 10 away, so
min(100,000 / 10, 100,000 / 100) = 1,000 shares are bought and the stop stands at 90.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result, Slippage
from kasauti.errors import UsageError
from kasauti.genome import Binary, Distance, DistanceKind, Genome, Number, Series, Side
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES, NSE_CHARGES
from kasauti.market.markets import NSE, Market
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels, Regime

SHORTS_ALLOWED = replace(NSE, daily_shorts=True)
FREE = Account(100_000.0, NO_CHARGES, NO_SLIPPAGE)
NAN = float("nan")
NOTHING = (NAN, NAN, NAN, NAN)
FLAT = (100.0, 101.0, 99.0, 100.0)  # true range 2
Row = tuple[float, float, float, float]


def fraction(value: float) -> Distance:
    return Distance(DistanceKind.FRACTION, value)


def atr(multiple: float) -> Distance:
    return Distance(DistanceKind.ATR, multiple)


def genome(**genes: Any) -> Genome:
    """A genome whose entry rule reads the series `index` and whose exit rule reads `vix`."""
    plain = Genome(
        entry=Binary(">", Series("index"), Number(0.5)),
        exit=Binary(">", Series("vix"), Number(0.5)),
        side=Side.LONG,
        stop=fraction(0.10),
        target=None,
        trail=None,
        max_bars=None,
        regimes=frozenset(REGIMES),
        risk=1.0,
    )
    return replace(plain, **genes)


def bars_of(
    *rows: Sequence[Row],
    enter: Iterable[int],
    leave: Iterable[int],
    volume: Sequence[float] | None = None,
    times: Any = None,
) -> Bars:
    prices = np.array(rows, dtype=np.float64)  # (S, T, 4)
    length = prices.shape[1]
    signals = np.zeros((2, length))
    signals[0, list(enter)] = 1.0
    signals[1, list(leave)] = 1.0
    days = np.datetime64("2025-01-01") + np.arange(length)
    return Bars(
        "nse",
        tuple("ABC"[: len(prices)]),
        days if times is None else times,
        open=prices[:, :, 0],
        high=prices[:, :, 1],
        low=prices[:, :, 2],
        close=prices[:, :, 3],
        volume=np.full(prices.shape[:2], NAN) if volume is None else np.array([volume]),
        series={"index": signals[0], "vix": signals[1]},
    )


def run(
    *rows: Sequence[Row],
    enter: Iterable[int] = (0,),
    leave: Iterable[int] = (),
    account: Account = FREE,
    market: Market = SHORTS_ALLOWED,
    labels: Sequence[int] | None = None,
    window: tuple[int, int | None] = (0, None),
    volume: Sequence[float] | None = None,
    times: Any = None,
    **genes: Any,
) -> Result:
    bars = bars_of(*rows, enter=enter, leave=leave, volume=volume, times=times)
    codes = np.array([0] * bars.shape[1] if labels is None else labels, dtype=np.int8)
    tester = Backtester(bars, account=account, labels=OnlineLabels(codes), market=market)
    return tester.run(genome(**genes), *window)


def trades_of(result: Result) -> list[tuple[Any, ...]]:
    position = {time.item(): t for t, time in enumerate(result.times)}
    return [
        (
            position[trade.entry_time],
            position[trade.exit_time],
            trade.quantity,
            pytest.approx(trade.entry_price, rel=1e-12),
            pytest.approx(trade.exit_price, rel=1e-12),
            trade.reason,
        )
        for trade in result.trades
    ]


@dataclass(frozen=True)
class Case:
    """Bars, signals and genes; the trades and the last equity that they must give."""

    rows: Sequence[Row]
    trades: list[tuple[Any, ...]]
    equity: float
    given: dict[str, Any]
    open: int = 0


def case(rows: Sequence[Row], trades: Any, equity: float, *, open: int = 0, **given: Any) -> Case:
    return Case(rows, trades, equity, given, open)


WARM = [FLAT] * 20  # ATR(14) is exactly 2 on its last bars

CASES = {
    "decided on the close, filled at the next open": case(
        # 100,000 / (0.1 * 102) = 9,803 by risk, 100,000 / 102 = 980 by cash
        [FLAT, (102, 103, 101, 103), (103, 104, 103, 104), (105, 106, 104, 104)],
        [(1, 3, 980, 102.0, 105.0, "exit")],
        100_000 + 980 * 3,
        leave=[2],
    ),
    "no entry where the exit rule is true on the same bar": case(
        [FLAT, FLAT, FLAT], [], 100_000, leave=[0]
    ),
    "an entry is ignored while a position is open": case(
        [FLAT, FLAT, FLAT, FLAT, (104, 104, 104, 104)],
        [(1, 4, 1000, 100.0, 104.0, "exit")],
        104_000,
        enter=[0, 1, 2],
        leave=[3],
    ),
    "exit and entry on the same bar: out, and not in again": case(
        [FLAT, FLAT, FLAT, FLAT],
        [(1, 3, 1000, 100.0, 100.0, "exit")],
        100_000,
        enter=[0, 2],
        leave=[2],
    ),
    "an exit that was filled does not close the next position": case(
        [FLAT, FLAT, FLAT, FLAT, FLAT, FLAT, (101, 101, 101, 101)],
        [(1, 3, 1000, 100.0, 100.0, "exit")],
        101_000,
        enter=[0, 3],
        leave=[2],
        open=1000,
    ),
    "flat again by a stop at the close that decides: in at the next open": case(
        # 90,000 / (0.1 * 100) = 9,000 by risk, 90,000 / 100 = 900 by cash
        [FLAT, FLAT, (95, 95, 85, 100), FLAT, (100, 110, 100, 110)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000 + 900 * 10,
        enter=[0, 2],
        open=900,
    ),
    "no entry from the bar before a time stop, while the position is open": case(
        [FLAT, FLAT, FLAT, FLAT, FLAT],
        [(1, 3, 1000, 100.0, 100.0, "max_bars")],
        100_000,
        enter=[0, 2],
        max_bars=2,
    ),
    "gap through the stop fills at the open": case(
        [FLAT, FLAT, (85, 86, 84, 85)], [(1, 2, 1000, 100.0, 85.0, "stop")], 85_000
    ),
    "open exactly at the stop": case(
        [FLAT, FLAT, (90, 99, 90, 99)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "stop during the bar": case(
        [FLAT, FLAT, (95, 96, 89, 92)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "low exactly at the stop": case(
        [FLAT, FLAT, (95, 96, 90, 92)], [(1, 2, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "low just above the stop": case([FLAT, FLAT, (95, 96, 90.01, 92)], [], 92_000, open=1000),
    "stop on the entry bar": case(
        [FLAT, (100, 101, 89, 95), FLAT], [(1, 1, 1000, 100.0, 90.0, "stop")], 90_000
    ),
    "target on the entry bar": case(
        [FLAT, (100, 105, 99, 100), FLAT],
        [(1, 1, 1000, 100.0, 105.0, "target")],
        105_000,
        target=fraction(0.05),
    ),
    "stop before target in the same bar": case(
        [FLAT, FLAT, (100, 106, 89, 100)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000,
        target=fraction(0.05),
    ),
    "gap through the target, though the bar falls to the stop": case(
        [FLAT, FLAT, (108, 109, 80, 85)],
        [(1, 2, 1000, 100.0, 108.0, "target")],
        108_000,
        target=fraction(0.05),
    ),
    "open exactly at the target, though the bar falls to the stop": case(
        [FLAT, FLAT, (105, 106, 80, 85)],
        [(1, 2, 1000, 100.0, 105.0, "target")],
        105_000,
        target=fraction(0.05),
    ),
    "gap through the stop, though the bar rises to the target": case(
        [FLAT, FLAT, (88, 120, 88, 119)],
        [(1, 2, 1000, 100.0, 88.0, "stop")],
        88_000,
        target=fraction(0.05),
    ),
    "a rule exit comes before a gap through the stop": case(
        [FLAT, FLAT, (85, 86, 84, 85)],
        [(1, 2, 1000, 100.0, 85.0, "exit")],
        85_000,
        leave=[1],
    ),
    "a rule exit at the open comes before the same bar's stop": case(
        [FLAT, FLAT, (99, 99, 80, 85)],
        [(1, 2, 1000, 100.0, 99.0, "exit")],
        99_000,
        leave=[1],
    ),
    "rule and time exit at one open: the rule": case(
        [FLAT, FLAT, (101, 101, 101, 101)],
        [(1, 2, 1000, 100.0, 101.0, "exit")],
        101_000,
        leave=[1],
        max_bars=1,
    ),
    "a time exit comes before a gap through the target": case(
        [FLAT, FLAT, (120, 120, 120, 120)],
        [(1, 2, 1000, 100.0, 120.0, "max_bars")],
        120_000,
        max_bars=1,
        target=fraction(0.05),
    ),
    "time stop at the open of entry bar + max_bars": case(
        [FLAT, FLAT, FLAT, FLAT, (103, 103, 103, 103)],
        [(1, 4, 1000, 100.0, 103.0, "max_bars")],
        103_000,
        max_bars=3,
    ),
    "the trail starts at the fill price": case(
        [FLAT, (100, 101, 95, 96), FLAT],
        [(1, 1, 1000, 100.0, 95.0, "trail")],
        95_000,
        trail=fraction(0.05),
    ),
    "the entry bar's high moves the trail on the next bar only": case(
        # bar 1 falls to 99 after 110 without harm; then 110 * 0.95 = 104.5
        [FLAT, (100, 110, 99, 106), (106, 107, 104, 105)],
        [(1, 2, 1000, 100.0, 104.5, "trail")],
        104_500,
        trail=fraction(0.05),
    ),
    "a later high moves the trail on the bar after it only": case(
        # bar 2: trail 104.5, low 105, high 120; bar 3: 114
        [FLAT, (100, 110, 99, 106), (106, 120, 105, 119), (118, 119, 110, 111)],
        [(1, 3, 1000, 100.0, 114.0, "trail")],
        114_000,
        trail=fraction(0.05),
    ),
    "the trail never falls back": case(
        [FLAT, (100, 110, 99, 106), (106, 108, 105, 107), (107, 107, 104, 105)],
        [(1, 3, 1000, 100.0, 104.5, "trail")],
        104_500,
        trail=fraction(0.05),
    ),
    "gap through the trail": case(
        [FLAT, (100, 110, 99, 106), (103, 104, 102, 103)],
        [(1, 2, 1000, 100.0, 103.0, "trail")],
        103_000,
        trail=fraction(0.05),
    ),
    "a trail wider than the stop: the stop decides until it is tighter": case(
        [FLAT, FLAT, (95, 96, 89, 92)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000,
        trail=fraction(0.20),
    ),
    "stop and trail at one level are the stop": case(
        [FLAT, (100, 100, 89, 92), FLAT],
        [(1, 1, 1000, 100.0, 90.0, "stop")],
        90_000,
        trail=fraction(0.10),
    ),
    "an ATR stop is frozen at the deciding bar": case(
        # ATR 2 on bar 19: stop 4 away at 96, 1 % of 100,000 / 4 = 250 shares; bar 20's range is 40
        [*WARM, (100, 138, 98, 100), (100, 100, 95, 97)],
        [(20, 21, 250, 100.0, 96.0, "stop")],
        100_000 - 250 * 4,
        enter=[19],
        stop=atr(2.0),
        risk=0.01,
    ),
    "an ATR of zero is no trade": case(
        [(100, 100, 100, 100)] * 22, [], 100_000, enter=[19], stop=atr(2.0)
    ),
    "an ATR target": case(
        [*WARM, FLAT, (101, 107, 101, 106)],
        [(20, 21, 1000, 100.0, 106.0, "target")],
        106_000,
        enter=[19],
        target=atr(3.0),
    ),
    "an ATR trail keeps its distance in rupees": case(
        # 2 * 1.5 = 3 below the high of 150
        [*WARM, (100, 150, 99, 149), (149, 149, 146, 148)],
        [(20, 21, 1000, 100.0, 147.0, "trail")],
        147_000,
        enter=[19],
        trail=atr(1.5),
    ),
    "an undefined ATR is no trade": case([FLAT, FLAT, FLAT], [], 100_000, stop=atr(2.0)),
    "an undefined ATR of the target is no trade": case(
        [FLAT, FLAT, FLAT], [], 100_000, target=atr(2.0)
    ),
    "an entry due on an undefined open lapses": case(
        [FLAT, (NAN, 101, 99, 100), FLAT, FLAT], [], 100_000
    ),
    "an entry due on an undefined low lapses": case(
        [FLAT, (100, 101, NAN, 100), FLAT, FLAT], [], 100_000
    ),
    "a close without the other prices decides": case(
        [(NAN, NAN, NAN, 100), FLAT, (104, 104, 104, 104)], [], 104_000, open=1000
    ),
    "an undefined close decides nothing": case([NOTHING, FLAT, FLAT, FLAT], [], 100_000),
    "an exit waits for the next whole bar": case(
        [FLAT, FLAT, NOTHING, (NAN, 99, 97, 98), (97, 98, 96, 97)],
        [(1, 4, 1000, 100.0, 97.0, "exit")],
        97_000,
        leave=[1],
    ),
    "a time stop waits for the next whole bar": case(
        [FLAT, FLAT, NOTHING, (97, 98, 96, 97)],
        [(1, 3, 1000, 100.0, 97.0, "max_bars")],
        97_000,
        max_bars=1,
    ),
    "an exit rule on an undefined close is not read": case(
        [FLAT, FLAT, NOTHING, FLAT, FLAT], [], 100_000, leave=[2], open=1000
    ),
    "nothing fills on a bar that is not whole": case(
        [FLAT, FLAT, (NAN, 130, 50, 95), (95, 96, 94, 95)],
        [],
        95_000,
        target=fraction(0.05),
        open=1000,
    ),
    "a bar that is not whole moves no trail": case(
        [FLAT, FLAT, (NAN, 200, 95, 100), FLAT], [], 100_000, trail=fraction(0.09), open=1000
    ),
    "marked at the last close": case(
        [FLAT, (100, 104, 99, 103), NOTHING, (103, 103, 103, 103)], [], 103_000, open=1000
    ),
    "an open position is no trade": case(
        [FLAT, FLAT, (107, 107, 107, 107)], [], 107_000, open=1000
    ),
    "less than one share is no trade": case(
        [FLAT, FLAT, FLAT], [], 99.0, account=replace(FREE, capital=99.0)
    ),
    "exactly one share": case(
        [FLAT, FLAT, (110, 110, 110, 110)],
        [],
        110.0,
        account=replace(FREE, capital=100.0),
        open=1,
    ),
    "less than one share by risk": case(
        # 1 % of 900 rupees is 9, the stop is 10 away
        [FLAT, FLAT, FLAT],
        [],
        900.0,
        account=replace(FREE, capital=900.0),
        risk=0.01,
    ),
    "quantity by risk": case(
        # 1 % of 100,000 / 10
        [FLAT, FLAT, (110, 110, 110, 110)],
        [],
        101_000,
        risk=0.01,
        open=100,
    ),
    "quantity from the equity of the deciding close": case(
        # 1,000 shares lose 10 each; then min(90,000 / 5, 90,000 / 50) = 1,800
        [FLAT, FLAT, (90, 90, 90, 90), (50, 50, 50, 50), (50, 50, 50, 50), (51, 51, 51, 51)],
        [(1, 2, 1000, 100.0, 90.0, "stop")],
        90_000 + 1800,
        enter=[0, 3],
        open=1800,
    ),
    "half the spread on every fill, the target included": case(
        # buys at 100.1; 100,000 / 100.1 = 999; target at 100.1 + 0.05 * 100.1 = 105.105, less 0.1 %
        [FLAT, FLAT, (100, 106, 100, 106)],
        [(1, 2, 999, 100.1, 105.105 * 0.999, "target")],
        100_000 + 999 * (105.105 * 0.999 - 100.1),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
        target=fraction(0.05),
    ),
    "half the spread on a stop": case(
        [FLAT, FLAT, (95, 96, 80, 85)],
        [(1, 2, 999, 100.1, 90.09 * 0.999, "stop")],
        100_000 + 999 * (90.09 * 0.999 - 100.1),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
    ),
    "impact against the twenty bars before, after sizing, in the stop's base": case(
        # 100 shares of 10,000: 0.05 * sqrt(0.01) = 0.5 %; in at 100.5, stop 10 below at 90.5;
        # out: (19 * 10,000 + 810,000) / 20 = 50,000 before bar 22: 0.05 * sqrt(0.002)
        [*WARM, FLAT, FLAT, (95, 95, 90, 91)],
        [(21, 22, 100, 100.5, 90.5 * (1 - 0.05 * 0.002**0.5), "stop")],
        100_000 + 100 * (90.5 * (1 - 0.05 * 0.002**0.5) - 100.5),
        enter=[20],
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        risk=0.01,
        volume=[10_000.0] * 21 + [810_000.0, 5.0],
    ),
    "the cost of the impact is within the cash": case(
        # 1,000 by cash. 995 shares: 99,500 * (1 + 0.05 * sqrt(0.00995)) = 99,996.25; 996: 100,097.0
        [FLAT, FLAT, FLAT],
        [],
        100_000 - 995 * 100 * 0.05 * 0.00995**0.5,
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        volume=[100_000.0] * 3,
        open=995,
    ),
    "undefined volumes are left out of the mean, zero ones are not": case(
        # (0 + 20,000) / 2 = 10,000 before bar 3; 0.5 % on 100 shares
        [FLAT, FLAT, FLAT, FLAT],
        [],
        100_000 - 100 * 0.5,
        enter=[2],
        account=replace(FREE, slippage=Slippage(0.0, 0.05)),
        risk=0.01,
        volume=[NAN, 0.0, 20_000.0, 7.0],
        open=100,
    ),
    "minimum brokerage, delivery and the depository's charge": case(
        # 2 % of 5,000 / 10 = 10 shares. In 1,000: 5 + STT 1 + stamp 0.15 + levies 0.0317
        # + GST 0.18 * 5.0317 = 7.087406. Out 1,050: 5 + 1.05 + 0.033285 + GST 0.9059913 + DP 23.60
        [FLAT, FLAT, (105, 105, 105, 105)],
        [(1, 2, 10, 100.0, 105.0, "exit")],
        5_000 + 50 - 7.087406 - 30.5892763,
        account=Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE),
        leave=[1],
        risk=0.02,
    ),
    "an exit in the entry's session is intraday, both legs": case(
        # In 1,000: 5 + stamp 0.03 + levies 0.0317 + GST 0.905706 = 5.967406.
        # Out 900: 5 + STT 0.225 + levies 0.02853 + GST 0.9051354 = 6.1586654
        [FLAT, (100, 101, 89, 95), FLAT],
        [(1, 1, 10, 100.0, 90.0, "stop")],
        5_000 - 100 - 5.967406 - 6.1586654,
        account=Account(5_000.0, NSE_CHARGES, NO_SLIPPAGE),
        risk=0.02,
    ),
    "quantity goes down until it is affordable with its charges": case(
        # 10,020 / (100 * 1.001187406) = 100.08; but 100 cost 10,000 + 23.67 with brokerage.
        # 99: 9,900 + 9.90 + 9.90 + 1.485 + 0.31383 + GST 0.18 * 10.21383 = 9,923.4373194
        [FLAT, FLAT, FLAT],
        [],
        10_020 - 23.4373194,
        account=Account(10_020.0, NSE_CHARGES, NO_SLIPPAGE),
        open=99,
    ),
    "brokerage is at most twenty rupees": case(
        # 1 % of 1,000,000 / 10 = 1,000 shares, 100,000: 20 + 100 + 15 + 3.17 + GST 0.18 * 23.17
        [FLAT, FLAT, FLAT],
        [],
        1_000_000 - 142.3406,
        account=Account(1_000_000.0, NSE_CHARGES, NO_SLIPPAGE),
        risk=0.01,
        open=1000,
    ),
    "short: stop above, mirrored": case(
        [FLAT, FLAT, (105, 111, 104, 105)],
        [(1, 2, 1000, 100.0, 110.0, "stop")],
        90_000,
        side=Side.SHORT,
    ),
    "short: gap through the stop": case(
        [FLAT, FLAT, (115, 116, 114, 115)],
        [(1, 2, 1000, 100.0, 115.0, "stop")],
        85_000,
        side=Side.SHORT,
    ),
    "short: stop before target": case(
        [FLAT, FLAT, (100, 111, 90, 100)],
        [(1, 2, 1000, 100.0, 110.0, "stop")],
        90_000,
        target=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: gap through the target": case(
        [FLAT, FLAT, (90, 120, 89, 110)],
        [(1, 2, 1000, 100.0, 90.0, "target")],
        110_000,
        target=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: the trail follows the lowest low": case(
        # 80 * 1.05 = 84 from bar 2 on
        [FLAT, (100, 101, 80, 82), (82, 85, 81, 83)],
        [(1, 2, 1000, 100.0, 84.0, "trail")],
        116_000,
        trail=fraction(0.05),
        side=Side.SHORT,
    ),
    "short: sells at the bid, buys at the ask": case(
        # 99.9; notional at most the cash: 100,000 / 99.9 = 1,001
        [FLAT, FLAT, (95, 95, 95, 95)],
        [(1, 2, 1001, 99.9, 95 * 1.001, "exit")],
        100_000 + 1001 * (99.9 - 95 * 1.001),
        account=replace(FREE, slippage=Slippage(0.001, 0.0)),
        leave=[1],
        side=Side.SHORT,
    ),
    "short: marked and still open": case(
        [FLAT, FLAT, (95, 95, 95, 95)], [], 105_000, open=1000, side=Side.SHORT
    ),
    "short: covered by force at the open after equity is gone": case(
        # bar 2 has no open, so no stop fills; at 205 equity is 100,000 - 1,000 * 105
        [FLAT, FLAT, (NAN, 206, 190, 205), (210, 211, 205, 206), FLAT],
        [(1, 3, 1000, 100.0, 210.0, "forced_cover")],
        -10_000,
        enter=[0, 3],
        side=Side.SHORT,
    ),
    "short: a forced cover keeps its name though the exit rule follows": case(
        [FLAT, FLAT, (NAN, 206, 190, 205), (NAN, 160, 150, 150), (150, 150, 150, 150)],
        [(1, 4, 1000, 100.0, 150.0, "forced_cover")],
        50_000,
        leave=[3],
        side=Side.SHORT,
    ),
    "short: no force while equity is above zero": case(
        [FLAT, FLAT, (NAN, 206, 190, 199.99), (199, 199, 199, 199)],
        [(1, 3, 1000, 100.0, 199.0, "stop")],
        1_000,
        side=Side.SHORT,
    ),
    "outside its regimes nothing is entered": case(
        # bull, bear, bear, bull: the deciding bar's label counts, not the filling bar's
        [FLAT, FLAT, FLAT, FLAT, (100, 103, 100, 103)],
        [],
        103_000,
        enter=[1, 3],
        labels=[0, 1, 1, 0, 1],
        regimes=frozenset({Regime.BULL}),
        open=1000,
    ),
    "no entry during the warm-up of the labels": case(
        [FLAT, FLAT, FLAT],
        [],
        100_000,
        labels=[UNKNOWN, 0, 0],
        regimes=frozenset({Regime.BULL, Regime.BEAR, Regime.SIDEWAYS}),
    ),
    "all four regimes are no restriction, not even in the warm-up": case(
        [FLAT, FLAT, (104, 104, 104, 104)],
        [],
        104_000,
        labels=[UNKNOWN, UNKNOWN, UNKNOWN],
        open=1000,
    ),
}


@pytest.mark.parametrize("wanted", CASES.values(), ids=CASES.keys())
def test_a_rule_of_section_4(wanted: Case) -> None:
    result = run(wanted.rows, **wanted.given)
    assert trades_of(result) == wanted.trades
    assert float(result.equity[0, -1]) == pytest.approx(wanted.equity, rel=1e-12)
    assert sum(position.quantity for position in result.open) == wanted.open
    assert result.metrics.trades == len(wanted.trades)


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
