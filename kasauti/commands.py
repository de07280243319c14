"""What the commands do, on the machine's clock and state folder; how it looks stands in `show`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kasauti import research
from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result, Slippage
from kasauti.errors import DataError, UsageError
from kasauti.evolution.outcome import Progress, SearchResult, SearchSettings
from kasauti.execution.clock import SystemClock
from kasauti.execution.custom_limits import profile_name
from kasauti.genome import Genome, load_genome
from kasauti.genome.family import family
from kasauti.genome.writing import to_toml
from kasauti.home import Home
from kasauti.market.atomic import write_atomically
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.lake import Lake
from kasauti.market.markets import get_market
from kasauti.market.sources import Loaded
from kasauti.operations.collect import Made, make_report
from kasauti.operations.progress import brief
from kasauti.operations.tables import signals_frame
from kasauti.own_bars import ForwardDesk
from kasauti.plain import plain, rows
from kasauti.show import show_findings, tell
from kasauti.trading import APPROVED, ReplayDesk
from kasauti.validation.verdict import Verdict
from kasauti.workspace import STORED, Source, Workspace

# Under this many bars nothing can be judged, so nothing can be spoilt by looking.
JUDGEABLE_BARS = 1_000
TABLES = "SELECT schema AS layer, name, column_names AS columns FROM (SHOW ALL TABLES) ORDER BY ALL"


def workspace(bars: Sequence[str], market: str, index: str | None) -> Workspace:
    """Return the workspace that ``--bars``, ``--market`` and ``--index`` name."""
    get_market(market)  # a market that does not exist is refused even where it is not needed
    return Workspace(Home.from_environment(), Source.of(bars, market, index))


def _now(market: str) -> datetime:
    return SystemClock(get_market(market).zone).now()


def _load(space: Workspace) -> Loaded:
    loaded = space.source.load()
    show_findings(loaded.findings)
    return loaded


def backtest(
    space: Workspace,
    genome_file: Path,
    *,
    capital: float,
    with_charges: bool,
    with_slippage: bool,
    until: date | None,
) -> Result:
    """Trade one genome over all the bars, and record the look where it spoils a later verdict."""
    genome = load_genome(genome_file)
    loaded = _load(space)
    bars = loaded.bars
    if until is not None:
        bars = bars.between(0, int((bars.sessions <= np.datetime64(until)).sum()))
    if not bars.shape[1]:
        raise DataError(f"no bars until {until}: choose a later day")
    market = get_market(bars.market)
    account = Account(
        capital,
        market.charges if with_charges else NO_CHARGES,
        Slippage() if with_slippage else NO_SLIPPAGE,
    )
    with brief("backtest"):
        result = Backtester(bars, account=account).run(genome)
    if loaded.bars.shape[1] >= JUDGEABLE_BARS:
        _record_look(space, genome, bars)  # before anybody sees the result
    return replace(result, notes=(*result.notes, *loaded.notes))


def _record_look(space: Workspace, genome: Genome, bars: Bars) -> None:
    last = bars.sessions[-1].astype(date)
    space.vault.record_look(
        family=family(genome),
        symbols=bars.symbols,
        first=bars.sessions[0].astype(date),
        last=last,
        who="kasauti backtest",
        when=_now(bars.market),
        why="a backtest over all bars given",
    )
    tell(f"The look is recorded: bars up to {last} are no test of this strategy's family any more")


def evolve(
    space: Workspace,
    seed: int,
    evaluations: int,
    population: int,
    workers: int,
    dask: str | None = None,
    memory: int = 256,
) -> SearchResult:
    """Search on what the vault lets a search read."""
    from kasauti.operations.progress import Progress as Stages

    loaded = _load(space)
    for note in loaded.notes:
        tell(note)
    now = _now(loaded.bars.market)
    admitted = space.admit(loaded.bars, now)
    settings = SearchSettings(seed=seed, evaluations=evaluations, population=population)
    with Stages() as stages, stages.stage("evolve", evaluations) as stage:
        return research.search(
            space,
            admitted.searched,
            settings,
            now,
            workers,
            lambda step: stage.update(step.evaluations, describe(step)),
            dask,
            memory * 2**20,
        )


def describe(step: Progress) -> str:
    """Return one line on where the search stands."""
    best = ", ".join(f"{name} {value:.2f}" for name, value in step.best.items()) or "nothing yet"
    return f"generation {step.generation}: best {best}; {step.front} on the front"


def make_folder(folder: Path) -> None:
    """Make the folder that results go to; asked for before the long work, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error


def save_genomes(found: SearchResult, folder: Path) -> None:
    """Write each genome of the front as a TOML file that ``--genome`` reads."""
    for one in found.front:
        write_atomically(folder / f"{one.hash[:12]}.toml", to_toml(one.genome).encode())


def judge(space: Workspace, genome_file: Path, who: str, report: Path | None = None) -> Verdict:
    """Put one genome on trial; write its tear sheet to `report` if that is given."""
    from kasauti.operations.progress import Progress as Stages

    genome = load_genome(genome_file)
    loaded = _load(space)
    now = _now(loaded.bars.market)
    admitted = space.admit(loaded.bars, now)
    with Stages() as stages, stages.stage("judge") as stage:
        verdict = research.put_on_trial(
            space, genome, admitted, now, who, stage.say, notes=loaded.notes
        )
        if report is not None:
            research.write_report(genome, verdict, admitted, report, now)
    return verdict


@dataclass(frozen=True)
class Ingested:
    """What `ingest` added: the times that were not stored before; `stored` counts all bars."""

    symbols: tuple[str, ...]
    appended: tuple[str, ...]
    stored: int
    version: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as ``kasauti ingest --json`` prints it."""
        return {
            "symbols": list(self.symbols),
            "appended": len(self.appended),
            "first": self.appended[0] if self.appended else None,
            "last": self.appended[-1] if self.appended else None,
            "stored": self.stored,
            "version": self.version,
        }


def ingest(folder: Path, market: str, index: str | None) -> Ingested:
    """Append the folder's new sessions to the stored bars; the first ones are sealed at once."""
    get_market(market)
    space = Workspace(Home.from_environment(), Source((folder,), market, index))
    with brief("read and check the files"):
        grown = space.gather()
    show_findings(grown.findings)
    with brief("seal the last fifth"):
        space.admit(grown.bars, _now(market))
    return Ingested(
        grown.bars.symbols,
        tuple(str(moment) for moment in grown.appended),
        grown.bars.shape[1],
        grown.bars.data_version,
    )


def sql(query: str | None) -> tuple[list[str], list[dict[str, Any]]]:
    """Return columns and rows of DuckDB's answer over the lake, or of the list of tables."""
    import duckdb

    lake = Lake(Home.from_environment().lake)
    if not lake.keys():
        raise UsageError(f"nothing is stored in {lake.root} yet: run `kasauti demo` first")
    with lake.connect() as connection:
        try:
            answer = connection.sql(query or TABLES)
            if answer is None:
                raise UsageError("the query is empty: give one SQL statement")
            found = rows(answer.columns, answer.fetchall())
            return list(found[0]) if found else answer.columns, found
        except duckdb.Error as error:
            raise DataError(f"the query failed: {error}") from error


@dataclass(frozen=True)
class Today:
    """What the permitted strategies want.

    Attributes
    ----------
    decided : datetime
        Exchange time: the close that it was decided on.
    permitted : tuple of dict
        The strategies, each with what its permit is worth.
    signals : tuple of dict
        One a symbol, in the order in which they would be released.
    """

    decided: datetime
    permitted: tuple[dict[str, str], ...]
    signals: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the signals as ``kasauti signals --json`` prints them."""
        return {
            "decided": self.decided.isoformat(),
            "permitted": list(self.permitted),
            "signals": list(self.signals),
        }


def signals(space: Workspace) -> Today:
    """Return today's signals of the permitted strategies; nothing is ordered.

    Raises
    ------
    UsageError
        If nothing was searched and judged in this state folder yet.
    """
    desk = _desk(space)
    permitted = tuple(
        {"genome": candidate.genome.hash, "label": approval.label}
        for candidate, approval in desk.candidates()
    )
    if not permitted:
        tell("No strategy may be traded on these bars by this code: run `kasauti demo` again.")
    frame = signals_frame(desk.signals())
    return Today(desk.now(), permitted, tuple(plain(frame.to_dict("records"))))


def report(space: Workspace, out: Path | None) -> Made:
    """Write the report, and a copy of it to `out`.

    Raises
    ------
    UsageError
        If nothing was searched and judged in this state folder yet.
    """
    desk = _desk(space)
    made = make_report(desk, _now(desk.market.name))
    if out is None:
        return made
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(made.path.read_bytes())
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    return replace(made, path=out)


def _desk(space: Workspace) -> ReplayDesk:
    """Return the desk of these bars, as the assets see it."""
    home = space.home
    if space.lake.current(APPROVED) is None:
        raise UsageError(
            f"nothing was searched and judged in {home.root} yet: run `kasauti demo` first"
        )
    if not space.source.is_sample and Lake(home.ingested).current(STORED) is None:
        raise UsageError(f"{space.source.name} was not taken in yet: run `kasauti ingest` first")
    bars = space.gather().bars
    now = _now(bars.market)
    admitted = space.admit(bars, now)
    if space.lake.current(STORED) != admitted.searched.data_version:
        raise UsageError(
            f"what stands in {home.root} was searched on other bars than {space.source.name}: "
            "name those with --bars, or search on these"
        )
    if space.source.is_sample:
        return ReplayDesk(space, admitted, profile_name(os.environ))
    return ForwardDesk(space, admitted, profile_name(os.environ), now)
