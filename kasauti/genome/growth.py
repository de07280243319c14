"""Random expressions, grown by type: which productions there are and how often each is taken.

Growing draws only on the passed generator; DEAP's own generators draw on Python's global one and
cannot be repeated beside other threads.
"""

import random
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from kasauti.genome.language import COMPARISONS, FUNCTIONS, MEASURED, SERIES, Unit
from kasauti.genome.lattice import LEVELS, SCALES, parameter_values
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.primitives import FORMS, Form
from kasauti.genome.trivial import is_trivial

_TRIES = 20
_OPERAND_DEPTH = 2

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
_PLAIN = 10.0


class Production(NamedTuple):
    """A series, or a form of call or operator, with its height and weight."""

    form: Form | str
    height: int
    weight: float


class _Choice(NamedTuple):
    productions: tuple[Production, ...]
    cumulative: tuple[float, ...]


def grow_condition(rng: random.Random, series: tuple[str, ...]) -> Expression:
    """Return one random comparison, crossing or candle over `series`, about 5 nodes."""
    for _ in range(_TRIES):
        condition = grow(rng, series, Unit.BOOLEAN, _OPERAND_DEPTH + 1)
        if not is_trivial(condition):
            break
    return condition


def grow_rule(
    rng: random.Random, series: tuple[str, ...], conditions: Sequence[float]
) -> Expression:
    """Return a random condition of one or more, joined by and/or, a few under not.

    Parameters
    ----------
    rng : random.Random
    series : tuple of str
        Series that may be read.
    conditions : sequence of float
        Weights of 1, 2, 3 ... conditions.
    """
    count = rng.choices(range(1, len(conditions) + 1), conditions)[0]
    rule = grow_condition(rng, series)
    for _ in range(count - 1):
        condition = grow_condition(rng, series)
        if rng.random() < 0.1:
            condition = Unary("not", condition)
        rule = Binary("or" if rng.random() < 0.35 else "and", rule, condition)
    return rule


def grow(rng: random.Random, series: tuple[str, ...], unit: Unit, depth: int) -> Expression:
    """Return a random expression of `unit` at most `depth` levels above its leaves.

    Where the unit needs more levels it gets the fewest possible.
    """
    table = _table(series)
    choice = table[unit][min(depth, len(table[unit]) - 1)]
    form = rng.choices(choice.productions, cum_weights=choice.cumulative)[0].form
    if isinstance(form, str):
        return Series(form)
    literals = _literals(rng, form)
    operands = tuple(
        literals.get(place) or grow(rng, series, operand, depth - 1)
        for place, operand in enumerate(form.operands)
    )
    if form.node is Call:
        return Call(form.symbol, operands)
    return Binary(form.symbol, operands[0], operands[1])


def is_growable(series: tuple[str, ...], unit: Unit) -> bool:
    """Whether `series` are enough to make a value of `unit`."""
    return unit in _table(series)


def bred_forms(series: tuple[str, ...]) -> tuple[Form, ...]:
    """Return the forms that growing may use over `series`."""
    return tuple(form for form in FORMS if _weight(form) > 0 and _is_readable(form, series))


def _literals(rng: random.Random, form: Form) -> dict[int, Number]:
    """Return the constants and windows of `form` by their place; windows that must grow, sorted."""
    found = {
        place: Number(rng.choice(constant_values(form, place)))
        for place, operand in enumerate(form.operands)
        if operand in (Unit.WINDOW, Unit.NUMBER)
    }
    if form.node is Call and FUNCTIONS[form.symbol].increasing:
        places = _increasing_places(form.symbol)
        windows = sorted(rng.sample(constant_values(form, places[-1]), len(places)))
        found.update(zip(places, map(Number, windows), strict=True))
    return found


def _increasing_places(function: str) -> list[int]:
    names = FUNCTIONS[function].increasing
    return [i for i, p in enumerate(FUNCTIONS[function].parameters) if p.name in names]


@cache
def constant_values(form: Form, place: int) -> tuple[float, ...]:
    """Return the values that the constant or window at `place` of `form` takes in breeding.

    Ascending; empty where breeding leaves a constant alone, as in ``close > 100``.
    """
    if form.node is Call and FUNCTIONS[form.symbol].parameters[place].is_literal:
        return parameter_values(form.symbol, FUNCTIONS[form.symbol].parameters[place])
    if form.symbol in ("*", "/"):
        return SCALES
    if len(form.operands) < 2:
        return ()
    return LEVELS.get(form.operands[1 - place], ())


@cache
def _table(series: tuple[str, ...]) -> dict[Unit, tuple[_Choice, ...]]:
    """Return, for each unit that `series` can make, its choices by depth left."""
    heights = {SERIES[name]: 0 for name in series}
    forms = bred_forms(series)
    for _ in MEASURED:  # a unit needs at most as many rounds as there are units
        for form in forms:
            height = _height(form, heights)
            if height is not None:
                heights[form.result] = min(height, heights.get(form.result, height))
    found: dict[Unit, list[Production]] = {unit: [] for unit in heights}
    for name in series:
        found[SERIES[name]].append(Production(name, 0, _SERIES_WEIGHT.get(name, 4.0)))
    for form in forms:
        height = _height(form, heights)
        if height is not None:
            found[form.result].append(Production(form, height, _weight(form)))
    return {
        unit: tuple(_choice(productions, depth) for depth in range(_OPERAND_DEPTH + 2))
        for unit, productions in found.items()
    }


def _choice(productions: list[Production], depth: int) -> _Choice:
    lowest = min(production.height for production in productions)
    fitting = tuple(p for p in productions if p.height <= max(depth, lowest))
    weights = (
        p.weight * (_PLAIN if depth < _OPERAND_DEPTH and isinstance(p.form, str) else 1.0)
        for p in fitting
    )
    return _Choice(fitting, tuple(accumulate(weights)))


def _height(form: Form, heights: dict[Unit, int]) -> int | None:
    below = [unit for unit in form.operands if unit not in (Unit.WINDOW, Unit.NUMBER)]
    if any(unit not in heights for unit in below):
        return None
    return 1 + max(heights[unit] for unit in below) if below else 0


def _is_readable(form: Form, series: tuple[str, ...]) -> bool:
    return form.node is not Call or set(FUNCTIONS[form.symbol].reads) <= set(series)


def _weight(form: Form) -> float:
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
