"""How often breeding draws each way to make a value; how it draws is in `growing`."""

from kasauti.genome.forms import Form
from kasauti.genome.language import COMPARISONS, Unit
from kasauti.genome.model import Binary, Unary

# How often a comparison of two values of a unit, or of one with a level, is drawn. Not listed:
# never. Prices are compared with prices, oscillators with levels.
_COMPARED = {
    Unit.PRICE: 8.0,
    Unit.PRICE_CHANGE: 1.0,
    Unit.INDEX: 1.0,
    Unit.VOLUME: 2.0,
    Unit.VOLUME_FLOW: 0.7,
    Unit.OSCILLATOR: 0.3,
    Unit.PERCENT: 0.3,
}
_LEVELLED = {
    Unit.OSCILLATOR: 5.0,
    Unit.PERCENT: 1.5,
    Unit.FRACTION: 2.0,
    Unit.DEVIATION: 1.5,
    Unit.RATIO: 0.7,
    Unit.VOLATILITY: 0.7,
    Unit.PRICE_CHANGE: 1.2,
}
_CROSSING = 0.35
_CANDLE = 0.06

# How often a way to make a value is drawn among the ways to make its unit; functions not listed 1.
_SERIES_WEIGHT = {"close": 6.0, "open": 1.0, "high": 1.5, "low": 1.5}
_FUNCTION_WEIGHT = {
    "sma": 3.0,
    "ema": 3.0,
    "mean": 0.0,  # the same values as sma
    "bbands_middle": 0.0,  # the same values as sma
    "rsi": 4.0,
    "adx": 2.0,
    "stoch": 2.0,
    "stoch_d": 1.0,
    "macd_hist": 2.0,
}
_ARITHMETIC: dict[tuple[str, ...], float] = {
    ("*", Unit.NUMBER, Unit.PRICE): 0.4,
    ("*", Unit.NUMBER, Unit.PRICE_CHANGE): 0.5,
    ("*", Unit.NUMBER, Unit.VOLUME): 1.0,
    ("*", Unit.NUMBER, Unit.INDEX): 0.3,
    ("+", Unit.PRICE, Unit.PRICE_CHANGE): 0.4,
    ("-", Unit.PRICE, Unit.PRICE_CHANGE): 0.4,
    ("-", Unit.PRICE, Unit.PRICE): 0.4,
    ("/", Unit.PRICE, Unit.PRICE): 1.0,
    ("/", Unit.VOLUME, Unit.VOLUME): 0.5,
    ("/", Unit.INDEX, Unit.INDEX): 0.3,
}
_LEVEL_UNITS = (Unit.PRICE, Unit.VOLUME, Unit.INDEX, Unit.VOLATILITY)
# What an indicator of an indicator may be, and how much more seldom: sma(rsi(close, 14), 5).
_SMOOTHERS = ("sma", "ema", "highest", "lowest", "lag")
_SMOOTHED = 0.15
# What is drawn of volume and VIX too; the rest is made for prices.
_SHAPES = (*_SMOOTHERS, "std", "zscore", "rank", "roc")
# Below an operand a plain series is the usual leaf: sma(close, 20), seldom sma(ema(close, 5), 20).
PLAIN = 10.0


def series_weight(name: str) -> float:
    """Return how often a series is drawn."""
    return _SERIES_WEIGHT.get(name, 4.0)


def form_weight(form: Form) -> float:
    """Return how often `form` is drawn; 0 for what is legal but not bred."""
    if form.node is Unary or form.symbol in ("and", "or", "<=", ">="):
        return 0.0
    if form.result is Unit.NUMBER:
        return 0.0
    if form.result is Unit.BOOLEAN:
        return _condition_weight(form)
    if form.node is Binary:
        return _ARITHMETIC.get((form.symbol, *form.operands), 0.0)
    weight = _FUNCTION_WEIGHT.get(form.symbol, 1.0)
    values = form.operands[0] if form.operands else Unit.WINDOW
    if values in (Unit.WINDOW, Unit.PRICE, Unit.INDEX):
        return weight
    if values in _LEVEL_UNITS:
        return weight if form.symbol in _SHAPES else 0.0
    return weight * _SMOOTHED if form.symbol in _SMOOTHERS else 0.0


def _condition_weight(form: Form) -> float:
    if not form.operands:
        return _CANDLE
    left, right = form.operands
    share = 1.0 if form.symbol in COMPARISONS else _CROSSING
    if right is Unit.NUMBER:
        return share * _LEVELLED.get(left, 0.0)
    return share * _COMPARED.get(left, 0.0) if left is right else 0.0
