"""Joins one table a symbol to one `Bars` panel, and lists a panel's bars; no rules on values."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, Bars, Floats, Times
from kasauti.market.parsing import Table


def join(
    tables: Sequence[Table],
    market: str,
    *,
    index: str | None = None,
    volatility: Table | None = None,
) -> Bars:
    """Return the panel over the union of the tables' times, NaN where a symbol has no bar.

    Parameters
    ----------
    tables : sequence of Table
        The tradable symbols, in the panel's order.
    index : str or None
        The symbol whose closes become ``series["index"]``; it stays a symbol too.
    volatility : Table or None
        What becomes ``series["vix"]``; on times that no symbol has it is left out.

    Raises
    ------
    DataError
        If daily and intraday tables, or intraday tables of different bar lengths, are mixed.
    """
    _refuse_mixture([*tables, *([volatility] if volatility is not None else [])])
    times: Times = np.unique(np.concatenate([table.times for table in tables]))
    fields = {name: np.full((len(tables), len(times)), np.nan) for name in FIELDS}
    for row, table in enumerate(tables):
        at = np.searchsorted(times, table.times)
        for name in FIELDS:
            fields[name][row, at] = table.values[name]
    symbols = tuple(table.symbol for table in tables)
    series: dict[str, Floats] = {}
    if index is not None:
        series["index"] = fields["close"][symbols.index(index)].copy()
    if volatility is not None:
        shared = np.isin(volatility.times, times)
        series["vix"] = np.full(len(times), np.nan)
        series["vix"][np.searchsorted(times, volatility.times[shared])] = volatility.values[
            "close"
        ][shared]
    unit = "datetime64[D]" if tables[0].daily else "datetime64[s]"
    return Bars(
        market,
        symbols,
        times.astype(unit),
        fields["open"],
        fields["high"],
        fields["low"],
        fields["close"],
        fields["volume"],
        series=series,
        index_symbol=index,
    )


def long_frame(bars: Bars) -> pd.DataFrame:
    """Return the panel as one row a bar: ``symbol``, ``time``, the prices and ``volume``.

    Times at which a symbol has no value at all are left out; a symbol without any bar is not in
    the frame.
    """
    count, length = bars.shape
    columns = {name: getattr(bars, name).ravel() for name in FIELDS}
    traded = ~np.logical_and.reduce([np.isnan(column) for column in columns.values()])
    frame = {
        "symbol": np.repeat(np.array(bars.symbols, dtype=object), length)[traded],
        "time": np.tile(bars.times.astype("datetime64[s]"), count)[traded],
    } | {name: column[traded] for name, column in columns.items()}
    return pd.DataFrame(frame).astype({"symbol": "str"})


def _refuse_mixture(tables: Sequence[Table]) -> None:
    by_length = {_bar_length(table): table.file for table in reversed(tables)}
    if len(by_length) > 1:
        found = " and ".join(f"{length} bars ({file})" for length, file in by_length.items())
        raise DataError(f"there are {found}: give folders that hold one bar length only")


def _bar_length(table: Table) -> str:
    if table.daily:
        return "daily"
    if len(table.times) < 2:
        return "intraday"
    minutes = np.diff(table.times).astype("timedelta64[m]").astype(int)
    return f"{int(np.median(minutes))}-minute"
