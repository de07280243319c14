"""Trials and deaths as columns, and the rows that the register keeps of them; no file is touched.

A generation is one row: as rows of their own, its 2,000 random hashes touched nearly every page of
an index over 200,000 trials, and the commit took 80 ms.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import numpy as np

from kasauti.evolution.chained import Row, Table
from kasauti.evolution.packing import (
    pack_figures,
    pack_lines,
    pack_names,
    pack_texts,
    unpack_figures,
    unpack_lines,
    unpack_names,
    unpack_texts,
)
from kasauti.evolution.trials import Death, Origin, Trial
from kasauti.market.bars import Floats

# `first` is the number of the row's first trial or death, counted from 1 over the whole table.
TRIALS = Table(
    "trials",
    (
        *("first", "count", "dataset", "stage", "origin", "search", "generation"),
        *("genomes", "families", "genes", "measures", "figures"),
        *("operators", "parent_counts", "parents", "at"),
    ),
    1,
)
DEATHS = Table(
    "deaths", ("first", "count", "dataset", "stage", "search", "genomes", "causes", "at"), 1
)

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(value: Mapping[str, Any]) -> str:
    """Return the canonical JSON of a mapping."""
    return _ENCODER.encode(dict(value))


@dataclass(frozen=True, eq=False)
class TrialBatch:
    """N trials of one stage, origin, search and generation; `Trial` says what each column is.

    Attributes
    ----------
    genes : sequence of bytes
        Canonical JSON of each genome's genes, on one line.
    measures : tuple of str
        The names of the figures.
    figures : ndarray of shape (N, len(measures)), float64
        What is not finite is not known.
    """

    stage: str
    origin: Origin
    search: str | None
    generation: int | None
    genomes: Sequence[str]
    families: Sequence[str]
    genes: Sequence[bytes]
    measures: tuple[str, ...]
    figures: Floats
    operators: Sequence[str | None]
    parents: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> "Iterator[TrialBatch]":
        """Yield the trials in as few batches as keep their order."""

        def common(one: Trial) -> tuple[Any, ...]:
            return (one.stage, one.origin, one.search, one.generation, tuple(one.figures))

        for (stage, origin, search, generation, measures), group in groupby(trials, common):
            members = list(group)
            figures = np.array(
                [[np.nan if v is None else v for v in one.figures.values()] for one in members],
                dtype=np.float64,
            )
            yield cls(
                *(stage, origin, search, generation),
                genomes=[one.genome for one in members],
                families=[one.family for one in members],
                genes=[to_json(one.genes).encode() for one in members],
                measures=measures,
                figures=figures,
                operators=[one.operator for one in members],
                parents=[one.parents for one in members],
            )

    def without(self, known: Set[str]) -> "TrialBatch":
        """Return the batch without the genomes that are known or come twice."""
        keep = _fresh(self.genomes, known)
        if len(keep) == len(self.genomes):
            return self
        return TrialBatch(
            *(self.stage, self.origin, self.search, self.generation),
            genomes=[self.genomes[i] for i in keep],
            families=[self.families[i] for i in keep],
            genes=[self.genes[i] for i in keep],
            measures=self.measures,
            figures=self.figures[keep],
            operators=[self.operators[i] for i in keep],
            parents=[self.parents[i] for i in keep],
        )

    def to_row(self, first: int, dataset: str, at: str) -> Row:
        """Return the columns of `TRIALS`."""
        return (
            *(first, len(self.genomes), dataset, self.stage, self.origin.value),
            *(self.search, self.generation, pack_names(self.genomes), pack_names(self.families)),
            *(pack_lines(self.genes), json.dumps(self.measures), pack_figures(self.figures)),
            *(pack_texts(self.operators), bytes(map(len, self.parents))),
            *(pack_names([name for names in self.parents for name in names]), at),
        )


@dataclass(frozen=True, eq=False)
class DeathBatch:
    """N deaths at one stage of one search, as columns."""

    stage: str
    search: str | None
    genomes: Sequence[str]
    causes: Sequence[str]

    @classmethod
    def of(cls, deaths: Iterable[Death]) -> "Iterator[DeathBatch]":
        """Yield the deaths in as few batches as keep their order."""
        for (stage, search), group in groupby(deaths, lambda one: (one.stage, one.search)):
            members = list(group)
            genomes, causes = zip(*((one.genome, one.cause) for one in members), strict=True)
            yield cls(stage, search, genomes, causes)

    def without(self, known: Set[str]) -> "DeathBatch":
        """Return the batch without the genomes that are known or come twice."""
        keep = _fresh(self.genomes, known)
        genomes, causes = ([column[i] for i in keep] for column in (self.genomes, self.causes))
        return DeathBatch(self.stage, self.search, genomes, causes)

    def to_row(self, first: int, dataset: str, at: str) -> Row:
        """Return the columns of `DEATHS`."""
        return (
            *(first, len(self.genomes), dataset, self.stage, self.search),
            *(pack_names(self.genomes), pack_texts(self.causes), at),
        )


class StoredTrials:
    """The trials of one row of `TRIALS`; nothing is unpacked twice."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self.genomes = unpack_names(row["genomes"])
        self._families = unpack_names(row["families"])
        self._genes = unpack_lines(row["genes"])
        self._operators = unpack_texts(row["operators"])
        self._measures = json.loads(row["measures"])
        self._parents = parents_of(row["parent_counts"], row["parents"])

    @property
    def search(self) -> str | None:
        """The search that tried them, None where none did."""
        found: str | None = self._row["search"]
        return found

    def column(self, measure: str) -> Floats | None:
        """Return one figure of all of them, NaN where it is not known; None if none has it."""
        if measure not in self._measures:
            return None
        table = np.frombuffer(self._row["figures"], dtype="<f8").reshape(len(self.genomes), -1)
        return table[:, self._measures.index(measure)]

    def __getitem__(self, place: int) -> Trial:
        """Return one of the trials."""
        figures = unpack_figures(self._row["figures"], len(self._measures), place)
        return Trial(
            genome=self.genomes[place],
            genes=json.loads(self._genes[place]),
            family=self._families[place],
            origin=Origin(self._row["origin"]),
            stage=self._row["stage"],
            figures=dict(zip(self._measures, figures, strict=True)),
            search=self._row["search"],
            generation=self._row["generation"],
            operator=self._operators[place],
            parents=self._parents[place],
        )


def parents_of(counts: bytes, names: bytes | str) -> list[tuple[str, ...]]:
    """Return each genome's parents from the two columns that hold them."""
    flat = unpack_names(names)
    ends = list(accumulate(counts))
    return [tuple(flat[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def stored_deaths(row: Mapping[str, Any]) -> list[Death]:
    """Return the deaths of one row of `DEATHS`."""
    pairs = zip(unpack_names(row["genomes"]), unpack_texts(row["causes"]), strict=True)
    return [Death(genome, row["stage"], cause, row["search"]) for genome, cause in pairs]


def _fresh(genomes: Sequence[str], known: Set[str]) -> list[int]:
    """Return the places of the first of each genome that is not known."""
    if known.isdisjoint(genomes) and len(set(genomes)) == len(genomes):
        return list(range(len(genomes)))
    places: dict[str, int] = {}
    for place, genome in enumerate(genomes):
        if genome not in known:
            places.setdefault(genome, place)
    return list(places.values())
