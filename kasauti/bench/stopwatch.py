"""How seconds are measured: the fastest of several turns, the rivals taking turns."""

from collections.abc import Callable, Mapping
from time import perf_counter

PATIENCE = 60.0
"""Seconds after which no further round is begun."""


def fastest(
    rivals: Mapping[str, Callable[[], object]], rounds: int = 3, patience: float = PATIENCE
) -> dict[str, float]:
    """Return the least seconds that each of the `rivals` took.

    They take turns within a round, so that a slow spell of the machine meets all of them. The
    minimum is what the machine can do: everything that disturbs only adds.

    Parameters
    ----------
    rivals : mapping of str to callable
        Each does the same work every time it is called.
    rounds : int
        At most; the first is always finished.
    patience : float
        Seconds after which no further round is begun.
    """
    least: dict[str, float] = {}
    begun = perf_counter()
    for number in range(rounds):
        if number > 0 and perf_counter() - begun > patience:
            break
        for name, work in rivals.items():
            before = perf_counter()
            work()
            seconds = perf_counter() - before
            least[name] = min(seconds, least.get(name, seconds))
    return least
