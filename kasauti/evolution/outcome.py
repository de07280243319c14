"""What a search is asked for, what it says on its way and what it found; frozen data only."""

from dataclasses import asdict, dataclass, field
from typing import Any

from kasauti.errors import UsageError
from kasauti.genome import Genome, genome_from_genes


@dataclass(frozen=True)
class SearchSettings:
    """What a search is asked for.

    Attributes
    ----------
    seed : int
    evaluations : int
        Distinct genomes to evaluate; fewer only when no new ones can be found.
    population : int
        Parents kept, and children bred, a generation. More generations beat larger ones: 20,000
        evaluations on the sample gave fronts of mean hypervolume 20 with 100, 19 with 200 and 500,
        17 with 1,000 and 14 with 2,000 (3 seeds, the last 2).
    immigrants, crossover : float
        Share of the children that are random newcomers, and that have two parents.
    min_trades : int
        Closed trades on all searched bars; the best of 20,000 with 30 or 40 trades is luck by
        construction.
    max_drawdown : float
        Deepest drawdown of the panel, as a fraction: what a stress test may lose at most.
    max_share : float
        Of the account in one position at most when it is bought. A market that is halted at a fall
        of 20 % and opens 5 % lower takes a quarter of the position, and stress allows a fifth of
        the account: that is .8 of it, less what a position grows while it is held.
    front : int
        Genomes on the final front at most.
    """

    seed: int
    evaluations: int = 20_000
    population: int = 200
    immigrants: float = 0.05
    crossover: float = 0.5
    min_trades: int = 100
    max_drawdown: float = 0.20
    max_share: float = 0.75
    front: int = 50

    def __post_init__(self) -> None:
        for name in ("evaluations", "population", "min_trades", "front"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}: give at least 1")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}: give at least 0")
        for name in ("immigrants", "crossover", "max_drawdown", "max_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} is {getattr(self, name)}: give a share from 0 to 1")


@dataclass(frozen=True)
class Progress:
    """Where a search stands after a generation.

    Attributes
    ----------
    generation, evaluations, budget : int
    best : dict of str to float
        Highest value of each objective on the front, empty while nothing is feasible.
    median : float or None
        Median Sharpe of the population's genomes that keep the constraints, None without any.
    front : int
        Size of the Pareto front of everything evaluated so far.
    seconds : float
        Spent on the search, earlier processes included.
    """

    generation: int
    evaluations: int
    budget: int
    best: dict[str, float]
    median: float | None
    front: int
    seconds: float


@dataclass(frozen=True)
class FrontMember:
    """One genome of the final front and its fitness by name."""

    hash: str
    genome: Genome
    fitness: dict[str, float]


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    search : str
        The search's id, by which the register lists its trials and deaths.
    symbols : tuple of str
        What it searched on.
    evaluations : int
        Distinct genomes evaluated.
    seconds : float
        Spent on it, over all processes that worked on it, but for the last checkpoint.
    front : tuple of FrontMember
        Pareto front, best first; empty if no genome kept the constraints.
    exhausted : bool
        Whether it ended early because no new genome could be found.
    history : tuple of Progress
        One entry a generation.
    seconds_by_part : dict of str to float
        What the seconds went to, by `kasauti.evolution.timing.PARTS`.
    """

    search: str
    symbols: tuple[str, ...]
    evaluations: int
    seconds: float
    front: tuple[FrontMember, ...]
    exhausted: bool
    history: tuple[Progress, ...]
    seconds_by_part: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the result as ``kasauti evolve --json`` prints it."""
        return {
            "search": self.search,
            "symbols": self.symbols,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seconds_by_part": self.seconds_by_part,
            "exhausted": self.exhausted,
            "history": [asdict(step) for step in self.history],
            "front": [
                {"hash": one.hash, "genome": one.genome.to_genes(), "fitness": one.fitness}
                for one in self.front
            ],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "SearchResult":
        """Return the result that `to_json` described."""
        front = tuple(
            FrontMember(one["hash"], genome_from_genes(one["genome"]), one["fitness"])
            for one in saved["front"]
        )
        return cls(
            saved["search"],
            tuple(saved["symbols"]),
            saved["evaluations"],
            saved["seconds"],
            front,
            saved["exhausted"],
            tuple(Progress(**step) for step in saved["history"]),
            saved["seconds_by_part"],
        )
