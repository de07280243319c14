"""A data set, a trial and a death as the register tells them; frozen data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kasauti.market.bars import Bars


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
