"""Data sources: the embedded sample and the user's own folders, loaded, repaired and reported.

The steps stand in their own modules: `reading` (bytes), `parsing` (types), `repair` (rules),
`panel` (joining). Nothing here touches the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kasauti.errors import DataError
from kasauti.market.bars import Bars
from kasauti.market.findings import FileReport, Finding, Severity
from kasauti.market.markets import Market, get_market
from kasauti.market.panel import join
from kasauti.market.parsing import Table, parse
from kasauti.market.reading import SUFFIXES, WANTED, read_raw
from kasauti.market.repair import is_index, is_volatility_index, repair
from kasauti.market.sample import INDEX_FILES, INDEX_SYMBOL, sample_tables

MANY_SHARES = 5
"""A list of more shares than this that all live to the last bar was picked by who survived."""

__all__ = ["Finding", "Loaded", "Severity", "load_folder", "load_sample"]


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a data source gave.

    Attributes
    ----------
    bars : Bars
        The panel, repaired.
    findings : tuple of Finding
        Everything that was wrong, by file.
    source : str
        Where the bars come from, for reports.
    notes : tuple of str
        What to keep in mind wherever a result rests on these bars.
    """

    bars: Bars
    findings: tuple[Finding, ...]
    source: str
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def load_sample() -> Loaded:
    """Return the embedded sample: two US indices 1999-2018 and four shares 2000-2013, daily.

    ``series["index"]`` is the close of SP500. Shares are adjusted for splits and dividends.
    """
    market = get_market("sample")
    tables, findings = [], []
    for raw in sample_tables():
        report = FileReport(raw.file)
        table = repair(raw, market, report, index=raw.symbol in INDEX_FILES)
        findings += report.findings
        if table is not None:
            tables.append(table)
    notes = (
        market.description,
        "AAPL, GOOG, IBM and MSFT were picked because they survived: a result on them is too good",
    )
    bars = join(tables, market.name, index=INDEX_SYMBOL)
    return Loaded(bars, tuple(findings), "embedded sample", notes)


def load_folder(paths: Sequence[Path], *, market: str = "nse", index: str | None = None) -> Loaded:
    """Load own bars: one CSV or Parquet file a symbol, all folders joined into one panel.

    Parameters
    ----------
    paths : sequence of Path
        Folders (or single files). The stem of a file is its symbol; other files are ignored.
    market : str
        Name of the `Market` that the bars belong to.
    index : str or None
        Symbol of the market index, which becomes ``series["index"]`` and stays a symbol.

    Returns
    -------
    Loaded
        Symbols in alphabetical order. A symbol ending in VIX becomes ``series["vix"]`` and is no
        tradable symbol.

    Raises
    ------
    DataError
        If a folder or the index is not there, a symbol is there twice, daily and intraday bars
        are mixed, or no file is usable (the message then names every finding).
    """
    place = get_market(market)
    files = _files(paths)
    tables: dict[str, Table] = {}
    findings: list[Finding] = []
    for symbol, path in sorted(files.items()):
        report = FileReport(path.name)
        table = _load_file(path, place, report, index)
        findings += report.findings
        if table is not None:
            tables[symbol] = table
    volatility = _volatility(tables)
    shares = [table for symbol, table in tables.items() if not is_volatility_index(symbol)]
    if not shares:
        told = "; ".join(map(str, findings)) or "only a volatility index is there"
        raise DataError(f"no file in {_names(paths)} holds usable bars: {told}")
    if index is not None and index not in [table.symbol for table in shares]:
        there = ", ".join(table.symbol for table in shares)
        reasons = "; ".join(str(finding) for finding in findings if finding.file == f"{index}.csv")
        raise DataError(
            f"there is no market index {index!r}; there are {there}. {reasons}".rstrip()
        )
    bars = join(shares, market, index=index, volatility=volatility)
    notes = tuple(_notes(bars, index))
    return Loaded(bars, tuple(findings), _names(paths), notes)


def _load_file(path: Path, market: Market, report: FileReport, index: str | None) -> Table | None:
    raw = read_raw(path, report)
    table = None if raw is None else parse(raw, path.stem, market, report)
    if table is None:
        return None
    return repair(table, market, report, index=is_index(path.stem, index))


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _bar_files(paths):
        if path.stem in found:
            raise DataError(
                f"symbol {path.stem} is there twice, as {found[path.stem]} and {path}: keep one"
            )
        found[path.stem] = path
    if not found:
        raise DataError(
            f"no CSV or Parquet file in {_names(paths)}: give a folder with one file a symbol, "
            f"with columns {WANTED}"
        )
    return found


def _bar_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no folder {path}")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in inside:
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file():
                yield file


def _volatility(tables: dict[str, Table]) -> Table | None:
    found = [symbol for symbol in tables if is_volatility_index(symbol)]
    if len(found) > 1:
        raise DataError(f"there are several volatility indices, {', '.join(found)}: keep one")
    return tables[found[0]] if found else None


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.resolve().name for path in paths)


def _notes(bars: Bars, index: str | None) -> Iterator[str]:
    indices = [symbol for symbol in bars.symbols if is_index(symbol, index)]
    shares = [symbol for symbol in bars.symbols if symbol not in indices]
    alive = np.isfinite(bars.select(tuple(shares)).close[:, -1])
    if len(shares) > MANY_SHARES and alive.all():
        yield (
            f"All {len(shares)} shares live to the last bar: a list of today's index members "
            "leaves out those that fell out (survivorship bias), so results on it are too good"
        )
    if indices:
        yield f"Indices ({', '.join(indices)}) cannot be bought as such, only funds that track them"
