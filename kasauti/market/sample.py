"""The embedded sample: real daily bars that ship inside PyPI packages, read without any network.

S&P 500 and NASDAQ 1999-2018 come with ``arch``, four US shares 2000-2013 with
``bokeh_sampledata``. Only the files are read; the packages' own loaders are not called.
"""

from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from kasauti.errors import DataError
from kasauti.market.bars import PRICE_FIELDS, Floats
from kasauti.market.calendar import TableCalendar, calendar_from_dates
from kasauti.market.parsing import Table

INDEX_SYMBOL = "SP500"
INDEX_FILES = {
    "SP500": Path("arch/data/sp500/sp500.csv.gz"),
    "NASDAQ": Path("arch/data/nasdaq/nasdaq.csv.gz"),
}
SHARES_FILE = Path("bokeh_sampledata/_data/stocks.csv.gz")
SHARES = ("AAPL", "GOOG", "IBM", "MSFT")


def sample_tables() -> list[Table]:
    """Return the sample's tables: both indices, then the four shares, not yet repaired."""
    return [*map(_index, INDEX_FILES), *_shares()]


@cache
def sample_calendar() -> TableCalendar:
    """Return the calendar of the sample's own session dates, 1999-2018, at New York's hours."""
    from kasauti.market.markets import SAMPLE  # which names this calendar

    days: list[date] = sorted(_index(INDEX_SYMBOL).times.astype("datetime64[D]").tolist())
    return calendar_from_dates(days, SAMPLE.opens, SAMPLE.closes, SAMPLE.zone, "sample")


def _index(symbol: str) -> Table:
    path = INDEX_FILES[symbol]
    return _table(symbol, path.name, _read(path), "%m/%d/%Y")


def _shares() -> list[Table]:
    frame = _read(SHARES_FILE)
    tables = []
    for symbol in SHARES:
        share = frame[frame["ticker"] == symbol]
        tables.append(_adjusted(_table(symbol, SHARES_FILE.name, share, "%Y-%m-%d"), share))
    return tables


def _adjusted(table: Table, frame: pd.DataFrame) -> Table:
    """Scale prices by adjusted over raw close, and volume the other way, for splits and dividends.

    All four prices of a bar take the same factor, so their order stays.
    """
    ratio = frame["adj close"].to_numpy(dtype=np.float64) / table.values["close"]
    for name in PRICE_FIELDS:
        table = table.replace(name, table.values[name] * ratio)
    return table.replace("volume", table.values["volume"] / ratio)


def _table(symbol: str, file: str, frame: pd.DataFrame, date_format: str) -> Table:
    def column(name: str) -> Floats:
        return frame[name].to_numpy(dtype=np.float64)

    times = pd.to_datetime(frame["date"], format=date_format).to_numpy().astype("datetime64[s]")
    values = {name: column(name) for name in (*PRICE_FIELDS, "volume")}
    return Table(symbol, file, True, times, values, frame.index.to_numpy(dtype=np.int64) + 2)


def _read(path: Path) -> pd.DataFrame:
    """Read a packed CSV file inside an installed package, without importing the package."""
    package = find_spec(path.parts[0])  # importing arch alone takes seconds
    for root in (package.submodule_search_locations or ()) if package else ():
        file = Path(root).joinpath(*path.parts[1:])
        if file.is_file():
            frame = pd.read_csv(file, compression="gzip")
            return frame.rename(columns=lambda column: str(column).strip().lower())
    raise DataError(f"the embedded sample lacks {path}: install the project's packages again")
