"""The search: generations of breeding, scoring, selecting and recording; each part stands beside.

Everything random is drawn from one generator in the calling thread and workers only score, so the
same seed on the same data gives the same result on any number of workers. A search is known by its
settings, data and code; killed at any moment and started again it ends in the very same state, and
a finished one is answered from its checkpoint.
"""

import hashlib
import json
import math
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from kasauti.backtest import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.backtest.result import Scores
from kasauti.evolution.breeder import Breeder, Children, vocabulary_of
from kasauti.evolution.checkpoint import Checkpoint, Unkept
from kasauti.evolution.cohort import Cohort, names
from kasauti.evolution.fitness import FIGURES, Constraints, assess
from kasauti.evolution.outcome import FrontMember, Progress, SearchResult, SearchSettings
from kasauti.evolution.register import DataSet, DeathBatch, Origin, TrialBatch, TrialRegister
from kasauti.evolution.selection import Deaths, final_deaths, final_front, select
from kasauti.evolution.state import Noted, State
from kasauti.evolution.timing import Stopwatch
from kasauti.genome.identity import families
from kasauti.version import code_version

__all__ = ["FrontMember", "Progress", "SearchResult", "SearchSettings", "evolve"]

STAGE = "evolution"
DECISIVE = ("market", "features", "regimes", "genome", "backtest", "evolution")


def evolve(
    backtester: Backtester,
    settings: SearchSettings,
    register: TrialRegister,
    checkpoints: Path | None,
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
    checkpoints : Path or None
        Folder of all searches; this one keeps its own folder in it. None: nothing is kept, and a
        search that is killed is lost.
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
    watch = Stopwatch()
    dataset = dataset or DataSet.of(backtester.bars)
    search = search_id(backtester, settings, dataset)
    checkpoint = Unkept() if checkpoints is None else Checkpoint(checkpoints / search)
    with checkpoint.locked():
        if not register.has_begun(search):
            checkpoint.discard()  # of another register: this one would never learn of its trials
        saved = checkpoint.load()
        if saved is not None and saved.facts["result"] is not None:
            return SearchResult.from_json(saved.facts["result"])
        dead = register.begin_search(search, dataset, asdict(settings), at)
        state = State(_breeder(backtester, settings, dead), watch)
        if saved is not None:
            state.resume(saved)
        run = _Run(backtester, settings, register, dataset, search, at, executor)
        with ThreadPoolExecutor(1, "search-clerk") as clerk:
            written: Future[None] | None = None
            while state.result is None:
                generation = run.advance(state)
                with watch.part("register"):
                    if written is not None:
                        written.result()
                    noted = state.noted(generation.children.hashes)
                    written = clerk.submit(run.write_down, generation, noted, checkpoint)
                if progress is not None:
                    progress(state.history[-1])
            if written is not None:
                written.result()
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
        rng=np.random.Generator(np.random.PCG64(_seed(settings.seed, dead))),
        vocabulary=vocabulary_of(backtester.bars, backtester.sides),
        immigrants=settings.immigrants,
        crossover=settings.crossover,
        tried=set(dead),
    )


def _seed(seed: int, dead: frozenset[str]) -> list[int]:
    """Return the seed, moved on where genomes died before.

    The same draws would only name the dead again: a second search on the same data began with
    its whole first generation refused.
    """
    if not dead:
        return [seed]
    return [seed, int(hashlib.sha256("".join(sorted(dead)).encode()).hexdigest(), 16)]


def _calm(backtester: Backtester) -> float:
    """Return the ATR of the quietest day as a share of the price; the calmest symbol's."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ranges = backtester.setting.panel.atr / backtester.bars.close
    return float(np.min(ranges, where=np.isfinite(ranges) & (ranges > 0.0), initial=math.inf))


@dataclass(frozen=True, eq=False)
class _Generation:
    """One generation's children, how they did, and who died of what."""

    number: int
    children: Children
    cohort: Cohort
    deaths: Deaths


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

    @cached_property
    def constraints(self) -> Constraints:
        asked = self.settings
        calm = _calm(self.backtester)
        return Constraints(asked.min_trades, asked.max_drawdown, asked.max_share, calm)

    def advance(self, state: State) -> _Generation:
        """Bring `state` one generation on and return what is to be written down of it."""
        settings, generation = self.settings, state.generation
        wanted = min(settings.population, settings.evaluations - state.evaluations)
        with state.watch.part("breeding"):
            children = state.breeder.breed(state.living, wanted)
        with state.watch.part("evaluation"):
            scores = self.backtester.scores(children.population, self.executor)
        state.evaluations += len(children)
        ended = state.evaluations == settings.evaluations or len(children) < wanted
        with state.watch.part("selection"):
            cohort = self._judged(children, scores, generation)
            state.living, deaths = select(
                state.living, cohort, settings.population, generation, self.constraints
            )
            if ended:
                front = final_front(state.living, settings.front)
                deaths += final_deaths(state.living, front, generation, self.constraints)
        state.note_progress(settings.evaluations)
        state.generation += 1
        if ended:
            state.result = self._result(state, state.living.cohort.take(front))
        return _Generation(generation, children, cohort, deaths)

    def write_down(self, done: _Generation, noted: Noted, checkpoint: Checkpoint) -> None:
        """Record a generation and then save the checkpoint that knows of it.

        The next generation is bred and evaluated meanwhile; the one after it waits. A process that
        is killed in between begins again where the last checkpoint was.
        """
        self._record(done)
        noted.save(checkpoint)

    def _judged(self, children: Children, scores: Scores, generation: int) -> Cohort:
        if not len(children):
            return Cohort.empty()
        bars = self.backtester.bars
        years = bars.shape[1] / (SESSIONS_A_YEAR * bars.bars_a_session)
        found = assess(scores, children.population, years, self.constraints)
        born = np.full(len(children), generation)
        return Cohort(
            children.population, names(children.hashes), born, found.figures, found.objectives
        )

    def _record(self, done: _Generation) -> None:
        children, deaths = done.children, done.deaths
        trials = TrialBatch(
            stage=STAGE,
            origin=Origin.EVOLUTION,
            search=self.search,
            generation=done.number,
            genomes=children.hashes,
            families=families(children.population),
            genes=children.texts,
            measures=FIGURES,
            figures=done.cohort.figures,
            operators=children.operators,
            parents=children.parents,
        )
        died = DeathBatch(STAGE, self.search, deaths.hashes, deaths.causes)
        self.register.record_batches(self.dataset, [trials], [died], at=self.at)

    def _result(self, state: State, front: Cohort) -> SearchResult:
        parts = state.watch.seconds_by_part
        return SearchResult(
            search=self.search,
            symbols=self.dataset.symbols,
            evaluations=state.evaluations,
            seconds=sum(parts.values()),
            front=tuple(
                FrontMember(front.hashes[i], front.population[i], front.fitness(i))
                for i in range(len(front))
            ),
            exhausted=state.evaluations < self.settings.evaluations,
            history=tuple(state.history),
            seconds_by_part=parts,
        )
