"""Where a search stands, on disk and exclusively locked; what the state means is the search's."""

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError, UsageError
from kasauti.evolution.packing import NAME_BYTES, unpack_names

DIGEST_BYTES = 32
FACTS = "facts"


@dataclass(frozen=True, eq=False)
class Saved:
    """What `Checkpoint.save` wrote.

    Attributes
    ----------
    facts : dict
        JSON.
    arrays : mapping of str to ndarray
    tried : list of str
        Hashes, in order.
    """

    facts: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    tried: list[str]


class Checkpoint:
    """One folder a search: ``state.bin``, replaced atomically, and ``tried.bin``, appended to.

    The names of the genomes already tried grow with the search and never change, so they are kept
    apart: rewriting 200,000 of them each generation would cost more than the state itself. Their
    number and their sha256 stand in the state, and whatever a killed process appended beyond is
    cut off. The state is an ``.npz`` behind its own sha256.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state.bin"
        self._tried = folder / "tried.bin"
        self._digest = hashlib.sha256()  # of all that was tried

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the search for this process alone; the kernel frees it when the process dies.

        Raises
        ------
        UsageError
            Another process runs this very search.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise UsageError(
                    f"another process runs this very search ({self.folder.name}): wait for it to "
                    "end, its result is kept"
                ) from busy
            yield

    def load(self) -> Saved | None:
        """Return what was saved last, or None before the first generation.

        Raises
        ------
        DataError
            The files contradict each other or are damaged.
        """
        if not self._state.exists():
            self.discard()
            return None
        try:
            arrays = _read_arrays(self._state.read_bytes())
            facts: dict[str, Any] = json.loads(arrays.pop(FACTS).tobytes())
            tried = self._read_tried(facts["tried"], facts["tried_sha256"])
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"checkpoint {self.folder} cannot be read ({problem}): delete this folder and the "
                "search starts again; the trial register keeps what was tried"
            ) from problem
        return Saved(facts, arrays, tried)

    def discard(self) -> None:
        """Forget the search's progress."""
        self._state.unlink(missing_ok=True)
        self._tried.unlink(missing_ok=True)
        self._digest = hashlib.sha256()

    def _read_tried(self, count: int, digest: str) -> list[str]:
        with self._tried.open("r+b") as handle:
            tried = handle.read(count * NAME_BYTES)
            self._digest = hashlib.sha256(tried)
            if self._digest.hexdigest() != digest:
                raise ValueError(f"{self._tried.name} does not hold the {count} hashes")
            handle.truncate(len(tried))
        return unpack_names(tried)

    def save(
        self,
        facts: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        tried: int,
        newly_tried: Sequence[str],
    ) -> None:
        """Make this the current state; a process killed at any moment leaves the old or the new.

        Parameters
        ----------
        facts : mapping
            What JSON can hold.
        arrays : mapping of str to ndarray
            No objects.
        tried : int
            Hashes tried so far, with these.
        newly_tried : sequence of str
            Hashes tried since the last save.
        """
        names = bytes.fromhex("".join(newly_tried))
        with self._tried.open("ab") as handle:
            handle.write(names)
            _flush(handle)
        self._digest.update(names)
        counted = {**facts, "tried": tried, "tried_sha256": self._digest.hexdigest()}
        fresh = self._state.with_suffix(".new")
        with fresh.open("wb") as handle:
            handle.write(_to_bytes(counted, arrays))
            _flush(handle)
        fresh.replace(self._state)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Unkept(Checkpoint):
    """The place of a search that nobody will resume: nothing is written, nothing is locked."""

    def __init__(self) -> None:
        super().__init__(Path())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock nothing: no other process can run this very search."""
        yield

    def load(self) -> Saved | None:
        """Return None: every search begins anew."""
        return None

    def discard(self) -> None:
        """Forget nothing, for nothing is kept."""

    def save(
        self,
        facts: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        tried: int,
        newly_tried: Sequence[str],
    ) -> None:
        """Keep nothing."""


def _to_bytes(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **{**arrays, FACTS: text})
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def _read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    if hashlib.sha256(content[DIGEST_BYTES:]).digest() != content[:DIGEST_BYTES]:
        raise ValueError("its checksum is wrong")
    with np.load(io.BytesIO(content[DIGEST_BYTES:]), allow_pickle=False) as arrays:
        return dict(arrays)


def _flush(handle: Any) -> None:
    handle.flush()
    os.fsync(handle.fileno())
