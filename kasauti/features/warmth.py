"""How many bars an expression needs before it no longer matters where its data begin; declared.

What is declared here is proved on real bars by `kasauti.features.causality.measure_warm_up`.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from kasauti.features.causality import TOLERANCE
from kasauti.genome.language import FUNCTIONS
from kasauti.genome.model import Call, Expression, Number
from kasauti.genome.tree import children

ENDLESS = math.inf
"""On-balance volume adds up all history: its level has no warm-up, only its changes have."""

CANDLE = 20
"""TA-Lib's candles compare with averages over at most 10 bars, up to 5 bars back, or the trend."""

SLOWLY = frozenset({"ema", "macd", "macd_signal", "macd_hist"})
WILDER = frozenset({"rsi", "atr", "adx"})
CHANGES = frozenset({"roc", "lag", "crosses_above", "crosses_below"})
_SUMS = frozenset({"stoch", "stoch_d", "macd", "macd_signal", "macd_hist"})
_LIVES: Mapping[str, float] = MappingProxyType(
    # smoothed twice: the start's weight is n k (1 - a)^k, and k is found by a third more
    {"adx": 1.6, "macd_signal": 1.4, "macd_hist": 1.4}
)


def declared_warm_up(expression: Expression, tolerance: float = TOLERANCE) -> int | None:
    """Return the bars after which `expression` has forgotten its start, None if it never does.

    Parameters
    ----------
    expression : Expression
    tolerance : float
        Weight of the start in a recursive average that counts as forgotten.
    """
    bars = _bars(expression, tolerance)
    return None if math.isinf(bars) else math.ceil(bars)


def _bars(node: Expression, tolerance: float) -> float:
    deepest = max((_bars(child, tolerance) for child in children(node)), default=0.0)
    return deepest + (_own(node, tolerance) if isinstance(node, Call) else 0.0)


def _own(call: Call, tolerance: float) -> float:
    name = call.function
    if name == "obv":
        return ENDLESS
    if not FUNCTIONS[name].parameters:
        return CANDLE
    windows = _windows(call)
    if name in CHANGES:
        return max(windows, default=1.0) + 1.0
    if name in SLOWLY or name in WILDER:
        slowest = max(windows)
        weight = 1.0 / slowest if name in WILDER else 2.0 / (slowest + 1.0)
        seeds = sum(windows) * (2.0 if name == "adx" else 1.0)
        if weight >= 1.0:
            return seeds + 1.0
        return seeds + _LIVES.get(name, 1.0) * math.log(tolerance) / math.log1p(-weight)
    return sum(windows) if name in _SUMS else max(windows)


def _windows(call: Call) -> Sequence[float]:
    """Return the literal windows of a call; a band's width is none."""
    parameters = FUNCTIONS[call.function].parameters
    return [
        argument.value
        for parameter, argument in zip(parameters, call.arguments, strict=True)
        if isinstance(argument, Number) and parameter.unit.value == "window"
    ]
