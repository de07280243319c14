"""Writes the published noise certificate into the README.

kasauti noise --seed 6 --worlds 300 --planted 0.5,1,1.5,2 --planted-worlds 80 \
    --write kasauti/noise/data/certificate.json && python scripts/certificate.py
"""

from pathlib import Path

from kasauti.noise.published import published, to_markdown

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- certificate: begin -->\n", "<!-- certificate: end -->"


def main() -> None:
    """Write it between the two marks."""
    before, rest = README.read_text().split(BEGIN)
    README.write_text(f"{before}{BEGIN}{to_markdown(published())}{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
