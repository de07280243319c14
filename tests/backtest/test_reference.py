"""The kernel against the reference simulator: trade for trade, over random genomes on real bars."""

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Slippage
from kasauti.backtest.kernel import REASONS
from kasauti.genome import Genome, Side
from kasauti.genome.breeding import random_genome
from kasauti.market.bars import FIELDS, Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.markets import NSE
from tests.backtest import real_bars, reference
from tests.backtest.damage import damaged
from tests.backtest.reference import Bar, Run

SHORTS_ALLOWED = replace(NSE, daily_shorts=True)


@cache
def panel(name: str) -> Bars:
    if name.startswith("dirty "):
        return damaged(panel(name.removeprefix("dirty ")), seed=5)
    if name == "indices":
        return real_bars.indices().between(1400, 2900)
    return real_bars.stocks() if name == "stocks" else real_bars.intraday()


ACCOUNTS = {
    "ten lakh": Account(),
    "five thousand": Account(capital=5_000.0),
    "crowded": Account(capital=50_000_000.0, slippage=Slippage(0.001, 0.3)),
    "free": Account(capital=100_000.0, charges=NO_CHARGES, slippage=NO_SLIPPAGE),
}


def as_reference_bars(tester: Backtester, genome: Genome, row: int) -> list[Bar]:
    bars = tester.bars
    entry = tester.features.evaluate(genome.entry)[row]
    leave = tester.features.evaluate(genome.exit)[row]
    atr = tester.features.atr()[row]
    clock = bars.times.astype("datetime64[s]").astype(object)
    days = bars.sessions.astype(object)
    out = []
    for t in range(bars.shape[1]):
        last_of_day = t + 1 == len(days) or days[t + 1] != days[t]
        bar = {name: float(getattr(bars, name)[row, t]) for name in FIELDS}
        bar |= {
            "atr": float(atr[t]),
            "day": days[t],
            "label": int(tester.labels.codes[t]),
            "entry": bool(entry[t]),
            "exit": bool(leave[t]),
            "square_off": not tester.market.daily_shorts
            and not bars.is_daily
            and (last_of_day or clock[t].time() >= tester.market.square_off),
        }
        out.append(bar)
    return out


def assert_same(tester: Backtester, genome: Genome, window: tuple[int, int]) -> list[Run]:
    passes = tester.passes(genome, *window)
    runs = []
    for row in range(len(tester.bars.symbols)):
        bars = as_reference_bars(tester, genome, row)
        run = reference.simulate(bars, genome, tester.account, *window)
        outcome, trades = passes.outcomes[row], passes.trades[row]
        got = [
            (int(x["entry_bar"]), int(x["exit_bar"]), int(x["quantity"]), REASONS[x["reason"]])
            for x in trades
        ]
        wanted = [(x["entry"], x["exit"], x["quantity"], x["reason"]) for x in run.trades]
        assert got == wanted
        for ours, theirs in (
            ("entry_price", "entry price"),
            ("exit_price", "exit price"),
            ("charges", "charges"),
            ("profit", "profit"),
        ):
            np.testing.assert_allclose(
                trades[ours], [x[theirs] for x in run.trades], rtol=1e-9, atol=1e-5
            )
        np.testing.assert_allclose(passes.equity[row], run.equity, rtol=1e-10)
        assert outcome.quantity == (run.open["quantity"] if run.open else 0)
        assert outcome.held == run.held
        assert outcome.charges == pytest.approx(run.charges, rel=1e-9)
        assert outcome.below_one_share == run.counters["small"]
        assert outcome.undefined_distance == run.counters["undefined"]
        assert outcome.without_volume == run.counters["no volume"]
        runs.append(run)
    return runs


@cache
def population(seed: int, count: int) -> tuple[Genome, ...]:
    rng = random.Random(seed)
    genomes: list[Genome] = []
    while len(genomes) < count:
        genome = replace(random_genome(rng), side=rng.choice(tuple(Side)))
        if rng.random() < 0.3:  # size up, so that affordability decides
            genome = replace(genome, risk=1.0)
        if rng.random() < 0.3:  # hold long, so that stops, trails and targets decide
            genome = replace(genome, exit=genome.entry)
        genomes.append(genome)
    return tuple(genomes)


CASES = [
    ("indices", "ten lakh"),
    ("stocks", "ten lakh"),
    ("stocks", "five thousand"),
    ("intraday", "ten lakh"),
    ("dirty indices", "ten lakh"),
    ("dirty stocks", "ten lakh"),
    ("dirty stocks", "crowded"),
    ("dirty stocks", "free"),
    ("dirty intraday", "five thousand"),
]


@cache
def compared(bars: str, account: str) -> Counter[str]:
    """Compare 24 genomes, every third in a window of the bars; return what came to pass."""
    market = NSE if "intraday" in bars else SHORTS_ALLOWED
    tester = Backtester(panel(bars), account=ACCOUNTS[account], market=market)
    length = tester.bars.shape[1]
    seen: Counter[str] = Counter()
    for number, genome in enumerate(population(CASES.index((bars, account)), 24)):
        window = (0, length) if number % 3 else (length // 4, length - length // 5)
        for run in assert_same(tester, genome, window):
            seen.update(trade["reason"] for trade in run.trades)
            seen.update(name for name, count in run.counters.items() if count)
            seen["open"] += run.open is not None
            seen["same session"] += sum(trade["entry"] == trade["exit"] for trade in run.trades)
            seen[f"{genome.side.value} trades"] += len(run.trades)
    return seen


@pytest.mark.parametrize(("bars", "account"), CASES, ids=["-".join(case) for case in CASES])
def test_kernel_and_reference_agree_trade_for_trade(bars: str, account: str) -> None:
    seen = compared(bars, account)
    assert seen["long trades"] + seen["short trades"] >= 50, "too few trades to say anything"


def test_the_comparison_came_across_every_rule() -> None:
    seen = sum((compared(*case) for case in CASES), Counter())
    reasons = set(REASONS[1:]) - {"forced_cover"}  # needs a price that doubles: by hand below
    missing = (reasons | {"open", "small", "undefined", "no volume", "same session"}) - set(+seen)
    assert not missing
    assert min(seen["long trades"], seen["short trades"]) >= 500
