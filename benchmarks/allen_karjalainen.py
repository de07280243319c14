"""The experiment of Allen and Karjalainen (1999) on S&P 500 closes, with Kasauti's own search.

Rules are bred on five years; of those that beat buying and holding there, the best on the next two
years is kept if it beats it there too, and what it earns on everything that follows is the answer.
Honest genetic programming finds nothing: the null beside the result was measured with another
system on the same closes. A large positive number would be evidence of a leak, not of skill.

That system bred for return over buying and holding; ours breeds for Sharpe, consistency and
simplicity, so its rules are in the market less, and the market rose. `timing` takes that out: what
a rule earned over holding the market for the same share of the sessions.

    python -m benchmarks.allen_karjalainen [--write docs/regimes.md]
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from benchmarks.marks import write_between
from kasauti.backtest import Account, Backtester, Slippage
from kasauti.evolution.register import TrialRegister
from kasauti.evolution.search import SearchSettings, evolve
from kasauti.genome import Genome
from kasauti.market.bars import Bars, Floats
from kasauti.market.charges import NO_CHARGES
from kasauti.regimes.model import OnlineLabels
from kasauti.regimes.online import label_online

STARTS = (1991, 1996, 2001, 2006)
TRAIN, SELECT = 5, 2  # years
SEEDS = range(8)
PUBLISHED = {0.0: -0.9, 0.001: -1.6, 0.0025: -2.5}
"""One-way cost, and the out-of-sample excess in per cent a year of the reference's section 6."""

LEAD = 250  # sessions before the training years, on which the longest averages warm up
EVALUATIONS, POPULATION = 9_000, 300  # of the reference's experiment: 300 rules, 30 generations
TRADES = 10  # in the training years at least; rules of the paper trade about three times a year
CAPITAL = 1e9  # so that whole shares do not matter
SESSIONS_A_YEAR = 252


@dataclass(frozen=True)
class Found:
    """What one rule earned over buying and holding, in per cent a year, and how much it was in."""

    train: float
    select: float
    test: float
    exposure: float
    timing: float


def closes_only(closes: "pd.Series[float]") -> Bars:
    """Return bars whose every price is the close, so that an order fills on the next close."""
    prices: Floats = np.asarray(closes, dtype=np.float64)[None]
    times = pd.DatetimeIndex(closes.index).to_numpy().astype("datetime64[D]")
    volume = np.full(prices.shape, np.nan)
    return Bars("sample", ("SP500",), times, prices, prices, prices, prices, volume)


def all_in(genome: Genome) -> Genome:
    """Return the rule as the paper trades it: everything in the market, or nothing."""
    return replace(genome, risk=1.0)


def excess(backtester: Backtester, genome: Genome, start: int, stop: int) -> float:
    """Return the log return over buying and holding, in per cent a year."""
    years = (stop - 1 - start) / SESSIONS_A_YEAR
    earned = np.log1p(backtester.score(genome, start, stop).total_return)
    return float(100.0 * earned / years) - market(backtester.bars, start, stop)


def market(bars: Bars, start: int, stop: int) -> float:
    """Return the log return of holding, in per cent a year."""
    years = (stop - 1 - start) / SESSIONS_A_YEAR
    return float(100.0 * np.log(bars.close[0, stop - 1] / bars.close[0, start]) / years)


def search(whole: Backtester, year: int, seed: int) -> Found | None:
    """Return what the rule of one search earned, None if no rule was kept."""
    bars = whole.bars
    begin, middle, end = np.searchsorted(
        bars.times.astype("datetime64[Y]"),
        [np.datetime64(str(year + years)) for years in (0, TRAIN, TRAIN + SELECT)],
    ).tolist()
    lead = max(begin - LEAD, 0)
    train = Backtester(
        bars.between(lead, middle),
        account=whole.account,
        labels=OnlineLabels(whole.labels.codes[lead:middle]),
    )
    settings = SearchSettings(
        seed=seed, evaluations=EVALUATIONS, population=POPULATION, min_trades=TRADES
    )
    with tempfile.TemporaryDirectory() as folder:
        at = datetime(2026, 11, 22, tzinfo=ZoneInfo("Asia/Kolkata"))  # of a register thrown away
        register = TrialRegister(Path(folder) / "register.db")
        front = evolve(train, settings, register, Path(folder), at=at).front
    rules = [all_in(member.genome) for member in front]
    rules = [rule for rule in rules if excess(whole, rule, begin, middle) > 0.0]
    best = max(rules, key=lambda rule: excess(whole, rule, middle, end), default=None)
    if best is None or excess(whole, best, middle, end) <= 0.0:
        return None
    last = bars.shape[1]
    test, exposure = excess(whole, best, end, last), whole.run(best, end).metrics.exposure
    return Found(
        train=excess(whole, best, begin, middle),
        select=excess(whole, best, middle, end),
        test=test,
        exposure=exposure,
        timing=test + (1.0 - exposure) * market(bars, end, last),
    )


def rows(closes: "pd.Series[float]") -> Iterator[str]:
    """Yield the table, a row a cost."""
    bars = closes_only(closes)
    labels = label_online(bars)
    yield (
        "| one-way cost | rules kept | train | selection | **out of sample** | spread | above 0 |"
        " null | in the market | timing |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for cost, null in PUBLISHED.items():
        account = Account(CAPITAL, NO_CHARGES, Slippage(cost, 0.0))
        whole = Backtester(bars, account=account, labels=labels)
        found = [search(whole, year, seed) for year in STARTS for seed in SEEDS]
        kept = [one for one in found if one is not None]
        tests = np.array([one.test for one in kept])

        def mean(name: str, of: list[Found] = kept) -> float:
            return float(np.mean([getattr(one, name) for one in of]))

        yield (
            f"| {cost:.2%} | {len(kept)} of {len(found)} | {mean('train'):+.1f} "
            f"| {mean('select'):+.1f} | **{mean('test'):+.1f}** | {tests.std(ddof=1):.1f} "
            f"| {int((tests > 0.0).sum())} | {null:+.1f} | {mean('exposure'):.0%} "
            f"| {mean('timing'):+.1f} |"
        )


def main() -> None:
    """Run all searches, and print the table or write it."""
    from skfolio.datasets import load_sp500_index

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file whose marked part becomes the table")
    chosen = parser.parse_args()
    table = "\n".join(rows(load_sp500_index()["SP500"]))
    write_between(chosen.write, "allen-karjalainen", table)


if __name__ == "__main__":
    main()
