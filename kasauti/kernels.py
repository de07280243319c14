"""Compiles every kernel once, so that no later command waits for numba; nothing is backtested."""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from kasauti.backtest.account import Dialect
from kasauti.backtest.engine import Backtester
from kasauti.backtest.second_opinion import compare
from kasauti.evolution.ranking import first_dominators
from kasauti.features.indicators import compile_kernels as compile_features
from kasauti.features.rolling import compile_kernels as compile_rolling
from kasauti.genome.files import genome_from_genes
from kasauti.genome.model import Genome
from kasauti.genome.warming import compile_kernels as compile_breeding
from kasauti.kernel_cache import drop_stale_kernels
from kasauti.market import charges
from kasauti.market.bars import Bars
from kasauti.market.sources import load_sample
from kasauti.validation.stress.labels import compile_kernels as compile_labels


def compile_kernels() -> dict[str, float]:
    """Compile what is not yet in numba's disk cache, vectorbt's simulator included.

    Kernels of earlier sources are deleted, see `kasauti.kernel_cache`.

    Returns
    -------
    dict of str to float
        Seconds that each part took.
    """
    drop_stale_kernels()
    bars, genomes = _bars(), _genomes()
    parts: dict[str, Callable[[], object]] = {
        "features": compile_features,
        "rolling features": compile_rolling,
        "charges": _charges,
        "breeding": compile_breeding,
        "selection": lambda: first_dominators(np.zeros((1, 3)), np.zeros((1, 3))),
        "backtest": lambda: _backtest(bars, genomes),
        "labels of worlds": compile_labels,
        "vectorbt": lambda: compare(genomes, bars),
        "vectorbt, as a verdict calls it": lambda: _second_opinion(genomes),
    }
    seconds = {}
    for name, compile_part in parts.items():
        before = perf_counter()
        compile_part()
        seconds[name] = perf_counter() - before
    return seconds


def _charges() -> None:
    row = charges.NSE_CHARGES.rates(np.array(["2025-01-01"], dtype="datetime64[D]"))[0]
    charges.leg_charges(row, True, True, 1000.0)
    charges.variable_buy_rate(row, True)


def _backtest(bars: Bars, genomes: list[Genome]) -> None:
    for dialect in Dialect:
        tester = Backtester(bars, dialect=dialect)
        tester.score_all(genomes)
        tester.run(genomes[0])


def _second_opinion(genomes: list[Genome]) -> None:
    """Call vectorbt as a verdict does, one genome on real bars: other types, 27 s of compiling."""
    sample = load_sample().bars
    for genome in genomes:
        compare([genome], sample)


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
