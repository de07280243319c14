"""Writes a result into a page between its two marks, with the day and the command."""

import shlex
import sys
from datetime import date
from pathlib import Path


def write_between(page: Path | None, name: str, text: str) -> None:
    """Replace what stands between the marks `name` of `page`; without a page, print it.

    Raises
    ------
    ValueError
        The page lacks one of the marks.
    """
    module = f"benchmarks.{Path(sys.argv[0]).stem}"
    command = shlex.join(["python", "-m", module, *sys.argv[1:]])
    dated = f"*{date.today().isoformat()}, `{command}`*\n\n{text}\n"
    if page is None:
        sys.stdout.write(dated)
        return
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} lacks a mark: write {begin.strip()} and {end} where it belongs")
    page.write_text(f"{before}{begin}{dated}{end}{after}")
