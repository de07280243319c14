"""The standard indicators as one long table for the lake and for people, never for strategies.

The columns are expressions of the genome language, so that what a person sees is what a strategy
would compute.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from kasauti.features.evaluate import Features
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import Bars, Floats

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "return_1": "close / lag(close, 1) - 1",  # of the day, a fraction
        "roc_20": "roc(close, 20)",  # a month's change, per cent
        "sma_50": "sma(close, 50)",  # price
        "sma_200": "sma(close, 200)",  # price
        "ema_20": "ema(close, 20)",  # price
        "rsi_14": "rsi(close, 14)",  # 0 to 100
        "macd_hist": "macd_hist(close, 12, 26, 9)",  # price difference
        "bbands_20": "bbands(close, 20, 2)",  # percent B: 0 lower band, 1 upper band
        "atr_14": "atr(14)",  # price difference
        "adx_14": "adx(14)",  # 0 to 100
        "stoch_14": "stoch(14, 3, 3)",  # slow %K, 0 to 100
        "zscore_20": "zscore(close, 20)",  # standard deviations
        "high_252": "close / highest(close, 252)",  # fraction of the year's highest close
        "volume_20": "volume / mean(volume, 20)",  # times the month's mean volume
    }
)


def feature_table(bars: Bars) -> "pd.DataFrame":
    """Return the standard indicators, one row a symbol and bar.

    Parameters
    ----------
    bars : Bars

    Returns
    -------
    DataFrame
        Sorted by symbol as in `bars`, then time, for the bars on which the symbol has a close:
        ``symbol``, ``date`` (``timestamp`` for intraday bars), ``close``, and the columns of
        `COLUMNS` as float64, NaN where not yet or not defined.
    """
    import pandas as pd

    features = Features(bars)
    rows, times = np.nonzero(~np.isnan(bars.close))
    table = {
        "symbol": np.asarray(bars.symbols, dtype=object)[rows],
        "date" if bars.is_daily else "timestamp": bars.times[times].astype("datetime64[s]"),
        "close": bars.close[rows, times],
    }
    for name, text in COLUMNS.items():
        table[name] = features.evaluate(parse_expression(text))[rows, times]
    return pd.DataFrame(table)


def feature_values(bars: Bars) -> Floats:
    """Return the columns of the table as one array of shape (columns, S, T)."""
    features = Features(bars)
    return np.stack([features.evaluate(parse_expression(text)) for text in COLUMNS.values()])
