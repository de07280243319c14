import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import Score
from kasauti.evolution.fitness import (
    INFEASIBLE,
    Constraints,
    assess,
    complexity,
    lower_quartile,
)
from kasauti.genome import genome_from_genes
from kasauti.regimes.model import Regime

GENOME = genome_from_genes(
    {
        "entry": "close > sma(close, 20)",  # > close sma close 20
        "exit": "close < open",  # < close open
        "side": "long",
        "stop": {"atr": 2.0},
        "regimes": ["bull", "bear", "sideways", "volatile"],
        "risk": 0.01,
    }
)
SCORE = Score(
    sharpe=0.8,
    total_return=0.5,
    max_drawdown=-0.1,
    trades=100,
    charges=1_000.0,
    t=2.0,
    symbol_sharpe=(1.0, 0.5),
    symbol_trades=(50, 50),
    regime_mean=(0.0, 0.0, 0.0, 0.0),
    regime_t=(1.0, 1.0, 1.0, 1.0),
    regime_trades=(25, 25, 25, 25),
)
CONSTRAINTS = Constraints(min_trades=30, max_drawdown=0.20)


@pytest.mark.parametrize(
    ("genes", "nodes"),
    [
        pytest.param({}, 8, id="two trees"),
        pytest.param({"target": {"atr": 3.0}}, 9, id="a target"),
        pytest.param({"trail": {"fraction": 0.1}, "max_bars": 20}, 10, id="trail and time stop"),
        pytest.param({"regimes": ["bull"]}, 9, id="a restriction to regimes"),
        pytest.param({"stop": {"fraction": 0.1}, "risk": 0.5}, 8, id="genes that are always there"),
    ],
)
def test_complexity_counts_nodes_and_optional_genes(genes: dict[str, Any], nodes: int) -> None:
    genome = genome_from_genes(GENOME.to_genes() | genes)
    assert complexity(genome) == nodes
    assert assess(SCORE, genome, 4.0, CONSTRAINTS).simplicity == -math.log2(nodes)


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        # Symbols: sharpe 1.0 and 0.5 over 4 years are t 2.0 and 1.0; regimes t 1.0 each.
        pytest.param({}, [2.0, 1.0, 1.0, 1.0, 1.0, 1.0], id="all cells"),
        pytest.param(
            {"regime_trades": (25, 25, 9, 25)},
            [2.0, 1.0, 1.0, 1.0, 0.0, 1.0],
            id="too few trades are no success",
        ),
        pytest.param(
            {"regime_trades": (25, 25, 9, 25), "regime_t": (1.0, 1.0, -3.0, 1.0)},
            [2.0, 1.0, 1.0, 1.0, -3.0, 1.0],
            id="but a failure",
        ),
        pytest.param(
            {"symbol_trades": (50, 0), "symbol_sharpe": (-1.0, 0.0)},
            [-2.0, 0.0, 1.0, 1.0, 1.0, 1.0],
            id="a losing symbol",
        ),
    ],
)
def test_consistency_is_the_lower_quartile_of_symbols_and_regimes(
    changes: dict[str, Any], values: list[float]
) -> None:
    found = assess(replace(SCORE, **changes), GENOME, 4.0, CONSTRAINTS).consistency
    assert found == pytest.approx(np.quantile(values, 0.25))


def test_a_regime_that_the_genome_stays_out_of_is_no_evidence() -> None:
    score = replace(SCORE, regime_t=(1.0, -9.0, -9.0, -9.0))
    bull_only = replace(GENOME, regimes=frozenset({Regime.BULL}))
    assert assess(score, GENOME, 4.0, CONSTRAINTS).consistency < -5.0
    assert assess(score, bull_only, 4.0, CONSTRAINTS).consistency == 1.0


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_the_quartile_is_numpys(values: list[float]) -> None:
    assert lower_quartile(values) == pytest.approx(np.quantile(values, 0.25))


def test_the_quartile_of_nothing_is_zero() -> None:
    assert lower_quartile([]) == 0.0


@pytest.mark.parametrize(
    ("trades", "drawdown", "flaw", "violation"),
    [
        pytest.param(30, -0.20, None, 0.0, id="just good enough"),
        pytest.param(0, 0.0, "too few trades: 0 of 30", 1.0, id="no trades"),
        pytest.param(15, -0.1, "too few trades: 15 of 30", 0.5, id="half of the trades"),
        pytest.param(
            99, -0.35, "drawdown too deep: 35.0% with 20% allowed", 0.15, id="deep drawdown"
        ),
        pytest.param(
            15,
            -0.35,
            "too few trades: 15 of 30; drawdown too deep: 35.0% with 20% allowed",
            0.65,
            id="both",
        ),
    ],
)
def test_constraints_are_named_and_graded(
    trades: int, drawdown: float, flaw: str | None, violation: float
) -> None:
    score = replace(SCORE, trades=trades, max_drawdown=drawdown)
    found = assess(score, GENOME, 4.0, CONSTRAINTS)
    assert found.flaw == flaw
    assert found.violation == pytest.approx(violation)
    if flaw is None:
        assert found.objectives == (0.8, found.consistency, -3.0)
    else:
        assert found.objectives == pytest.approx((INFEASIBLE - violation,) * 3)
