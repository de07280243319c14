"""The whole chain on one market: the engine and its rivals on one population, taking turns."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from kasauti.backtest.vectorbt_call import Engine, figures, has_rust
from kasauti.bench.conventional import Conventional, Figures, numpy_figures
from kasauti.bench.equality import Equality, compare_with
from kasauti.bench.growth import fresh, seconds_of
from kasauti.bench.population import character_of
from kasauti.bench.report import PopulationFigures
from kasauti.bench.stopwatch import fastest
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars

WARM_UP = 8
"""Genomes that compile vectorbt's kernels before anything is timed."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Bars, the population and the part of it that the rivals run."""

    bars: Bars
    population: Population
    sample: Population
    conventional: Conventional

    @classmethod
    def of(cls, bars: Bars, population: Population, compared: int) -> "Chain":
        """Prepare the first `compared` genomes of `population` for the rivals."""
        sample = population[:compared]
        return cls(bars, population, sample, Conventional(fresh(bars), sample))


def engines() -> tuple[Engine, ...]:
    """Return the engines of vectorbt that are installed here."""
    return ("numba", "rust") if has_rust() else ("numba",)


def best_batches(conventional: Conventional) -> dict[Engine, int]:
    """Return the number of columns a call that is best for each engine, everything compiled."""
    for engine in engines():
        for asked in (figures, numpy_figures):
            conventional.run(engine, WARM_UP, min(WARM_UP, len(conventional)), asked)
    return {engine: conventional.best_batch(engine) for engine in engines()}


def measure_chain(
    chain: Chain, executor: Executor, one: Executor, rounds: int, step: Callable[[str], None]
) -> PopulationFigures:
    """Measure the engine on the whole population and its rivals on the sample.

    Parameters
    ----------
    chain : Chain
    executor, one : Executor
        Of two threads and of one.
    rounds : int
    step : callable
        Told what comes next.
    """
    step("the best number of columns a call for vectorbt")
    batches = best_batches(chain.conventional)
    rivals: dict[str, Callable[[], object]] = {"deap": chain.conventional.evaluate}
    asked: dict[str, Figures] = {"": figures, "_numpy": numpy_figures}
    for engine, batch in batches.items():
        for name, function in asked.items():
            run = partial(chain.conventional.run, engine, batch, None, function)
            rivals[f"{engine}{name}"] = run
    step("the engine and vectorbt, taking turns")
    least: dict[str, float] = {}
    for _ in range(rounds):
        found = {
            "engine": seconds_of(chain.bars, chain.population, executor, 1),
            "one": seconds_of(chain.bars, chain.population, one, 1),
            **fastest(rivals, 1),
        }
        least = {name: min(taken, least.get(name, taken)) for name, taken in found.items()}
    step("every trade against vectorbt's")
    scores = chain.conventional.tester.scores(chain.sample, executor)
    equal = [compare_with(chain.conventional, scores, *pair) for pair in batches.items()]
    return _figures(chain, least, batches, equal)


def _figures(
    chain: Chain, least: dict[str, float], batches: dict[Engine, int], equal: list[Equality]
) -> PopulationFigures:
    whole, compared = len(chain.population), len(chain.conventional)
    per_s = {
        name: (whole if name in ("engine", "one") else compared) / seconds
        for name, seconds in least.items()
    }
    ratio = {name: per_s["engine"] / speed for name, speed in per_s.items()}
    like = character_of(chain.conventional.tester, chain.population, chain.sample)
    return PopulationFigures(
        market=chain.bars.symbols[0],
        strategies=whole,
        bars=chain.bars.shape[1],
        compared=compared,
        mean_nodes=like.mean_nodes,
        mean_trades=like.mean_trades,
        exposure=like.exposure,
        kasauti_per_s=per_s["engine"],
        kasauti_one_worker_per_s=per_s["one"],
        vectorbt_numba_per_s=per_s["numba"],
        vectorbt_rust_per_s=per_s.get("rust"),
        vectorbt_numba_numpy_per_s=per_s["numba_numpy"],
        vectorbt_rust_numpy_per_s=per_s.get("rust_numpy"),
        ratio_numba=ratio["numba"],
        ratio_rust=ratio.get("rust"),
        ratio_numba_numpy=ratio["numba_numpy"],
        ratio_rust_numpy=ratio.get("rust_numpy"),
        columns_a_call={str(name): batch for name, batch in batches.items()},
        microseconds={name: 1e6 / speed for name, speed in per_s.items()},
        compared_trades=max(one.trades for one in equal),
        differing_genomes=max(one.differing_genomes for one in equal),
        max_relative_difference=max(one.max_relative_difference for one in equal),
    )
