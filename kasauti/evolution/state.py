"""What of a search must survive a kill, and how it is written down exactly."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from kasauti.evolution.breeder import Breeder
from kasauti.evolution.checkpoint import Checkpoint
from kasauti.evolution.fitness import OBJECTIVES
from kasauti.evolution.individual import Individual
from kasauti.evolution.outcome import Progress, SearchResult, SearchSettings


@dataclass
class State:
    """A search between two generations.

    Attributes
    ----------
    breeder : Breeder
        With the generator of chance and all genomes tried.
    generation : int
        The next one to be bred.
    evaluations : int
        Distinct genomes scored so far.
    seconds : float
        Spent so far, by all processes.
    population, archive : sequence of Individual
        The parents, and the Pareto front of everything evaluated.
    history : tuple of Progress
        One entry a generation.
    result : SearchResult or None
        Once the search has ended.
    """

    breeder: Breeder
    generation: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    population: tuple[Individual, ...] = ()
    archive: tuple[Individual, ...] = ()
    history: tuple[Progress, ...] = ()
    result: SearchResult | None = None

    def save(self, checkpoint: Checkpoint, newly_tried: list[str]) -> None:
        """Write the state down, with the hashes tried since the last save."""
        alive = {one.hash: one.to_json() for one in (*self.population, *self.archive)}
        state = {
            "generation": self.generation,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "chance": self.breeder.rng.getstate(),
            "alive": alive,
            "population": [one.hash for one in self.population],
            "archive": [one.hash for one in self.archive],
            "history": [asdict(step) for step in self.history],
            "result": self.result and self.result.to_json(),
        }
        checkpoint.save(state, newly_tried)

    def resume(self, saved: dict[str, Any], tried: list[str]) -> None:
        """Take over what `save` wrote."""
        alive = {name: Individual.from_json(one) for name, one in saved["alive"].items()}
        self.generation = saved["generation"]
        self.evaluations = saved["evaluations"]
        self.seconds = saved["seconds"]
        self.population = tuple(alive[name] for name in saved["population"])
        self.archive = tuple(alive[name] for name in saved["archive"])
        self.history = tuple(Progress(**step) for step in saved["history"])
        version, numbers, gauss = saved["chance"]
        self.breeder.rng.setstate((version, tuple(numbers), gauss))
        self.breeder.tried.update(tried)

    def note_progress(self, settings: SearchSettings) -> None:
        """Add where the search stands to its history."""
        feasible = [one.figures["sharpe"] for one in self.population if one.flaw is None]
        best = {
            name: max(one.figures[name] for one in self.archive)
            for name in OBJECTIVES
            if self.archive
        }
        step = Progress(
            generation=self.generation,
            evaluations=self.evaluations,
            budget=settings.evaluations,
            best=best,
            median=median(feasible) if feasible else None,
            front=len(self.archive),
            seconds=self.seconds,
        )
        self.history = (*self.history, step)
