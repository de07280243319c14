"""The prover names the first leak in plain words; a strategy is proved whole."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Dialect
from kasauti.backtest.kernel import REASONS
from kasauti.errors import DataError, VerdictRefused
from kasauti.features.causality import choose_cuts, find_leaks
from kasauti.genome import genome_from_genes
from kasauti.genome.language import FUNCTIONS
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_sample
from kasauti.regimes import online
from kasauti.regimes.model import UNKNOWN, OnlineLabels
from kasauti.validation.gates import causality as gate
from kasauti.validation.gates.model import Case
from kasauti.validation.prover import (
    Kind,
    Lag,
    Subject,
    decisions,
    entered_and_held,
    lag_of,
    prove,
    prove_genome,
    prove_language,
)
from tests.validation.rules import REVERSAL
from tests.validation.synthetic import make_bars, plant_edge

FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)


@pytest.fixture(scope="module")
def sample() -> Bars:
    return load_sample().bars.between(1000, 2000)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_the_whole_language_and_the_labels_are_proved(sample: Bars) -> None:
    report = prove_language(sample, _rng(), cuts=2)
    assert report.proved, report.reason
    names = [proof.name.split("(")[0] for proof in report.proofs]
    assert names == [*FUNCTIONS, "regime labels"]
    proofs = dict(zip(names, report.proofs, strict=True))
    assert proofs["sma"].warm_up.needed == 9
    assert proofs["sma"].declared == 10
    assert proofs["obv"].warm_up.needed is None  # it adds up all history, and says so
    assert proofs["obv"].declared is None
    assert proofs["regime labels"].kind is Kind.LABEL
    assert "none of them changed" in report.reason


def test_functions_whose_series_are_missing_are_left_out(sample: Bars) -> None:
    silent = Bars(
        sample.market,
        sample.symbols,
        sample.times,
        sample.open,
        sample.high,
        sample.low,
        sample.close,
        np.full(sample.shape, np.nan),
    )
    names = {proof.name for proof in prove_language(silent, _rng(), cuts=1).proofs}
    assert not any(name.startswith(("obv", "vwap")) for name in names)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        pytest.param(Kind.FEATURE, lambda b: np.roll(b.close, -1, axis=1), id="tomorrow's close"),
        pytest.param(Kind.LABEL, lambda b: b.close > b.close.mean(), id="mean of all"),
    ],
)
def test_a_leak_is_named_in_plain_words(kind: Kind, function: Callable[[Bars], Any]) -> None:
    report = prove(make_bars(sessions=400), [Subject("mine", kind, function)], _rng())
    assert not report.proved
    assert report.reason.startswith("mine: looks ahead: its value on 20")
    assert "was another when the bars from 20" in report.reason
    assert report.to_json()["subjects"][0]["found"] == report.reason


def test_too_short_a_warm_up_is_found() -> None:
    def slow(bars: Bars) -> Any:
        return pd.DataFrame(bars.close.T).rolling(50).mean().to_numpy().T

    bars = make_bars(sessions=400)
    short = prove(bars, [Subject("mean of 50", Kind.FEATURE, slow, declared=20)], _rng())
    assert "needs 49 bars before its start is forgotten, and 20 are declared" in short.reason
    assert prove(bars, [Subject("mean of 50", Kind.FEATURE, slow, declared=49)], _rng()).proved
    endless = Subject("level", Kind.FEATURE, lambda b: b.close / b.close[:, :1], declared=20)
    assert "needs more bars than were tried" in prove(bars, [endless], _rng()).reason


def test_a_strategy_is_proved_with_its_labels_signals_and_positions() -> None:
    tester = Backtester(plant_edge(600), account=FREE)
    report = prove_genome(tester, genome_from_genes(REVERSAL), _rng())
    assert report.proved, report.reason
    assert [proof.kind for proof in report.proofs] == [Kind.LABEL, Kind.SIGNAL, Kind.STRATEGY]
    assert report.lag is not None
    assert report.lag.suspicious  # a reversal of one day is worth nothing a day later
    assert report.to_json()["lag"]["lost"] > 1.0


def test_labels_that_leak_make_the_strategy_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    def hindsight(bars: Bars) -> OnlineLabels:
        above = bars.close[0] > np.nanmean(bars.close[0])
        return OnlineLabels(np.where(above, 0, 1).astype(np.int8))

    bars = make_bars(sessions=600)
    genome = genome_from_genes({**REVERSAL, "regimes": ["bull"]})
    monkeypatch.setattr(online, "label_online", hindsight)
    report = prove_genome(Backtester(bars, account=FREE), genome, _rng())
    assert [proof.passed for proof in report.proofs] == [False, False, False]
    assert report.reason.startswith("regime labels: looks ahead")


def test_positions_that_act_a_bar_early_are_found() -> None:
    tester = Backtester(plant_edge(600), account=FREE)
    genome = genome_from_genes(REVERSAL)
    bars = tester.bars
    cuts = choose_cuts(bars, _rng(), 4)
    assert find_leaks(lambda b: decisions(tester, genome, b), bars, cuts) == []
    early = find_leaks(lambda b: np.roll(decisions(tester, genome, b), -1, axis=1), bars, cuts)
    assert early


def test_shares_bought_and_held_are_those_of_the_trades() -> None:
    tester = Backtester(plant_edge(600), account=FREE)
    genome = genome_from_genes(REVERSAL)
    result = tester.run(genome)
    entered, held = entered_and_held(tester.passes(genome), tester.bars)
    place = {time: at for at, time in enumerate(tester.bars.times.tolist())}
    assert (entered > 0).sum() == len(result.trades) + len(result.open)
    for trade in result.trades:
        start, stop = place[trade.entry_time], place[trade.exit_time]
        assert entered[0, start] >= trade.quantity
        assert (held[0, start:stop] == trade.quantity).all()
    inside = sum(place[t.exit_time] - place[t.entry_time] for t in result.trades)
    inside += sum(600 - place[p.entry_time] for p in result.open)
    assert (held > 0).sum() == inside


def test_the_lag_of_a_buy_on_known_days() -> None:
    bars = plant_edge(600)
    tester = Backtester(bars, account=FREE)
    genome = genome_from_genes(REVERSAL)
    passes = tester.passes(genome)
    change = np.diff(bars.close[0])
    now, late = np.zeros(599), np.zeros(599)
    for trade in [*passes.trades[0], *passes.open[0]]:
        out = REASONS[trade["reason"]] in ("stop", "target", "trail")
        for bar in range(trade["entry_bar"], trade["exit_bar"] + out):
            now[bar - 1] += trade["quantity"] * change[bar - 1] / passes.equity[0, bar - 1]
            if bar < 599:
                late[bar] += trade["quantity"] * change[bar] / passes.equity[0, bar]
    found = lag_of(passes, bars, genome.side)
    year = math.sqrt(252)
    assert found.sharpe == pytest.approx(now.mean() / now.std(ddof=1) * year)
    assert found.delayed == pytest.approx(late.mean() / late.std(ddof=1) * year)


@pytest.mark.parametrize(
    ("sharpe", "delayed", "suspicious"),
    # yuzu-research flags a Sharpe ratio above .5 that loses over half (reference, section 3)
    [(1.0, 0.4, True), (1.0, 0.6, False), (0.4, 0.0, False), (0.6, -0.2, True)],
)
def test_what_hangs_on_one_bar_is_suspicious(
    sharpe: float, delayed: float, suspicious: bool
) -> None:
    assert Lag(sharpe, delayed).suspicious == suspicious


def test_a_short_gains_where_its_lag_is_measured() -> None:
    bars = plant_edge(600)
    genes = {**REVERSAL, "entry": "roc(close, 1) > 0.5", "exit": "roc(close, 1) < 0"}
    report = prove_genome(
        Backtester(bars, account=FREE, dialect=Dialect.VECTORBT),  # daily shorts are allowed there
        genome_from_genes({**genes, "side": "short"}),
        _rng(),
    )
    assert report.lag is not None
    assert report.lag.sharpe > 1.0


@pytest.mark.parametrize(
    ("sessions", "genes", "error", "complaint"),
    [
        pytest.param(299, {}, DataError, "at least 300", id="too few bars"),
        pytest.param(
            600, {"entry": "close < 0 * close"}, VerdictRefused, "never trades", id="no trade"
        ),
        pytest.param(600, {"entry": "index > 5 * index"}, DataError, "no series", id="no index"),
    ],
)
def test_what_proves_nothing_is_refused(
    sessions: int, genes: dict[str, object], error: type[Exception], complaint: str
) -> None:
    tester = Backtester(plant_edge(sessions), account=FREE)
    with pytest.raises(error, match=complaint):
        prove_genome(tester, genome_from_genes({**REVERSAL, **genes}), _rng())


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda b: np.full(b.shape, np.nan), id="undefined"),
        pytest.param(lambda b: np.zeros(b.shape, dtype=bool), id="never true"),
        pytest.param(lambda b: np.full(b.shape[1], UNKNOWN, dtype=np.int8), id="no label"),
    ],
)
def test_what_has_no_value_is_not_called_proved(function: Callable[[Bars], Any]) -> None:
    report = prove(make_bars(sessions=400), [Subject("nothing", Kind.FEATURE, function)], _rng())
    assert report.proofs[0].empty
    assert report.reason.startswith("0 of 1 subjects have values")


def test_the_gate_reports_the_lag() -> None:
    case = Case(genome_from_genes(REVERSAL), Backtester(plant_edge(600), account=FREE), 1, 0, 0)
    found = gate.examine(case)
    assert found.passed
    assert found.figures["lag"]["suspicious"]
    assert "acting one bar later" in found.reason
