"""A million random steps against the gate, in memory; what must hold stands in the driver.

    python -m benchmarks.stateful --steps 1000000 [--write docs/execution.md]

The driver is ``tests/execution/stateful.py``. Exits 1 if anything did not hold.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from benchmarks.marks import write_between
from tests.execution.laws import Broken
from tests.execution.stateful import Played, play

PART = 10_000  # steps that one seed is good for here


def part(seed: int, steps: int) -> Played:
    """Play `steps` from one seed in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="kasauti-stateful-") as folder:
        return play(Path(folder), seed, steps)


def text_of(parts: list[Played], broken: list[str], seconds: float) -> str:
    """Return what was played and what held, as Markdown."""
    whole = sum(parts[1:], parts[0])
    told = (
        f"{whole.steps:,} steps in {whole.seen['games']:,} games from {len(parts)} seeds, "
        f"{len(broken)} in which something did not hold; {seconds:.0f} s, "
        f"{whole.steps / seconds:,.0f} steps a second."
    )
    codes = {
        name.removeprefix("denied: "): count
        for name, count in whole.seen.items()
        if name.startswith("denied: ")
    }
    others = {name: count for name, count in whole.seen.items() if not name.startswith("denied: ")}
    tables = (
        ("what had to hold", whole.held),
        ("what was done", whole.done),
        ("what became of it", others),
        ("entries and exits denied", codes),
    )
    return "\n\n".join((told, *(_table(*one) for one in tables)))


def _table(title: str, counts: Mapping[str, int]) -> str:
    def rows() -> Iterator[str]:
        for name, count in sorted(counts.items(), key=lambda one: -one[1]):
            yield f"| {name.replace('_', ' ')} | {count:,} |"

    return "\n".join((f"| {title} | times |", "| --- | ---: |", *rows()))


def main() -> int:
    """Play, and say what held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the first part")
    parser.add_argument("--write", type=Path, help="put the tables between a page's marks")
    given = parser.parse_args()
    begun, parts, broken = perf_counter(), [], []
    with ProcessPoolExecutor(given.workers, mp_context=get_context("fork")) as pool:
        sizes = [min(PART, given.steps - done) for done in range(0, given.steps, PART)]
        waiting = [pool.submit(part, given.seed + n, size) for n, size in enumerate(sizes)]
        for number, finished in enumerate(as_completed(waiting), 1):
            try:
                parts.append(finished.result())
            except Broken as error:
                broken.append(str(error))
                sys.stderr.write(f"{error}\n")
            if number % 10 == 0:
                sys.stderr.write(f"{number} of {len(waiting)}, {perf_counter() - begun:.0f} s\n")
    if parts:
        text = text_of(parts, broken, perf_counter() - begun)
        write_between(given.write, "stateful", text) if given.write else sys.stdout.write(
            text + "\n"
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
