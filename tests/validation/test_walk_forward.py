import dataclasses

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.validation.tuning import dials, turned
from kasauti.validation.walk_forward import holding_horizon, walk_forward, windows_of
from tests.validation.synthetic import make_bars, plant_edge

GENES = {
    "entry": "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70"
    " and adx(14) > 20",
    "exit": "close < 0.98 * sma(close, 50) or macd_hist(close, 12, 26, 9) < 0",
    "side": "long",
    "stop": {"atr": 2.5},
    "target": {"fraction": 0.12},
    "max_bars": 40,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.01,
}
FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)


@pytest.fixture
def genome() -> Genome:
    return genome_from_genes(GENES)


@pytest.mark.parametrize(
    ("bars", "horizon", "expected"),
    [
        pytest.param(
            1000,
            10,
            [
                (380, 400, 475),
                (455, 475, 550),
                (530, 550, 625),
                (605, 625, 700),
                (680, 700, 775),
                (755, 775, 850),
                (830, 850, 925),
                (905, 925, 1000),
            ],
            id="1,000 bars, ten held: 10 purged and 10 embargoed",
        ),
    ],
)
def test_windows(bars: int, horizon: int, expected: list[tuple[int, int, int]]) -> None:
    assert [dataclasses.astuple(window) for window in windows_of(bars, horizon)] == expected


@pytest.mark.parametrize(("bars", "horizon"), [(805, 40), (4024, 120), (999, 1)])
def test_windows_join_without_a_hole_and_keep_their_distance(bars: int, horizon: int) -> None:
    windows = windows_of(bars, horizon)
    starts = [window.test_start for window in windows]
    assert [window.test_stop for window in windows] == [*starts[1:], bars]
    assert starts[0] == int(0.4 * bars)
    gaps = {window.test_start - window.train_stop for window in windows}
    assert gaps == {horizon + -(-bars // 100)}


def test_dates_of_the_windows() -> None:
    sessions = make_bars(("AAA",), 1000).sessions
    dates = [
        (
            str(sessions[w.train_stop - 1]),
            str(sessions[w.test_start]),
            str(sessions[w.test_stop - 1]),
        )
        for w in windows_of(1000, 10)
    ]
    assert dates[0] == ("2011-06-17", "2011-07-18", "2011-10-28")
    assert dates[-1] == ("2013-06-21", "2013-07-22", "2013-11-01")


def test_too_little_to_train_on_is_refused() -> None:
    with pytest.raises(VerdictRefused, match="to train on"):
        windows_of(100, 30)


def test_dials_are_every_number_but_risk(genome: Genome) -> None:
    found = {dial.name: dial.current for dial in dials(genome)}
    assert sorted(found.values()) == sorted(
        [12, 26, 70, 14, 20, 14, 0.98, 50, 12, 26, 9, 0.12, 2.5, 40]
    )
    assert not any("risk" in name for name in found)


def test_turning_no_dial_changes_nothing(genome: Genome) -> None:
    assert turned(genome, {dial.name: dial.current for dial in dials(genome)}) == genome


def test_each_dial_turns_one_number(genome: Genome) -> None:
    for dial in dials(genome):
        other = next(value for value in dial.values if value != dial.current)
        child = turned(genome, {dial.name: other})
        if child is None:  # macd's fast window beyond its slow one
            continue
        changed = {
            later.name
            for own, later in zip(dials(genome), dials(child), strict=True)
            if own.current != later.current
        }
        assert changed == {dial.name}
        assert child.risk == genome.risk


def test_windows_that_cross_are_no_genome(genome: Genome) -> None:
    fast = next(d for d in dials(genome) if d.name.startswith("exit") and d.current == 12)
    assert turned(genome, {fast.name: 100.0}) is None


def test_a_number_off_the_lattice_is_kept_among_the_values() -> None:
    genome = genome_from_genes({**GENES, "stop": {"fraction": 0.037}})
    stop = next(dial for dial in dials(genome) if dial.name == "stop")
    assert 0.037 in stop.values
    assert list(stop.values) == sorted(stop.values)


def test_an_edge_holds_and_the_same_seed_repeats_it() -> None:
    tester = Backtester(plant_edge(1500).between(0, 1200), account=FREE)
    genome = genome_from_genes(
        {**GENES, "entry": "roc(close, 1) < -0.5", "exit": "roc(close, 1) > 0", "max_bars": 5}
    )
    first = walk_forward(tester, genome, seed=1, trials=6)
    assert first.holds
    assert len(first.pieces) == 8
    assert len(first.returns) == 1200 - 480
    assert genome in first.tried
    assert len(first.tried) > 8
    again = walk_forward(tester, genome, seed=1, trials=6)
    assert np.array_equal(first.returns, again.returns)
    assert [p.chosen for p in first.pieces] == [p.chosen for p in again.pieces]


def test_training_never_sees_the_traded_bars() -> None:
    bars = plant_edge(1200)
    genome = genome_from_genes({**GENES, "entry": "roc(close, 1) < -0.5", "max_bars": 5})
    whole = walk_forward(Backtester(bars, account=FREE), genome, seed=1, trials=6)
    first = whole.pieces[0]
    stop = first.window.train_stop
    mirrored = np.r_[np.arange(stop), np.arange(bars.shape[1] - stop)[::-1]]
    inverted = Bars(
        bars.market,
        bars.symbols,
        bars.times,
        bars.open[:, mirrored],
        bars.high[:, mirrored],
        bars.low[:, mirrored],
        bars.close[:, mirrored],
        bars.volume,
    )
    other = walk_forward(Backtester(inverted, account=FREE), genome, seed=1, trials=6)
    assert other.pieces[0].chosen == first.chosen
    assert other.pieces[0].trained_sharpe == first.trained_sharpe
    assert other.pieces[0].traded_sharpe != first.traded_sharpe


def test_the_horizon_is_the_longest_holding() -> None:
    tester = Backtester(plant_edge(1000), account=FREE)
    genome = genome_from_genes(
        {**GENES, "entry": "roc(close, 1) < -0.5", "exit": "roc(close, 1) > 9"}
    )
    held = holding_horizon(tester, genome)
    assert held == 40
    endless = dataclasses.replace(genome, max_bars=None)
    assert holding_horizon(tester, endless) <= 100
