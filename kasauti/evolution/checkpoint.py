"""Where a search stands, on disk and exclusively locked; what the state means is the search's."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kasauti.errors import DataError, UsageError

HASH_LINE = 65  # 64 hexadecimal digits and the line's end


class Checkpoint:
    """One folder a search: ``state.json``, replaced atomically, and ``tried.txt``, appended to.

    The names of the genomes already tried grow with the search and never change, so they are kept
    apart: rewriting 20,000 of them each generation would cost more than the state itself. Their
    number stands in the state, and whatever a killed process appended beyond it is cut off.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state.json"
        self._tried = folder / "tried.txt"

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

    def load(self) -> tuple[dict[str, Any], list[str]] | None:
        """Return the state and the hashes tried, in order, or None before the first generation.

        Raises
        ------
        DataError
            The files contradict each other or are damaged.
        """
        if not self._state.exists():
            self.discard()
            return None
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
            tried = self._read_tried(int(state["evaluations"]))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"checkpoint {self.folder} cannot be read ({problem}): delete this folder and the "
                "search starts again; the trial register keeps what was tried"
            ) from problem
        return state, tried

    def discard(self) -> None:
        """Forget the search's progress."""
        self._state.unlink(missing_ok=True)
        self._tried.unlink(missing_ok=True)

    def _read_tried(self, count: int) -> list[str]:
        os.truncate(self._tried, count * HASH_LINE)
        tried = self._tried.read_text().split()
        if len(set(tried)) != count:
            raise ValueError(f"{self._tried.name} does not hold {count} hashes")
        return tried

    def save(self, state: dict[str, Any], newly_tried: Sequence[str]) -> None:
        """Make `state` the current one; a process killed at any moment leaves the old or the new.

        Parameters
        ----------
        state : dict
            JSON; its ``evaluations`` is the number of hashes tried so far.
        newly_tried : sequence of str
            Hashes tried since the last save.
        """
        with self._tried.open("a") as handle:
            handle.writelines(f"{name}\n" for name in newly_tried)
            _flush(handle)
        fresh = self._state.with_suffix(".new")
        with fresh.open("w") as handle:
            handle.write(json.dumps(state))  # json.dump is written in Python: six times as slow
            _flush(handle)
        fresh.replace(self._state)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(handle: Any) -> None:
    handle.flush()
    os.fsync(handle.fileno())
