"""Candle patterns as booleans over open, high, low and close; what each one means is TA-Lib's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kasauti.features.indicators import over_valid_bars

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Pattern:
    """One TA-Lib candle function and which of its answers counts.

    Attributes
    ----------
    function : str
        Name in TA-Lib; it answers 100 (or 200) for bullish, -100 (-200) for bearish, 0 for none.
    sign : int
        1 counts the bullish answers, -1 the bearish ones, 0 both.
    options : mapping of str to float
        TA-Lib's own keywords.
    """

    function: str
    sign: int = 0
    options: Mapping[str, float] = field(default_factory=dict)


PATTERNS: Mapping[str, Pattern] = MappingProxyType(
    {
        "doji": Pattern("CDLDOJI"),
        "dragonfly_doji": Pattern("CDLDRAGONFLYDOJI"),
        "gravestone_doji": Pattern("CDLGRAVESTONEDOJI"),
        "hammer": Pattern("CDLHAMMER"),
        "inverted_hammer": Pattern("CDLINVERTEDHAMMER"),
        "hanging_man": Pattern("CDLHANGINGMAN"),
        "shooting_star": Pattern("CDLSHOOTINGSTAR"),
        "engulfing_bullish": Pattern("CDLENGULFING", 1),
        "engulfing_bearish": Pattern("CDLENGULFING", -1),
        "harami_bullish": Pattern("CDLHARAMI", 1),
        "harami_bearish": Pattern("CDLHARAMI", -1),
        "marubozu_bullish": Pattern("CDLMARUBOZU", 1),
        "marubozu_bearish": Pattern("CDLMARUBOZU", -1),
        "piercing": Pattern("CDLPIERCING"),
        "dark_cloud_cover": Pattern("CDLDARKCLOUDCOVER", options={"penetration": 0.5}),
        "morning_star": Pattern("CDLMORNINGSTAR", options={"penetration": 0.3}),
        "evening_star": Pattern("CDLEVENINGSTAR", options={"penetration": 0.3}),
        "three_white_soldiers": Pattern("CDL3WHITESOLDIERS"),
        "three_black_crows": Pattern("CDL3BLACKCROWS"),
    }
)


def pattern(name: str, open_: Floats, high: Floats, low: Floats, close: Floats) -> Booleans:
    """Return the bars on which the pattern `name` completes.

    Parameters
    ----------
    name : str
        One of `PATTERNS`.
    open_, high, low, close : ndarray of shape (T,) or (S, T)
        A bar with any of the four undefined (an untrusted open, say) is left out, as if the
        market had been closed: no pattern completes on it or is measured by it.

    Returns
    -------
    ndarray of bool
        Same shape; False during TA-Lib's warm-up and on bars left out.
    """
    import talib

    wanted = PATTERNS[name]
    function = getattr(talib, wanted.function)
    answers = over_valid_bars(
        lambda *prices: function(*prices, **wanted.options), open_, high, low, close
    )[0]
    if wanted.sign == 0:
        return (answers > 0) | (answers < 0)
    return answers * wanted.sign > 0
