import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import Score
from kasauti.backtest.result import Scores
from kasauti.evolution.fitness import (
    FIGURES,
    INFEASIBLE,
    Constraints,
    assess,
    complexity,
    lower_quartiles,
)
from kasauti.genome import Genome, genome_from_genes
from kasauti.genome.codes import Population
from kasauti.genome.tree import prefix
from kasauti.regimes.model import REGIMES, Regime

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


def columns(scores: Sequence[Score]) -> Scores:
    return Scores(
        **{one.name: np.array([getattr(s, one.name) for s in scores]) for one in fields(Scores)}
    )


def figures(score: Score, genome: Genome = GENOME) -> dict[str, float]:
    found = assess(columns([score]), Population.of([genome]), 4.0, CONSTRAINTS)
    return dict(zip(FIGURES, found.figures[0].tolist(), strict=True))


def optional(**genes: Any) -> Genome:
    return genome_from_genes(GENOME.to_genes() | genes)


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
    genome = optional(**genes)
    assert complexity(Population.of([GENOME, genome])).tolist() == [8, nodes]
    assert figures(SCORE, genome)["simplicity"] == -math.log2(nodes)


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
    found = figures(replace(SCORE, **changes))["consistency"]
    assert found == pytest.approx(np.quantile(values, 0.25))


def test_a_regime_that_the_genome_stays_out_of_is_no_evidence() -> None:
    score = replace(SCORE, regime_t=(1.0, -9.0, -9.0, -9.0))
    bull_only = replace(GENOME, regimes=frozenset({Regime.BULL}))
    assert figures(score)["consistency"] < -5.0
    assert figures(score, bull_only)["consistency"] == 1.0


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), min_size=1))
def test_the_quartiles_are_numpys(rows: list[list[float]]) -> None:
    padded = np.full((len(rows), 12), np.inf)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    found = lower_quartiles(padded, np.array([len(values) for values in rows]))
    assert found == pytest.approx([np.quantile(values, 0.25) for values in rows])


@pytest.mark.parametrize(
    ("trades", "drawdown", "flaw", "violation"),
    [
        pytest.param(30, -0.20, "", 0.0, id="just good enough"),
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
    trades: int, drawdown: float, flaw: str, violation: float
) -> None:
    assert CONSTRAINTS.flaws(np.array([trades]), np.array([drawdown]), np.ones(1)) == [flaw]
    score = replace(SCORE, trades=trades, max_drawdown=drawdown)
    found = assess(columns([score]), Population.of([GENOME]), 4.0, CONSTRAINTS)
    (objectives,) = found.objectives.tolist()
    if not flaw:
        assert objectives == [0.8, found.figures[0, 1], -3.0]
    else:
        assert objectives == pytest.approx([INFEASIBLE - violation] * 3)


@pytest.mark.parametrize(
    ("stop", "risk", "share"),
    [
        pytest.param({"fraction": 0.04}, 0.02, 0.5, id="half of the account"),
        pytest.param({"fraction": 0.01}, 0.05, 1.0, id="no more than there is"),
        pytest.param({"atr": 2.0}, 0.01, 0.5, id="on a calm day"),
        pytest.param({"atr": 2.0}, 0.018, 0.9, id="too much on a calm day"),
    ],
)
def test_the_largest_position_is_known_from_the_genes(
    stop: dict[str, float], risk: float, share: float
) -> None:
    genome = genome_from_genes(GENOME.to_genes() | {"stop": stop, "risk": risk})
    limits = replace(CONSTRAINTS, max_share=0.8, calm=0.01)
    population = Population.of([genome])
    assert limits.shares(population) == pytest.approx([share])
    found = assess(columns([SCORE]), population, 4.0, limits)
    broken = share > 0.8
    assert bool(found.objectives[0, 0] < INFEASIBLE) is broken
    flaws = limits.flaws(np.array([100]), np.array([-0.1]), limits.shares(population))
    said = f"position too large: {share:.0%} of the account, 80% allowed"
    assert flaws == [said if broken else ""]


def by_hand(score: Score, genome: Genome, years: float) -> tuple[float, ...]:
    """Judge one genome in plain Python; the columns must agree to the last bit."""
    cells = [
        (sharpe * math.sqrt(years), trades)
        for sharpe, trades in zip(score.symbol_sharpe, score.symbol_trades, strict=True)
    ]
    cells += [
        (t, trades)
        for regime, t, trades in zip(REGIMES, score.regime_t, score.regime_trades, strict=True)
        if regime in genome.regimes
    ]
    ordered = sorted(t if trades >= 10 else min(t, 0.0) for t, trades in cells)
    place = (len(ordered) - 1) * 0.25
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    quartile = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    genes = (genome.target, genome.trail, genome.max_bars)
    nodes = len(prefix(genome.entry)) + len(prefix(genome.exit))
    nodes += sum(gene is not None for gene in genes) + (len(genome.regimes) < 4)
    missing = max(30 - score.trades, 0) / 30
    violation = missing + max(-score.max_drawdown - 0.20, 0.0)
    values = (score.sharpe, quartile, -math.log2(nodes))
    return (*values, *(((INFEASIBLE - violation,) * 3) if violation > 0.0 else values))


ratios = st.floats(-3.0, 3.0)
counts = st.integers(0, 40)
scored = st.builds(
    Score,
    sharpe=ratios,
    total_return=ratios,
    max_drawdown=st.floats(-0.5, 0.0),
    trades=counts,
    charges=st.just(1.0),
    t=ratios,
    symbol_sharpe=st.tuples(ratios, ratios, ratios),
    symbol_trades=st.tuples(counts, counts, counts),
    regime_mean=st.just((0.0,) * 4),
    regime_t=st.tuples(ratios, ratios, ratios, ratios),
    regime_trades=st.tuples(counts, counts, counts, counts),
)
varied = st.builds(
    lambda regimes, bars: optional(regimes=sorted(regimes), **({"max_bars": bars} if bars else {})),
    st.sets(st.sampled_from([one.value for one in REGIMES]), min_size=1),
    st.sampled_from([None, 5, 20]),
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(scored, varied), min_size=1, max_size=12), st.sampled_from([0.7, 4.0]))
def test_a_whole_generation_is_judged_as_one_by_one(
    pairs: list[tuple[Score, Genome]], years: float
) -> None:
    scores, genomes = zip(*pairs, strict=True)
    found = assess(columns(scores), Population.of(genomes), years, CONSTRAINTS)
    rows = np.concatenate([found.figures[:, :3], found.objectives], axis=1).tolist()
    assert [tuple(row) for row in rows] == [by_hand(*pair, years) for pair in pairs]
