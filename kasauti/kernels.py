"""Compiles every kernel once, so that no later command waits for numba; nothing is backtested."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter

import numpy as np

from kasauti.backtest.account import Account, Dialect
from kasauti.backtest.engine import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.backtest.second_opinion import compare
from kasauti.backtest.vectorbt_call import columns_for, figures, prices_of, running, simulate
from kasauti.evolution.ranking import first_dominators
from kasauti.features.indicators import compile_kernels as compile_features
from kasauti.features.rolling import compile_kernels as compile_rolling
from kasauti.genome.codes import Population
from kasauti.genome.files import genome_from_genes
from kasauti.genome.model import Genome
from kasauti.genome.warming import compile_kernels as compile_breeding
from kasauti.kernel_cache import drop_stale_kernels
from kasauti.market import charge_kernels, charges
from kasauti.market.bars import Bars
from kasauti.market.sources import load_sample
from kasauti.regimes.online import label_closes

Part = Callable[[], object]


def compile_kernels() -> dict[str, float]:
    """Compile what is not yet in numba's disk cache, vectorbt's simulator included.

    In two processes, numba compiles with one core. Kernels of earlier sources are deleted, see
    `kasauti.kernel_cache`.

    Returns
    -------
    dict of str to float
        Seconds that each part took.
    """
    drop_stale_kernels()
    with ProcessPoolExecutor(len(GROUPS), mp_context=get_context("spawn")) as executor:
        return {name: took for group in executor.map(_compile, GROUPS) for name, took in group}


def _compile(group: str) -> list[tuple[str, float]]:
    seconds = []
    for name, compile_part in GROUPS[group]().items():
        before = perf_counter()
        compile_part()
        seconds.append((name, perf_counter() - before))
    return seconds


def _engine() -> dict[str, Part]:
    bars, genomes = _bars(), _genomes()
    return {
        "features": compile_features,
        "rolling features": compile_rolling,
        "charges": _charges,
        "backtest": lambda: _backtest(bars, genomes),
        "regime labels": lambda: label_closes(np.ones(2)),
        "second opinion": lambda: compare(genomes, bars),
    }


def _others() -> dict[str, Part]:
    genomes = _genomes()
    return {
        "vectorbt": lambda: _vectorbt(genomes, _bars()),
        "vectorbt, as a verdict calls it": lambda: _vectorbt(genomes[:1], load_sample().bars),
        "breeding": compile_breeding,
        "selection": lambda: first_dominators(np.zeros((1, 3)), np.zeros((1, 3))),
    }


GROUPS: dict[str, Callable[[], dict[str, Part]]] = {"engine": _engine, "others": _others}
"""About 150 s and 100 s; neither needs a kernel of the other, or both would compile it."""


def _charges() -> None:
    row = charges.NSE_CHARGES.rates(np.array(["2025-01-01"], dtype="datetime64[D]"))[0]
    charge_kernels.leg_charges(row, True, True, 1000.0)
    charge_kernels.variable_buy_rate(row, True)


def _backtest(bars: Bars, genomes: list[Genome]) -> None:
    for dialect in Dialect:
        tester = Backtester(bars, dialect=dialect)
        tester.score_all(genomes)
        tester.run(genomes[0])


def _vectorbt(genomes: list[Genome], bars: Bars) -> None:
    """Call vectorbt as `compare` does; without our engine, which another process compiles.

    A single column has other types than many: 27 s of compiling.
    """
    account = Account()
    prices = prices_of(bars, 0, np.ones(bars.shape), account)
    signals = np.zeros((bars.shape[1], len(genomes)), dtype=np.bool_)
    genes = Population.of(genomes).genes
    asked = columns_for(prices, account, genes, signals, signals, np.ones(signals.shape))
    with running("numba"):
        portfolio = simulate(prices, account, asked, "numba")
        portfolio.value()
        figures(portfolio, SESSIONS_A_YEAR)
        len(portfolio.trades.values)


def _bars() -> Bars:
    """Return two symbols of 120 days that rise and fall often enough to trade."""
    days = np.datetime64("2025-01-01") + np.arange(120)
    wave = 100.0 + 10.0 * np.sin(np.arange(120) / 4.0 + np.array([[0.0], [1.0]]))
    volume = np.full(wave.shape, 1e6)
    return Bars("nse", ("A", "B"), days, wave, wave + 1.0, wave - 1.0, wave + 0.5, volume)


def _genomes() -> list[Genome]:
    genes = {
        "entry": "close > sma(close, 5)",
        "exit": "close < sma(close, 5)",
        "side": "long",
        "stop": {"atr": 2.0},
        "regimes": ["bull", "bear", "sideways", "volatile"],
        "risk": 0.01,
    }
    trailing = {"stop": {"fraction": 0.05}, "trail": {"fraction": 0.04}, "target": {"atr": 3.0}}
    return [genome_from_genes(genes), genome_from_genes({**genes, **trailing})]
