"""How the engine's time grows with strategies and with bars, and with a second worker."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from kasauti.backtest.account import Dialect
from kasauti.backtest.engine import Backtester
from kasauti.backtest.result import Scores
from kasauti.bench.stopwatch import fastest
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars

WORKERS = 2


@dataclass(frozen=True)
class Growth:
    """One point of a curve.

    `ratio_to_linear` is the seconds over those that the point before it, scaled by strategies or
    bars, would have given: 1 is exactly linear, below 1 is cheaper. The first point has none.
    """

    over: str
    strategies: int
    bars: int
    seconds: float
    strategies_per_s: float
    bars_per_s: float
    ratio_to_linear: float | None


@dataclass(frozen=True)
class Workers:
    """Seconds of the same population with one thread and with two, and whether scores are equal."""

    one_s: float
    two_s: float
    speed_up: float
    identical: bool


def fresh(bars: Bars) -> Backtester:
    """Return a `Backtester` that has prepared its bars and remembers no rule worth naming."""
    tester = Backtester(bars, dialect=Dialect.VECTORBT)
    _ = tester.labels, tester.features.atr()
    return tester


def seconds_of(
    bars: Bars, population: Population, executor: Executor | None, rounds: int = 3
) -> float:
    """Return the least seconds of the whole chain, every time on a fresh `Backtester`."""
    least = float("inf")
    for _ in range(rounds):
        tester = fresh(bars)
        tester.scores(population[:1], executor)  # prepares what is the same for every population
        turn = {"engine": partial(tester.scores, population, executor)}
        least = min(least, fastest(turn, 1)["engine"])
    return least


def over_strategies(
    bars: Bars, population: Population, counts: Sequence[int], step: Callable[[], None]
) -> list[Growth]:
    """Measure the first `counts` genomes of `population` on all bars."""
    points: list[Growth] = []
    with ThreadPoolExecutor(WORKERS) as executor:
        for count in counts:
            seconds = seconds_of(bars, population[:count], executor, _rounds(count))
            points.append(_point("strategies", count, bars.shape[1], seconds, points))
            step()
    return points


def over_bars(
    bars: Bars, population: Population, lengths: Sequence[int], step: Callable[[], None]
) -> list[Growth]:
    """Measure `population` on the first `lengths` bars."""
    points: list[Growth] = []
    with ThreadPoolExecutor(WORKERS) as executor:
        for length in lengths:
            some = bars.between(0, length)
            seconds = seconds_of(some, population, executor, _rounds(length))
            points.append(_point("bars", len(population), length, seconds, points))
            step()
    return points


def measure_workers(bars: Bars, population: Population, rounds: int = 3) -> Workers:
    """Measure one thread against two, taking turns."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(WORKERS) as two:
        least = {"one": float("inf"), "two": float("inf")}
        for _ in range(rounds):
            for name, executor in (("one", one), ("two", two)):
                least[name] = min(least[name], seconds_of(bars, population, executor, 1))
        scores = [fresh(bars).scores(population, executor) for executor in (one, two)]
    return Workers(least["one"], least["two"], least["one"] / least["two"], _identical(*scores))


def _identical(first: Scores, second: Scores) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        for name in vars(first)
    )


def _rounds(size: int) -> int:
    return 5 if size <= 5_000 else 2


def _point(over: str, strategies: int, bars: int, seconds: float, before: list[Growth]) -> Growth:
    ratio = None
    if before:
        last = before[-1]
        grown = strategies * bars / (last.strategies * last.bars)
        ratio = seconds / (last.seconds * grown)
    per_s = strategies / seconds
    return Growth(over, strategies, bars, seconds, per_s, per_s * bars, ratio)
