"""What the commands do, with the machine's clock and state folder; how it is shown stands in `show`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasauti import research
from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Result, Slippage
from kasauti.errors import DataError, GenomeError
from kasauti.evolution.outcome import Progress, SearchResult, SearchSettings
from kasauti.execution.clock import SystemClock
from kasauti.genome import Genome, load_genome
from kasauti.genome.family import family
from kasauti.genome.writing import to_toml
from kasauti.home import Home
from kasauti.market.charges import NO_CHARGES
from kasauti.market.lake import Lake
from kasauti.market.markets import get_market
from kasauti.market.sources import Loaded
from kasauti.show import show_findings
from kasauti.validation.verdict import Verdict
from kasauti.workspace import Source, Workspace

if TYPE_CHECKING:
    import pandas as pd

# Under this many bars nothing can be judged, so nothing can be spoilt by looking.
JUDGEABLE_BARS = 1_000


def workspace(bars: Sequence[str], market: str, index: str | None) -> Workspace:
    """Return the workspace that ``--bars``, ``--market`` and ``--index`` name."""
    return Workspace(Home.from_environment(), Source.of(bars, market, index))


def _now(market: str) -> datetime:
    return SystemClock(get_market(market).zone).now()


def _load(space: Workspace) -> Loaded:
    loaded = space.source.load()
    show_findings(loaded.findings)
    return loaded


def read_genome(path: Path) -> Genome:
    """Return the genome in the file `path`; the error names the file."""
    return load_genome(path)


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
    genome = read_genome(genome_file)
    bars = _load(space).bars
    if until is not None:
        bars = bars.between(0, int((bars.sessions <= until).sum()))
    if not bars.shape[1]:
        raise DataError(f"no bars until {until}: choose a later day")
    market = get_market(bars.market)
    account = Account(
        capital,
        market.charges if with_charges else NO_CHARGES,
        Slippage() if with_slippage else NO_SLIPPAGE,
    )
    if bars.shape[1] >= JUDGEABLE_BARS:
        space.vault.record_look(
            family=family(genome),
            symbols=bars.symbols,
            first=bars.sessions[0].astype(date),
            last=bars.sessions[-1].astype(date),
            who="kasauti backtest",
            when=_now(bars.market),
            why="a backtest over all bars given",
        )
    return Backtester(bars, account=account).run(genome)


def evolve(
    space: Workspace, seed: int, evaluations: int, population: int, workers: int
) -> SearchResult:
    """Search on what the vault lets a search read."""
    from kasauti.operations.progress import Progress as Stages

    loaded = _load(space)
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
        )


def describe(step: Progress) -> str:
    """Return one line on where the search stands."""
    best = ", ".join(f"{name} {value:.2f}" for name, value in step.best.items()) or "nothing yet"
    return f"generation {step.generation}: best {best}; {step.front} on the front"


def save_genomes(found: SearchResult, folder: Path) -> list[Path]:
    """Write each genome of the front as a TOML file that ``--genome`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{one.hash[:12]}.toml" for one in found.front]
    for path, one in zip(paths, found.front, strict=True):
        path.write_text(to_toml(one.genome))
    return paths


def judge(space: Workspace, genome_file: Path, who: str) -> Verdict:
    """Put one genome on trial."""
    from kasauti.operations.progress import Progress as Stages

    genome = read_genome(genome_file)
    loaded = _load(space)
    now = _now(loaded.bars.market)
    admitted = space.admit(loaded.bars, now)
    with Stages() as stages, stages.stage("judge") as stage:
        return research.put_on_trial(
            space, genome, admitted, now, who, stage.say, notes=loaded.notes
        )


@dataclass(frozen=True)
class Ingested:
    """What `ingest` added."""

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
    space = Workspace(Home.from_environment(), Source.of([str(folder)], market, index))
    grown = space.gather()
    show_findings(grown.findings)
    space.admit(grown.bars, _now(market))
    return Ingested(
        grown.bars.symbols,
        tuple(str(moment) for moment in grown.appended),
        grown.bars.shape[1],
        grown.bars.data_version,
    )


def sql(query: str | None) -> "pd.DataFrame":
    """Return the answer of DuckDB over the lake, or the list of tables."""
    import duckdb

    with Lake(Home.from_environment().lake).connect() as connection:
        try:
            return connection.sql(query or "SHOW ALL TABLES").df()
        except duckdb.Error as error:
            raise DataError(f"the query failed: {error}") from error


def frame_json(frame: "pd.DataFrame") -> dict[str, Any]:
    """Return a table as plain values."""
    import json

    return {"rows": json.loads(frame.to_json(orient="records", date_format="iso"))}
