"""Columns of many trials as one blob each, for the register; what they mean stands there."""

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kasauti.errors import LedgerError
from kasauti.market.bars import Floats

NAME_BYTES = 32  # of a sha256
_DIGITS = 2 * NAME_BYTES
_FASTEST = 1  # 5 ms for the genes of 2,000 genomes, to a fifth; the best level takes 18 ms


def pack_names(names: Sequence[str]) -> bytes | str:
    """Return the bytes of sha256 names one after the other; JSON if one of them is no sha256."""
    together = "".join(names)
    try:
        packed = bytes.fromhex(together)
    except ValueError:
        packed = b""
    if together == packed.hex() and set(map(len, names)) <= {_DIGITS}:
        return packed
    return json.dumps(list(names))


def unpack_names(packed: bytes | str) -> list[str]:
    """Return what `pack_names` packed."""
    if isinstance(packed, str):
        names: list[str] = json.loads(packed)
        return names
    together = packed.hex()
    return [together[i : i + _DIGITS] for i in range(0, len(together), _DIGITS)]


def place_of(name: str, packed: bytes | str) -> int | None:
    """Return the place of `name` among packed names, None if it is not there."""
    if isinstance(packed, str) or len(name) != _DIGITS:
        names = unpack_names(packed)
        return names.index(name) if name in names else None
    digest = pack_names([name])
    if isinstance(digest, str):
        return None
    found = packed.find(digest)
    while found % NAME_BYTES and found > 0:  # across two names
        found = packed.find(digest, found + 1)
    return None if found < 0 else found // NAME_BYTES


def pack_lines(lines: Iterable[bytes]) -> bytes:
    """Return texts without line breaks, compressed."""
    return zlib.compress(b"\n".join(lines), _FASTEST)


def unpack_lines(packed: bytes) -> list[bytes]:
    """Return what `pack_lines` packed; there must have been a text."""
    try:
        return zlib.decompress(packed).split(b"\n")
    except zlib.error as problem:
        raise LedgerError(
            f"a blob of the trial register is damaged ({problem}): restore it from a backup"
        ) from problem


def pack_texts(texts: Sequence[str | None]) -> bytes:
    """Return any texts, compressed."""
    return zlib.compress(json.dumps(texts).encode(), _FASTEST)


def unpack_texts(packed: bytes) -> list[Any]:
    """Return what `pack_texts` packed: str, or None where it was."""
    texts: list[Any] = json.loads(b"\n".join(unpack_lines(packed)))
    return texts


def pack_figures(figures: Floats) -> bytes:
    """Return a matrix as little-endian float64, row by row; what is not finite as NaN."""
    return np.where(np.isfinite(figures), figures, np.nan).astype("<f8").tobytes()


def unpack_figures(packed: bytes, measures: int, place: int) -> list[float | None]:
    """Return one row of the matrix that `pack_figures` packed, None for NaN."""
    row = np.frombuffer(packed, dtype="<f8")[place * measures : (place + 1) * measures]
    return [None if value != value else value for value in row.tolist()]
