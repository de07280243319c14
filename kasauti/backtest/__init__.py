"""The backtest engine: one strategy, one panel, exact semantics; no search and no verdict."""

from kasauti.backtest.account import NO_SLIPPAGE, Account, Dialect, Slippage
from kasauti.backtest.engine import Backtester
from kasauti.backtest.metrics import Metrics
from kasauti.backtest.result import OpenPosition, Result, Score, Trade

__all__ = [
    "NO_SLIPPAGE",
    "Account",
    "Backtester",
    "Dialect",
    "Metrics",
    "OpenPosition",
    "Result",
    "Score",
    "Slippage",
    "Trade",
]
