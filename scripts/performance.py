"""Writes the figures of docs/performance.json into the documents, a picture and the README.

kasauti bench --json > docs/performance.json && python scripts/performance.py
"""

from pathlib import Path

from kasauti.bench.plot import save_growth
from kasauti.bench.report import read_report
from kasauti.bench.tables import execution_markdown, sentence_of, to_markdown

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->"


def written(text: str, figures: str) -> str:
    """Return `text` with `figures` between the two marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{figures}{END}{rest.split(END)[1]}"


def main() -> None:
    """Write all of them."""
    report = read_report(ROOT / "docs/performance.json")
    save_growth(report, ROOT / "docs/images/growth.png")
    texts = {
        "docs/performance.md": to_markdown(report),
        "docs/execution.md": execution_markdown(report),
        "README.md": f"{sentence_of(report)}\n",
    }
    for name, figures in texts.items():
        file = ROOT / name
        file.write_text(written(file.read_text(), figures))


if __name__ == "__main__":
    main()
