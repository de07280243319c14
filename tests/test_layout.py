"""The shape of the project: which way imports run, what loading definitions may pull in."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["pipelines", "assets", "resources", "kasauti"]  # each may import those after it
LOWER = {"market", "features", "regimes", "genome"}
UPPER = {"evolution", "validation", "execution"}
SLOW = ["vectorbt", "great_expectations", "sklearn", "matplotlib", "optuna", "talib"]


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_one_way(layer: str) -> None:
    above = LAYERS[: LAYERS.index(layer)]
    wrong = {
        str(path.relative_to(ROOT)): name
        for path in modules(layer)
        for name in imports_of(path)
        if name.split(".")[0] in above
    }
    assert not wrong


def test_the_domain_library_does_not_know_dagster() -> None:
    wrong = [
        str(path)
        for path in modules("kasauti")
        if any(name.split(".")[0] == "dagster" for name in imports_of(path))
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(LOWER))
def test_market_features_regimes_genome_stand_below(package: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): name
        for path in modules(f"kasauti/{package}")
        for name in imports_of(path)
        if name.split(".")[0] == "kasauti" and name.split(".")[1] in UPPER
    }
    assert not wrong


def test_no_private_dagster() -> None:
    wrong = [
        str(path)
        for layer in LAYERS
        for path in modules(layer)
        if any(name.startswith("dagster._") for name in imports_of(path))
    ]
    assert not wrong


def test_definitions_load_without_the_slow_libraries() -> None:
    program = (
        "import json, sys, pipelines.definitions;"
        f"print(json.dumps([name for name in {SLOW} if name in sys.modules]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout) == []


def test_every_module_says_what_belongs_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in modules(layer)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_every_error_derives_from_one_base() -> None:
    import kasauti.errors

    own = [value for value in vars(kasauti.errors).values() if isinstance(value, type)]
    assert own
    assert all(issubclass(error, kasauti.errors.KasautiError) for error in own)
