"""Laws of the backtester: no look-ahead, accounting, scores, determinism, windows, JSON."""

import json
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Dialect, Result, Slippage
from kasauti.errors import KasautiError, UsageError
from kasauti.genome import Genome, Side
from kasauti.genome.breeding import random_genome
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.markets import NSE
from kasauti.regimes.model import REGIMES, OnlineLabels, Regime
from tests.backtest import real_bars
from tests.backtest.damage import damaged

COUNT = 30


@cache
def genomes(seed: int = 3, both_sides: bool = False) -> tuple[Genome, ...]:
    rng = random.Random(seed)
    sides = tuple(Side) if both_sides else (Side.LONG,)
    return tuple(replace(random_genome(rng), side=rng.choice(sides)) for _ in range(COUNT))


def labels_of(bars: Bars) -> OnlineLabels:
    """Labels that change every 20 bars and start unknown."""
    return OnlineLabels((np.arange(bars.shape[1]) // 20 % 5 - 1).astype(np.int8))


@cache
def prepared(dialect: Dialect = Dialect.KASAUTI) -> Backtester:
    bars = real_bars.stocks()
    market = replace(NSE, daily_shorts=True)
    return Backtester(bars, dialect=dialect, labels=labels_of(bars), market=market)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("cut", [200, 450])
def test_truncating_the_bars_changes_nothing_before_the_cut(dialect: Dialect, cut: int) -> None:
    whole = prepared(dialect)
    early = Backtester(
        whole.bars.between(0, cut),
        dialect=dialect,
        labels=OnlineLabels(whole.labels.codes[:cut]),
        market=whole.market,
    )
    closed = 0
    for genome in genomes(both_sides=True):
        before, after = early.run(genome), whole.run(genome)
        np.testing.assert_array_equal(before.equity, after.equity[:, :cut])
        last = early.bars.times[-1].item()
        assert before.trades == tuple(one for one in after.trades if one.exit_time <= last)
        closed += len(before.trades)
    assert closed > 100


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("dirty", [False, True], ids=["clean", "dirty"])
def test_profits_and_open_positions_add_up_to_the_equity(dialect: Dialect, dirty: bool) -> None:
    bars = damaged(real_bars.stocks(), seed=2) if dirty else real_bars.stocks()
    market = replace(NSE, daily_shorts=True)
    account = Account(capital=30_000.0)
    one = Backtester(bars, account=account, dialect=dialect, labels=labels_of(bars), market=market)
    for genome in genomes(both_sides=True):
        result = one.run(genome)
        profit = sum(trade.profit for trade in result.trades)
        profit += sum(position.profit for position in result.open)
        assert result.panel_equity[-1] == pytest.approx(4 * 30_000.0 + profit, rel=1e-12)
        paid = sum(trade.charges for trade in result.trades)
        assert result.metrics.charges >= paid - 1e-6
        if not result.open:
            assert result.metrics.charges == pytest.approx(paid)


def test_no_order_costs_more_than_the_account_holds() -> None:
    account = Account(capital=20_000.0, slippage=Slippage(0.001, 0.1))
    one = Backtester(real_bars.stocks(), account=account, labels=prepared().labels)
    for plain in genomes():
        result = one.run(replace(plain, risk=1.0))
        for trade in result.trades:
            row = result.symbols.index(trade.symbol)
            entry = int(np.searchsorted(result.times, np.datetime64(trade.entry_time)))
            assert trade.quantity * trade.entry_price < result.equity[row, entry - 1]
            assert trade.quantity >= 1


def test_prices_and_capital_in_another_unit_give_the_same_trades() -> None:
    """Powers of two are exact, so this holds bit for bit where nothing is charged in rupees."""
    bars = real_bars.stocks()
    fields = {name: getattr(bars, name) * 4.0 for name in ("open", "high", "low", "close")}
    scaled = Bars(bars.market, bars.symbols, bars.times, volume=bars.volume, **fields)
    for genome in genomes():
        results = []
        for data, capital in ((bars, 2.0**20), (scaled, 2.0**22)):
            account = Account(capital, NO_CHARGES, Slippage(0.0, 0.02))
            results.append(Backtester(data, account=account, labels=labels_of(bars)).run(genome))
        plain, fourfold = results
        np.testing.assert_array_equal(plain.equity * 4.0, fourfold.equity)
        assert [one.quantity for one in plain.trades] == [one.quantity for one in fourfold.trades]


def test_what_costs_more_earns_less_with_the_same_quantities() -> None:
    """Costs only ever take: at a fixed size each trade nets less with them than without."""
    bars = real_bars.stocks()
    free = Account(1e9, NO_CHARGES, NO_SLIPPAGE)  # so much that one share is always affordable
    dear = Account(1e9, slippage=Slippage(0.002, 0.0))
    compared = 0
    for plain in genomes():
        genome = replace(plain, stop=replace(plain.stop, value=0.9), trail=None, target=None)
        cheap, costly = (
            Backtester(bars, account=one, labels=labels_of(bars)).run(genome).trades
            for one in (free, dear)
        )
        for one, other in zip(cheap, costly, strict=False):
            if (one.entry_time, one.exit_time) == (other.entry_time, other.exit_time):
                assert other.profit / other.quantity < one.profit / one.quantity
                compared += 1
    assert compared > 100


def test_a_score_says_what_the_full_run_says() -> None:
    for genome in genomes(both_sides=True):
        score, result = prepared().score(genome), prepared().run(genome)
        whole = asdict(result.metrics)
        for name in ("sharpe", "total_return", "max_drawdown", "trades", "charges"):
            assert getattr(score, name) == pytest.approx(whole[name], rel=1e-12), name
        assert score.symbol_trades == tuple(one.trades for one in result.by_symbol.values())
        assert score.symbol_sharpe == tuple(one.sharpe for one in result.by_symbol.values())
        returns = prepared().returns(genome)
        assert score.t == pytest.approx(score.sharpe * np.sqrt(len(returns) / 252), abs=1e-12)


def test_regime_figures_follow_the_label_that_was_known() -> None:
    codes = prepared().labels.codes
    for genome in genomes():
        score, returns = prepared().score(genome), prepared().returns(genome)
        decided = [
            codes[int(np.searchsorted(prepared().bars.times, np.datetime64(one.entry_time))) - 1]
            for one in prepared().run(genome).trades
        ]
        for code, regime in enumerate(REGIMES):
            under = returns[1:][codes[:-1] == code]
            assert score.regime_mean[code] == pytest.approx(under.mean(), abs=1e-15)
            spread = under.std(ddof=1)
            t = under.mean() / spread * np.sqrt(len(under)) if spread > 0 else 0.0
            assert score.regime_t[code] == pytest.approx(t, abs=1e-9)
            assert score.regime_trades[code] == decided.count(code)
            if regime not in genome.regimes:
                assert score.regime_trades[code] == 0


@pytest.mark.parametrize("dialect", Dialect)
def test_scores_are_the_same_whatever_the_executor(dialect: Dialect) -> None:
    many = genomes(both_sides=True) * 5  # three chunks
    alone = prepared(dialect).score_all(many)
    assert alone == [prepared(dialect).score(genome) for genome in many]
    for workers in (1, 4):
        fresh = Backtester(
            prepared().bars, dialect=dialect, labels=prepared().labels, market=prepared().market
        )
        with ThreadPoolExecutor(workers) as pool:
            assert fresh.score_all(many, pool) == alone
    assert alone[:COUNT] == alone[COUNT : 2 * COUNT]


def test_a_pickled_backtester_scores_the_same() -> None:
    one = Backtester(real_bars.stocks(), account=Account(50_000.0))
    other = pickle.loads(pickle.dumps(one))
    assert other.score_all(genomes()) == one.score_all(genomes())
    assert other.bars.data_version == one.bars.data_version


def test_indicators_see_the_history_before_the_window() -> None:
    """Inside the window the first decision is the one that the whole run would take when flat."""
    one, start = prepared(), 300
    for genome in genomes():
        enter, _ = one.rules(genome)
        result = one.run(genome, start, 500)
        assert result.equity.shape == (4, 200)
        assert (result.equity[:, 0] == 1_000_000.0).all()
        for row, symbol in enumerate(result.symbols):
            times = [trade.entry_time for trade in result.trades if trade.symbol == symbol]
            times += [held.entry_time for held in result.open if held.symbol == symbol]
            signals = start + np.flatnonzero(enter[row, start:499])
            if len(signals) and times:
                assert min(times) == one.bars.times[signals[0] + 1].item()
            assert len(times) == 0 or len(signals) > 0


def test_the_json_of_a_result() -> None:
    genome = next(one for one in genomes() if prepared().run(one).open)
    result = prepared().run(genome)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(told) == {"genome", "trades", "metrics", "open", "notes"}
    assert told["genome"] == genome.hash
    assert len(told["trades"]) == told["metrics"]["trades"] == len(result.trades) > 0
    assert list(told["trades"][0]) == [
        "symbol",
        "side",
        "quantity",
        "entry_time",
        "entry_price",
        "exit_time",
        "exit_price",
        "reason",
    ]
    assert list(told["metrics"]) == [
        "total_return",
        "cagr",
        "sharpe",
        "sortino",
        "max_drawdown",
        "trades",
        "win_rate",
        "exposure",
        "charges",
    ]
    first = told["trades"][0]
    assert isinstance(first["quantity"], int)
    assert first["entry_time"] == result.trades[0].entry_time.isoformat()


def test_intraday_times_are_told_to_the_second() -> None:
    bars = real_bars.intraday()
    labels = OnlineLabels(np.zeros(bars.shape[1], dtype=np.int8))
    results = [Backtester(bars, labels=labels).run(genome) for genome in genomes()]
    times = [trade.to_json()["exit_time"] for result in results for trade in result.trades]
    assert times
    assert all(len(time) == len("2026-07-13T09:20:00") for time in times)


def test_a_genome_that_never_trades_has_figures_all_the_same() -> None:
    never = replace(genomes()[0], regimes=frozenset({Regime.BULL}))
    bars = real_bars.stocks()
    unknown = OnlineLabels(np.full(bars.shape[1], -1, dtype=np.int8))
    result: Result = Backtester(bars, labels=unknown).run(never)
    assert set(asdict(result.metrics).values()) == {0}
    assert (result.equity == 1_000_000.0).all()


REFUSED: dict[str, Any] = {
    "no capital": lambda: Account(0.0),
    "infinite capital": lambda: Account(float("inf")),
    "undefined capital": lambda: Account(float("nan")),
    "negative spread": lambda: Slippage(-0.1, 0.0),
    "spread of the whole price": lambda: Slippage(1.0, 0.0),
    "no bars": lambda: Backtester(real_bars.stocks().between(0, 0)),
    "a window past the end": lambda: prepared().run(genomes()[0], 618, None),
    "a window backwards": lambda: prepared().run(genomes()[0], 20, 10),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused(attempt: Any) -> None:
    with pytest.raises(UsageError):
        attempt()


def test_the_sides_that_a_market_allows() -> None:
    assert Backtester(real_bars.stocks()).sides == (Side.LONG,)
    assert Backtester(real_bars.intraday()).sides == (Side.LONG, Side.SHORT)
    assert prepared().sides == (Side.LONG, Side.SHORT)
    assert Backtester(real_bars.stocks(), dialect=Dialect.VECTORBT).sides == tuple(Side)
    assert issubclass(UsageError, KasautiError)
