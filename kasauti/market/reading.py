"""From the bytes of one CSV or Parquet file to named text columns; what they mean is not judged.

Text is never evaluated, and nothing is skipped in silence: a file that cannot be read as a table
is refused with a finding, a row that has too few or too many values is dropped with one.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kasauti.market.bars import FIELDS, PRICE_FIELDS
from kasauti.market.findings import FileReport, Severity, places

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")
TIME_COLUMNS = ("date", "timestamp")
WANTED = "date (or timestamp), open, high, low, close and, if there is one, volume"

TYPES = "dates or times (with a day) in date or timestamp, and numbers in the other columns"


@dataclass(frozen=True, eq=False)
class RawTable:
    """The columns that a bar file must have, as found.

    Attributes
    ----------
    columns : mapping of str to Series
        ``time``, the four prices and, where present, ``volume``; stripped text from a CSV file,
        the file's own types from a Parquet file.
    rows : ndarray of shape (n,), int64
        Place of each row in the file, see `Finding.row`.
    """

    columns: dict[str, "pd.Series[str]"]
    rows: NDArray[np.int64]


def read_raw(path: Path, report: FileReport) -> RawTable | None:
    """Read one file; None, with an ERROR finding, if it holds no table of bars."""
    if path.stat().st_size == 0:
        report.refuse("the file is empty (0 bytes)", "Download it again, or delete it")
        return None
    found = (
        _read_csv(path, report) if path.suffix.lower() == ".csv" else _read_parquet(path, report)
    )
    if found is None:
        return None
    columns, rows = found
    named = _name_columns(columns, report)
    if named is None:
        return None
    if len(rows) == 0:
        report.refuse("the file has a header and no rows", "Download it again, or delete it")
        return None
    return RawTable(named, rows)


def _name_columns(
    columns: dict[str, "pd.Series[str]"], report: FileReport
) -> dict[str, "pd.Series[str]"] | None:
    times = [name for name in TIME_COLUMNS if name in columns]
    missing = [name for name in PRICE_FIELDS if name not in columns]
    if not times:
        missing.insert(0, "date")
    if missing:
        there = ", ".join(name for name in columns if name) or "nothing"
        report.refuse(
            f"column {' and '.join(missing)} is missing; the header has {there}",
            f"Name the columns {WANTED}",
            row=1,
        )
        return None
    if len(times) > 1:
        report.refuse(
            "there are both a date and a timestamp column",
            "Keep the one that tells when the bar starts",
            row=1,
        )
        return None
    wanted = {"time": columns[times[0]]}
    return wanted | {name: columns[name] for name in FIELDS if name in columns}


def _read_csv(
    path: Path, report: FileReport
) -> tuple[dict[str, "pd.Series[str]"], NDArray[np.int64]] | None:
    text = _decode(path.read_bytes(), report)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = list(reader)
    except csv.Error as error:
        report.refuse(
            f"line {reader.line_num} is no CSV: {error}", "Download the file again", reader.line_num
        )
        return None
    if reader.line_num != len(lines):
        row = next(n for n, cells in enumerate(lines, 1) if any("\n" in cell for cell in cells))
        report.refuse(
            f"a quotation mark opens on line {row} and does not close there",
            "Remove it: numbers and dates need none",
            row,
        )
        return None
    filled = [number for number, cells in enumerate(lines, 1) if any(map(str.strip, cells))]
    if not filled:
        report.refuse("the file holds only blank lines", "Download it again, or delete it")
        return None
    header = [name.strip().lower() for name in lines[filled[0] - 1]]
    while header and not header[-1]:
        header.pop()  # exchange files end their lines with a comma
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        report.refuse(f"column {twice[0]!r} is there twice", "Keep one of the two", row=filled[0])
        return None
    whole: list[int] = []
    ragged: list[int] = []
    for number in filled[1:]:
        cells = lines[number - 1]
        even = len(cells) >= len(header) and not any(map(str.strip, cells[len(header) :]))
        (whole if even else ragged).append(number)
    if ragged:
        report.add(
            Severity.WARNING,
            f"not the {len(header)} values that the header names on {places(ragged)}",
            "Such rows are left out; download the file again if its end is cut off",
            ragged,
            len(ragged),
        )
    cells_by_column = zip(*(lines[number - 1][: len(header)] for number in whole), strict=True)
    columns = (
        dict(zip(header, cells_by_column, strict=True)) if whole else dict.fromkeys(header, ())
    )
    series = {name: pd.Series(cells, dtype="str").str.strip() for name, cells in columns.items()}
    return series, np.array(whole, dtype=np.int64)


def _decode(content: bytes, report: FileReport) -> str | None:
    remedy = "Save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        report.refuse("the file is not UTF-8 text: it looks like UTF-16 or binary", remedy)
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        report.refuse(f"the file is not UTF-8 text: byte 0x{byte:02x} on line {row}", remedy, row)
        return None


def _read_parquet(
    path: Path, report: FileReport
) -> tuple[dict[str, "pd.Series[str]"], NDArray[np.int64]] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        report.refuse(f"the file is no readable Parquet: {reason}", "Write or download it again")
        return None
    columns = {}
    for written, column in zip(table.column_names, table.columns, strict=True):
        name = written.strip().lower()
        if name not in (*TIME_COLUMNS, *FIELDS):
            continue
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not _holds_values(name, column.type):
            report.refuse(f"column {name} has type {column.type}", f"Store {TYPES}")
            return None
        values = column.to_pandas()
        columns[name] = values.astype("str").str.strip() if _is_text(column.type) else values
    return columns, np.arange(1, table.num_rows + 1, dtype=np.int64)


def _holds_values(name: str, kind: "pa.DataType") -> bool:
    """Whether a column of type `kind` can hold times (date, timestamp) or numbers (all others)."""
    from pyarrow import types

    if name in TIME_COLUMNS:
        return bool(_is_text(kind) or types.is_date(kind) or types.is_timestamp(kind))
    return bool(
        _is_text(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _is_text(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))
