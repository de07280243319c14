"""Bars of a few rows and a genome that reads its signals from them, for cases by hand.

Unless a case says otherwise: 100,000 rupees, no charges, no slippage, risk 1 and a stop of 10 % of
the price. The entry is decided on bar 0 and fills at bar 1's open of 100: the stop is 10 away, so
min(100,000 / 10, 100,000 / 100) = 1,000 shares are bought and the stop stands at 90.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result
from kasauti.genome import Binary, Distance, DistanceKind, Genome, Number, Series, Side
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.markets import NSE, Market
from kasauti.regimes.model import REGIMES, OnlineLabels

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


def check(wanted: Case) -> None:
    result = run(wanted.rows, **wanted.given)
    assert trades_of(result) == wanted.trades
    assert float(result.equity[0, -1]) == pytest.approx(wanted.equity, rel=1e-12)
    assert sum(position.quantity for position in result.open) == wanted.open
    assert result.metrics.trades == len(wanted.trades)
