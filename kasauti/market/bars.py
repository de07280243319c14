"""The `Bars` panel that everything downstream reads; loading and repair live beside it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Times = NDArray[np.datetime64]

PRICE_FIELDS = ("open", "high", "low", "close")
FIELDS = (*PRICE_FIELDS, "volume")


def _frozen(values: Any, dtype: Any) -> NDArray[Any]:
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def _canonical(values: Floats) -> bytes:
    """Return the bytes of `values` with one bit pattern each for zero (-0.0 too) and for NaN."""
    return np.where(np.isnan(values), np.nan, values + 0.0).tobytes()


def _check_symbols(symbols: Any) -> None:
    if not isinstance(symbols, tuple) or not all(isinstance(one, str) for one in symbols):
        raise DataError(f"symbols are {symbols!r:.80}: give a tuple of names, one a row")
    if len(set(symbols)) != len(symbols):
        raise DataError(f"symbols repeat in {symbols}: name each symbol once")


def _checked_times(given: Any) -> Times:
    times = np.asarray(given)
    if times.ndim != 1 or times.dtype not in (np.dtype("M8[D]"), np.dtype("M8[s]")):
        raise DataError(
            f"bar times have type {times.dtype} and {times.ndim} dimensions: use "
            "datetime64[D] (daily) or [s] (intraday) in one dimension"
        )
    if np.isnat(times).any():
        raise DataError(f"bar time {int(np.isnat(times).argmax())} is NaT: leave that bar out")
    wrong = times[1:] <= times[:-1]
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"bar times are not strictly increasing: {times[at + 1]} follows {times[at]}: sort "
            "them and drop repeats"
        )
    return _frozen(times, times.dtype)


def _numbers(name: str, given: Any, shape: tuple[int, ...], meaning: str) -> Floats:
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise DataError(f"{name} is ragged: give an array of {meaning}, {shape}") from error
    if values.dtype.kind not in "fiu":
        raise DataError(f"{name} has type {values.dtype}: give real numbers, NaN where none is")
    if values.shape != shape:
        raise DataError(f"{name} has shape {values.shape}, expected {shape}, {meaning}")
    return _frozen(values, np.float64)


def _check_values(name: str, values: Floats, symbols: tuple[str, ...], times: Times) -> None:
    """Refuse infinities, negative volumes, and prices that are not positive."""
    wrong = np.isinf(values)
    if name in PRICE_FIELDS:
        wrong |= values <= 0.0
    elif name == "volume":
        wrong |= values < 0.0
    if wrong.any():
        row, at = np.argwhere(wrong)[0]
        raise DataError(
            f"{name} of {symbols[row]} on {times[at]} (position {at}) is {values[row, at]}, one of "
            f"{int(wrong.sum())} such values: mend it, or write NaN where nothing was traded"
        )


@dataclass(frozen=True, eq=False)
class Bars:
    """One panel of S symbols by T times, immutable.

    Attributes
    ----------
    market : str
        Name of the `Market` that the data source belongs to, see `kasauti.market.markets`.
    symbols : tuple of str
        S names, in order of the rows.
    times : ndarray of shape (T,), datetime64
        Strictly increasing. Session dates (``datetime64[D]``) for daily bars, exchange-local bar
        *starts* (``datetime64[s]``) for intraday bars.
    open, high, low, close, volume : ndarray of shape (S, T), float64
        NaN before a symbol lists, after it stops, and where a value is not a traded price: an open
        that merely repeats the previous close is NaN, so nothing can fill on it. Volume is NaN
        where the source has none. Never infinite; prices are positive, volumes not negative.
    series : mapping of str to ndarray of shape (T,), float64
        The market's own series by their name in the genome language (``index``, ``vix``): closes,
        NaN where missing.
    index_symbol : str or None
        The symbol whose closes are ``series["index"]``, if a market index was named.

    Raises
    ------
    DataError
        Anything of this does not hold; the message names the field, and the symbol and the bar
        where there is one. `kasauti.market.sources` repairs files before it makes a panel.
    """

    market: str
    symbols: tuple[str, ...]
    times: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    series: Mapping[str, Floats] = field(default_factory=dict)
    index_symbol: str | None = None

    def __post_init__(self) -> None:
        _check_symbols(self.symbols)
        object.__setattr__(self, "times", _checked_times(self.times))
        shape = (len(self.symbols), len(self.times))
        for name in FIELDS:
            values = _numbers(name, getattr(self, name), shape, "symbols by times")
            _check_values(name, values, self.symbols, self.times)
            object.__setattr__(self, name, values)
        frozen = {}
        for name, values in self.series.items():
            frozen[name] = _numbers(f"series {name}", values, shape[1:], "one value a time")
            _check_values(f"series {name}", frozen[name][None], ("the market",), self.times)
        object.__setattr__(self, "series", MappingProxyType(frozen))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of symbols, number of times."""
        return (len(self.symbols), len(self.times))

    @property
    def is_daily(self) -> bool:
        """Whether a bar is a whole session."""
        return self.times.dtype == np.dtype("datetime64[D]")

    @cached_property
    def sessions(self) -> Times:
        """Session date of every bar, shape (T,), ``datetime64[D]``."""
        return self.times.astype("datetime64[D]")

    @cached_property
    def bars_a_session(self) -> int:
        """Largest number of bars in one session; 1 for daily bars and for an empty panel."""
        if self.is_daily or len(self.times) == 0:
            return 1
        return int(np.unique(self.sessions, return_counts=True)[1].max())

    @cached_property
    def data_version(self) -> str:
        """sha256 over market, symbols, times, values and series; equal content, equal version."""
        digest = hashlib.sha256()
        digest.update(repr((self.market, self.symbols, self.index_symbol)).encode())
        digest.update(str(self.times.dtype).encode() + self.times.tobytes())
        for name in FIELDS:
            digest.update(_canonical(getattr(self, name)))
        for name in sorted(self.series):
            digest.update(name.encode() + _canonical(self.series[name]))
        return digest.hexdigest()

    def between(self, start: int = 0, stop: int | None = None) -> "Bars":
        """Return the bars at positions ``start`` to ``stop`` (exclusive) on the time axis."""
        window = slice(start, stop)
        return Bars(
            self.market,
            self.symbols,
            self.times[window],
            self.open[:, window],
            self.high[:, window],
            self.low[:, window],
            self.close[:, window],
            self.volume[:, window],
            series={name: values[window] for name, values in self.series.items()},
            index_symbol=self.index_symbol,
        )

    def select(self, symbols: tuple[str, ...]) -> "Bars":
        """Return the panel of `symbols` alone, market series kept."""
        unknown = [symbol for symbol in symbols if symbol not in self.symbols]
        if unknown:
            raise DataError(f"no bars for {unknown}; there are {list(self.symbols)}")
        rows = [self.symbols.index(symbol) for symbol in symbols]
        return Bars(
            self.market,
            symbols,
            self.times,
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            series=self.series,
            index_symbol=self.index_symbol,
        )
