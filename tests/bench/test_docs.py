"""The figures in the documents are those of one run, and no hand has touched them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kasauti.bench.report import read_report
from kasauti.bench.tables import execution_markdown, sentence_of, to_markdown

ROOT = Path(__file__).resolve().parent.parent.parent
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->"


MADE: dict[str, Callable[[dict[str, Any]], str]] = {
    "docs/performance.md": to_markdown,
    "docs/execution.md": execution_markdown,
    "README.md": lambda report: f"{sentence_of(report)}\n",
}


@pytest.mark.parametrize("name", MADE)
def test_the_figures_are_those_of_the_run_in_the_tree(name: str) -> None:
    report = read_report(ROOT / "docs/performance.json")
    shown = (ROOT / name).read_text().split(BEGIN)[1].split(END)[0]
    assert shown == MADE[name](report), "run scripts/performance.py"
