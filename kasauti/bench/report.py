"""What a run of the benchmark found, as frozen data and JSON; how it looks stands in `tables`."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kasauti.bench.execution import ExecutionFigures
from kasauti.bench.floor import Floor
from kasauti.bench.growth import Growth, Workers
from kasauti.bench.memory import Peak
from kasauti.bench.parts import Parts
from kasauti.errors import DataError
from kasauti.plain import plain

PACKAGES = ("kasauti", "numpy", "numba", "deap", "TA-Lib", "vectorbt", "vectorbt-rust")
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on; a package that is not installed has no version."""

    cpu: str
    cores: int
    system: str
    python: str
    packages: Mapping[str, str | None]


@dataclass(frozen=True)
class PopulationFigures:
    """The whole chain: strategies a second of the engine with two threads and of its rivals.

    The `…_numpy_…` figures take total return, Sharpe ratio and drawdown from vectorbt's value by
    numpy instead of by vectorbt's methods. `differing_genomes` and `max_relative_difference` are
    over both of vectorbt's engines. `microseconds` splits a rival's time for one strategy.
    """

    market: str
    strategies: int
    bars: int
    compared: int
    mean_nodes: float
    mean_trades: float
    exposure: float
    kasauti_per_s: float
    kasauti_one_worker_per_s: float
    vectorbt_numba_per_s: float
    vectorbt_rust_per_s: float | None
    vectorbt_numba_numpy_per_s: float
    vectorbt_rust_numpy_per_s: float | None
    ratio_numba: float
    ratio_rust: float | None
    ratio_numba_numpy: float
    ratio_rust_numpy: float | None
    columns_a_call: Mapping[str, int]
    microseconds: Mapping[str, float]
    compared_trades: int
    differing_genomes: int
    max_relative_difference: float


@dataclass(frozen=True)
class ExpressionFigures:
    """Node evaluations a second: all nodes of all trees times bars, whatever was really done."""

    kasauti_node_evals_per_s: float
    deap_numpy_node_evals_per_s: float
    ratio: float


@dataclass(frozen=True)
class SearchFigures:
    """Seconds of a search by part, and of a generation's everything but evaluation, on average."""

    generation: int
    generations: int
    evaluation_s: float
    breeding_s: float
    selection_s: float
    register_s: float
    other_s: float
    bookkeeping_a_generation_s: float


@dataclass(frozen=True)
class Bench:
    """What one run of ``kasauti bench`` found of the engine."""

    machine: Machine
    seed: int
    quick: bool
    population: PopulationFigures
    intraday: PopulationFigures
    parts: Parts
    expressions: ExpressionFigures
    search: SearchFigures
    floor: Mapping[str, Floor]
    growth: tuple[Growth, ...]
    memory: tuple[Peak, ...]
    workers: Workers
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as ``kasauti bench --json`` prints it."""
        found: dict[str, Any] = plain(asdict(self))
        return found


@dataclass(frozen=True)
class ExecutionBench:
    """What one run of ``kasauti bench`` found of execution."""

    machine: Machine
    quick: bool
    execution: ExecutionFigures
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as ``kasauti bench --only execution --json`` prints it."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def joined(engine: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return both results as one run's."""
    return {
        **engine,
        "execution": execution["execution"],
        "seconds": engine["seconds"] + execution["seconds"],
        "notes": [*engine["notes"], *execution["notes"]],
    }


def read_report(path: Path) -> dict[str, Any]:
    """Return the JSON object that ``kasauti bench --json`` printed into `path`.

    Raises
    ------
    DataError
        The file cannot be read, or is no such object.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no result of `kasauti bench --json`: {error}") from error
    missing = {"machine", "population", "growth"} - set(found if isinstance(found, dict) else ())
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(sorted(missing))}: make it by `kasauti bench --json > {path}`"
        )
    report: dict[str, Any] = found
    return report


def this_machine() -> Machine:
    """Return what this process runs on."""
    return Machine(
        _cpu(),
        os.cpu_count() or 1,
        f"{platform.system()} {platform.machine()}",
        platform.python_version(),
        {name: _version(name) for name in PACKAGES},
    )


def _cpu() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
