"""Bad files: one clear finding each, naming file, row and remedy; usable rows only where safe."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kasauti.errors import DataError
from kasauti.market.sources import Finding, Severity, load_folder

HEADER = "date,open,high,low,close,volume"
GOOD = [
    "2024-01-01,100,102,99,101,1000",
    "2024-01-02,101.5,103,100,102,1100",
    "2024-01-03,102.5,104,101,103,1200",
    "2024-01-04,103.5,105,102,104,1300",
]


def csv(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def changed(row: int, line: str) -> bytes:
    """Return the good file with one of its lines (the first is row 2) exchanged."""
    lines = [line if number == row else good for number, good in enumerate(GOOD, 2)]
    return csv(*lines)


@dataclass(frozen=True)
class Case:
    content: bytes
    row: int | None
    words: tuple[str, ...]
    severity: Severity
    dropped: int = 0
    closes: tuple[float, ...] | None = None
    """Closes that stay; None where the file is refused."""


REFUSED, LEFT_OUT, TOLD = Severity.ERROR, Severity.WARNING, Severity.INFO

CASES = {
    "missing-column": Case(
        csv("2024-01-01,100,102,99,1000", header="date,open,high,low,volume"),
        1,
        ("column close is missing", "date, open, high, low, volume", "Name the columns"),
        REFUSED,
    ),
    "missing-date": Case(
        csv("100,102,99,101", header="open,high,low,close"),
        1,
        ("column date is missing",),
        REFUSED,
    ),
    "semicolons": Case(
        csv(*(line.replace(",", ";") for line in GOOD), header=HEADER.replace(",", ";")),
        1,
        ("column date and open", "date;open;high;low;close;volume"),
        REFUSED,
    ),
    "date-and-timestamp": Case(
        csv("2024-01-01,2024-01-01,1,1,1,1", header="date,timestamp,open,high,low,close"),
        1,
        ("both a date and a timestamp",),
        REFUSED,
    ),
    "column-twice": Case(
        csv("2024-01-01,1,1,1,1,1", header="date,open,high,low,close,close"),
        1,
        ("'close' is there twice",),
        REFUSED,
    ),
    "empty-file": Case(b"", None, ("empty (0 bytes)", "Download it again"), REFUSED),
    "blank-lines-only": Case(b"\n \n\n", None, ("only blank lines",), REFUSED),
    "header-only": Case(csv(), None, ("a header and no rows",), REFUSED),
    "utf-16": Case(
        csv(*GOOD).decode().encode("utf-16"), None, ("not UTF-8", "UTF-16", "Save it as"), REFUSED
    ),
    "latin-1": Case(
        csv(*GOOD[:2]) + "2024-01-05,1,1,1,1,£5".encode("latin-1"),
        4,
        ("not UTF-8", "byte 0xa3 on line 4", "Save it as UTF-8"),
        REFUSED,
    ),
    "open-quote": Case(changed(3, '"2024-01-02,1,1,1,1,1'), 3, ("quotation mark", "3"), REFUSED),
    "no-date-readable": Case(
        csv("01-APR-2023,100,102,99,101,5"),
        2,
        ("no date can be read", "'01-APR-2023'", "Write dates as 2024-01-31"),
        REFUSED,
    ),
    "one-date-unreadable": Case(
        changed(4, "2024-02-30,102.5,104,101,103,1200"),
        4,
        ("date cannot be read on line 4 ('2024-02-30')", "left out"),
        LEFT_OUT,
        1,
        (101, 102, 104),
    ),
    "mixed-zones": Case(
        csv(
            "2024-01-01 09:15:00+05:30,1,1,1,1,1",
            "2024-01-01 09:20:00,1,1,1,1,1",
            header=HEADER.replace("date", "timestamp"),
        ),
        3,
        ("some stamps carry a time zone and some do not", "line 3"),
        REFUSED,
    ),
    "equal-rows-twice": Case(
        csv(*GOOD, GOOD[1]),
        6,
        ("not in order", "line 6"),
        TOLD,
        0,
        (101, 102, 103, 104),
    ),
    "equal-rows-twice-in-a-row": Case(
        csv(GOOD[0], GOOD[1], GOOD[1], GOOD[2]),
        4,
        ("the same row is there twice", "line 4 (2024-01-02)", "One of them is kept"),
        LEFT_OUT,
        1,
        (101, 102, 103),
    ),
    "date-twice-with-different-values": Case(
        csv(GOOD[0], GOOD[1], "2024-01-02,101,103,100,102.5,1100", GOOD[2]),
        3,
        ("more than once", "2 lines: 3 (2024-01-02), 4 (2024-01-02)", "None of these rows"),
        LEFT_OUT,
        2,
        (101, 103),
    ),
    "date-thrice-once-different": Case(
        csv(GOOD[0], GOOD[1], GOOD[1], "2024-01-02,101,103,100,102.5,1100", GOOD[2]),
        3,
        ("more than once", "3 lines: 3"),
        LEFT_OUT,
        3,
        (101, 103),
    ),
    "unsorted": Case(
        csv(GOOD[2], GOOD[0], GOOD[1], GOOD[3]),
        3,
        ("not in order", "line 3", "sorted"),
        TOLD,
        0,
        (101, 102, 103, 104),
    ),
    "newest-first": Case(
        csv(*GOOD[::-1]), 3, ("not in order", "3 lines: 3, 4, 5"), TOLD, 0, (101, 102, 103, 104)
    ),
    "negative-price": Case(
        changed(4, "2024-01-03,-102,104,101,103,1200"),
        4,
        ("open zero or negative on line 4 (2024-01-03)", "left out, nothing is filled"),
        LEFT_OUT,
        1,
        (101, 102, 104),
    ),
    "zero-row": Case(
        changed(3, "2024-01-02,0,0,0,102,1100"),
        3,
        ("open, high, low zero or negative on line 3 (2024-01-02)",),
        LEFT_OUT,
        1,
        (101, 103, 104),
    ),
    "high-below-low": Case(
        changed(3, "2024-01-02,101,100,103,102,1100"),
        3,
        ("high is below low on line 3 (2024-01-02)", "mend them from the source"),
        LEFT_OUT,
        1,
        (101, 103, 104),
    ),
    "close-above-high": Case(
        changed(3, "2024-01-02,101,103,100,103.5,1100"),
        3,
        ("close is above high on line 3",),
        LEFT_OUT,
        1,
        (101, 103, 104),
    ),
    "open-below-low": Case(
        changed(3, "2024-01-02,99,103,100,102,1100"),
        3,
        ("open is below low on line 3",),
        LEFT_OUT,
        1,
        (101, 103, 104),
    ),
    "text-in-a-price": Case(
        changed(5, '2024-01-04,103.5,"1,105",102,104,1300'),
        5,
        ("high is not a number on line 5 ('1,105')", "without separators"),
        LEFT_OUT,
        1,
        (101, 102, 103),
    ),
    "infinite-price": Case(
        changed(2, "2024-01-01,100,inf,99,101,1000"),
        2,
        ("high is not a number on line 2 ('inf')",),
        LEFT_OUT,
        1,
        (102, 103, 104),
    ),
    "formula": Case(
        changed(2, "2024-01-01,=1+1,102,99,101,1000"),
        2,
        ("open is not a number on line 2 ('=1+1')",),
        LEFT_OUT,
        1,
        (102, 103, 104),
    ),
    "missing-price": Case(
        changed(3, "2024-01-02,101,103,,102,1100"),
        3,
        ("low is missing on line 3", "nothing is filled in"),
        LEFT_OUT,
        1,
        (101, 103, 104),
    ),
    "cut-off-line": Case(
        csv(*GOOD[:3], "2024-01-04,103.5,105"),
        5,
        ("not the 6 values", "line 5", "cut off"),
        LEFT_OUT,
        1,
        (101, 102, 103),
    ),
    "too-many-values": Case(
        changed(2, "2024-01-01,100,102,99,101,1000,7"),
        2,
        ("not the 6 values", "line 2"),
        LEFT_OUT,
        1,
        (102, 103, 104),
    ),
    "negative-volume": Case(
        changed(2, "2024-01-01,100,102,99,101,-5"),
        2,
        ("volume is negative on line 2", "prices stay"),
        LEFT_OUT,
        0,
        (101, 102, 103, 104),
    ),
    "text-in-volume": Case(
        changed(2, "2024-01-01,100,102,99,101,1.2M"),
        2,
        ("volume is not a number on line 2 ('1.2M')", "The volume of such rows"),
        LEFT_OUT,
        0,
        (101, 102, 103, 104),
    ),
    "empty-volume": Case(
        changed(3, "2024-01-02,101.5,103,100,102,"),
        3,
        ("volume is empty on 1 of 4 rows", "no price impact"),
        TOLD,
        0,
        (101, 102, 103, 104),
    ),
    "dates-with-a-zone": Case(
        csv(*(line.replace(",", " 00:00:00+05:30,", 1) for line in GOOD)),
        None,
        ("dates carry a time zone", "read as the dates that are written"),
        TOLD,
        0,
        (101, 102, 103, 104),
    ),
    "dates-with-utc": Case(
        csv(*(line.replace(",", "T00:00:00Z,", 1) for line in GOOD)),
        None,
        ("dates carry a time zone",),
        TOLD,
        0,
        (101, 102, 103, 104),
    ),
}
# Further findings that a case brings along, up to their first comma.
COMPANIONS = {
    "equal-rows-twice": ["the same row is there twice"],
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_gives_one_clear_finding(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    (tmp_path / "BAD.csv").write_bytes(case.content)
    (tmp_path / "FINE.csv").write_bytes(csv(*GOOD))
    loaded = load_folder([tmp_path])
    finding, *companions = loaded.findings
    check(finding, "BAD.csv", case)
    expected = COMPANIONS.get(name, [])
    assert [other.problem.split(",")[0] for other in companions] == expected
    assert loaded.bars.symbols == (("FINE",) if case.closes is None else ("BAD", "FINE"))
    if case.closes is not None:
        closes = loaded.bars.close[0]
        assert tuple(closes[~np.isnan(closes)]) == case.closes


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.closes is None])
def test_a_folder_of_refused_files_names_every_finding(name: str, tmp_path: Path) -> None:
    for stem in ("BAD", "WORSE"):
        (tmp_path / f"{stem}.csv").write_bytes(CASES[name].content)
    with pytest.raises(DataError, match=r"no file in .* holds usable bars") as raised:
        load_folder([tmp_path])
    for file in ("BAD.csv", "WORSE.csv"):
        assert file in str(raised.value)
    assert all(word in str(raised.value) for word in CASES[name].words)


def check(finding: Finding, file: str, case: Case) -> None:
    assert (finding.file, finding.row) == (file, case.row)
    assert all(word in str(finding) for word in case.words), str(finding)
    assert (finding.severity, finding.rows_dropped) == (case.severity, case.dropped)
    assert finding.remedy


def test_rows_are_named_up_to_a_few(tmp_path: Path) -> None:
    days = [str(day) for day in np.arange("2024-01-01", "2024-02-01", dtype="datetime64[D]")]
    (tmp_path / "A.csv").write_bytes(csv(*(f"{day},0,1,1,1,1" for day in days), GOOD[0][:0]))
    with pytest.raises(DataError, match=r"31 lines: 2 \(2024-01-01\), .* and 23 more"):
        load_folder([tmp_path])


def good_frame() -> pd.DataFrame:
    cells = [line.split(",") for line in GOOD]
    frame = pd.DataFrame(cells, columns=HEADER.split(","))
    frame["date"] = pd.to_datetime(frame["date"])
    return frame.astype(dict.fromkeys(HEADER.split(",")[1:], "float64"))


@pytest.mark.parametrize(
    "dates",
    [
        pytest.param(lambda dates: dates, id="datetime"),
        pytest.param(lambda dates: dates.dt.date, id="date32"),
        pytest.param(lambda dates: dates.dt.strftime("%Y-%m-%d"), id="text"),
    ],
)
def test_a_parquet_file_loads_like_its_csv(dates: object, tmp_path: Path) -> None:
    assert callable(dates)
    frame = good_frame()
    folders = tmp_path / "csv", tmp_path / "parquet"
    for folder in folders:
        folder.mkdir()
    (folders[0] / "A.csv").write_bytes(csv(*GOOD))
    frame.assign(date=dates(frame["date"])).to_parquet(folders[1] / "A.parquet", index=False)
    from_csv, from_parquet = (load_folder([folder]) for folder in folders)
    assert from_csv.bars.data_version == from_parquet.bars.data_version
    assert from_csv.findings == from_parquet.findings == ()


PARQUET = {
    "zero-bytes": (b"", None, "empty (0 bytes)", REFUSED),
    "corrupt": (b"PAR1 this is no table PAR1", None, "no readable Parquet", REFUSED),
    "text-as-parquet": (csv(*GOOD), None, "no readable Parquet", REFUSED),
}


@pytest.mark.parametrize("name", PARQUET)
def test_a_parquet_file_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    content, row, words, severity = PARQUET[name]
    (tmp_path / "BAD.parquet").write_bytes(content)
    (tmp_path / "FINE.csv").write_bytes(csv(*GOOD))
    (finding,) = load_folder([tmp_path]).findings
    assert (finding.file, finding.row, finding.severity) == ("BAD.parquet", row, severity)
    assert words in finding.problem


def test_bad_rows_of_a_parquet_file_are_numbered_from_one(tmp_path: Path) -> None:
    frame = good_frame()
    frame.loc[2, "low"] = -1.0
    frame.to_parquet(tmp_path / "BAD.parquet", index=False)
    (finding,) = load_folder([tmp_path]).findings
    assert (finding.row, finding.rows_dropped) == (3, 1)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        pytest.param("date", "column date has type int64", id="numeric-dates"),
        pytest.param("close", "column close is missing", id="missing-column"),
    ],
)
def test_a_parquet_table_without_what_is_needed(column: str, words: str, tmp_path: Path) -> None:
    frame = good_frame()
    if column == "date":
        frame["date"] = [20240101, 20240102, 20240103, 20240104]
    else:
        frame = frame.drop(columns=column)
    frame.to_parquet(tmp_path / "BAD.parquet", index=False)
    with pytest.raises(DataError, match=words):
        load_folder([tmp_path])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(csv(*GOOD), id="as-documented"),
        pytest.param(b"\xef\xbb\xbf" + csv(*GOOD), id="byte-order-mark"),
        pytest.param(csv(*GOOD).replace(b"\n", b"\r\n"), id="windows-lines"),
        pytest.param(csv(*GOOD).replace(b"\n", b"\n\n"), id="blank-lines"),
        pytest.param(csv(*(f"{line}," for line in GOOD), header=f"{HEADER},"), id="trailing-comma"),
        pytest.param(
            csv(
                *(line.replace(",", " , ") for line in GOOD),
                header=" Date ,OPEN,High,Low,Close,Volume ",
            ),
            id="spaces-and-capitals",
        ),
        pytest.param(
            csv(*(line.rsplit(",", 1)[0] for line in GOOD), header=HEADER[:-7]), id="no-volume"
        ),
    ],
)
def test_harmless_variety_is_no_finding(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_bytes(content)
    loaded = load_folder([tmp_path])
    assert loaded.findings == ()
    assert loaded.bars.close.tolist() == [[101, 102, 103, 104]]
    assert [str(day) for day in loaded.bars.times] == [line[:10] for line in GOOD]
