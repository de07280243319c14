"""The trial register: every genome ever tried, its parents and its death; no searching here."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kasauti.errors import LedgerError
from kasauti.evolution.chained import ChainedTables, Row, Table
from kasauti.market.bars import Bars

DATASETS = Table("datasets", ("dataset", "symbols", "first", "last", "at"), 1)
SEARCHES = Table("searches", ("search", "dataset", "settings", "deaths_before", "at"), 1)
TRIALS = Table(
    "trials",
    (
        *("dataset", "genome", "stage", "genes", "family", "origin", "figures"),
        *("search", "generation", "operator", "parents", "at"),
    ),
    3,
)
DEATHS = Table("deaths", ("dataset", "genome", "stage", "cause", "search", "at"), 3)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Origin(StrEnum):
    """Who proposed a genome. Surrogate markets without an edge have a register of their own."""

    EVOLUTION = "evolution"
    OPTUNA = "optuna"
    HAND = "hand"


@dataclass(frozen=True)
class DataSet:
    """What a trial was tried on.

    Attributes
    ----------
    id : str
        The seal's id, or the data version of bars that were never sealed.
    symbols : tuple of str
    first, last : str
        First and last bar, ISO 8601 in exchange time.
    """

    id: str
    symbols: tuple[str, ...]
    first: str
    last: str

    @classmethod
    def of(cls, bars: Bars, dataset_id: str | None = None) -> "DataSet":
        """Describe `bars`, by their data version unless another id is given."""
        first, last = (str(bars.times[0]), str(bars.times[-1])) if len(bars.times) else ("", "")
        return cls(dataset_id or bars.data_version, bars.symbols, first, last)


@dataclass(frozen=True)
class Trial:
    """One genome tried once on one data set at one stage.

    Attributes
    ----------
    genome, family : str
        Hashes of the genome and of its family.
    genes : mapping
        The genes as `Genome.to_genes` gives them.
    origin : Origin
    stage : str
        Where it was tried: ``evolution``, ``walk-forward`` ... A trial is recorded once a stage.
    figures : mapping of str to float or None
        Its scores; what is not finite is stored as None.
    search, generation, operator, parents
        Its place in the family tree, where it was bred.
    """

    genome: str
    genes: Mapping[str, Any]
    family: str
    origin: Origin
    stage: str
    figures: Mapping[str, float | None] = field(default_factory=dict)
    search: str | None = None
    generation: int | None = None
    operator: str | None = None
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Death:
    """Why a genome was given up on a data set, and at which stage."""

    genome: str
    stage: str
    cause: str
    search: str | None = None


class TrialRegister:
    """Append-only and global: new bars never reset it, and nothing in it can be changed.

    Recording the same trial or death again adds nothing, so a run that was killed may simply be
    repeated. Triggers refuse UPDATE and DELETE, and each table is chained by hash, so a change
    made around the triggers is found by `verify`. Several processes may write at once.

    Parameters
    ----------
    path : Path
        The SQLite file, created when missing; usually ``Home.register``.
    """

    def __init__(self, path: Path) -> None:
        self._tables = ChainedTables(path, (DATASETS, SEARCHES, TRIALS, DEATHS))

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
            (deaths_before,) = connection.execute("SELECT count(*) FROM deaths").fetchone()
            row = (search, dataset.id, _to_json(settings), deaths_before, at.isoformat())
            self._tables.append(connection, SEARCHES, [row])
            dead = connection.execute(
                "SELECT genome FROM deaths WHERE dataset = ? AND position <= "
                "(SELECT deaths_before FROM searches WHERE search = ?)",
                (dataset.id, search),
            )
            return frozenset(genome for (genome,) in dead)

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
        moment = at.isoformat()
        tried = (_trial_row(dataset, trial, moment) for trial in trials)
        died: Iterator[Row] = (
            (dataset.id, death.genome, death.stage, death.cause, death.search, moment)
            for death in deaths
        )
        with self._tables.transaction() as connection:
            self._record_dataset(connection, dataset, at)
            self._tables.append(connection, DEATHS, died)
            return self._tables.append(connection, TRIALS, tried)

    def count(self, symbols: Sequence[str]) -> int:
        """Return N, the number of distinct genomes tried: the largest over `symbols`.

        Every data set that holds the symbol counts, whatever its dates, and Optuna's trials do.
        """
        query = (
            "SELECT count(DISTINCT genome) FROM trials WHERE dataset IN (SELECT datasets.dataset "
            "FROM datasets, json_each(datasets.symbols) AS symbol WHERE symbol.value = ?)"
        )
        with self._tables.reading() as connection:
            return max(
                (connection.execute(query, (symbol,)).fetchone()[0] for symbol in symbols),
                default=0,
            )

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
        where, values = _filter(genome=genome, dataset=dataset, search=search)
        with self._tables.reading() as connection:
            return [
                Death(*row)
                for row in connection.execute(
                    f"SELECT genome, stage, cause, search FROM deaths {where} ORDER BY position",
                    values,
                )
            ]

    def trials(
        self,
        *,
        genome: str | None = None,
        dataset: str | None = None,
        search: str | None = None,
    ) -> list[Trial]:
        """Return the trials that match, in order of time."""
        where, values = _filter(genome=genome, dataset=dataset, search=search)
        return self._select(f"{where} ORDER BY position", values)

    def reservoir(self, dataset: str, size: int = 64) -> list[Trial]:
        """Return a fixed random sample of the data set's genomes: those with the smallest hashes.

        A sha256 is uniform, so the k smallest of n are a simple random sample, the same whatever
        the order of arrival and however often a run was killed (bottom-k sampling, Cohen and
        Kaplan 2007). Its return series are simulated again from the genes when they are needed.
        """
        return self._select(
            "WHERE position IN (SELECT min(position) FROM trials WHERE dataset = ? "
            "GROUP BY genome ORDER BY genome LIMIT ?) ORDER BY genome",
            (dataset, size),
        )

    def ancestry(self, genome: str, dataset: str) -> list[Trial]:
        """Return the genome's own trial, then its parents, grandparents and so on to the founders.

        Every ancestor is listed once, at its nearest generation.

        Raises
        ------
        LedgerError
            The genome was never tried on this data set.
        """
        family_tree: dict[str, Trial] = {}
        generation = [genome]
        while generation:
            parents: list[str] = []
            for name in generation:
                trials = self.trials(genome=name, dataset=dataset)
                if trials and name not in family_tree:
                    family_tree[name] = trials[0]
                    parents.extend(trials[0].parents)
            generation = [name for name in dict.fromkeys(parents) if name not in family_tree]
        if not family_tree:
            raise LedgerError(f"genome {genome} was never tried on data set {dataset}")
        return list(family_tree.values())

    def causes(self, search: str) -> Counter[str]:
        """Count a search's deaths by cause, the part before the first figure or hash."""
        return Counter(death.cause.split(":")[0] for death in self.deaths(search=search))

    def verify(self) -> int:
        """Check that no row was changed or removed since it was written; return the row count."""
        return self._tables.verify()

    def heads(self) -> dict[str, str]:
        """Return the newest chain hash of each table, to be kept beside what relies on it."""
        return self._tables.heads()

    def _record_dataset(self, connection: Any, dataset: DataSet, at: datetime) -> None:
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

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Trial]:
        columns = (
            "genome, genes, family, origin, stage, figures, search, generation, operator, parents"
        )
        with self._tables.reading() as connection:
            return [
                Trial(
                    genome=row[0],
                    genes=json.loads(row[1]),
                    family=row[2],
                    origin=Origin(row[3]),
                    stage=row[4],
                    figures=json.loads(row[5]),
                    search=row[6],
                    generation=row[7],
                    operator=row[8],
                    parents=tuple(json.loads(row[9])),
                )
                for row in connection.execute(f"SELECT {columns} FROM trials {where}", values)
            ]


def _trial_row(dataset: DataSet, trial: Trial, moment: str) -> Row:
    figures = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in trial.figures.items()
    }
    return (
        *(dataset.id, trial.genome, trial.stage, _to_json(trial.genes), trial.family),
        *(trial.origin.value, _to_json(figures), trial.search, trial.generation, trial.operator),
        *(json.dumps(trial.parents), moment),
    )


def _to_json(value: Mapping[str, Any]) -> str:
    return _ENCODER.encode(dict(value))


def _filter(**columns: str | None) -> tuple[str, tuple[str, ...]]:
    chosen = {name: value for name, value in columns.items() if value is not None}
    clause = " AND ".join(f"{name} = ?" for name in chosen)
    return (f"WHERE {clause}" if clause else ""), tuple(chosen.values())
