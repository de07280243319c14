"""Where the time of the mean strategy goes: graph, rules, trades; on one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kasauti.backtest.engine import Backtester
from kasauti.bench.growth import fresh, seconds_of
from kasauti.bench.stopwatch import fastest
from kasauti.features.graph import Graph
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars


@dataclass(frozen=True)
class Parts:
    """Microseconds a strategy on one thread, unique nodes a strategy, and the strategies.

    `graph_us` makes equal sub-expressions one node, `rules_us` plans and evaluates them, and
    `passes_us` trades and adds up the figures.
    """

    graph_us: float
    rules_us: float
    passes_us: float
    nodes: float
    strategies: int


def measure_parts(bars: Bars, population: Population, rounds: int) -> Parts:
    """Return the parts of the whole chain, each from its least time."""
    least = {"graph": float("inf"), "rules": float("inf")}
    graph = Graph()
    for _ in range(rounds):
        graph, tester = Graph(), fresh(bars)
        _evaluate(tester, population[:1])
        turns: dict[str, Callable[[], object]] = {
            "graph": partial(graph.add, population),
            "rules": partial(_evaluate, tester, population),
        }
        for name, seconds in fastest(turns, 1).items():
            least[name] = min(least[name], seconds)
    whole = seconds_of(bars, population, None, rounds)
    scale = 1e6 / len(population)
    return Parts(
        scale * least["graph"],
        scale * (least["rules"] - least["graph"]),
        scale * (whole - least["rules"]),
        graph.count / len(population),
        len(population),
    )


def _evaluate(tester: Backtester, population: Population) -> None:
    with tester.signals.rules(population):
        pass
