"""The version of the code that computed something: a hash of its source, not a number to forget."""

import hashlib
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# What decides a fill, a score or a verdict. Printing, alerts and commands may change freely.
DECISIVE = ("market", "features", "regimes", "genome", "backtest", "testers", "validation")

EVERYTHING = (*DECISIVE, "evolution", "execution")


@lru_cache(maxsize=8)
def code_version(parts: tuple[str, ...] = DECISIVE) -> str:
    """Return 12 hex digits of the sha256 over the sources and tables of `parts`.

    Parameters
    ----------
    parts : tuple of str
        Sub-packages of `kasauti`.
    """
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted((PACKAGE / part).rglob("*")):
            if path.suffix in {".py", ".toml", ".csv", ".json"}:
                digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
