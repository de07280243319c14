"""The rival's expressions: DEAP, TA-Lib and numpy must mean what the engine means."""

import numpy as np
import pytest

from kasauti.backtest import Backtester
from kasauti.bench.deap_numpy import DeapNumpy
from kasauti.bench.population import seeded_population
from kasauti.genome import parse_expression
from kasauti.genome.language import FUNCTIONS, Unit

SIGNATURES = {
    "macd": "close, 5, 12, 4",
    "macd_signal": "close, 5, 12, 4",
    "macd_hist": "close, 5, 12, 4",
    "bbands": "close, 20, 2.5",
    "bbands_upper": "close, 20, 2.5",
    "bbands_middle": "close, 20, 2.5",
    "bbands_lower": "close, 20, 2.5",
    "stoch": "14, 3, 5",
    "stoch_d": "14, 3, 5",
    "crosses_above": "close, sma(close, 9)",
    "crosses_below": "close, sma(close, 9)",
}


def call_of(name: str) -> str:
    function = FUNCTIONS[name]
    default = ", ".join("15" if p.is_literal else "close" for p in function.parameters)
    return f"{name}({SIGNATURES.get(name, default)})"


def rule_of(name: str) -> str:
    if FUNCTIONS[name].result is Unit.BOOLEAN:
        return call_of(name)
    return f"{call_of(name)} > lag({call_of(name)}, 3)"


RULES = {
    **{name: rule_of(name) for name in FUNCTIONS},
    "junctions": "not (close > open and high < lag(high, 1)) or volume >= mean(volume, 9)",
    "arithmetic": "close * 1.02 - open + high > low / high * close",
    "a row with holes": "sma(close / (high - highest(high, 5)), 4) < 3.5",
    "a narrow z-score's ties": "zscore(close, 2) >= 1",
    "a wide z-score": "zscore(close, 60) > 1.25",
    "minus": "-close < -open",
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_rule_means_the_same(tester: Backtester, rule: str) -> None:
    expression = parse_expression(rule)
    rival = DeapNumpy(tester.bars)
    ours = tester.features.evaluate(expression)[0]
    assert np.array_equal(rival.signals(rival.tree(expression)), ours)
    assert ours.any() or rule.endswith("()")


def test_the_population_means_the_same(tester: Backtester) -> None:
    rival = DeapNumpy(tester.bars)
    for genome in seeded_population(150, 9):
        for rule in (genome.entry, genome.exit):
            ours = tester.features.evaluate(rule)[0]
            assert np.array_equal(rival.signals(rival.tree(rule)), ours)


def test_a_tree_has_the_nodes_of_the_rule(tester: Backtester) -> None:
    tree = DeapNumpy(tester.bars).tree(parse_expression("rsi(close, 14) < 30 and close > 5.5"))
    assert len(tree) == 9
    assert str(tree) == "both(less(rsi(close, 14), 30), greater(close, 5.5))"
