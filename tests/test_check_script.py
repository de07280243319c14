"""`scripts/check` says by its exit code whether everything is green, whichever part failed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "check"


@pytest.mark.parametrize(
    ("failing", "green"),
    [
        ("nothing", True),
        ("ruff check", False),
        ("ruff format", False),
        ("mypy", False),
        ("python -m pytest tests/assets", False),
        ("python -m pytest tests/alerts", False),
        ("python -m pytest --ignore", False),
        ("python -m pytest tests/bench/test_ratio.py", False),
    ],
)
def test_the_exit_code_says_whether_all_of_it_is_green(
    tmp_path: Path, failing: str, green: bool
) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("ruff", "mypy", "python"):
        stub = tools / name
        stub.write_text(f'#!/bin/sh\ncase "{name} $*" in "$FAILING"*) exit 1;; esac\n')
        stub.chmod(0o755)
    found = subprocess.run(
        [tmp_path / "scripts" / "check"], env={**os.environ, "FAILING": failing}, check=False
    )
    assert (found.returncode == 0) is green
