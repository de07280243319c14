"""One run of the benchmark, part after part; what is measured in a part stands in its module."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from kasauti.bench.chain import Chain, measure_chain
from kasauti.bench.execution import FULL, NO_SERVER, ExecutionPlan, measure_execution
from kasauti.bench.expressions import measure_expressions
from kasauti.bench.floor import measure_floor
from kasauti.bench.growth import WORKERS, fresh, measure_workers, over_bars, over_strategies
from kasauti.bench.markets import daily_bars, intraday_bars
from kasauti.bench.memory import peak_of
from kasauti.bench.parts import measure_parts
from kasauti.bench.population import seeded_population
from kasauti.bench.report import Bench, ExecutionBench, this_machine
from kasauti.bench.search import measure_search
from kasauti.operations.progress import Progress

NO_RUST = "vectorbt's rust engine is not installed: `pip install 'kasauti[bench]'` adds its column"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    strategies, compared, at_once : int
        Genomes of the population, how many of them the rivals run, and how many's rules alone are
        evaluated: all of those rows are in memory together.
    intraday_bars, intraday_strategies, intraday_compared : int
        The same on the synthetic series.
    counts : tuple of int
        Populations of the growth over strategies, on the daily bars.
    lengths, grown : tuple of int, int
        Bars of the growth over bars, and its population.
    memory : tuple of int
        Populations whose memory is measured.
    generation, generations : int
        Of the search.
    rounds : int
    execution : ExecutionPlan
    """

    strategies: int = 100_000
    compared: int = 1_000
    at_once: int = 20_000
    intraday_bars: int = 500_000
    intraday_strategies: int = 1_000
    intraday_compared: int = 8
    counts: tuple[int, ...] = (100, 1_000, 10_000, 20_000, 100_000)
    lengths: tuple[int, ...] = (1_000, 5_000, 50_000, 500_000)
    grown: int = 1_000
    memory: tuple[int, ...] = (1_000, 10_000, 100_000)
    generation: int = 2_000
    generations: int = 20
    rounds: int = 3
    execution: ExecutionPlan = FULL


QUICK = Plan(
    strategies=1_000,
    compared=100,
    intraday_bars=20_000,
    intraday_strategies=100,
    intraday_compared=8,
    counts=(100, 1_000),
    lengths=(1_000, 5_000),
    grown=200,
    memory=(100, 1_000),
    generation=200,
    generations=2,
    rounds=2,
    execution=ExecutionPlan(seconds=2.0, orders=8, kills=2, events=10_000, writes=100),
)


def run_bench(plan: Plan, seed: int, progress: Progress, *, quick: bool = False) -> Bench:
    """Measure the engine by `plan`.

    Parameters
    ----------
    plan : Plan
    seed : int
        Of the population, the synthetic series and the search.
    progress : Progress
        Shows the parts and keeps their seconds.
    quick : bool
        Written into the result, so that a first look is not taken for a measurement.
    """
    begun = perf_counter()
    with ThreadPoolExecutor(WORKERS) as two, ThreadPoolExecutor(1) as one:
        with progress.stage("bars and population"):
            bars, intraday = daily_bars(), intraday_bars(plan.intraday_bars, seed)
            most = max(plan.strategies, plan.grown, *plan.counts, *plan.memory)
            everyone = seeded_population(most, seed)
            chain = Chain.of(bars, everyone[: plan.strategies], plan.compared)
        with progress.stage("population") as stage:
            population = measure_chain(chain, two, one, plan.rounds, stage.say)
        at_once = chain.population[: plan.at_once]
        with progress.stage("parts"):
            parts = measure_parts(bars, at_once, plan.rounds)
        with progress.stage("expressions"):
            expressions = measure_expressions(bars, at_once, chain.conventional, plan.rounds)
        with progress.stage("intraday") as stage:
            some = everyone[: plan.intraday_strategies]
            narrow = Chain.of(intraday, some, plan.intraday_compared)
            on_intraday = measure_chain(narrow, two, one, plan.rounds, stage.say)
        with progress.stage("floor"):
            floor = {
                "daily": measure_floor(fresh(bars)),
                "intraday": measure_floor(fresh(intraday)),
            }
        with progress.stage("growth", len(plan.counts) + len(plan.lengths)) as stage:
            growth = (
                *over_strategies(bars, everyone, plan.counts, stage.advance),
                *over_bars(intraday, everyone[: plan.grown], plan.lengths, stage.advance),
            )
        with progress.stage("workers"):
            workers = measure_workers(bars, chain.population, plan.rounds)
        with progress.stage("search"):
            search = measure_search(bars, seed, plan.generation, plan.generations, two)
        with progress.stage("memory", len(plan.memory)) as stage:
            memory = []
            for count in plan.memory:
                memory.append(peak_of(everyone[:count]))
                stage.advance()
    return Bench(
        machine=this_machine(),
        seed=seed,
        quick=quick,
        population=population,
        intraday=on_intraday,
        parts=parts,
        expressions=expressions,
        search=search,
        floor=floor,
        growth=growth,
        memory=tuple(memory),
        workers=workers,
        seconds=perf_counter() - begun,
        notes=() if population.ratio_rust is not None else (NO_RUST,),
    )


def run_execution(
    plan: ExecutionPlan, progress: Progress, *, quick: bool = False
) -> ExecutionBench:
    """Measure ledger, gate and desk by `plan`; see `run_bench`."""
    begun = perf_counter()
    with progress.stage("execution") as stage:
        found = measure_execution(plan, stage)
    notes = () if found.postgresql is not None else (NO_SERVER,)
    return ExecutionBench(this_machine(), quick, found, perf_counter() - begun, notes)
