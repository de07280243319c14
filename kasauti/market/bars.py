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
        where the source has none.
    series : mapping of str to ndarray of shape (T,), float64
        The market's own series by their name in the genome language (``index``, ``vix``): closes,
        NaN where missing.
    index_symbol : str or None
        The symbol whose closes are ``series["index"]``, if a market index was named.
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
        shape = (len(self.symbols), len(self.times))
        if len(set(self.symbols)) != len(self.symbols):
            raise DataError(f"symbols repeat in {self.symbols}: name each symbol once")
        times = np.asarray(self.times)
        if times.dtype not in (np.dtype("datetime64[D]"), np.dtype("datetime64[s]")):
            raise DataError(
                f"bar times have type {times.dtype}: use datetime64[D] (daily) or [s] (intraday)"
            )
        if len(times) > 1 and not bool(np.all(times[1:] > times[:-1])):
            raise DataError("bar times are not strictly increasing: sort them and drop repeats")
        object.__setattr__(self, "times", _frozen(times, times.dtype))
        for name in FIELDS:
            values = _frozen(getattr(self, name), np.float64)
            if values.shape != shape:
                raise DataError(f"{name} has shape {values.shape}, expected {shape}")
            object.__setattr__(self, name, values)
        frozen = {name: _frozen(values, np.float64) for name, values in self.series.items()}
        for name, values in frozen.items():
            if values.shape != shape[1:]:
                raise DataError(f"series {name} has shape {values.shape}, expected {shape[1:]}")
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
