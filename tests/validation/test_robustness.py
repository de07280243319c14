"""Robustness: every change does what it says, and its figure is the one of doing it by hand."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.errors import UsageError
from kasauti.genome import genome_from_genes
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_sample
from kasauti.validation.decisions import later, trade_decisions
from kasauti.validation.robustness import (
    JITTER,
    dearer,
    jittered,
    kept_of,
    neighbours_of,
    robustness,
)
from kasauti.validation.tuning import dials
from tests.backtest.damage import damaged
from tests.testers.worlds import EVENT, event_world
from tests.validation.synthetic import make_bars, plant_edge

DIP: dict[str, Any] = {
    "entry": "rsi(close, 5) < 40 and close > sma(close, 100)",
    "exit": "rsi(close, 5) > 60",
    "side": "long",
    "stop": {"fraction": 0.05},
    "target": {"fraction": 0.12},
    "max_bars": 15,
    "regimes": ["bull", "sideways"],
    "risk": 0.01,
}


@pytest.fixture(scope="module")
def sample() -> Backtester:
    return Backtester(load_sample().bars)


# --- given decisions


def test_its_own_decisions_give_its_own_score(sample: Backtester) -> None:
    genome = genome_from_genes({**DIP, "stop": {"atr": 2.5}, "trail": {"atr": 4}})
    enter, leave = sample.rules(genome)
    table = trade_decisions(sample, genome, enter[None], leave[None])
    scores = sample.scores(Population.of([genome]))
    for field in fields(scores):
        expected = getattr(scores, field.name)
        np.testing.assert_array_equal(getattr(table, field.name), expected, field.name)


def test_a_bar_later_is_what_a_lagged_rule_does() -> None:
    tester = Backtester(make_bars(sessions=800))
    genes = {**DIP, "regimes": ["bull", "bear", "sideways", "volatile"]}
    at_once, late = (
        genome_from_genes(
            {
                **genes,
                "entry": entry,
                "exit": exit_,
            }
        )
        for entry, exit_ in (
            ("close > sma(close, 10)", "close < sma(close, 10)"),
            (
                "lag(close, 1) > lag(sma(close, 10), 1)",
                "lag(close, 1) < lag(sma(close, 10), 1)",
            ),
        )
    )
    enter, leave = tester.rules(at_once)
    table = trade_decisions(tester, at_once, later(enter, 1)[None], later(leave, 1)[None])
    assert table.sharpe[0] == tester.score(late).sharpe
    assert table.trades[0] == tester.score(late).trades > 10


def test_decisions_of_another_shape_are_refused(sample: Backtester) -> None:
    genome = genome_from_genes(DIP)
    enter, leave = sample.rules(genome)
    with pytest.raises(UsageError, match="decisions have shapes"):
        trade_decisions(sample, genome, enter[None, :, :-1], leave[None, :, :-1])


# --- each change


def test_charges_and_half_spread_double_and_the_tax_on_them_once() -> None:
    account = Account()
    costly = dearer(account)
    assert costly.slippage.half_spread == 2 * account.slippage.half_spread
    assert costly.slippage.impact == account.slippage.impact
    for is_buy in (True, False):
        for is_delivery in (True, False):
            for value in (Decimal(300), Decimal(1_000_000)):
                order = (date(2025, 3, 3), is_buy, is_delivery, value)
                once, twice = account.charges.charge(*order), costly.charges.charge(*order)
                # a minimum and a maximum double with the rate, so the whole is exactly twice
                assert twice.total == 2 * once.total


def test_without_costs_doubling_them_changes_nothing() -> None:
    free = Backtester(event_world(1), account=Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE))
    found = robustness(free, genome_from_genes(EVENT))
    assert found.dearer.kept == pytest.approx(1.0)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 0.5), worlds=st.integers(1, 3))
def test_jittered_bars_are_bars(seed: int, share: float, worlds: int) -> None:
    bars = damaged(make_bars(("AAA", "BBB"), 120), seed % 7)
    found = jittered(bars, np.random.default_rng(seed), worlds, share)
    again = jittered(bars, np.random.default_rng(seed), worlds, share)
    assert found.data_version == again.data_version
    assert found.shape == (2 * worlds, 120)
    span = np.tile(np.nan_to_num(bars.high - bars.low), (worlds, 1))
    for name in ("open", "high", "low", "close"):
        new, old = getattr(found, name), np.tile(getattr(bars, name), (worlds, 1))
        np.testing.assert_array_equal(np.isnan(new), np.isnan(old))
        assert (np.nan_to_num(np.abs(new - old)) <= share * span * (1 + 1e-9) + 1e-9).all()
    prices = [found.open, found.close]
    for price in prices:
        known = np.isfinite(price) & np.isfinite(found.high) & np.isfinite(found.low)
        assert (found.low[known] <= price[known]).all()
        assert (price[known] <= found.high[known]).all()


def test_worlds_of_one_jitter_differ() -> None:
    found = jittered(make_bars(sessions=300), np.random.default_rng(1), 2)
    assert (found.close[0] != found.close[1]).mean() > 0.99


def test_neighbours_turn_one_dial_by_one_step() -> None:
    genome = genome_from_genes({**DIP, "entry": "macd(close, 12, 14) > 0"})
    places = {dial.name: dial for dial in dials(genome)}
    found = neighbours_of(genome)
    for name, value, child in found:
        dial = places[name]
        step = dial.values.index(value) - dial.values.index(dial.current)
        assert abs(step) == 1
        changed = {other.name: other.current for other in dials(child) if other.name in places}
        assert changed == {n: value if n == name else d.current for n, d in places.items()}
    names = {(name, value) for name, value, _ in found}
    assert ("entry.1", 10.0) in names
    assert ("entry.1", 14.0) not in names  # the fast window must stay below the slow one


def test_a_plateau_and_a_peak() -> None:
    tester = Backtester(event_world(7, drift=0.003))
    plateau = robustness(tester, genome_from_genes(EVENT))
    narrow = {
        **EVENT,  # the news have 3 to 4 times the volume of the 20 days: only these two levels fit
        "entry": "volume > 3 * sma(volume, 20) and volume < 4 * sma(volume, 20)",
        "max_bars": 3,
    }
    peak = robustness(tester, genome_from_genes(narrow))
    assert plateau.plateau is not None
    assert peak.plateau is not None
    assert plateau.plateau > 0.9
    assert peak.plateau < plateau.plateau
    assert "of 10 neighbouring settings keep at least half" in plateau.turned.words


def test_symbols_left_out_are_those_that_remain(sample: Backtester) -> None:
    genome = genome_from_genes(DIP)
    found = robustness(sample, genome)
    symbols = sample.bars.symbols
    for change, symbol in zip(found.left_out, symbols, strict=True):
        rest = sample.bars.select(tuple(one for one in symbols if one != symbol))
        alone = Backtester(rest, labels=sample.labels).score(genome)
        assert change.sharpe == pytest.approx(alone.sharpe, rel=1e-9)
        assert symbol in change.name
    assert found.worst_left_out == min(found.left_out, key=lambda one: one.sharpe)


def test_a_fast_edge_is_gone_a_bar_later_and_a_slow_one_is_not() -> None:
    reversal = {
        **EVENT,
        "entry": "roc(close, 1) < -0.5",
        "exit": "roc(close, 1) > 0",
        "stop": {"fraction": 0.05},
    }
    fast = robustness(Backtester(plant_edge(3000)), genome_from_genes(reversal))
    assert fast.delayed.sharpe < 0.0 < fast.sharpe
    assert "filled one bar later it loses money" in fast.delayed.words
    slow = robustness(Backtester(event_world(1)), genome_from_genes(EVENT))
    assert slow.delayed.kept is not None
    assert 0.6 < slow.delayed.kept < 1.2


def test_of_a_loss_nothing_can_be_kept() -> None:
    found = robustness(Backtester(event_world(1, drift=-0.001)), genome_from_genes(EVENT))
    assert found.sharpe < 0.0
    assert all(change.kept is None for change in found.changes)
    assert kept_of(1.0, 0.0) is None


def test_the_same_seed_gives_the_same_worlds(sample: Backtester) -> None:
    genome = genome_from_genes(DIP)
    one, same, other = (robustness(sample, genome, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.worlds != other.worlds
    assert JITTER == 0.10


def test_bars_without_a_range_do_not_move() -> None:
    bars: Bars = make_bars(sessions=100)
    flat = replace(bars, open=bars.close, high=bars.close, low=bars.close)
    found = jittered(flat, np.random.default_rng(0), 1)
    np.testing.assert_array_equal(found.close, flat.close)
