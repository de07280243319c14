"""One self-contained HTML page from a template: its filters and its writing; no words are here."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kasauti.operations import words

if TYPE_CHECKING:
    from jinja2 import Environment

SHORT_HASH = 12  # of 64 digits; no two of a billion strategies are likely to share it


def environment(currency: str) -> "Environment":
    """Return the house's templates: every text that they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("kasauti.operations"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "money": partial(words.money, currency=currency),
        "percent": words.percent,
        "number": words.number,
        "grouped": words.grouped,
        "day": words.day,
        "short": lambda text: text[:SHORT_HASH],
    }
    return found


def write_page(text: str, path: Path) -> Path:
    """Write the page to `path` in one step: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
