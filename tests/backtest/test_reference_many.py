"""The engine against the reference simulator on 10,000 genomes over short pieces of damaged bars.

The pieces are many and short, so that starts, ends, gaps and windows are met often. The reference
reads the engine's own packed rules: that those are right is for `tests/features/test_signals.py`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Slippage
from kasauti.backtest.kernel import REASONS
from kasauti.backtest.result import Scores
from kasauti.features.bits import unpack
from kasauti.genome import Genome, Side, parse_expression
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.codes import ALL_REGIMES, ATR, FRACTION, NO_DISTANCE, Population
from kasauti.market.bars import PRICE_FIELDS, Bars, Floats
from kasauti.market.charges import NO_CHARGES
from kasauti.market.markets import NSE
from kasauti.regimes.model import REGIMES, OnlineLabels
from tests.backtest import real_bars, reference
from tests.backtest.damage import damaged
from tests.backtest.reference import Bar, Run
from tests.backtest.test_reference import as_reference_bars

PIECES, GENOMES = 50, 200
SHORTS_ALLOWED = replace(NSE, daily_shorts=True)
Windows = list[tuple[int, int]]

ACCOUNTS = {
    "ten lakh": Account(),
    "five thousand": Account(capital=5_000.0),
    "crowded": Account(capital=30_000.0, slippage=Slippage(0.001, 0.3)),
    "free": Account(capital=100_000.0, charges=NO_CHARGES, slippage=NO_SLIPPAGE),
    "fifty": Account(capital=50.0),
}

KINDS = (
    "indices",
    "stocks",
    "intraday",
    "damaged indices",
    "damaged stocks",
    "damaged intraday",
    "wild stocks",
    "still intraday",
    "silent stocks",
    "short stocks",
)
"""What is done to a piece, and of which bars it is; every kind is met with every account."""


def cut(bars: Bars, rng: np.random.Generator, width: int) -> Bars:
    first = int(rng.integers(0, bars.shape[1] - width + 1))
    rows = sorted(rng.permutation(len(bars.symbols))[: int(rng.integers(1, 4))])
    return bars.between(first, first + width).select(tuple(bars.symbols[row] for row in rows))


def changed(bars: Bars, volume: Floats | None = None, **prices: Any) -> Bars:
    return replace(bars, volume=bars.volume if volume is None else volume, **prices)


def wild(bars: Bars, rng: np.random.Generator) -> Bars:
    """Prices that double within days, some on bars without an open: no stop saves a short there."""
    factor = np.exp(np.cumsum(rng.normal(0.05, 0.2, bars.shape), axis=1))
    prices = {name: getattr(bars, name) * factor for name in PRICE_FIELDS}
    for first in rng.integers(0, bars.shape[1], 8):
        prices["open"][:, first : first + 10] = np.nan
    return changed(bars, **prices)


def still(bars: Bars, rng: np.random.Generator) -> Bars:
    """Stretches of one single price, so that levels are met exactly."""
    prices = {name: getattr(bars, name).copy() for name in PRICE_FIELDS}
    for first in rng.integers(0, bars.shape[1], 4):
        for values in prices.values():
            values[:, first : first + 25] = prices["close"][:, first : first + 1]
    return changed(bars, **prices)


def silent(bars: Bars, rng: np.random.Generator) -> Bars:
    """No volume for weeks, next to none otherwise; and one symbol that never lists."""
    volume = rng.integers(0, 200, bars.shape).astype(np.float64)
    for first in rng.integers(0, bars.shape[1], 3):
        volume[:, first : first + 30] = 0.0
    prices = {name: getattr(bars, name).copy() for name in PRICE_FIELDS}
    for values in (*prices.values(), volume):
        values[-1] = np.nan
    return changed(bars, volume, **prices)


SHORT = (1, 1, 2, 3, 5)
"""Bars of the short pieces; of the second one nothing is known at all."""


def piece_of_bars(kind: str, turn: int, rng: np.random.Generator) -> Bars:
    source = {
        "indices": real_bars.indices,
        "stocks": real_bars.stocks,
        "intraday": real_bars.intraday,
    }[kind.split()[-1]]()
    change = kind.split()[0]
    if change == "short":
        bars = cut(source, rng, SHORT[turn])
        return silent(bars.select(bars.symbols[:1]), rng) if turn == 1 else bars
    bars = cut(source, rng, int(rng.integers(60, 260)))
    if change == "damaged":
        return damaged(bars, int(rng.integers(2**31)))
    return {"wild": wild, "still": still, "silent": silent}.get(change, lambda b, _: b)(bars, rng)


def labels_for(length: int, rng: np.random.Generator) -> OnlineLabels:
    """Regimes that last some ten bars; unknown at times, not only at the start."""
    turns = np.cumsum(rng.random(length) < 0.1)
    return OnlineLabels(rng.integers(-1, len(REGIMES), length + 1).astype(np.int8)[turns])


def genomes(rng: np.random.Generator) -> Population:
    """Random rules, and some that hold always or never; all other genes over their whole range."""
    found = list(random_population(rng, GENOMES, Vocabulary(sides=tuple(Side))))
    always, never = parse_expression("close > 0"), parse_expression("close < 0")
    rising = parse_expression("close > lag(close, 1)")
    for i, chance in enumerate(rng.random(GENOMES)):
        if chance < 0.2:
            found[i] = replace(found[i], entry=always)
        elif chance < 0.4:
            found[i] = replace(found[i], exit=never)
        elif chance < 0.6:
            found[i] = replace(found[i], entry=rising, exit=never)
    population = Population.of(found)
    genes = population.genes
    genes["side"] = rng.choice([1.0, -1.0], GENOMES)
    for name, kinds in (
        ("stop", (ATR, FRACTION)),
        ("target", (ATR, FRACTION, NO_DISTANCE)),
        ("trail", (ATR, FRACTION, NO_DISTANCE)),
    ):
        kind = rng.choice(kinds, GENOMES)
        multiple = np.exp(rng.uniform(np.log(0.5), np.log(20.0), GENOMES))
        fraction = np.exp(rng.uniform(np.log(0.002), np.log(0.9), GENOMES))
        value = np.where(kind == ATR, multiple, fraction)
        genes[f"{name}_kind"], genes[name] = kind, np.where(kind == NO_DISTANCE, 0.0, value)
    genes["max_bars"] = np.where(rng.random(GENOMES) < 0.5, 0, rng.integers(1, 40, GENOMES))
    genes["risk"] = np.where(rng.random(GENOMES) < 0.4, 1.0, rng.uniform(0.002, 0.2, GENOMES))
    some = rng.integers(1, ALL_REGIMES, GENOMES)
    genes["regimes"] = np.where(rng.random(GENOMES) < 0.5, ALL_REGIMES, some)
    return population


@dataclass(frozen=True, eq=False)
class Piece:
    tester: Backtester
    population: Population
    windows: Windows
    chosen: NDArray[np.int64]
    """Window in which each genome is traced."""


def piece(number: int) -> Piece:
    rng = np.random.default_rng(1000 + number)
    kind = KINDS[number % len(KINDS)]
    turn = number // len(KINDS)
    account = list(ACCOUNTS)[turn]
    bars = piece_of_bars(kind, turn, rng)
    length = bars.shape[1]
    tester = Backtester(
        bars,
        account=ACCOUNTS[account],
        labels=labels_for(length, rng),
        market=SHORTS_ALLOWED if bars.is_daily else NSE,
    )
    first, second = sorted(rng.integers(0, length, 2))
    one = int(rng.integers(0, length))
    windows = [(0, length), (first, second + 1), (length // 4, 10 * length), (one, one + 1)]
    chosen = rng.choice(len(windows), GENOMES, p=[0.4, 0.3, 0.25, 0.05])
    return Piece(tester, genomes(rng), windows, chosen)


@dataclass(frozen=True, eq=False)
class Trial:
    """One genome by the reference, a run a symbol."""

    genome: Genome
    runs: list[Run]


def trials(one: Piece) -> Iterator[Trial]:
    tester = one.tester
    symbols, length = tester.bars.shape
    with tester.signals.rules(one.population) as rules:
        flags = unpack(rules.packed[rules.which], length)
    panel = [as_reference_bars(tester, one.population[0], row) for row in range(symbols)]
    for i, genome in enumerate(one.population):
        start, stop = one.windows[one.chosen[i]]
        runs = []
        for row, bars in enumerate(panel):
            _set_rules(bars, flags[i, 0, row].tolist(), flags[i, 1, row].tolist())
            runs.append(reference.simulate(bars, genome, tester.account, start, min(stop, length)))
        yield Trial(genome, runs)


def _set_rules(bars: list[Bar], entry: list[bool], leave: list[bool]) -> None:
    for bar, enters, leaves in zip(bars, entry, leave, strict=True):
        bar["entry"], bar["exit"] = enters, leaves


def assert_same_trades(one: Piece, found: list[Trial]) -> None:
    """Compare trades, reasons, quantities, curves, charges and counters of every genome."""
    ours: dict[str, list[float]] = {"money": [], "equity": []}
    theirs: dict[str, list[float]] = {"money": [], "equity": []}
    for i, trial in enumerate(found):
        passes = one.tester.passes(trial.genome, *one.windows[one.chosen[i]])
        for row, run in enumerate(trial.runs):
            outcome, trades = passes.outcomes[row], passes.trades[row]
            where = f"genome {i}, symbol {row}, {trial.genome}"
            got = [
                (*numbers, REASONS[reason])
                for *numbers, reason in trades[
                    ["entry_bar", "exit_bar", "quantity", "reason"]
                ].tolist()
            ]
            assert got == [
                (x["entry"], x["exit"], x["quantity"], x["reason"]) for x in run.trades
            ], where
            assert outcome.trades == len(run.trades), where
            assert outcome.quantity == (run.open["quantity"] if run.open else 0), where
            assert outcome.held == run.held, where
            assert outcome.below_one_share == run.counters["small"], where
            assert outcome.undefined_distance == run.counters["undefined"], where
            assert outcome.without_volume == run.counters["no volume"], where
            for name in ("entry_price", "exit_price", "charges", "profit"):
                ours["money"] += trades[name].tolist()
                theirs["money"] += [x[name.replace("_", " ")] for x in run.trades]
            ours["money"].append(outcome.charges)
            theirs["money"].append(run.charges)
            ours["equity"] += passes.equity[row].tolist()
            theirs["equity"] += run.equity
    capital = one.tester.account.capital
    np.testing.assert_allclose(ours["money"], theirs["money"], rtol=1e-9, atol=1e-5)
    np.testing.assert_allclose(ours["equity"], theirs["equity"], rtol=1e-10, atol=1e-12 * capital)


RATIOS = ("sharpe", "t", "symbol_sharpe", "regime_t")
"""Means over deviations. The engine keeps sums of squares: where returns hardly differ (a t of
thousands, from two or three bars), what cancels costs ``eps * t ** 2`` of relative precision."""


def returns_of(equity: Floats) -> Floats:
    returns = np.zeros_like(equity)
    before = equity[..., :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns[..., 1:] = np.where(before > 0, equity[..., 1:] / before - 1, 0.0)
    return returns


def t_of(returns: Floats) -> Floats:
    """Mean over standard error, 0 where there is no variance."""
    count = returns.shape[-1]
    if count < 2:
        return np.zeros(returns.shape[:-1])
    deviation = returns.std(axis=-1, ddof=1)
    ratio = returns.mean(axis=-1) / np.where(deviation > 0, deviation, np.inf)
    return np.asarray(ratio * np.sqrt(count))


def figures(one: Piece, found: list[Trial], k: int) -> dict[str, Floats]:
    """The figures of some genomes that were all traced in window k, from the reference's curves."""
    tester = one.tester
    start = one.windows[k][0]
    equity = np.array([[run.equity for run in trial.runs] for trial in found])
    symbols, width = equity.shape[1:]
    codes = tester.labels.codes
    panel, whole = equity.sum(axis=1), tester.account.capital * symbols
    year = np.sqrt(252 * tester.bars.bars_a_session / width)
    returns = returns_of(panel)
    peak = np.maximum.accumulate(np.maximum(panel, whole), axis=1)
    by_regime = [
        returns[:, 1:][:, codes[start : start + width - 1] == label]
        for label in range(len(REGIMES))
    ]
    entries = [[x["entry"] - 1 for run in trial.runs for x in run.trades] for trial in found]
    return {
        "sharpe": t_of(returns) * year,
        "total_return": panel[:, -1] / whole - 1,
        "max_drawdown": np.minimum((panel / peak - 1).min(axis=1), 0.0),
        "trades": np.array([len(bars) for bars in entries]),
        "charges": np.array([sum(run.charges for run in trial.runs) for trial in found]),
        "t": t_of(returns),
        "symbol_sharpe": t_of(returns_of(equity)) * year,
        "symbol_trades": np.array([[len(run.trades) for run in x.runs] for x in found]),
        "regime_mean": np.stack(
            [r.mean(axis=1) if r.size else np.zeros(len(r)) for r in by_regime], axis=1
        ),
        "regime_t": np.stack([t_of(r) for r in by_regime], axis=1),
        "regime_trades": np.array(
            [[(codes[bars] == label).sum() for label in range(len(REGIMES))] for bars in entries]
        ),
    }


def assert_same_figures(one: Piece, found: list[Trial], table: list[Scores]) -> None:
    for k, scores in enumerate(table):
        which = np.flatnonzero(one.chosen == k)
        if len(which) == 0:
            continue
        for name, wanted in figures(one, [found[i] for i in which], k).items():
            got = getattr(scores, name)[which]
            assert got.shape == wanted.shape
            assert got.dtype == wanted.dtype
            allowed = 1e-9 * np.abs(wanted) + 1e-10
            if name in RATIOS:
                allowed += 1e-15 * np.abs(wanted) ** 3
            wrong = np.argwhere(~(np.abs(got - wanted) <= allowed))
            assert len(wrong) == 0, (name, k, wrong[:3], got[wrong[0][0]], wanted[wrong[0][0]])


@cache
def compared(number: int) -> Counter[str]:
    """Compare the genomes of one piece; return what came to pass."""
    one = piece(number)
    found = list(trials(one))
    assert_same_trades(one, found)
    assert_same_figures(one, found, one.tester.scores_over(one.population, one.windows))
    seen: Counter[str] = Counter(genomes=len(found))
    codes = one.tester.labels.codes
    for trial in found:
        for run in trial.runs:
            seen["runs"] += 1
            seen["bars"] += len(run.equity)
            seen["ruined"] += min(run.equity) <= 0
            seen.update(trade["reason"] for trade in run.trades)
            seen.update({name: count for name, count in run.counters.items() if count})
            seen["open"] += run.open is not None
            seen["same session"] += sum(trade["entry"] == trade["exit"] for trade in run.trades)
            seen[f"{trial.genome.side.value} trades"] += len(run.trades)
            seen.update(f"label {codes[trade['entry'] - 1]}" for trade in run.trades)
    return seen


@pytest.fixture(scope="module", autouse=True)
def _remembered_rates() -> Iterator[None]:
    """Let the reference work out a day's rate once: it asks at every entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "variable_rate", cache(reference.variable_rate))
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_engine_and_reference_agree_on_trades_curves_and_figures(kind: str) -> None:
    numbers = range(KINDS.index(kind), PIECES, len(KINDS))
    seen = sum((compared(number) for number in numbers), Counter())
    assert seen["genomes"] == GENOMES * PIECES // len(KINDS)
    positions = seen["long trades"] + seen["short trades"] + seen["open"]
    enough = 10 if kind.startswith("short") else 2000
    assert positions >= enough, "too few to say anything"


def test_ten_thousand_genomes_came_across_everything() -> None:
    seen = sum((compared(number) for number in range(PIECES)), Counter())
    assert seen["genomes"] == 10_000
    wanted = {
        *REASONS[1:],
        *("open", "small", "undefined", "no volume", "same session", "ruined"),
        *(f"label {code}" for code in range(-1, len(REGIMES))),
    }
    rare = {name: seen[name] for name in wanted if seen[name] < 20}
    assert not rare
    assert min(seen["long trades"], seen["short trades"]) >= 10_000


def test_the_pieces_hold_what_they_are_meant_to() -> None:
    bars = [piece(number).tester.bars for number in range(PIECES)]
    assert any(one.shape[1] == 1 for one in bars)
    assert any(one.shape[0] == 1 for one in bars)
    assert any(one.shape[0] > 2 for one in bars)
    assert any(np.isnan(one.close[row]).all() for one in bars for row in range(one.shape[0]))
    assert any(np.isnan(one.close).all() for one in bars)
    assert any((one.volume == 0).any() for one in bars)
    assert any(np.isnan(one.open).any() for one in bars)
