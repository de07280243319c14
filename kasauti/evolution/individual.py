"""One member of a population: a genome, its place in the family tree and its scores."""

from dataclasses import dataclass, field
from typing import Any

from kasauti.backtest.result import Score
from kasauti.evolution.fitness import Assessment, Objectives
from kasauti.evolution.register import Death, Origin, Trial
from kasauti.genome import Genome, family, genome_from_genes

STAGE = "evolution"


@dataclass(slots=True, eq=False)
class Individual:
    """A genome in a search; DEAP's selection reads and writes `fitness`.

    Attributes
    ----------
    genome : Genome
    hash : str
        The genome's hash, computed once.
    generation : int
        In which it was born.
    operator : str
        ``random``, ``mutation`` or ``crossover``.
    parents : tuple of str
        Hashes.
    figures : dict of str to float
        The objectives and what stands behind them, all finite; set by `judge`.
    flaw : str or None
        The constraint that it breaks.
    genes : dict
        The genes by name, written out once: that takes 0.1 ms.
    """

    genome: Genome
    hash: str
    generation: int
    operator: str
    parents: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    flaw: str | None = None
    fitness: Objectives = field(default_factory=Objectives)
    genes: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.genes = self.genome.to_genes()

    @property
    def behaviour(self) -> tuple[float, ...]:
        """What it did, without how: two genomes that trade alike are equal in it."""
        names = ("total_return", "max_drawdown", "sharpe", "trades")
        return tuple(self.figures[name] for name in names)

    def judge(self, score: Score, assessment: Assessment) -> None:
        """Take the scores of its backtest."""
        self.figures = {
            "sharpe": assessment.sharpe,
            "consistency": assessment.consistency,
            "simplicity": assessment.simplicity,
            "trades": float(score.trades),
            "total_return": score.total_return,
            "max_drawdown": score.max_drawdown,
            "t": score.t,
        }
        self.flaw = assessment.flaw
        self.fitness.values = assessment.objectives

    def trial(self, search: str) -> Trial:
        """Return its entry for the register."""
        return Trial(
            genome=self.hash,
            genes=self.genes,
            family=family(self.genome),
            origin=Origin.EVOLUTION,
            stage=STAGE,
            figures=self.figures,
            search=search,
            generation=self.generation,
            operator=self.operator,
            parents=self.parents,
        )

    def death(self, search: str, cause: str) -> Death:
        """Return its obituary for the register."""
        return Death(self.hash, STAGE, cause, search)

    def to_json(self) -> dict[str, Any]:
        """Return all of it, exactly, for a checkpoint."""
        return {
            "hash": self.hash,
            "genes": self.genes,
            "generation": self.generation,
            "operator": self.operator,
            "parents": self.parents,
            "figures": self.figures,
            "flaw": self.flaw,
            "values": self.fitness.wvalues,
            "crowding": getattr(self.fitness, "crowding_dist", 0.0),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Individual":
        """Return the individual that `to_json` described."""
        individual = cls(
            genome=genome_from_genes(saved["genes"]),
            hash=saved["hash"],
            generation=saved["generation"],
            operator=saved["operator"],
            parents=tuple(saved["parents"]),
            figures=saved["figures"],
            flaw=saved["flaw"],
        )
        individual.fitness.values = tuple(saved["values"])
        individual.fitness.crowding_dist = saved["crowding"]
        return individual
