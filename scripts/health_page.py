"""Writes what every health check means into docs/health.md: python scripts/health_page.py."""

from pathlib import Path

from kasauti.health.catalogue import markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "health.md"
BEGIN, END = "<!-- checks: begin -->\n", "<!-- checks: end -->"


def main() -> None:
    """Write it between the two marks."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{markdown()}{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
