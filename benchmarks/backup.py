"""Measures a proved backup of a large state, and restoring and verifying it, against the budget.

    python -m benchmarks.backup --gigabytes 1 [--write docs/backups.md]

The state is a ledger of 200,000 events as trading writes them, a Dagster storage of runs and their
logs, and bars for the rest: random walks, which hardly get smaller. Exits 1 over budget.
"""

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
from pydantic import SecretStr

from benchmarks.marks import write_between
from kasauti.backups.contents import names
from kasauti.backups.place import BackupPlace
from kasauti.backups.restore import restore
from kasauti.backups.take import take
from kasauti.bench.execution_ledger import _fill, _open
from kasauti.execution.place import Place
from kasauti.home import Home
from kasauti.market.bars import Bars
from kasauti.market.calendar import INDIA
from kasauti.market.lake import Lake
from kasauti.operations.progress import Progress
from kasauti.workspace import STORED

BUDGET = 60.0  # seconds, each
GIGABYTE = 1_000_000_000
NOW = datetime(2026, 11, 20, 20, 0, tzinfo=INDIA)
MINUTES = 20_000  # bars of a symbol
RUNS, LINES = 200, 300  # of Dagster


def bars(symbols: int, seed: int) -> Bars:
    """Return minute bars as random walks on the tick."""
    random_ = np.random.default_rng(seed)
    steps = random_.normal(0, 5e-4, (symbols, MINUTES))
    close = np.round(1_000 * np.exp(np.cumsum(steps, axis=1)) / 0.05) * 0.05
    open_ = np.roll(close, 1, axis=1)
    open_[:, 0] = close[:, 0]
    high = np.maximum(open_, close) + random_.integers(0, 20, close.shape) * 0.05
    low = np.minimum(open_, close) - random_.integers(0, 20, close.shape) * 0.05
    volume = random_.integers(1, 1_000_000, close.shape).astype(np.float64)
    times = np.datetime64("2020-01-01T09:15") + np.arange(MINUTES).astype("timedelta64[m]")
    known = tuple(f"S{seed}X{number}" for number in range(symbols))
    return Bars("nse", known, times.astype("datetime64[s]"), open_, high, low, close, volume)


def build(home: Home, size: int, events: int) -> int:
    """Fill the state folder up to about `size` bytes; returns how many it holds."""
    with closing(_open(Place(home.ledger))) as ledger:
        _fill(ledger, events)
    storage(home.dagster)
    Lake(home.ingested).write_bars(STORED, bars(50, 0))
    number = 0
    while (held := size_of(home.root)) < size:
        number += 1
        Lake(home.lake).write_bars(
            f"market/minutes{number}", bars(min(50, 1 + (size - held) // 500_000), number)
        )
    return held


def storage(folder: Path) -> None:
    """Make what Dagster's storage looks like: one database a run, and text."""
    random_ = random.Random(1)
    (folder / "history" / "runs").mkdir(parents=True)
    for run in range(RUNS):
        with closing(sqlite3.connect(folder / "history" / "runs" / f"{run:032x}.db")) as file:
            file.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
            rows = [
                (f'{{"message": "{random_.random()}", "step": "{run}"}}',) for _ in range(LINES)
            ]
            file.executemany("INSERT INTO event_logs (event) VALUES (?)", rows)
            file.commit()


def size_of(root: Path) -> int:
    """Return the bytes of all files that are backed up."""
    return sum((root / name).stat().st_size for name in names(root))


def measure(
    folder: Path, size: int, events: int, secret: SecretStr | None
) -> list[tuple[str, float]]:
    """Return seconds by what was done; the first two lines are those with a budget."""
    home, fresh = Home(folder / "var"), Home(folder / "new")
    held = build(home, size, events)
    place = BackupPlace(str(folder / "to"))
    with Progress() as progress:
        began = perf_counter()
        taken = take(home, place, secret=secret, now=NOW, progress=progress)
        backed_up = perf_counter() - began
        if not taken.tried.ok:
            raise AssertionError(f"not proved: {taken.problems}")
    later = NOW + timedelta(hours=1)
    with Progress() as progress:
        began = perf_counter()
        given = {"wanted": None, "secret": secret, "now": later, "force": False}
        restored = restore(fresh, place, progress=progress, **given)  # type: ignore[arg-type]
        put_back = perf_counter() - began
    if restored.counts != taken.counts:
        raise AssertionError(f"{restored.counts} came back of {taken.counts}")
    sys.stderr.write(f"{held / GIGABYTE:.2f} GB, {taken.tried.bytes / GIGABYTE:.2f} GB packed, ")
    sys.stderr.write(f"{taken.counts}\n")
    stages = [(f"of that: {name}", spent) for name, spent in taken.tried.seconds.items()]
    return [("a proved backup", backed_up), ("restore and verify", put_back), *stages]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--encrypted", action="store_true", help="under a key")
    parser.add_argument("--folder", type=Path, help="where; by default the temporary folder")
    parser.add_argument("--write", type=Path, help="put the table between a page's marks")
    given = parser.parse_args()
    secret = SecretStr("a passphrase to measure with") if given.encrypted else None
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        found = measure(folder, int(given.gigabytes * GIGABYTE), given.events, secret)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = ["| | seconds | budget |", "|---|---:|---:|"]
    for number, (name, spent) in enumerate(found):
        lines.append(f"| {name} | {spent:.1f} | {f'{BUDGET:.0f}' if number < 2 else ''} |")
    write_between(given.write, "backup", "\n".join(lines))
    return 1 if any(spent > BUDGET for _, spent in found[:2]) else 0


if __name__ == "__main__":
    sys.exit(main())
