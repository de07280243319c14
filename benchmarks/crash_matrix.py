"""Kills a desk at every step of an order's life under every broker fault, and counts what held.

    python -m benchmarks.crash_matrix --cases 2000 [--report FILE] [--write docs/execution.md]

Each case is a few processes of its own; what must hold afterwards stands in
``tests/execution/crash/verdict.py``. Exits 1 if anything did not hold.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from time import perf_counter

from benchmarks.marks import write_between
from kasauti.execution import failpoints
from tests.execution.crash.matrix import FAULTS, Case, Result, cases, run_cases

SHORT = "(none)"


def all_cases() -> Iterator[Case]:
    """Yield cases without an end: seed by seed, fault by fault, step by step."""
    for seed in count(1):
        for fault in FAULTS:
            yield from cases(seed, fault)


def table(results: Sequence[Result]) -> str:
    """Return killed desks by step and fault, as Markdown."""
    kills = Counter((r.case.step, r.case.fault) for r in results if r.kills and not r.case.paused)
    slept = Counter(r.case.step for r in results if r.kills and r.case.paused)
    names = [SHORT if fault is None else fault.value for fault in FAULTS]
    heads = ["step", *names, "slept, lock lost", "all"]
    lines = [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)])]
    for step in failpoints.STEPS:
        counts = [*(kills[step, fault] for fault in FAULTS), slept[step]]
        lines.append(_line([f"`{step}`", *map(str, counts), str(sum(counts))]))
    sums = [sum(kills[step, fault] for step in failpoints.STEPS) for fault in FAULTS]
    sums.append(sum(slept.values()))
    lines.append(_line(["all", *map(str, sums), str(sum(sums))]))
    return "\n".join(lines)


def summary(results: Sequence[Result], seconds: float) -> str:
    """Return what was run and what did not hold, in a sentence."""
    bad = sum(1 for result in results if result.problems)
    seeds = max(result.case.seed for result in results)
    kills = sum(result.kills for result in results)
    return (
        f"{len(results):,} cases from {seeds} seeded scripts, {kills:,} desks killed or put to "
        f"sleep, {bad} cases in which something did not hold; {seconds:.0f} s."
    )


def main() -> int:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", type=Path, help="JSON of every case")
    parser.add_argument("--write", type=Path, help="put the table between a page's marks")
    given = parser.parse_args()
    begun, results = perf_counter(), []
    for result in run_cases(list(islice(all_cases(), given.cases)), given.workers):
        results.append(result)
        if result.problems:
            sys.stderr.write(f"{result.case}: {result.problems}\n")
        if len(results) % 100 == 0:
            sys.stderr.write(f"{len(results)} cases, {perf_counter() - begun:.0f} s\n")
    text = f"{summary(results, perf_counter() - begun)}\n\n{table(results)}"
    sys.stdout.write(text + "\n")
    if given.report is not None:
        given.report.write_text(json.dumps([asdict(result) for result in results]))
    if given.write is not None:
        write_between(given.write, "crash matrix", text)
    return 1 if any(result.problems for result in results) else 0


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
