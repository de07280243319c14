"""The production pipeline on one world, from admission to the verdict; nothing is counted here.

Nothing of the pipeline is done again here: the vault seals, `evolve` searches, `best` picks the
candidates and `judge` judges them, with the settings that a user gets. Every world has a vault and
a trial register of its own, which are gone afterwards.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from kasauti.backtest import Account, Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.errors import VerdictRefused
from kasauti.evolution.outcome import SearchSettings
from kasauti.evolution.register import TrialRegister
from kasauti.evolution.search import evolve
from kasauti.genome import Genome
from kasauti.market.bars import Bars
from kasauti.market.markets import get_market
from kasauti.noise.planted import Plant, net_sharpe, plant_world, strategy
from kasauti.noise.worlds import Base, Generator, make_world
from kasauti.validation.choice import candidates
from kasauti.validation.gates.statistics import HOPED_SEALED_T, threshold_after
from kasauti.validation.plateau import excess_t, index_returns, plateau_t
from kasauti.validation.seal import Admitted, Vault
from kasauti.validation.threshold import joined_t
from kasauti.validation.verdict import Verdict, judge

YEARS = 15
SESSIONS = YEARS * SESSIONS_A_YEAR
EVALUATIONS = 20_000

WHO = "noise"
WHEN = datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC"))
"""The time under which a world's records are filed; nobody reads it."""

MEMORY = Path("/dev/shm")
"""Linux keeps files in memory here: a search flushes some each generation, 9 ms each on a disk."""

FRESH_WORLDS = 4
"""Further worlds of the same process, 60 years, on which is measured what was captured."""


@dataclass(frozen=True)
class Spec:
    """One world by what makes it.

    Attributes
    ----------
    number : int
        Its place in the run.
    seed : tuple of int
        Of everything drawn for it.
    base : str
        Symbol that it is made from.
    generator : Generator
    plant : Plant or None
        None: free of an edge.
    sharpe : float
        Of the planted strategy, net, in the long run; 0 without one.
    """

    number: int
    seed: tuple[int, ...]
    base: str
    generator: Generator
    plant: Plant | None = None
    sharpe: float = 0.0

    def make(self, base: Base, salt: int = 0, sessions: int = SESSIONS) -> Bars:
        """Return the world's bars; another `salt` gives another world of the same process."""
        rng = np.random.default_rng([*self.seed, salt])
        if self.plant is None:
            return make_world(base, self.generator, sessions, rng)
        return plant_world(base, self.generator, sessions, self.plant, rng)


@dataclass(frozen=True)
class Found:
    """The best candidate of a search on a world, opened although no gate has let it through.

    Only a world whose truth is known may be looked at so.

    Attributes
    ----------
    trades : int
    t_searched, t_sealed : float
    """

    trades: int
    t_searched: float
    t_sealed: float


@dataclass(frozen=True)
class Outcome:
    """What became of one world.

    Attributes
    ----------
    number : int
    base, generator : str
    sharpe : float
        Planted.
    approved : bool
    candidates : int
        That went to trial.
    stopped_by : tuple of str
        For every candidate the gate that ended it.
    found : Found or None
        None where the search found no candidate.
    own_sharpe : float or None
        What the planted strategy itself earned in this world, net.
    captured_sharpe : float or None
        What the best candidate earns in further worlds of the same process, net.
    evaluations : int
    seconds : dict of str to float
        Of the process that ran it, by part.
    """

    number: int
    base: str
    generator: str
    sharpe: float
    approved: bool
    candidates: int
    stopped_by: tuple[str, ...]
    found: Found | None
    own_sharpe: float | None
    captured_sharpe: float | None
    evaluations: int
    seconds: dict[str, float]


def settings_for(evaluations: int, seed: int) -> SearchSettings:
    """Return the production settings of a search."""
    return SearchSettings(seed=seed, evaluations=evaluations)


def run_world(
    base: Base, spec: Spec, evaluations: int = EVALUATIONS, *, judged: bool = True
) -> Outcome:
    """Let the whole pipeline loose on one world and say what it approved.

    Parameters
    ----------
    base : Base
    spec : Spec
    evaluations : int
        Of the search.
    judged : bool
        Whether the candidates go on trial; a calibration needs the search only.
    """
    watch = _Watch()
    bars = spec.make(base)
    with _scratch() as root:
        vault, register = Vault(root / "vault"), TrialRegister(root / "register.sqlite")
        admitted = vault.admit(bars, now=WHEN)
        backtester = Backtester(admitted.searched, account=_account(bars))
        watch.lap("world")
        settings = settings_for(evaluations, spec.number)
        found = evolve(backtester, settings, register, None, at=WHEN)
        genomes = candidates(found.front, backtester)
        watch.lap("search")
        stopped_by = _try(genomes, admitted, vault, register, backtester) if judged else ()
        watch.lap("gates")
        peek = _peek(genomes[0], backtester, admitted, bars) if genomes else None
        own, captured = _measure(base, spec, bars, genomes)
        watch.lap("figures")
    return Outcome(
        number=spec.number,
        base=spec.base,
        generator=spec.generator.value,
        sharpe=spec.sharpe,
        approved=APPROVED in stopped_by,
        candidates=len(genomes),
        stopped_by=stopped_by,
        found=peek,
        own_sharpe=own,
        captured_sharpe=captured,
        evaluations=found.evaluations,
        seconds=watch.seconds,
    )


APPROVED = "approved"


def _try(
    genomes: tuple[Genome, ...],
    admitted: Admitted,
    vault: Vault,
    register: TrialRegister,
    backtester: Backtester,
) -> tuple[str, ...]:
    """Judge the candidates, best first, and say what ended each; one may open the sealed bars."""
    ends: list[str] = []
    for place, genome in enumerate(genomes):
        if not _is_reachable(genome, backtester, register):
            ends.append("statistics")
            continue
        verdict = _judge(genome, admitted, vault, register, backtester)
        ends.append(_end_of(verdict))
        if isinstance(verdict, Verdict) and verdict.has_opened:
            later = len(genomes) - place - 1
            return (*ends, *["sealed"] * later)  # whatever they are, they may not open it any more
    return tuple(ends)


def _is_reachable(genome: Genome, backtester: Backtester, register: TrialRegister) -> bool:
    """Whether gate 5 can let the genome through: asked first, because the others cost seconds."""
    t = plateau_t(backtester, genome)
    needed = threshold_after(0, register.count(backtester.bars.symbols))
    return joined_t(t, HOPED_SEALED_T) >= needed


def _judge(
    genome: Genome,
    admitted: Admitted,
    vault: Vault,
    register: TrialRegister,
    backtester: Backtester,
) -> Verdict | VerdictRefused:
    """Call the production verdict; the only place that does."""
    try:
        return judge(
            genome,
            admitted,
            vault,
            register,
            account=_account(admitted.searched),
            now=WHEN,
            who=WHO,
            thorough=False,
            backtester=backtester,
        )
    except VerdictRefused as refusal:
        return refusal


def _end_of(verdict: Verdict | VerdictRefused) -> str:
    if isinstance(verdict, VerdictRefused):
        return "refused"
    failure = verdict.first_failure
    return APPROVED if failure is None else failure.name


def _peek(genome: Genome, backtester: Backtester, admitted: Admitted, bars: Bars) -> Found:
    start = admitted.searched.shape[1]
    whole = Backtester(bars, account=backtester.account)
    return Found(
        backtester.score(genome).trades,
        plateau_t(backtester, genome),
        excess_t(whole.returns(genome, start), index_returns(bars)[start:]),
    )


def _measure(
    base: Base, spec: Spec, bars: Bars, genomes: tuple[Genome, ...]
) -> tuple[float | None, float | None]:
    """Return what the planted strategy earned here, and what the best candidate earns elsewhere."""
    if spec.plant is None:
        return None, None
    own = net_sharpe(bars, strategy(spec.plant.rule))
    if not genomes:
        return own, 0.0
    fresh = (spec.make(base, salt) for salt in range(1, FRESH_WORLDS + 1))
    return own, float(np.mean([net_sharpe(one, genomes[0]) for one in fresh]))


def _account(bars: Bars) -> Account:
    return Account(charges=get_market(bars.market).charges)


class _Watch:
    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Give the seconds since the last lap to `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
