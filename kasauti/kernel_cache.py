"""Where compiled kernels are kept on disk, so that a fresh process compiles nothing; paths only.

Numba notices a change in a kernel's own file, not in the kernels and constants of other files that
it has built in. So the folder of a module's kernels is named after a hash of everything that can be
built in: the module, what it imports from this package, and so on, and the compiler's versions. A
stale kernel cannot be found at all.
"""

import hashlib
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numba

from kasauti.home import Home

PACKAGE = Path(__file__).resolve().parent
COMPILER = tuple(version(package) for package in ("numba", "llvmlite", "numpy"))

_IMPORT = re.compile(rf"^(?:from|import) ({PACKAGE.name}\b[\w.]*)(?: import (\([^)]*\)|.*))?", re.M)


@cache
def cache_root() -> Path | None:
    """Return the first of these folders that can be written, None with a warning if none can.

    ``NUMBA_CACHE_DIR`` if it is set, the package's own ``__pycache__``, the state folder, and the
    user's cache folder: a read-only install is compiled once for each user. Never a folder that
    others can write too: what numba reads from it is run.
    """
    install = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:8]
    tried = [place / f"kernels-{install}" for place in _places()]
    for folder in tried:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    warnings.warn(
        f"no folder for compiled kernels can be written ({', '.join(map(str, tried))}): every "
        "process compiles anew; set KASAUTI_HOME or NUMBA_CACHE_DIR to a folder of yours",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _places() -> Iterator[Path]:
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    yield PACKAGE / "__pycache__"
    yield Home.from_environment().root
    if user := os.environ.get("XDG_CACHE_HOME"):
        yield Path(user) / PACKAGE.name
    elif home := os.environ.get("HOME"):
        yield Path(home) / ".cache" / PACKAGE.name


@cache
def kernel_folder(module: Path) -> Path | None:
    """Return the folder for the kernels of the file `module`; None: they cannot be kept."""
    root = cache_root()
    if root is None or not module.is_file():
        return None
    digest = hashlib.sha256(repr(COMPILER).encode())
    for path in sorted(_built_in(module)):
        digest.update(path.name.encode() + b"\0" + _text(path).encode() + b"\0")
    return root / f"{module.stem}-{digest.hexdigest()[:16]}"


def drop_stale_kernels() -> int:
    """Delete the kernels of sources that are no more; returns the number of folders deleted."""
    root = cache_root()
    if root is None:
        return 0
    current = {kernel_folder(module) for module in PACKAGE.rglob("*.py")}
    stale = [folder for folder in root.iterdir() if folder not in current]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(stale)


def _built_in(module: Path) -> set[Path]:
    """Return `module` and every file of this package that it imports, directly or not."""
    found, pending = {module}, [module]
    while pending:
        new = set(_imported(pending.pop())) - found
        found |= new
        pending += new
    return found


@cache
def _imported(module: Path) -> tuple[Path, ...]:
    """Return the files of this package that the top level of `module` imports."""
    candidates = []
    for package, names in _IMPORT.findall(_text(module)):
        for dotted in (package, *(f"{package}.{name}" for name in re.findall(r"\w+", names))):
            path = PACKAGE.parent.joinpath(*dotted.split("."))
            candidates += [path.with_suffix(".py"), path / "__init__.py"]
    return tuple(path for path in candidates if path.is_file())


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
