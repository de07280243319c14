"""The promise of the engine's speed, on a population small enough for every test run."""

from concurrent.futures import ThreadPoolExecutor

from kasauti.bench.chain import Chain
from kasauti.bench.growth import WORKERS, seconds_of
from kasauti.bench.markets import daily_bars
from kasauti.bench.population import seeded_population
from kasauti.bench.stopwatch import fastest

LEAST_RATIO = 60.0
"""Times vectorbt's rust engine, at least."""

STRATEGIES, COMPARED, COLUMNS, ROUNDS = 20_000, 128, 128, 20


def test_the_engine_is_far_ahead_of_vectorbts_rust_engine() -> None:
    """Least seconds against least seconds, in turns until it is seen: what disturbs only adds."""
    chain = Chain.of(daily_bars(), seeded_population(STRATEGIES, 11), COMPARED)
    ours, theirs, ratio = float("inf"), float("inf"), 0.0
    chain.conventional.run("rust", COLUMNS)
    with ThreadPoolExecutor(WORKERS) as executor:
        for _ in range(ROUNDS):
            ours = min(ours, seconds_of(chain.bars, chain.population, executor, 1))
            rival = {"": lambda: chain.conventional.run("rust", COLUMNS)}
            theirs = min(theirs, fastest(rival, 1)[""])
            ratio = (STRATEGIES / ours) / (COMPARED / theirs)
            if ratio >= LEAST_RATIO:
                break
    assert ratio >= LEAST_RATIO, (
        f"{ratio:.0f} times vectorbt rust: {1e6 * ours / STRATEGIES:.1f} µs a strategy against "
        f"{1e6 * theirs / COMPARED:.0f} µs"
    )
