"""The figures in the documents are those of one run, and no hand has touched them."""

from pathlib import Path

import pytest

from kasauti.bench.report import read_report
from kasauti.bench.tables import sentence_of, to_markdown

ROOT = Path(__file__).resolve().parent.parent.parent
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->"


@pytest.mark.parametrize("name", ["docs/performance.md", "README.md"])
def test_the_figures_are_those_of_the_run_in_the_tree(name: str) -> None:
    report = read_report(ROOT / "docs/performance.json")
    shown = (ROOT / name).read_text().split(BEGIN)[1].split(END)[0]
    wanted = to_markdown(report) if name.startswith("docs") else f"{sentence_of(report)}\n"
    assert shown == wanted, "run scripts/performance.py"
