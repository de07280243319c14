"""The values that constants and numeric genes take in breeding; their legal ranges are elsewhere.

Values come from short lists, so that strategies share indicators (one RSI(14), not forty RSIs near
14) and equal ideas meet under one hash. Anything legal may still be written by hand.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kasauti.genome.language import Parameter, Unit

WINDOWS: tuple[float, ...] = (
    *(2, 3, 5, 7, 10, 12, 14, 20, 21, 26),
    *(30, 40, 50, 60, 75, 100, 120, 150, 200, 250),
)
SHORT_WINDOWS: tuple[float, ...] = (2, 3, 5, 7, 9)
LAGS: tuple[float, ...] = (1, 2, 3, 5, 10, 20)
BAND_WIDTHS: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0)
SCALES: tuple[float, ...] = (
    *(0.5, 0.75, 0.9, 0.95, 0.97, 0.98, 0.99, 1.01),
    *(1.02, 1.03, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0),
)
_SMOOTHING = ("smooth", "d", "signal")

LEVELS: Mapping[Unit, tuple[float, ...]] = MappingProxyType(
    {
        Unit.OSCILLATOR: tuple(float(level) for level in range(5, 100, 5)),
        Unit.PERCENT: (-20, -10, -7, -5, -3, -2, -1, 0, 1, 2, 3, 5, 7, 10, 20),
        Unit.FRACTION: tuple(level / 20 for level in range(1, 20)),
        Unit.DEVIATION: tuple(level / 4 for level in range(-12, 13)),
        Unit.RATIO: SCALES,
        Unit.VOLATILITY: (10, 12, 14, 16, 18, 20, 22, 25, 30, 40),
        Unit.PRICE_CHANGE: (0.0,),
        Unit.INDEX_CHANGE: (0.0,),
        Unit.VOLUME_FLOW: (0.0,),
    }
)

ATR_MULTIPLES: tuple[float, ...] = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8)
FRACTIONS: tuple[float, ...] = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
BAR_LIMITS: tuple[int, ...] = (3, 5, 10, 15, 20, 30, 40, 60, 90, 120)
RISKS: tuple[float, ...] = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03)


def parameter_values(function: str, parameter: Parameter) -> tuple[float, ...]:
    """Return the values that a literal argument takes in breeding, all within its range."""
    if parameter.unit is Unit.NUMBER:
        values = BAND_WIDTHS
    elif function == "lag":
        values = LAGS
    elif parameter.name in _SMOOTHING:
        values = SHORT_WINDOWS
    else:
        values = WINDOWS
    return tuple(float(value) for value in values if parameter.low <= value <= parameter.high)
