"""Where a search's time goes, over all the processes that worked on it; nothing is shown here."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PARTS = ("evaluation", "breeding", "selection", "register", "other")
"""Breeding includes hashing. Register and checkpoint are written while the next generation is bred
and evaluated: what had to be waited for counts. Other is all that is left."""


class Stopwatch:
    """Runs from when it is made; parts do not nest."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._before = 0.0
        self._parts = dict.fromkeys(PARTS[:-1], 0.0)

    def resume(self, parts: Mapping[str, float]) -> None:
        """Add what another process took."""
        self._before += sum(parts.values())
        for name in self._parts:
            self._parts[name] += parts[name]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add what happens inside to one part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._parts[name] += time.perf_counter() - began

    @property
    def seconds(self) -> float:
        """All of it so far."""
        return self._before + time.perf_counter() - self._began

    @property
    def seconds_by_part(self) -> dict[str, float]:
        """The seconds of each of `PARTS` so far; together they are `seconds`."""
        return {**self._parts, "other": max(0.0, self.seconds - sum(self._parts.values()))}
