"""What a genome really held over each close, and where that was worst; no scenario is made here."""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest import Result
from kasauti.backtest.tape import filled_closes
from kasauti.market.bars import Bars, Floats


@dataclass(frozen=True)
class Exposure:
    """The close over which a symbol's position was largest, as a share of its account's equity."""

    row: int
    position: int
    quantity: float
    equity: float
    share: float


def held_shares(bars: Bars, result: Result, row: int) -> Floats:
    """Return the shares held over each close, shape (T,), never negative."""
    held = np.zeros(bars.shape[1])
    symbol = bars.symbols[row]
    place = {value: position for position, value in enumerate(bars.times.tolist())}
    for trade in result.trades:
        if trade.symbol == symbol:
            held[place[trade.entry_time] : place[trade.exit_time]] = trade.quantity
    for position in result.open:
        if position.symbol == symbol:
            held[place[position.entry_time] :] = position.quantity
    return held


def largest_exposure(bars: Bars, result: Result, row: int) -> Exposure:
    """Return where the account in `row` had most of its equity in its position.

    A share is infinite where nothing was left of the equity while a position was held.
    """
    held = held_shares(bars, result, row)
    marks, equity = filled_closes(bars.close[row]), result.equity[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(held > 0, np.where(equity > 0, held * marks / equity, np.inf), 0.0)
    at = int(np.argmax(shares))
    return Exposure(row, at, float(held[at]), float(equity[at]), float(shares[at]))


def largest_share(bars: Bars, result: Result, row: int) -> float:
    """Return the largest position value over equity at any close, of the account in `row`."""
    return largest_exposure(bars, result, row).share
