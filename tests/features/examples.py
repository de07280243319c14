"""One call of every registered function, and the value that an independent source gives it."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import talib

from kasauti.genome.language import FUNCTIONS, Parameter

Oracle = Callable[[Mapping[str, Any]], Any]  # over one symbol's open, high, low, close, volume


def _argument(parameter: Parameter, position: int) -> str:
    if parameter.is_literal:
        return f"{10 if parameter.default is None else parameter.default:g}"
    return ("close", "vwap(5)")[position]


CALLS: dict[str, str] = {
    name: f"{name}({', '.join(_argument(p, i) for i, p in enumerate(function.parameters))})"
    for name, function in FUNCTIONS.items()
}


def _pandas_vwap(b: Mapping[str, Any], n: int) -> Any:
    typical = (b["high"] + b["low"] + b["close"]) / 3
    value, volume = pd.Series(typical * b["volume"]), pd.Series(b["volume"])
    return (value.rolling(n).sum() / volume.rolling(n).sum()).to_numpy()


def _pandas_zscore(x: Any, n: int) -> Any:
    rolling = pd.Series(x).rolling(n)
    return ((x - rolling.mean()) / rolling.std(ddof=0)).to_numpy()


def _pandas_rank(x: Any, n: int) -> Any:
    return pd.Series(x).rolling(n).rank(method="max", pct=True).to_numpy()


def _percent_b(x: Any, n: int, k: float) -> Any:
    upper, _, lower = talib.BBANDS(x, n, k, k)
    return (x - lower) / (upper - lower)


def _ohlc(b: Mapping[str, Any]) -> tuple[Any, ...]:
    return b["open"], b["high"], b["low"], b["close"]


def _hlc(b: Mapping[str, Any]) -> tuple[Any, ...]:
    return b["high"], b["low"], b["close"]


# Equal to TA-Lib to the last bit, several windows a function.
EXACT: dict[str, Oracle] = {
    "sma(close, 2)": lambda b: talib.SMA(b["close"], 2),
    "sma(close, 200)": lambda b: talib.SMA(b["close"], 200),
    "sma(volume, 20)": lambda b: talib.SMA(b["volume"], 20),
    "mean(high, 30)": lambda b: talib.SMA(b["high"], 30),
    "ema(close, 2)": lambda b: talib.EMA(b["close"], 2),
    "ema(close, 26)": lambda b: talib.EMA(b["close"], 26),
    "rsi(close, 14)": lambda b: talib.RSI(b["close"], 14),
    "rsi(close, 2)": lambda b: talib.RSI(b["close"], 2),
    "rsi(open, 21)": lambda b: talib.RSI(b["open"], 21),
    "atr(14)": lambda b: talib.ATR(*_hlc(b), 14),
    "atr(1)": lambda b: talib.ATR(*_hlc(b), 1),
    "adx(14)": lambda b: talib.ADX(*_hlc(b), 14),
    "adx(2)": lambda b: talib.ADX(*_hlc(b), 2),
    "macd(close, 12, 26, 9)": lambda b: talib.MACD(b["close"], 12, 26, 9)[0],
    "macd_signal(close, 12, 26, 9)": lambda b: talib.MACD(b["close"], 12, 26, 9)[1],
    "macd_hist(close, 5, 35, 5)": lambda b: talib.MACD(b["close"], 5, 35, 5)[2],
    "bbands(close, 20, 2)": lambda b: _percent_b(b["close"], 20, 2.0),
    "bbands_upper(close, 20, 2)": lambda b: talib.BBANDS(b["close"], 20, 2.0, 2.0)[0],
    "bbands_middle(close, 5, 1.5)": lambda b: talib.BBANDS(b["close"], 5, 1.5, 1.5)[1],
    "bbands_lower(close, 50, 2.5)": lambda b: talib.BBANDS(b["close"], 50, 2.5, 2.5)[2],
    "stoch(14, 3, 3)": lambda b: talib.STOCH(*_hlc(b), 14, 3, 0, 3, 0)[0],
    "stoch_d(5, 1, 4)": lambda b: talib.STOCH(*_hlc(b), 5, 1, 0, 4, 0)[1],
    "obv()": lambda b: talib.OBV(b["close"], b["volume"]),
    "roc(close, 1)": lambda b: talib.ROC(b["close"], 1),
    "roc(close, 63)": lambda b: talib.ROC(b["close"], 63),
    "highest(high, 20)": lambda b: talib.MAX(b["high"], 20),
    "lowest(low, 55)": lambda b: talib.MIN(b["low"], 55),
    "std(close, 20)": lambda b: talib.STDDEV(b["close"], 20, 1.0),
    "lag(close, 3)": lambda b: pd.Series(b["close"]).shift(3).to_numpy(),
    "sma(rsi(close, 14), 5)": lambda b: talib.SMA(talib.RSI(b["close"], 14), 5),
    "ema(roc(ema(close, 10), 5), 8)": lambda b: talib.EMA(
        talib.ROC(talib.EMA(b["close"], 10), 5), 8
    ),
    "doji()": lambda b: talib.CDLDOJI(*_ohlc(b)) != 0,
    "dragonfly_doji()": lambda b: talib.CDLDRAGONFLYDOJI(*_ohlc(b)) != 0,
    "gravestone_doji()": lambda b: talib.CDLGRAVESTONEDOJI(*_ohlc(b)) != 0,
    "hammer()": lambda b: talib.CDLHAMMER(*_ohlc(b)) != 0,
    "inverted_hammer()": lambda b: talib.CDLINVERTEDHAMMER(*_ohlc(b)) != 0,
    "hanging_man()": lambda b: talib.CDLHANGINGMAN(*_ohlc(b)) != 0,
    "shooting_star()": lambda b: talib.CDLSHOOTINGSTAR(*_ohlc(b)) != 0,
    "engulfing_bullish()": lambda b: talib.CDLENGULFING(*_ohlc(b)) > 0,
    "engulfing_bearish()": lambda b: talib.CDLENGULFING(*_ohlc(b)) < 0,
    "harami_bullish()": lambda b: talib.CDLHARAMI(*_ohlc(b)) > 0,
    "harami_bearish()": lambda b: talib.CDLHARAMI(*_ohlc(b)) < 0,
    "marubozu_bullish()": lambda b: talib.CDLMARUBOZU(*_ohlc(b)) > 0,
    "marubozu_bearish()": lambda b: talib.CDLMARUBOZU(*_ohlc(b)) < 0,
    "piercing()": lambda b: talib.CDLPIERCING(*_ohlc(b)) != 0,
    "dark_cloud_cover()": lambda b: talib.CDLDARKCLOUDCOVER(*_ohlc(b), penetration=0.5) != 0,
    "morning_star()": lambda b: talib.CDLMORNINGSTAR(*_ohlc(b), penetration=0.3) != 0,
    "evening_star()": lambda b: talib.CDLEVENINGSTAR(*_ohlc(b), penetration=0.3) != 0,
    "three_white_soldiers()": lambda b: talib.CDL3WHITESOLDIERS(*_ohlc(b)) != 0,
    "three_black_crows()": lambda b: talib.CDL3BLACKCROWS(*_ohlc(b)) != 0,
}

# Equal to pandas up to rounding: pandas runs its sums along, we sum every window afresh.
CLOSE: dict[str, Oracle] = {
    "vwap(1)": lambda b: _pandas_vwap(b, 1),
    "vwap(20)": lambda b: _pandas_vwap(b, 20),
    "zscore(close, 20)": lambda b: _pandas_zscore(b["close"], 20),
    "zscore(volume, 100)": lambda b: _pandas_zscore(b["volume"], 100),
    "rank(close, 50)": lambda b: _pandas_rank(b["close"], 50),
    "rank(close, 2)": lambda b: _pandas_rank(b["close"], 2),
}
