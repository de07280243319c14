"""The language holds what the design names, and says what each function equals."""

import re
import subprocess
import sys

import pytest
import talib

from kasauti.genome import parse_expression
from kasauti.genome.language import FUNCTIONS, MEASURED, SERIES, Function, Unit
from kasauti.genome.units import unit_of

DESIGNED = [
    *("sma", "ema", "rsi", "atr", "macd", "bbands", "adx", "stoch", "obv", "vwap", "roc"),
    *("highest", "lowest", "lag", "mean", "std", "zscore", "rank"),
    *("crosses_above", "crosses_below"),
]


@pytest.mark.parametrize("name", DESIGNED)
def test_the_designs_functions_are_registered(name: str) -> None:
    assert FUNCTIONS[name].name == name


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_definitions_name_real_talib_functions(function: Function) -> None:
    for name in re.findall(r"TA-Lib (\w+)", function.doc):
        assert name in talib.get_functions()


@pytest.mark.parametrize("entry", FUNCTIONS.values(), ids=FUNCTIONS)
def test_registry_is_sound(entry: Function) -> None:
    defaults = [p.default for p in entry.parameters]
    first = next((i for i, d in enumerate(defaults) if d is not None), len(defaults))
    assert all(d is not None for d in defaults[first:]), "only trailing arguments have defaults"
    assert all(p.low <= d <= p.high for p in entry.parameters if (d := p.default) is not None)
    assert set(entry.reads) <= set(SERIES)
    assert entry.doc


UNITS = {
    "close": Unit.PRICE,
    "high - low": Unit.PRICE_CHANGE,
    "close - 2 * atr(14)": Unit.PRICE,
    "atr(14) + close": Unit.PRICE,
    "(high + low) / 2": Unit.PRICE,
    "close / open": Unit.RATIO,
    "atr(14) / close": Unit.RATIO,
    "close * (close / open)": Unit.PRICE,
    "(close / open) * close": Unit.PRICE,
    "close / (close / open)": Unit.PRICE,
    "1 / (close / open)": Unit.RATIO,
    "close / open - 1": Unit.RATIO,
    "2 * 3": Unit.NUMBER,
    "-close": Unit.PRICE,
    "rsi(close, 14) + 5": Unit.OSCILLATOR,
    "sma(rsi(close, 14), 5)": Unit.OSCILLATOR,
    "rsi(volume, 14)": Unit.OSCILLATOR,
    "macd(close)": Unit.PRICE_CHANGE,
    "macd(index)": Unit.INDEX_CHANGE,
    "std(volume, 20)": Unit.VOLUME_FLOW,
    "volume - mean(volume, 20)": Unit.VOLUME_FLOW,
    "obv() - lag(obv(), 5)": Unit.VOLUME_FLOW,
    "bbands_upper(close)": Unit.PRICE,
    "bbands(close)": Unit.FRACTION,
    "zscore(atr(14), 50)": Unit.DEVIATION,
    "roc(index, 20)": Unit.PERCENT,
    "vix + 1": Unit.VOLATILITY,
    "crosses_above(close, sma(close, 20))": Unit.BOOLEAN,
    "crosses_above(30, rsi(close, 14))": Unit.BOOLEAN,
    "atr(14) > 0.5 * std(close, 20)": Unit.BOOLEAN,
}


@pytest.mark.parametrize(("text", "unit"), UNITS.items(), ids=UNITS)
def test_units(text: str, unit: Unit) -> None:
    assert unit_of(parse_expression(text)) is unit


def test_windows_and_conditions_are_not_measured() -> None:
    assert not {Unit.BOOLEAN, Unit.WINDOW, Unit.NUMBER} & set(MEASURED)


def test_importing_the_language_is_light() -> None:
    heavy = ("deap", "pandas", "numba", "talib")
    code = f"import sys, kasauti.genome; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
