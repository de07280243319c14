"""Node evaluations a second of the expressions alone, the engine's and DEAP's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kasauti.bench.conventional import Conventional
from kasauti.bench.growth import WORKERS, fresh
from kasauti.bench.report import ExpressionFigures
from kasauti.bench.stopwatch import fastest
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars


def measure_expressions(
    bars: Bars,
    population: Population,
    conventional: Conventional,
    rounds: int,
) -> ExpressionFigures:
    """Measure the rules of `population` by the engine and those of `conventional` by DEAP.

    Every node of every tree counts, constants and windows included, also where the engine
    evaluates a node once for many trees: the work that was asked for is divided by the time.
    """
    sample = sum(len(one.entry) + len(one.exit) for one in conventional.strategies)
    least = {"engine": float("inf"), "deap": float("inf")}
    for _ in range(rounds):
        turns: dict[str, Callable[[], object]] = {
            "engine": _signals(bars, population),
            "deap": conventional.evaluate,
        }
        for name, seconds in fastest(turns, 1).items():
            least[name] = min(least[name], seconds)
    length = bars.shape[1]
    engine = len(population.codes) * length / least["engine"]
    deap = sample * length / least["deap"]
    return ExpressionFigures(engine, deap, engine / deap)


def _signals(bars: Bars, population: Population) -> Callable[[], object]:
    """Return a call that evaluates all rules, half of them on either thread, as a search does."""
    tester = fresh(bars)
    middle = len(population) // 2
    halves = (population[:middle], population[middle:])

    def evaluate(some: Population) -> None:
        with tester.signals.rules(some):
            pass

    def evaluate_all() -> None:
        with ThreadPoolExecutor(WORKERS) as executor:
            list(executor.map(evaluate, halves))

    evaluate(population[:1])
    return evaluate_all
