"""The search: generations of breeding, scoring, selecting and recording; each part stands beside.

Everything random is drawn from one generator in the calling thread and workers only score, so the
same seed on the same data gives the same result on any number of workers. A search is known by its
settings, data and code; killed at any moment and started again it ends in the very same state, and
a finished one is answered from its checkpoint.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kasauti.backtest import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.evolution.breeder import Breeder, vocabulary_of
from kasauti.evolution.checkpoint import Checkpoint
from kasauti.evolution.fitness import Constraints, assess
from kasauti.evolution.individual import Individual
from kasauti.evolution.outcome import FrontMember, Progress, SearchResult, SearchSettings
from kasauti.evolution.register import DataSet, TrialRegister
from kasauti.evolution.selection import final_deaths, final_front, select
from kasauti.evolution.state import State
from kasauti.version import code_version

__all__ = ["FrontMember", "Progress", "SearchResult", "SearchSettings", "evolve"]

DECISIVE = ("market", "features", "regimes", "genome", "backtest", "evolution")


def evolve(
    backtester: Backtester,
    settings: SearchSettings,
    register: TrialRegister,
    checkpoints: Path,
    *,
    at: datetime,
    dataset: DataSet | None = None,
    progress: Callable[[Progress], None] | None = None,
    executor: Executor | None = None,
) -> SearchResult:
    """Search with NSGA-II for genomes that trade well, consistently and simply.

    Parameters
    ----------
    backtester : Backtester
        Over the searched bars, already cut by the vault: a search loads nothing itself.
    settings : SearchSettings
    register : TrialRegister
        Takes every evaluation and every death. What died on this data set before the search first
        started is not tried again.
    checkpoints : Path
        Folder of all searches; this one keeps its own folder in it.
    at : datetime
        Exchange time, recorded with the trials.
    dataset : DataSet, optional
        By default the searched bars under their data version.
    progress : callable, optional
        Told after every generation.
    executor : Executor, optional
        Scores the genomes; the result does not depend on it.

    Raises
    ------
    UsageError
        Another process runs this very search.
    DataError
        Its checkpoint is damaged.
    """
    dataset = dataset or DataSet.of(backtester.bars)
    search = search_id(backtester, settings, dataset)
    checkpoint = Checkpoint(checkpoints / search)
    with checkpoint.locked():
        if not register.has_begun(search):
            checkpoint.discard()  # of another register: this one would never learn of its trials
        saved = checkpoint.load()
        if saved is not None and saved[0]["result"] is not None:
            return SearchResult.from_json(saved[0]["result"])
        dead = register.begin_search(search, dataset, asdict(settings), at)
        state = State(_breeder(backtester, settings, dead))
        if saved is not None:
            state.resume(*saved)
        run = _Run(backtester, settings, register, dataset, search, at, executor)
        while state.result is None:
            children = run.advance(state)
            state.save(checkpoint, [child.hash for child in children])
            if progress is not None:
                progress(state.history[-1])
    return state.result


def search_id(backtester: Backtester, settings: SearchSettings, dataset: DataSet) -> str:
    """Return the sha256 of everything that decides what a search finds, the register apart."""
    decisive = (
        asdict(settings),
        dataset.id,
        backtester.bars.data_version,
        backtester.market.name,
        repr(backtester.account),
        backtester.dialect.value,
        hashlib.sha256(backtester.labels.codes.tobytes()).hexdigest(),
        code_version(DECISIVE),
    )
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _breeder(backtester: Backtester, settings: SearchSettings, dead: frozenset[str]) -> Breeder:
    return Breeder(
        rng=random.Random(_seed(settings.seed, dead)),
        vocabulary=vocabulary_of(backtester.bars, backtester.sides),
        immigrants=settings.immigrants,
        crossover=settings.crossover,
        tried=set(dead),
    )


def _seed(seed: int, dead: frozenset[str]) -> int | str:
    """Return the seed, moved on where genomes died before.

    The same draws would only name the dead again: a second search on the same data began with
    its whole first generation refused.
    """
    if not dead:
        return seed
    return f"{seed}:{hashlib.sha256(''.join(sorted(dead)).encode()).hexdigest()}"


@dataclass(frozen=True)
class _Run:
    """What stays the same from generation to generation."""

    backtester: Backtester
    settings: SearchSettings
    register: TrialRegister
    dataset: DataSet
    search: str
    at: datetime
    executor: Executor | None

    def advance(self, state: State) -> list[Individual]:
        """Bring `state` one generation on and return the genomes that were evaluated."""
        began = time.perf_counter()
        wanted = min(self.settings.population, self.settings.evaluations - state.evaluations)
        children = state.breeder.breed(state.population, wanted, state.generation)
        self._score(children)
        chosen = select(
            state.population, state.archive, children, self.settings.population, state.generation
        )
        state.population, state.archive = chosen.population, chosen.archive
        state.evaluations += len(children)
        deaths = list(chosen.deaths)
        front: list[Individual] = []
        ended = state.evaluations == self.settings.evaluations or len(children) < wanted
        if ended:
            front = final_front(state.archive, self.settings.front)
            deaths += final_deaths(state.population, state.archive, front, state.generation)
        self._record(children, deaths)
        state.seconds += time.perf_counter() - began
        state.note_progress(self.settings)
        state.generation += 1
        if ended:
            state.result = self._result(state, front)
        return children

    def _score(self, children: list[Individual]) -> None:
        bars, settings = self.backtester.bars, self.settings
        years = bars.shape[1] / (SESSIONS_A_YEAR * bars.bars_a_session)
        constraints = Constraints(settings.min_trades, settings.max_drawdown)
        genomes = [child.genome for child in children]
        scores = self.backtester.score_all(genomes, self.executor)
        for child, score in zip(children, scores, strict=True):
            child.judge(score, assess(score, child.genome, years, constraints))

    def _record(self, children: list[Individual], deaths: list[tuple[Individual, str]]) -> None:
        self.register.record(
            self.dataset,
            (child.trial(self.search) for child in children),
            (one.death(self.search, cause) for one, cause in deaths),
            at=self.at,
        )

    def _result(self, state: State, front: list[Individual]) -> SearchResult:
        return SearchResult(
            search=self.search,
            symbols=self.dataset.symbols,
            evaluations=state.evaluations,
            seconds=state.seconds,
            front=tuple(FrontMember(one.hash, one.genome, one.figures) for one in front),
            exhausted=state.evaluations < self.settings.evaluations,
            history=state.history,
        )
