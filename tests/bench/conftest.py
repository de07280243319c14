"""What the tests of the benchmark share: the bars, and one tiny run of everything."""

from dataclasses import replace

import pytest

from kasauti.backtest import Backtester
from kasauti.bench.execution import ExecutionPlan
from kasauti.bench.growth import fresh
from kasauti.bench.markets import daily_bars
from kasauti.bench.report import Bench, ExecutionBench
from kasauti.bench.run import QUICK, run_bench, run_execution
from kasauti.operations.progress import Progress

TINY = replace(
    QUICK,
    strategies=60,
    compared=12,
    intraday_bars=3_000,
    intraday_strategies=12,
    intraday_compared=4,
    counts=(20, 60),
    lengths=(1_000, 3_000),
    grown=20,
    memory=(20,),
    generation=20,
    generations=2,
    rounds=1,
    execution=ExecutionPlan(processes=1, seconds=0.8, orders=3, kills=1, events=1_000, writes=5),
)


@pytest.fixture(scope="session")
def tester() -> Backtester:
    return fresh(daily_bars())


@pytest.fixture(scope="session")
def tiny() -> Bench:
    return run_bench(TINY, 5, Progress(quiet=True), quick=True)


@pytest.fixture(scope="session")
def tiny_execution() -> ExecutionBench:
    return run_execution(TINY.execution, Progress(quiet=True), quick=True)
