"""A report as a letter: tiles, sections and tables, as HTML for mail and page, text and Markdown.

What a letter says is decided by whoever makes one; here is only how it looks.
"""

import base64
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from kasauti.operations.page import environment
from kasauti.operations.words import day

if TYPE_CHECKING:
    from markupsafe import Markup

    from kasauti.operations.figure import Plot

TEXT_WIDTH = 76
SHARPNESS = 200  # dots an inch of the picture: phones show two or three pixels a point
CURRENCY = "₹"
CODE = (
    "font-family:ui-monospace,Consolas,monospace;font-size:.9em;background:#f3f1ea;padding:0 3px;"
)
_ESCAPED = {"|": "\\|", "<": "&lt;", "\n": " "}


class Tone(StrEnum):
    """What a colour says; a word or a sign beside it always says the same."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    MUTED = "muted"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text, note : str
        The note stands smaller under the text.
    tone : Tone
    filled : float or None
        Draws a bar under it: what is used as a fraction of what is allowed.
    """

    text: str
    note: str = ""
    tone: Tone = Tone.PLAIN
    filled: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows under column names; a column named ``>…`` holds numbers, set to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names without their mark."""
        return tuple(name.removeprefix(">") for name in self.columns)


@dataclass(frozen=True)
class Section:
    """One subject: its title, sentences, and a table where there is something to list."""

    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Tile:
    """One figure of the head."""

    name: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, eq=False)
class Letter:
    """A finished report.

    Attributes
    ----------
    title : str
        What it is, and of when: also the subject of the mail.
    label : str
        What the figures count for: paper trading, or a replay that counts for nothing.
    headline : str
        The whole report in one sentence.
    tone : Tone
    tiles : tuple of Tile
    sections : tuple of Section
    made_at : datetime
    foot : str
        What a reader must know of all of it.
    picture : Plot or None
    """

    title: str
    label: str
    headline: str
    tone: Tone
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    made_at: datetime
    foot: str
    picture: "Plot | None" = None


def to_html(letter: Letter) -> str:
    """Return the letter as one page that is also right as a mail.

    Tables and inline styles only: mail programs drop style sheets, scripts and grids. Every text
    is escaped.
    """
    house = environment(CURRENCY)
    house.filters["coded"] = _coded
    page = house.get_template("letter.html.j2")
    return page.render(letter=letter, picture=_picture(letter), blocks=_blocks(letter.sections))


def to_text(letter: Letter) -> str:
    """Return the letter as plain text, for the mail's text part and for a terminal."""
    lines = [letter.title, letter.label, "", *_wrapped(letter.headline), ""]
    lines += [f"{tile.name}: {tile.value}{_noted(tile.note)}" for tile in letter.tiles]
    if letter.picture is not None:
        lines += ["", *_wrapped(letter.picture.alt)]
    for section in letter.sections:
        lines += ["", section.title.upper()]
        for line in section.lines:
            lines += _wrapped(line)
        if section.table is not None:
            lines += _listed(section.table)
    lines += ["", *_wrapped(letter.foot), f"Made on {day(letter.made_at)}."]
    return "\n".join(lines) + "\n"


def to_markdown(table: Table) -> str:
    """Return a table as Markdown, for Dagster's metadata."""
    rows = [
        [_escape(cell.text + (f" ({cell.note})" if cell.note else "")) for cell in row]
        for row in table.rows
    ]
    marks = ["---:" if name.startswith(">") else "---" for name in table.columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(table.names), marks, *rows])


def _blocks(sections: Sequence[Section]) -> list[list[Section]]:
    """Return the sections as cards: a table has one of its own, short words share one."""
    blocks: list[list[Section]] = []
    for section in sections:
        if blocks and _is_short(section) and _is_short(blocks[-1][-1]):
            blocks[-1].append(section)
        else:
            blocks.append([section])
    return blocks


def _is_short(section: Section) -> bool:
    return section.table is None and section.tone is Tone.PLAIN


def _coded(text: str) -> "Markup":
    """Return the text, escaped, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup('<code style="{}">{}</code>').format(CODE, part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _picture(letter: Letter) -> str:
    if letter.picture is None:
        return ""
    letter.picture.figure.set_dpi(SHARPNESS)
    return base64.b64encode(letter.picture.png()).decode("ascii")


def _listed(table: Table) -> Iterator[str]:
    for first, *others in table.rows:
        parts = [f"{first.text}{_noted(first.note)}"]
        parts += [
            f"{name}: {cell.text}{_noted(cell.note)}" if name else f"{cell.text}{_noted(cell.note)}"
            for name, cell in zip(table.names[1:], others, strict=True)
            if cell.text
        ]
        yield from _wrapped("; ".join(parts), "- ", "  ")


def _wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        TEXT_WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _noted(note: str) -> str:
    return f" ({note})" if note else ""


def _escape(text: str) -> str:
    for mark, replacement in _ESCAPED.items():
        text = text.replace(mark, replacement)
    return text
