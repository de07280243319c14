"""Peak memory of a population's backtest, each in a process of its own; run as a module by itself.

``python -m kasauti.bench.memory POPULATION`` prints one JSON object: megabytes at their peak after
the imports, with the bars prepared and the population read, and with everything scored.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kasauti.errors import KasautiError
from kasauti.genome.codes import Population

STATUS = Path("/proc/self/status")
MODULE = "kasauti.bench.memory"
WORKERS = 2


@dataclass(frozen=True)
class Peak:
    """Peak memory of one process in MB, each including what came before it."""

    strategies: int
    imports_mb: float
    population_mb: float
    scored_mb: float


def peak_of(population: Population) -> Peak:
    """Return the peak memory of scoring `population` on the daily bars in a fresh process.

    Raises
    ------
    KasautiError
        The process failed; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "population.npz"
        parts = {name: getattr(population, name) for name in ("codes", "bounds", "constants")}
        np.savez(file, genes=population.genes, **parts)
        command = [sys.executable, "-m", MODULE, str(file)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise KasautiError(f"the memory of {len(population)} strategies was not measured: {last}")
    return Peak(**json.loads(ended.stdout))


def megabytes() -> float:
    """Return this process's peak resident memory so far.

    Linux's own figure where there is one: `getrusage` hands the parent's peak down to a child.
    """
    if STATUS.exists():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        return int(fields["VmHWM"].split()[0]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def _measure(file: Path) -> Peak:
    from kasauti.backtest import Backtester, Dialect
    from kasauti.bench.markets import daily_bars

    imports = megabytes()
    with np.load(file) as parts:
        population = Population(parts["codes"], parts["bounds"], parts["constants"], parts["genes"])
    tester = Backtester(daily_bars(), dialect=Dialect.VECTORBT)
    tester.scores(population[:1])
    before = megabytes()
    with ThreadPoolExecutor(WORKERS) as executor:
        tester.scores(population, executor)
    return Peak(len(population), imports, before, megabytes())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure(Path(sys.argv[1])))))
