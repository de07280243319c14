"""Bars cut, joined and stored by session for the vault; nothing is recorded or decided here."""

import hashlib
import io
import os
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kasauti.errors import SealedDataError
from kasauti.market.bars import FIELDS, Bars

SEARCHED_SHARE = 0.8
_SERIES = "series/"


def day_of(value: np.datetime64) -> date:
    """Return a bar time's session date."""
    return date.fromisoformat(str(value.astype("datetime64[D]")))


def names_in(bars: Bars) -> set[str]:
    """Return the symbols and the index whose bars the panel shows."""
    return set(bars.symbols) | ({bars.index_symbol} if bars.index_symbol else set())


def position_of(bars: Bars, day: date, *, after: bool = False) -> int:
    """Return the position of the first bar of `day`, or of the first bar after it."""
    side: Literal["left", "right"] = "right" if after else "left"
    return int(np.searchsorted(bars.sessions, np.datetime64(day), side=side))


def sessions_between(bars: Bars, first: date, last: date) -> Bars:
    """Return the bars of the sessions `first` to `last`, both included."""
    return bars.between(position_of(bars, first), position_of(bars, last, after=True))


def fresh_boundary(bars: Bars) -> date | None:
    """Return the first session of the last fifth, by bars; None where that would be all of them."""
    count = bars.shape[1]
    if count < 5:
        return None
    boundary = bars.sessions[int(SEARCHED_SHARE * count)]
    return None if boundary == bars.sessions[0] else day_of(boundary)


def ranges(bars: Bars) -> dict[str, tuple[date, date]]:
    """Return first and last session with a close, for every symbol (and the index) that has one."""
    series = dict(zip(bars.symbols, bars.close, strict=True))
    if bars.index_symbol and "index" in bars.series:
        series.setdefault(bars.index_symbol, bars.series["index"])
    found = {}
    for symbol, values in series.items():
        has = np.flatnonzero(np.isfinite(values))
        if len(has):
            found[symbol] = (day_of(bars.sessions[has[0]]), day_of(bars.sessions[has[-1]]))
    return found


def to_bytes(bars: Bars) -> bytes:
    """Return the panel as the bytes of an npz archive; equal bars give equal bytes."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(bars, name) for name in FIELDS}
    arrays |= {_SERIES + name: values for name, values in sorted(bars.series.items())}
    arrays["times"] = bars.times.astype("datetime64[s]").astype(np.int64)
    arrays["text"] = np.array([bars.market, bars.index_symbol or "", *bars.symbols], dtype=str)
    arrays["daily"] = np.array(bars.is_daily)
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def from_bytes(content: bytes) -> Bars:
    """Return the panel that `to_bytes` stored."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        market, index_symbol, *symbols = (str(text) for text in stored["text"])
        times = stored["times"].astype("datetime64[s]")
        values: dict[str, Any] = {name: stored[name] for name in FIELDS}
        values["series"] = {
            name.removeprefix(_SERIES): stored[name]
            for name in stored.files
            if name.startswith(_SERIES)
        }
        return Bars(
            market,
            tuple(symbols),
            times.astype("datetime64[D]") if bool(stored["daily"]) else times,
            index_symbol=index_symbol or None,
            **values,
        )


def write_once(path: Path, content: bytes) -> None:
    """Write `content` atomically as a file that its owner may read and nobody may write."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)


def read_verified(path: Path, sha256: str) -> bytes:
    """Return the file's bytes.

    Raises
    ------
    SealedDataError
        When the file is gone or its hash is another.
    """
    if not path.exists():
        raise SealedDataError(f"{path} is gone: restore the vault from a backup")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SealedDataError(f"{path} was changed: restore the vault from a backup")
    return content


def join(earlier: Bars, later: Bars) -> Bars:
    """Return `earlier` followed by `later`, with the symbols and series of `earlier`.

    What `later` does not know is NaN there. The times of `later` must come after.
    """
    rows = {symbol: row for row, symbol in enumerate(later.symbols)}
    blank = np.full(later.shape[1], np.nan)

    def conform(name: str) -> Any:
        values = getattr(later, name)
        added = np.array([values[rows[s]] if s in rows else blank for s in earlier.symbols])
        return np.concatenate([getattr(earlier, name), added], axis=1)

    values: dict[str, Any] = {name: conform(name) for name in FIELDS}
    values["series"] = {
        name: np.concatenate([known, later.series.get(name, blank)])
        for name, known in earlier.series.items()
    }
    return Bars(
        earlier.market,
        earlier.symbols,
        np.concatenate([earlier.times, later.times]),
        index_symbol=earlier.index_symbol,
        **values,
    )
