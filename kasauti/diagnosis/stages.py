"""Which stage of a command a line of code belongs to, in words that a user understands; pure."""

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

IMPORTS = "loading libraries"
WAITING = "waiting for threads, processes or the disk"
OTHER = "everything else"

# The longest beginning that fits counts, so a part may stand apart from its package.
_OWN = {
    "market/": "reading and checking bars",
    "workspace.py": "reading and checking bars",
    "features/": "evaluating strategies",
    "backtest/": "evaluating strategies",
    "regimes/": "dating market regimes",
    "genome/": "writing and breeding strategies",
    "evolution/": "ranking and selecting",
    "evolution/register.py": "trial register and checkpoints",
    "evolution/chained.py": "trial register and checkpoints",
    "evolution/batches.py": "trial register and checkpoints",
    "evolution/checkpoint.py": "trial register and checkpoints",
    "validation/": "gates of the verdict",
    "validation/seal": "sealing bars",
    "noise/": "making surrogate markets",
    "execution/": "ledger, gate and desk",
    "operations/": "pages, plots and tables",
    "show": "pages, plots and tables",
}
_INHERITED = ("market/charge", "market/calendar", "market/markets", "market/bars")
"""Helpers of every stage: their time is that of whoever calls them."""

_LIBRARIES = {
    "numba": "compiling and loading kernels",
    "llvmlite": "compiling and loading kernels",
    "vectorbt": "second opinion of vectorbt",
    "dagster": "Dagster",
    "matplotlib": "pages, plots and tables",
}
_WAITS = {
    "threading.py": {"wait", "acquire", "join", "_wait_for_tstate_lock"},
    "selectors.py": {"select"},
    "subprocess.py": {"_try_wait", "_communicate", "_wait"},
    "queue.py": {"get", "put"},
    "concurrent/futures/thread.py": {"_worker"},
    "multiprocessing/connection.py": {"wait", "_recv"},
    "multiprocessing/popen_fork.py": {"poll"},
}


@dataclass(frozen=True)
class Place:
    """One function of the program: its name and its file."""

    function: str
    file: str

    @property
    def own(self) -> str | None:
        """The file within Kasauti, None for anybody else's."""
        path = Path(self.file)
        return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else None


def stage_of(place: Place, caller: str) -> str:
    """Return the stage of a function that was called in the stage `caller`.

    What is run by an import belongs to the import; a function that belongs nowhere is its caller's.
    """
    if caller == IMPORTS or "importlib._bootstrap" in place.file:
        return IMPORTS
    own = place.own
    if own is not None:
        if own.startswith(_INHERITED):
            return caller
        fitting = [beginning for beginning in _OWN if own.startswith(beginning)]
        return _OWN[max(fitting, key=len)] if fitting else caller
    for file, functions in _WAITS.items():
        if place.function in functions and place.file.endswith("/" + file):
            return WAITING
    parts = Path(place.file).parts
    if "site-packages" in parts:
        library = parts[parts.index("site-packages") + 1]
        return _LIBRARIES.get(library, caller)
    return caller
