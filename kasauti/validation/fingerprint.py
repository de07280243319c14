"""Fingerprints of sealed rows: enough to notice changed history, too little to read a price."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.market.bars import Bars

_NO_OPEN = 0


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """One symbol's rows, each reduced to 8 bytes.

    Attributes
    ----------
    times : ndarray of shape (n,), str
        ISO times of the bars that the symbol has.
    rows : ndarray of shape (n,), uint64
        Hash of high, low, close and volume.
    opens : ndarray of shape (n,), uint64
        Hash of the open, 0 where it is not a traded price. Kept apart, because a loader may judge
        an open differently at the edge of a shorter file.
    """

    times: NDArray[np.str_]
    rows: NDArray[np.uint64]
    opens: NDArray[np.uint64]

    def first_difference(self, later: "Fingerprint") -> str | None:
        """Return what `later` changed in words, comparing only dates that both cover."""
        if not len(self.times) or not len(later.times):
            return None
        start = max(self.times[0], later.times[0])
        stop = min(self.times[-1], later.times[-1])
        mine, theirs = self._between(start, stop), later._between(start, stop)
        missing = np.setxor1d(mine.times, theirs.times)
        if len(missing):
            return (
                f"the bar of {missing[0]} was {'removed' if missing[0] in mine.times else 'added'}"
            )
        # The first bar of a shorter file has no bar before it, so its open may be judged anew.
        opens = (mine.opens != _NO_OPEN) & (theirs.opens != _NO_OPEN) & (mine.opens != theirs.opens)
        changed = np.flatnonzero((mine.rows != theirs.rows) | opens)
        return f"the bar of {mine.times[changed[0]]} was changed" if len(changed) else None

    def _between(self, start: str, stop: str) -> "Fingerprint":
        keep = (self.times >= start) & (self.times <= stop)
        return Fingerprint(self.times[keep], self.rows[keep], self.opens[keep])


def _hashes(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    clean = np.ascontiguousarray(np.where(np.isnan(values), np.nan, values + 0.0))
    return np.array(
        [int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "big") for row in clean],
        dtype=np.uint64,
    )


def fingerprints(bars: Bars) -> dict[str, Fingerprint]:
    """Return the fingerprint of every symbol over the bars that it has."""
    found = {}
    for row, symbol in enumerate(bars.symbols):
        has = np.isfinite(bars.close[row])
        values = np.column_stack(
            [getattr(bars, name)[row, has] for name in ("high", "low", "close", "volume")]
        )
        opens = bars.open[row, has]
        found[symbol] = Fingerprint(
            bars.times[has].astype(str),
            _hashes(values),
            np.where(np.isnan(opens), np.uint64(_NO_OPEN), _hashes(opens[:, None])),
        )
    return found


def to_bytes(prints: Mapping[str, Fingerprint]) -> bytes:
    """Return fingerprints as the bytes of an npz archive."""
    arrays: dict[str, Any] = {
        f"{position}/{name}": getattr(entry, name)
        for position, entry in enumerate(prints.values())
        for name in ("times", "rows", "opens")
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, symbols=np.array(list(prints), dtype=str), **arrays)
    return stream.getvalue()


def from_bytes(content: bytes) -> dict[str, Fingerprint]:
    """Return the fingerprints that `to_bytes` stored."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {
            str(symbol): Fingerprint(
                *(stored[f"{position}/{name}"] for name in ("times", "rows", "opens"))
            )
            for position, symbol in enumerate(stored["symbols"])
        }
