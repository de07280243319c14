"""What of a search must survive a kill, and how it is written down exactly."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.evolution.breeder import Breeder
from kasauti.evolution.checkpoint import Checkpoint, Saved
from kasauti.evolution.cohort import Cohort, names
from kasauti.evolution.fitness import OBJECTIVES
from kasauti.evolution.outcome import Progress, SearchResult
from kasauti.evolution.selection import Living
from kasauti.evolution.timing import Stopwatch
from kasauti.genome.codes import Population


@dataclass(frozen=True, eq=False)
class Noted:
    """A search between two generations as its checkpoint keeps it; see `Checkpoint.save`."""

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    evaluations: int
    newly_tried: list[str]

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it down."""
        checkpoint.save(self.facts, self.arrays, self.evaluations, self.newly_tried)


@dataclass
class State:
    """A search between two generations.

    Attributes
    ----------
    breeder : Breeder
        With the generator of chance and all genomes tried.
    watch : Stopwatch
        Of all processes.
    generation : int
        The next one to be bred.
    evaluations : int
        Distinct genomes scored so far.
    living : Living
        The parents, and the Pareto front of everything evaluated.
    history : list of Progress
        One entry a generation.
    result : SearchResult or None
        Once the search has ended.
    """

    breeder: Breeder
    watch: Stopwatch
    generation: int = 0
    evaluations: int = 0
    living: Living = field(default_factory=Living.nobody)
    history: list[Progress] = field(default_factory=list)
    result: SearchResult | None = None
    _written: list[str] = field(default_factory=list)  # the history as text, written out once

    def noted(self, newly_tried: list[str]) -> "Noted":
        """Return what a checkpoint keeps of this moment; going on does not change it.

        Parameters
        ----------
        newly_tried : list of str
            Hashes tried since the last time.
        """
        self._written += [json.dumps(asdict(one)) for one in self.history[len(self._written) :]]
        facts = {
            "generation": self.generation,
            "seconds_by_part": self.watch.seconds_by_part,
            "chance": self.breeder.rng.bit_generator.state,
            "hashes": self.living.cohort.hashes.tolist(),
            "history": list(self._written),
            "result": self.result and self.result.to_json(),
        }
        return Noted(facts, _to_arrays(self.living), self.evaluations, newly_tried)

    def resume(self, saved: Saved) -> None:
        """Take over what was saved."""
        facts = saved.facts
        self.generation = facts["generation"]
        self.evaluations = len(saved.tried)
        self.watch.resume(facts["seconds_by_part"])
        self.living = _from_arrays(saved.arrays, facts["hashes"])
        self.history = [Progress(**json.loads(step)) for step in facts["history"]]
        self._written = list(facts["history"])
        self.breeder.rng.bit_generator.state = facts["chance"]
        self.breeder.tried.update(saved.tried)

    def note_progress(self, budget: int) -> None:
        """Add where the search stands to its history."""
        cohort, archive, parents = self.living.cohort, self.living.archive, self.living.parents
        sharpe = cohort.column("sharpe")[parents][cohort.feasible[parents]]
        self.history.append(
            Progress(
                generation=self.generation,
                evaluations=self.evaluations,
                budget=budget,
                best={
                    name: float(cohort.column(name)[archive].max())
                    for name in OBJECTIVES
                    if len(archive)
                },
                median=float(np.median(sharpe)) if len(sharpe) else None,
                front=len(archive),
                seconds=self.watch.seconds,
            )
        )


def _to_arrays(living: Living) -> dict[str, NDArray[Any]]:
    cohort, population = living.cohort, living.cohort.population
    return {
        "codes": population.codes,
        "bounds": population.bounds,
        "constants": population.constants,
        "genes": population.genes,
        "born": cohort.born,
        "figures": cohort.figures,
        "objectives": cohort.objectives,
        "ranks": living.ranks,
        "crowding": living.crowding,
        "archive": living.archive,
    }


def _from_arrays(saved: Any, hashes: list[str]) -> Living:
    population = Population(*(saved["codes"], saved["bounds"], saved["constants"], saved["genes"]))
    cohort = Cohort(
        *(population, names(hashes), saved["born"], saved["figures"], saved["objectives"])
    )
    return Living(cohort, saved["ranks"], saved["crowding"], saved["archive"])
