"""A fresh process loads compiled kernels, on a read-only install too, and never stale ones."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numba
import numpy as np
import pytest

from kasauti import kernel_cache
from kasauti.kernel_cache import PACKAGE
from kasauti.market.charge_kernels import leg_charges
from kasauti.market.charges import NSE_CHARGES

COUNT = """
import json, sys
from numba.core.dispatcher import Dispatcher
modules = [module for name, module in sys.modules.items() if name.startswith("kasauti")]
found = [one for module in modules for one in vars(module).values()]
kernels = {one for one in found if isinstance(one, Dispatcher)}
hits = sum(sum(one.stats.cache_hits.values()) for one in kernels)
misses = sum(sum(one.stats.cache_misses.values()) for one in kernels)
compiled = sum(len(one.signatures) for one in kernels)
print(json.dumps({"value": value, "hits": hits, "misses": misses, "compiled": compiled}))
"""
CHARGE = """
import numpy as np
from kasauti.market.charge_kernels import leg_charges
from kasauti.market.charges import NSE_CHARGES
row = NSE_CHARGES.rates(np.array(["2025-01-01"], dtype="datetime64[D]"))[0]
value = leg_charges(row, True, True, 1000.0)
"""
CHARGED = leg_charges(
    NSE_CHARGES.rates(np.array(["2025-01-01"], dtype="datetime64[D]"))[0], True, True, 1000.0
)
SCORES = """
from kasauti.backtest import Backtester
from kasauti.kernels import _bars, _genomes
from kasauti.genome.codes import Population
value = Backtester(_bars()).scores(Population.of(_genomes())).total_return.tolist()
"""


@dataclass(frozen=True)
class Ran:
    """What one process computed, and how its kernels came about."""

    value: object
    hits: int
    misses: int
    compiled: int
    err: str


def fresh(code: str, package: Path = PACKAGE, **environment: str) -> Ran:
    """Run `code` in a process of its own, with the package at `package`."""
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.run(
        [sys.executable, "-c", code + COUNT],
        cwd=package.parent,
        env={**known, "PYTHONPATH": str(package.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return Ran(**json.loads(process.stdout), err=process.stderr)


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the package that nobody can write to, root neither: a file is in the way."""
    package = tmp_path / "site" / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__pycache__").write_text("no folder")
    return package


def test_a_fresh_process_compiles_nothing() -> None:
    first, second = fresh(SCORES), fresh(SCORES)
    assert second.value == first.value
    assert second.misses == 0
    assert second.hits == second.compiled > 0


@pytest.mark.parametrize("variable", ["KASAUTI_HOME", "XDG_CACHE_HOME", "HOME"])
def test_a_read_only_install_compiles_once(variable: str, install: Path, tmp_path: Path) -> None:
    closed = dict.fromkeys(("KASAUTI_HOME", "HOME"), str(install / "__pycache__" / "nowhere"))
    environment = {**closed, variable: str(tmp_path / "writable")}
    first, second = (fresh(CHARGE, install, **environment) for _ in range(2))
    assert (first.hits, first.misses) == (0, 1)
    assert (second.hits, second.misses) == (1, 0)
    assert first.value == second.value == CHARGED
    assert list((tmp_path / "writable").rglob("charge_kernels.leg_charges-*.nbc"))


def test_where_nothing_can_be_written_it_compiles_and_says_so_once(install: Path) -> None:
    nowhere = str(install / "__pycache__" / "nowhere")
    closed = dict.fromkeys(("KASAUTI_HOME", "HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), nowhere)
    ran = fresh(CHARGE, install, **closed)
    assert (ran.value, ran.compiled) == (CHARGED, 1)
    assert ran.err.count("every process compiles anew; set KASAUTI_HOME or NUMBA_CACHE_DIR") == 1


# -- what a kernel's folder is named after -------------------------------------------------------

SOURCES = {
    "__init__.py": "",
    "kernels.py": "from kasauti.deep import rules\nfrom kasauti.sizes import (\n    LARGE,\n)\n",
    "sizes.py": "import kasauti.units\nLARGE = 10\n",
    "units.py": "UNIT = 1\n",
    "deep/__init__.py": "",
    "deep/rules.py": "RULE = 1\n",
    "apart.py": "from kasauti.kernels import LARGE\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "kasauti"
    for name, text in SOURCES.items():
        (package / name).parent.mkdir(exist_ok=True, parents=True)
        (package / name).write_text(text)
    monkeypatch.setattr(kernel_cache, "PACKAGE", package)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return package


class Cached(Protocol):
    """What functools.cache adds to a function."""

    def cache_clear(self) -> None: ...


CACHED: tuple[Cached, ...] = (
    kernel_cache.cache_root,
    kernel_cache.kernel_folder,
    kernel_cache._imported,
    kernel_cache._text,
)


@pytest.fixture(autouse=True)
def anew() -> None:
    for function in CACHED:
        function.cache_clear()


def folder_of(package: Path) -> Path:
    for function in CACHED:
        function.cache_clear()  # as in a new process
    folder = kernel_cache.kernel_folder(package / "kernels.py")
    assert folder is not None
    assert folder.is_relative_to(package / "__pycache__")
    return folder


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("kernels.py", True),
        ("sizes.py", True),
        ("units.py", True),
        ("deep/rules.py", True),
        ("deep/__init__.py", True),
        ("apart.py", False),
    ],
)
def test_a_change_in_what_can_be_built_in_makes_a_new_folder(
    name: str, matters: bool, project: Path
) -> None:
    before = folder_of(project)
    assert folder_of(project) == before
    (project / name).write_text(SOURCES[name] + "CHANGED = 1\n")
    assert (folder_of(project) != before) is matters


def test_another_compiler_makes_a_new_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder_of(project)
    monkeypatch.setattr(kernel_cache, "COMPILER", ("another",))
    assert folder_of(project) != before


def test_only_kernels_of_earlier_sources_are_dropped(project: Path) -> None:
    old = folder_of(project)
    old.mkdir()
    (project / "sizes.py").write_text("LARGE = 11\n")
    new = folder_of(project)
    new.mkdir()
    assert kernel_cache.drop_stale_kernels() == 1
    assert (old.exists(), new.exists()) == (False, True)
