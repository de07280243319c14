"""What the testers measure, against the same figure worked out another way."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from kasauti.backtest import Backtester
from kasauti.genome import genome_from_genes
from kasauti.market.sources import load_sample
from kasauti.testers import execution, performance, risk, robustness, sceptic
from kasauti.testers.exam import Exam
from kasauti.testers.twins import LAGS, TWINS, twins_of
from kasauti.validation.gates.model import Case, Gate
from kasauti.validation.stress import held_shares
from tests.testers.worlds import BUSY, EVENT, SHORTABLE, case_of, event_world


@pytest.fixture(scope="module")
def sample() -> Exam:
    """An exam of a genome with every gene on six real symbols, two of them with late starts."""
    backtester = Backtester(load_sample().bars, market=SHORTABLE)
    return Exam(Case(genome_from_genes(BUSY), backtester, 1000, 0, seed=3), {})


# --- performance


def test_years_are_the_compounded_calendar_years(sample: Exam) -> None:
    equity = sample.case.result.panel_equity
    days = pd.DatetimeIndex(sample.bars.times)
    last = pd.Series(equity, days).groupby(days.year).last()
    before = last.shift(fill_value=equity[0])
    found = dict(performance.measure(sample).years)
    assert list(found) == list(range(2000, 2019))  # no label, so no entry, during the warm-up
    for year, value in found.items():
        assert value == pytest.approx(last[year] / before[year] - 1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("profit", "share"),
    [
        pytest.param([1.0] * 10, 0.5, id="even"),
        pytest.param([100.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -2.0], 1.04, id="one trade"),
        pytest.param([5.0, -6.0], 1.0, id="no profit"),
    ],
)
def test_concentration(profit: list[float], share: float) -> None:
    assert performance.concentration(np.array(profit)) == pytest.approx(share)


def test_holding_is_buying_every_symbol_once(sample: Exam) -> None:
    growth = [row[np.isfinite(row)][-1] / row[np.isfinite(row)][0] for row in sample.bars.close]
    held = performance.measure(sample).holding_return
    assert held == pytest.approx(np.mean(growth) - 1.0, rel=1e-9)


# --- risk


@pytest.mark.parametrize(
    ("flags", "longest"),
    [("", 0), ("0", 0), ("1", 1), ("0110111", 3), ("1111", 4), ("10101", 1)],
)
def test_longest_run(flags: str, longest: int) -> None:
    assert risk.longest_run(np.array([one == "1" for one in flags], dtype=np.bool_)) == longest


def test_time_under_water() -> None:
    assert risk.longest_under_water(np.array([1.0, 2, 1, 1.5, 2, 3, 2, 2.5, 2.9, 2.9])) == 4


def test_the_mean_of_the_worst_twentieth() -> None:
    assert risk.mean_of_worst(np.arange(100.0) - 50.0) == pytest.approx(-48.0)
    assert risk.mean_of_worst(np.array([-0.3, 0.1])) == -0.3
    assert risk.mean_of_worst(np.empty(0)) == 0.0


def test_ruin_of_a_game_whose_odds_are_known() -> None:
    rng = np.random.default_rng(0)
    assert risk.ruin_of(np.array([0.01]), 50.0, rng) == 0.0
    assert risk.ruin_of(np.array([-0.05]), 10.0, rng) == 1.0
    # three trades that win or lose half: ruined by a loss at once, or by a win and two losses
    assert risk.ruin_of(np.array([-0.5, 0.5]), 1.0, rng) == pytest.approx(5 / 8, abs=0.05)


def test_the_stress_gates_worst_loss_wherever_it_stands() -> None:
    figures = {"losses": [{"loss": -0.11}], "worlds": {"flood": {"loss": -0.15, "share": -0.9}}}
    assert risk.worst_loss(Gate("stress", True, "", figures)) == -0.15
    assert risk.worst_loss(Gate("stress", True, "", {})) is None
    assert risk.worst_loss(None) is None


def test_positions_are_what_was_held_over_each_close(sample: Exam) -> None:
    result, bars = sample.case.result, sample.bars
    for row in range(len(bars.symbols)):
        shares = held_shares(bars, result, row)
        value = shares * pd.Series(bars.close[row]).ffill().bfill().to_numpy() / result.equity[row]
        np.testing.assert_allclose(sample.held_value[row], np.where(shares > 0, value, 0.0))
    evidence = risk.measure(sample)
    assert evidence.exposure == pytest.approx((sample.held_value > 0).mean())
    assert 0.0 < evidence.risked <= BUSY["risk"] * 1.02  # the fill's impact comes after the sizing
    assert evidence.worst_day <= evidence.shortfall <= 0.0


# --- execution


def test_execution_figures_from_the_trades_themselves(sample: Exam) -> None:
    result, evidence = sample.case.result, execution.measure(sample)
    trades = result.trades
    paid = sum(trade.charges for trade in trades)
    net = sum(trade.profit for trade in trades)
    assert evidence.charges == pytest.approx(paid)
    expected = min(paid / (net + paid), 1.0) if net + paid > 0 else 1.0
    assert evidence.charges_share == pytest.approx(expected)
    reasons = Counter(trade.reason for trade in trades)
    assert evidence.stops == reasons["stop"] > 50
    assert evidence.trades_a_year == pytest.approx(len(trades) / (len(result.times) / 252))
    assert evidence.without_volume == result.counters["fills_without_volume"]
    assert evidence.profiles[0][0] == "ultra-conservative"


def test_stops_cost_what_was_planned_unless_the_open_gaps() -> None:
    bars = event_world(1)
    calm = execution.measure(Exam(case_of(bars, {**EVENT, "stop": {"fraction": 0.02}}), {}))
    assert calm.stops > 20
    assert 1.0 < calm.stop_loss < 1.1  # slippage on either side of 2 % is five parts in a hundred
    assert calm.gapped <= 3


def test_orders_against_the_volume() -> None:
    bars = event_world(1)
    case = case_of(bars, EVENT)
    shares = []
    days = {day: place for place, day in enumerate(bars.times.tolist())}
    for trade in case.result.trades:
        at = days[trade.entry_time]
        shares.append(trade.quantity / bars.volume[0, at - 20 : at].mean())
    found = execution.measure(Exam(case, {})).volume_share
    assert found == pytest.approx(np.quantile(shares, 0.95))


def test_signals_before_a_bar_without_an_open_are_counted() -> None:
    sp500 = load_sample().bars.select(("SP500",))  # no open is known before 2008
    case = case_of(sp500, {**EVENT, "entry": "close > 0", "exit": "close < 0"})
    missing = np.isnan(sp500.open[0, 1:]).mean()
    assert missing > 0.4
    assert execution.measure(Exam(case, {})).lapsed == pytest.approx(missing, abs=0.01)


# --- sceptic


def test_twins_trade_as_much_as_the_genome(sample: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    twins = twins_of(sample)
    assert len(twins.sharpe) == TWINS
    assert len(set(twins.sharpe)) > 0.95 * TWINS
    assert len(twins.late) == len(LAGS)
    assert twins.exposure == pytest.approx(1.0, abs=0.1)
    assert twins == twins_of(sample)
    monkeypatch.setattr("kasauti.testers.twins.MOST_DECISIONS", 7 * sample.bars.close.size)
    assert twins == twins_of(sample)


def test_the_chance_of_twins_is_a_p_value() -> None:
    chances = [
        twins_of(Exam(case_of(event_world(seed, 0.0, 1500), EVENT), {})).chance
        for seed in range(40)
    ]
    # uniform without an edge: mean 1/2 with a standard error of .289 / sqrt(40) = .046
    assert abs(np.mean(chances) - 0.5) < 3 * 0.046
    planted = twins_of(Exam(case_of(event_world(1, 0.003), EVENT), {}))
    assert planted.chance == 1 / (TWINS + 1)


def test_thirds_and_shares_add_up(sample: Exam) -> None:
    evidence = sceptic.measure(sample)
    result = sample.case.result
    by_symbol: dict[str, float] = defaultdict(float)
    by_year: dict[str, float] = defaultdict(float)
    for trade in result.trades:
        by_symbol[trade.symbol] += trade.profit
        by_year[str(trade.exit_time.year)] += trade.profit
    total = sum(trade.profit for trade in result.trades)
    for (name, share), sums in ((evidence.best_symbol, by_symbol), (evidence.best_year, by_year)):
        best, profit = max(sums.items(), key=lambda pair: pair[1])
        assert name == best
        assert share == pytest.approx(profit / total if total > 0 else 1.0)
    assert evidence.trades == len(result.trades)
    # of 1,000 trials: shared/reference/validation-and-stress.md, section 1.2
    assert evidence.luckiest_t == pytest.approx(3.2551219)


def test_always_in_the_market_looks_like_holding() -> None:
    holds = {
        **EVENT,
        "entry": "close > 0",
        "exit": "close < 0",
        "stop": {"fraction": 0.6},
        "max_bars": 120,
        "risk": 0.6,
    }
    evidence = sceptic.measure(Exam(case_of(event_world(1), holds), {}))
    assert evidence.likeness > 0.95
    short = sceptic.measure(Exam(case_of(event_world(1), {**holds, "side": "short"}), {}))
    assert short.likeness > 0.9


# --- robustness


def test_a_gene_of_the_robustness_tester_earns_less_by_its_charges(sample: Exam) -> None:
    evidence = robustness.measure(sample)
    capital = 6 * sample.case.backtester.account.capital
    stops = [trade for trade in sample.case.result.trades if trade.reason == "stop"]
    stop = next(use for use in evidence.genes if use.gene == "stop")
    assert stop.acted == len(stops)
    assert stop.figure == pytest.approx(sum(one.profit - one.charges for one in stops) / capital)
    assert [name for name, _, _ in evidence.changes][-1] == "without MSFT"
