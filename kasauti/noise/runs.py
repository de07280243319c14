"""Many worlds on several processes, each outcome kept as soon as it is there; no counting."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kasauti.errors import DataError
from kasauti.market.bars import Bars
from kasauti.noise.pipeline import EVALUATIONS, Found, Outcome, Spec, run_world, settings_for
from kasauti.noise.planted import Plant, Rule, find_lift
from kasauti.noise.worlds import FEWEST_BARS, Base, Generator
from kasauti.version import EVERYTHING, code_version

DECISIVE = (*EVERYTHING, "noise")
FEWEST_YEARS_OF_BASE = 8
"""A base of fewer real years repeats the same storms in every world."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Run:
    """How worlds are run.

    Attributes
    ----------
    bases : tuple of Base
    evaluations : int
        Of each search.
    judged : bool
    workers : int
        Processes, each on one thread; the outcomes do not depend on them.
    folder : Path
        Where outcomes are kept.
    """

    bases: tuple[Base, ...]
    folder: Path
    evaluations: int = EVALUATIONS
    judged: bool = True
    workers: int = 2

    @property
    def file(self) -> Path:
        """Where this run's outcomes are kept: other code, settings or bars have another file."""
        decisive = (
            code_version(DECISIVE),
            asdict(settings_for(self.evaluations, 0)),
            self.judged,
            [
                (base.name, base.market, hashlib.sha256(base.shapes.tobytes()).hexdigest())
                for base in self.bases
            ],
        )
        key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{key[:16]}.jsonl"


def bases_of(bars: Bars, symbols: Sequence[str] = ()) -> tuple[Base, ...]:
    """Return the bases that a panel makes: of the symbols named, else of every long enough one.

    Raises
    ------
    DataError
        None is long enough, or one that was named does not exist.
    """
    if symbols:
        unknown = sorted(set(symbols) - set(bars.symbols))
        if unknown:
            raise DataError(f"there is no {', '.join(unknown)}: use some of {bars.symbols}")
        return tuple(Base.of(bars, symbol) for symbol in symbols)
    needed = max(FEWEST_BARS, FEWEST_YEARS_OF_BASE * 252)
    long = [symbol for symbol in bars.symbols if _whole(bars, symbol) >= needed]
    if not long:
        raise DataError(
            f"no symbol has {needed:,} whole daily bars to make worlds from: bring a longer history"
        )
    return tuple(Base.of(bars, symbol) for symbol in long)


def plain_specs(run: Run, count: int, seed: int, purpose: int) -> list[Spec]:
    """Return worlds without an edge: every base and generator by turns."""
    return [
        Spec(k, (seed, purpose, k), base.name, generator)
        for k, (base, generator) in enumerate(_turns(run.bases, count))
    ]


def planted_specs(
    run: Run, count: int, seed: int, purpose: int, sharpe: float, lifts: Mapping[Any, float]
) -> list[Spec]:
    """Return worlds with an edge: every base, generator and rule by turns."""
    rules = tuple(Rule)
    return [
        Spec(
            k,
            (seed, purpose, round(1000 * sharpe), k),
            base.name,
            generator,
            Plant(rules[k % len(rules)], lifts[base.name, generator, rules[k % len(rules)]]),
            sharpe,
        )
        for k, (base, generator) in enumerate(_turns(run.bases, count))
    ]


def find_lifts(
    run: Run, count: int, seed: int, sharpe: float
) -> dict[tuple[str, Generator, Rule], float]:
    """Find the lift of every kind of planted world that `count` worlds have."""
    rules = tuple(Rule)
    kinds = sorted(
        {
            (base.name, generator, rules[k % len(rules)])
            for k, (base, generator) in enumerate(_turns(run.bases, count))
        }
    )
    jobs = [partial(_lift, kind, sharpe, seed) for kind in kinds]
    found = dict(_in_processes(run, jobs))
    return {kind: found[place] for place, kind in enumerate(kinds)}


def seconds_before(run: Run, specs: Sequence[Spec]) -> float:
    """Return what the worlds took that an earlier start of this run kept, side by side as here."""
    kept = _kept(run.file)
    some = [kept[name] for name in map(_name, specs) if name in kept]
    return sum(sum(one.seconds.values()) for one in some) / run.workers


def outcomes(
    run: Run, specs: Sequence[Spec], done: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Return the outcome of every world, in order; what an earlier run kept is not run again.

    Parameters
    ----------
    run : Run
    specs : sequence of Spec
    done : callable, optional
        Told of every outcome as it comes, the kept ones first.
    """
    kept = _kept(run.file)
    found = {k: kept[_name(spec)] for k, spec in enumerate(specs) if _name(spec) in kept}
    for outcome in found.values():
        if done is not None:
            done(outcome)
    missing = [k for k in range(len(specs)) if k not in found]
    jobs = [partial(_world, specs[k], run.evaluations, run.judged) for k in missing]
    for place, outcome in _in_processes(run, jobs):
        spec = specs[missing[place]]
        _keep(run.file, _name(spec), outcome)
        found[missing[place]] = outcome
        if done is not None:
            done(outcome)
    return [found[k] for k in range(len(specs))]


def _turns(bases: Sequence[Base], count: int) -> Iterator[tuple[Base, Generator]]:
    generators = tuple(Generator)
    for k in range(count):
        yield bases[k // len(generators) % len(bases)], generators[k % len(generators)]


def _whole(bars: Bars, symbol: str) -> int:
    row = bars.symbols.index(symbol)
    prices = (bars.open[row], bars.high[row], bars.low[row], bars.close[row])
    return int(np.isfinite(np.stack(prices)).all(axis=0).sum())


# -- processes -----------------------------------------------------------------------------------

_bases: dict[str, Base] = {}  # of this worker process


def _prepare(bases: Sequence[Base]) -> None:
    _bases.update({base.name: base for base in bases})


def _world(spec: Spec, evaluations: int, judged: bool) -> Outcome:
    from kasauti.validation.statistics.blas import one_thread

    with one_thread():
        return run_world(_bases[spec.base], spec, evaluations, judged=judged)


def _lift(kind: tuple[str, Generator, Rule], sharpe: float, seed: int) -> float:
    name, generator, rule = kind
    return find_lift(_bases[name], generator, rule, sharpe, seed)


def _in_processes(run: Run, jobs: Sequence[Callable[[], Result]]) -> Iterator[tuple[int, Result]]:
    """Yield place and result of every job as it ends; one worker is this process itself."""
    if run.workers == 1 or len(jobs) < 2:
        _prepare(run.bases)
        yield from ((place, job()) for place, job in enumerate(jobs))
        return
    pool = ProcessPoolExecutor(
        min(run.workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(run.bases,),
    )
    try:
        places: dict[Future[Result], int] = {
            pool.submit(job): place for place, job in enumerate(jobs)
        }
        for future in as_completed(places):
            yield places[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# -- what was kept -------------------------------------------------------------------------------


def _name(spec: Spec) -> str:
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:32]


def _keep(file: Path, name: str, outcome: Outcome) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as handle:
        # the line break first: a run that was killed while writing left a line without one
        handle.write("\n" + json.dumps({"world": name, **asdict(outcome)}))


def _kept(file: Path) -> dict[str, Outcome]:
    """Return the outcomes by name; a line that a killed run did not finish is not one."""
    if not file.exists():
        return {}
    found = {}
    for line in file.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        name = str(row.pop("world"))
        found[name] = from_row(row)
    return found


def from_row(row: dict[str, Any]) -> Outcome:
    """Return the outcome that was kept as a row."""
    peek = row["found"]
    return Outcome(
        **{
            **row,
            "stopped_by": tuple(row["stopped_by"]),
            "found": None if peek is None else Found(**peek),
        }
    )
