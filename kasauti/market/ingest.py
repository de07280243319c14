"""Adds newly loaded bars to a stored panel: pure, append-only, history is never rewritten."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, Bars, Floats, Times
from kasauti.market.findings import Finding, Severity
from kasauti.market.repair import is_index

SPLIT_HINT = (
    "The stored value stays; if the source has adjusted its history for a split, start a new data "
    "set from it"
)


@dataclass(frozen=True, eq=False)
class Merged:
    """A stored panel with the new sessions added.

    Attributes
    ----------
    bars : Bars
        Equal to the stored panel up to its last bar, the appended bars after it. The stored
        object itself if nothing was new.
    findings : tuple of Finding
        Differences from history and whatever was left out; `Finding.file` is the symbol.
    appended : ndarray of datetime64
        Times that the stored panel did not have.
    """

    bars: Bars
    findings: tuple[Finding, ...]
    appended: Times


def merge(stored: Bars, new: Bars) -> Merged:
    """Append the bars of `new` that are later than all of `stored`.

    Bars at or before the last stored time never change, nor does a bar enter there: the sealed
    part of a data set stays what it was. A value of `new` that differs from the stored one is a
    finding that names both. A symbol that is new has NaN up to the last stored time.

    Raises
    ------
    DataError
        If the panels are of different markets, bar types or market indices, or `stored` is empty.
    """
    _refuse_strangers(stored, new)
    last = stored.times[-1]
    later = new.times > last
    findings = [*_differences(stored, new), *_left_out(stored, new, later)]
    if not later.any():
        return Merged(stored, tuple(findings), new.times[later])
    symbols = (*stored.symbols, *(name for name in new.symbols if name not in stored.symbols))
    fields = {name: _extend(stored, new, symbols, later, name) for name in FIELDS}
    findings += _blank_repeated_opens(fields, symbols, len(stored.times), stored.index_symbol)
    series = {
        name: np.concatenate(
            [_series(stored, name), _series(new, name)[later]],
        )
        for name in sorted({*stored.series, *new.series})
    }
    bars = Bars(
        stored.market,
        symbols,
        np.concatenate([stored.times, new.times[later]]),
        fields["open"],
        fields["high"],
        fields["low"],
        fields["close"],
        fields["volume"],
        series=series,
        index_symbol=stored.index_symbol,
    )
    return Merged(bars, tuple(findings), new.times[later])


def _refuse_strangers(stored: Bars, new: Bars) -> None:
    if stored.shape[1] == 0:
        raise DataError("the stored panel has no bars: store the new one as it is")
    if stored.market != new.market:
        raise DataError(f"the new bars are of market {new.market}, the stored of {stored.market}")
    if stored.is_daily != new.is_daily:
        raise DataError("daily and intraday bars do not mix: ingest them into two data sets")
    if stored.index_symbol != new.index_symbol:
        raise DataError(
            f"the market index of the new bars is {new.index_symbol}, of the stored "
            f"{stored.index_symbol}: name the same one"
        )


def _extend(
    stored: Bars, new: Bars, symbols: tuple[str, ...], later: NDArray[np.bool_], name: str
) -> Floats:
    values = np.full((len(symbols), len(stored.times) + int(later.sum())), np.nan)
    values[: len(stored.symbols), : len(stored.times)] = getattr(stored, name)
    rows = [symbols.index(symbol) for symbol in new.symbols]
    values[rows, len(stored.times) :] = getattr(new, name)[:, later]
    return values


def _series(bars: Bars, name: str) -> Floats:
    return bars.series[name] if name in bars.series else np.full(len(bars.times), np.nan)


def _blank_repeated_opens(
    fields: dict[str, Floats], symbols: tuple[str, ...], first: int, index_symbol: str | None
) -> list[Finding]:
    """Blank the first appended open of an index where it repeats the last stored close.

    The loader saw the new bars alone, so it could not know the close before their first.
    """
    repeats = fields["open"][:, first] == fields["close"][:, first - 1]
    found = []
    for row in np.flatnonzero(repeats):
        if is_index(symbols[row], index_symbol):
            fields["open"][row, first] = np.nan
            problem = "the first new open of the index repeats the last stored close"
            remedy = "This open is left out: an index never opens exactly where it closed"
            found.append(Finding(symbols[row], None, problem, remedy, Severity.WARNING))
    return found


def _differences(stored: Bars, new: Bars) -> list[Finding]:
    """Compare both panels where they overlap; one finding a symbol."""
    times, here, there = np.intersect1d(stored.times, new.times, return_indices=True)
    found = []
    for symbol in new.symbols:
        if symbol not in stored.symbols:
            continue
        row, other = stored.symbols.index(symbol), new.symbols.index(symbol)
        examples = []
        count = 0
        for name in FIELDS:
            old, now = getattr(stored, name)[row, here], getattr(new, name)[other, there]
            differ = (old != now) & ~(np.isnan(old) & np.isnan(now))
            count += int(differ.sum())
            examples += [
                f"{times[at]} {name}: stored {old[at]:g}, new {now[at]:g}"
                for at in np.flatnonzero(differ)[:1]
            ]
        if count:
            problem = f"{count} values differ from the stored history, such as {examples[0]}"
            found.append(Finding(symbol, None, problem, SPLIT_HINT, Severity.WARNING))
    return found


def _left_out(stored: Bars, new: Bars, later: NDArray[np.bool_]) -> list[Finding]:
    """Report bars that lie in the stored range and are not in it."""
    known_times = np.isin(new.times, stored.times)
    found = []
    for row, symbol in enumerate(new.symbols):
        traded = ~np.isnan(new.close[row]) & ~later
        is_new = symbol not in stored.symbols
        missed = int((traded if is_new else traded & ~known_times).sum())
        if missed:
            what = "of a new symbol" if is_new else "of sessions that are not stored"
            found.append(
                Finding(
                    symbol,
                    None,
                    f"{missed} bars {what} lie before the last stored bar ({stored.times[-1]})",
                    "They are left out, history is only appended to; start a new data set for them",
                    Severity.WARNING,
                    missed,
                )
            )
    return found
