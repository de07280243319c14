"""The trial register: every genome ever tried, its parents and its death; no searching here."""

import heapq
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kasauti.errors import LedgerError
from kasauti.evolution.batches import (
    DEATHS,
    TRIALS,
    DeathBatch,
    StoredTrials,
    TrialBatch,
    parents_of,
    stored_deaths,
    to_json,
)
from kasauti.evolution.chained import ChainedTables, Table
from kasauti.evolution.packing import place_of, unpack_names, unpack_texts
from kasauti.evolution.trials import DataSet, Death, Origin, Trial

__all__ = ["DataSet", "Death", "DeathBatch", "Origin", "Trial", "TrialBatch", "TrialRegister"]

DATASETS = Table("datasets", ("dataset", "symbols", "first", "last", "at"), 1)
SEARCHES = Table("searches", ("search", "dataset", "settings", "deaths_before", "at"), 1)

Site = tuple[int, int]  # of a trial: the position of its row, its place in it


class TrialRegister:
    """Append-only and global: new bars never reset it, and nothing in it can be changed.

    Recording the same trial or death again adds nothing, so a run that was killed may simply be
    repeated. Triggers refuse UPDATE and DELETE, and each table is chained by hash, so a change
    made around the triggers is found by `verify`. Several processes may write at once.

    What is recorded together stands in one row of `trials` and one of `deaths`. That a genome is
    recorded once a data set and stage is seen to here, inside the transaction.

    Parameters
    ----------
    path : Path
        The SQLite file, created when missing; usually ``Home.register``.
    """

    def __init__(self, path: Path) -> None:
        self._tables = ChainedTables(path, (DATASETS, SEARCHES, TRIALS, DEATHS))
        self._writing = threading.Lock()
        self._recorded: dict[tuple[str, str, str], tuple[int, set[str]]] = {}

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self._tables.path

    def begin_search(
        self, search: str, dataset: DataSet, settings: Mapping[str, Any], at: datetime
    ) -> frozenset[str]:
        """Record that a search starts and return the genomes that were dead before it.

        A search that is begun again gets the same answer as the first time, whatever died since:
        that keeps a resumed search equal to an uninterrupted one.
        """
        with self._tables.transaction() as connection:
            self._record_dataset(connection, dataset, at)
            deaths_before = _total(connection, DEATHS)
            row = (search, dataset.id, to_json(settings), deaths_before, at.isoformat())
            self._tables.append(connection, SEARCHES, [row])
            dead = connection.execute(
                "SELECT genomes FROM deaths WHERE dataset = ? AND first <= "
                "(SELECT deaths_before FROM searches WHERE search = ?)",
                (dataset.id, search),
            )
            return frozenset(genome for (genomes,) in dead for genome in unpack_names(genomes))

    def has_begun(self, search: str) -> bool:
        """Whether the search was ever begun with this register."""
        with self._tables.reading() as connection:
            found = connection.execute("SELECT 1 FROM searches WHERE search = ?", (search,))
            return found.fetchone() is not None

    def record(
        self,
        dataset: DataSet,
        trials: Iterable[Trial] = (),
        deaths: Iterable[Death] = (),
        *,
        at: datetime,
    ) -> int:
        """Record trials and deaths in one transaction and return how many trials were new.

        Parameters
        ----------
        dataset : DataSet
        trials : iterable of Trial
        deaths : iterable of Death
        at : datetime
            Exchange time, with its zone.
        """
        return self.record_batches(dataset, TrialBatch.of(trials), DeathBatch.of(deaths), at=at)

    def record_batches(
        self,
        dataset: DataSet,
        trials: Iterable[TrialBatch],
        deaths: Iterable[DeathBatch],
        *,
        at: datetime,
    ) -> int:
        """Record as `record` does what is already in columns."""
        tried, died = list(trials), list(deaths)
        with self._writing:
            try:
                with self._tables.transaction() as connection:
                    self._record_dataset(connection, dataset, at)
                    self._append(connection, DEATHS, dataset.id, died, at)
                    return self._append(connection, TRIALS, dataset.id, tried, at)
            except BaseException:
                self._recorded.clear()  # it may name what was rolled back
                raise

    def _append(
        self,
        connection: sqlite3.Connection,
        table: Table,
        dataset: str,
        batches: Sequence[TrialBatch] | Sequence[DeathBatch],
        at: datetime,
    ) -> int:
        before = total = _total(connection, table)
        for batch in batches:
            fresh = batch.without(self._known(connection, table, dataset, batch.stage))
            if fresh.genomes:
                row = fresh.to_row(total + 1, dataset, at.isoformat())
                self._tables.append(connection, table, [row])
                total += len(fresh.genomes)
        return total - before

    def _known(
        self, connection: sqlite3.Connection, table: Table, dataset: str, stage: str
    ) -> set[str]:
        """Return the genomes recorded in `table`, reading only what was not read before."""
        key = (table.name, dataset, stage)
        last, names = self._recorded.get(key, (0, set()))
        rows = connection.execute(
            f"SELECT position, genomes FROM {table.name} "
            "WHERE position > ? AND dataset = ? AND stage = ? ORDER BY position",
            (last, dataset, stage),
        )
        for position, genomes in rows:
            last = position
            names.update(unpack_names(genomes))
        self._recorded[key] = (last, names)
        return names

    def count(self, symbols: Sequence[str]) -> int:
        """Return N, the number of distinct genomes tried: the largest over `symbols`.

        Every data set that holds the symbol counts, whatever its dates, and Optuna's trials do.
        """
        with self._tables.reading() as connection:
            held = connection.execute("SELECT dataset, symbols FROM datasets").fetchall()
            sets = [(dataset, set(json.loads(names))) for dataset, names in held]
            wanted = {
                tuple(dataset for dataset, names in sets if symbol in names) for symbol in symbols
            }
            return max((_count_distinct(connection, datasets) for datasets in wanted), default=0)

    def never_tried(self, genomes: Iterable[str]) -> set[str]:
        """Return those of `genomes` that stand in no trial on any data set."""
        missing = set(genomes)
        with self._tables.reading() as connection:
            for (tried,) in connection.execute("SELECT genomes FROM trials"):
                missing.difference_update(unpack_names(tried))
        return missing

    def is_dead(self, genome: str, dataset: str) -> bool:
        """Whether the genome died on the data set, at any stage."""
        return bool(self.deaths(genome=genome, dataset=dataset))

    def deaths(
        self,
        *,
        genome: str | None = None,
        dataset: str | None = None,
        search: str | None = None,
    ) -> list[Death]:
        """Return the deaths that match, in order of time."""
        return [
            death
            for row in self._rows(DEATHS, genome, dataset=dataset, search=search)
            for death in stored_deaths(row)
            if genome in (None, death.genome)
        ]

    def trials(
        self,
        *,
        genome: str | None = None,
        dataset: str | None = None,
        search: str | None = None,
    ) -> list[Trial]:
        """Return the trials that match, in order of time."""
        found = []
        for row in self._rows(TRIALS, genome, dataset=dataset, search=search):
            stored = StoredTrials(row)
            places = range(row["count"]) if genome is None else [stored.genomes.index(genome)]
            found += [stored[place] for place in places]
        return found

    def tried_between(self, first: datetime, until: datetime) -> Iterator[StoredTrials]:
        """Yield what was tried from `first` to before `until`, as it was recorded together."""
        for row in self._between(TRIALS, first, until):
            yield StoredTrials(row)

    def died_between(self, first: datetime, until: datetime) -> Iterator[Death]:
        """Yield the deaths from `first` to before `until`, in order of time."""
        for row in self._between(DEATHS, first, until):
            yield from stored_deaths(row)

    def reservoir(self, dataset: str, size: int = 64) -> list[Trial]:
        """Return a fixed random sample of the data set's genomes: those with the smallest hashes.

        A sha256 is uniform, so the k smallest of n are a simple random sample, the same whatever
        the order of arrival and however often a run was killed (bottom-k sampling, Cohen and
        Kaplan 2007). Its return series are simulated again from the genes when they are needed.
        """
        smallest: dict[str, Site] = {}
        for row in self._rows(TRIALS, columns="position, genomes", dataset=dataset):
            names = unpack_names(row["genomes"])
            for name, place in heapq.nsmallest(size, zip(names, range(len(names)), strict=True)):
                smallest.setdefault(name, (row["position"], place))
        return self._at([smallest[name] for name in sorted(smallest)[:size]])

    def ancestry(self, genome: str, dataset: str) -> list[Trial]:
        """Return the genome's own trial, then its parents, grandparents and so on to the founders.

        Every ancestor is listed once, at its nearest generation.

        Raises
        ------
        LedgerError
            The genome was never tried on this data set.
        """
        sites: dict[str, Site] = {}
        parents: dict[str, tuple[str, ...]] = {}
        columns = "position, genomes, parent_counts, parents"
        for row in self._rows(TRIALS, columns=columns, dataset=dataset):
            bred_from = parents_of(row["parent_counts"], row["parents"])
            for place, name in enumerate(unpack_names(row["genomes"])):
                sites.setdefault(name, (row["position"], place))
                parents.setdefault(name, bred_from[place])
        if genome not in sites:
            raise LedgerError(f"genome {genome} was never tried on data set {dataset}")
        line = {genome: None}
        generation = [genome]
        while generation:
            older = dict.fromkeys(name for child in generation for name in parents[child])
            generation = [name for name in older if name in sites and name not in line]
            line |= dict.fromkeys(generation)
        return self._at([sites[name] for name in line])

    def causes(self, search: str) -> Counter[str]:
        """Count a search's deaths by cause, the part before the first figure or hash."""
        return Counter(
            cause.split(":")[0]
            for row in self._rows(DEATHS, columns="causes", search=search)
            for cause in unpack_texts(row["causes"])
        )

    def verify(self) -> int:
        """Check that nothing was changed or removed since it was written.

        Returns
        -------
        int
            The number of data sets, searches, trials and deaths.
        """
        rows = self._tables.verify()
        with self._tables.reading() as connection:
            for table in (TRIALS, DEATHS):
                (batches,) = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
                rows += _total(connection, table) - batches
        return rows

    def heads(self) -> dict[str, str]:
        """Return the newest chain hash of each table, to be kept beside what relies on it."""
        return self._tables.heads()

    def _record_dataset(
        self, connection: sqlite3.Connection, dataset: DataSet, at: datetime
    ) -> None:
        symbols = json.dumps(dataset.symbols)
        row = (dataset.id, symbols, dataset.first, dataset.last, at.isoformat())
        if self._tables.append(connection, DATASETS, [row]):
            return
        (recorded,) = connection.execute(
            "SELECT symbols FROM datasets WHERE dataset = ?", (dataset.id,)
        ).fetchone()
        if recorded != symbols:
            raise LedgerError(
                f"data set {dataset.id} is registered with the symbols {recorded}, not {symbols}: "
                "give other data another id"
            )

    def _rows(
        self, table: Table, genome: str | None = None, columns: str = "*", **equal: str | None
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows that match and, if a genome is named, hold it, in order of time."""
        chosen = {name: value for name, value in equal.items() if value is not None}
        clause = " AND ".join(["1", *(f"{name} = ?" for name in chosen)])
        with self._tables.reading() as connection:
            found = connection.execute(
                f"SELECT position{', genomes' if genome else ''} FROM {table.name} "
                f"WHERE {clause} ORDER BY position",
                tuple(chosen.values()),
            ).fetchall()
            for position, *genomes in found:
                if genome is None or place_of(genome, *genomes) is not None:
                    yield _row(connection, table, position, columns)

    def _between(self, table: Table, first: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        with self._tables.reading() as connection:
            rows = connection.execute(f"SELECT position, at FROM {table.name} ORDER BY position")
            for position, at in rows.fetchall():
                if first <= datetime.fromisoformat(at) < until:
                    yield _row(connection, table, position)

    def _at(self, sites: Sequence[Site]) -> list[Trial]:
        """Return the trials at `sites`, in that order, each row read once."""
        trials: dict[Site, Trial] = {}
        with self._tables.reading() as connection:
            for position in sorted({position for position, _ in sites}):
                stored = StoredTrials(_row(connection, TRIALS, position))
                trials |= {site: stored[site[1]] for site in sites if site[0] == position}
        return [trials[site] for site in sites]


def _row(
    connection: sqlite3.Connection, table: Table, position: int, columns: str = "*"
) -> dict[str, Any]:
    cursor = connection.execute(
        f"SELECT {columns} FROM {table.name} WHERE position = ?", (position,)
    )
    names = [name for name, *_ in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))


def _total(connection: sqlite3.Connection, table: Table) -> int:
    """Return the number of trials or deaths in a table."""
    last = connection.execute(
        f"SELECT first + count - 1 FROM {table.name} ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return int(last[0]) if last else 0


def _count_distinct(connection: sqlite3.Connection, datasets: Sequence[str]) -> int:
    marks = ", ".join("?" * len(datasets))
    rows = connection.execute(f"SELECT genomes FROM trials WHERE dataset IN ({marks})", datasets)
    return len({genome for (genomes,) in rows for genome in unpack_names(genomes)})
