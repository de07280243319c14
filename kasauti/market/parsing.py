"""From a file's columns to typed rows: times, zones and numbers; sense is not asked for here."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kasauti.market.bars import FIELDS, PRICE_FIELDS, Booleans, Floats, Times
from kasauti.market.findings import FileReport, Severity, places
from kasauti.market.hours import inside_hours
from kasauti.market.markets import Market
from kasauti.market.reading import RawTable

ZONE = r"(?:Z|[+-]\d{2}:?\d{2})"
STAMP = rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.0+)?)?{ZONE}?)?"
MISSING = ("", "nan", "null", "none")
BELIEVED = 0.95
"""Share of bars inside trading hours from which a reading of stamps without a zone is believed;
not all of them, as one stray bar must not hide what the other 376 say."""


@dataclass(frozen=True, eq=False)
class Table:
    """The bars of one symbol, before and after repair.

    Attributes
    ----------
    symbol, file : str
        The file's stem and name.
    daily : bool
        Whether a bar is a whole session.
    times : ndarray of shape (n,), datetime64[s]
        Exchange time, midnight for daily bars.
    values : mapping of str to ndarray of shape (n,), float64
        Prices and volume, NaN where missing.
    rows : ndarray of shape (n,), int64
        Place of each row in the file.
    """

    symbol: str
    file: str
    daily: bool
    times: Times
    values: dict[str, Floats]
    rows: NDArray[np.int64]

    def take(self, keep: Booleans | NDArray[np.intp]) -> "Table":
        """Return the rows that `keep` selects, as a mask or as positions."""
        values = {name: column[keep] for name, column in self.values.items()}
        return Table(self.symbol, self.file, self.daily, self.times[keep], values, self.rows[keep])

    def replace(self, name: str, column: Floats) -> "Table":
        """Return the table with one column exchanged."""
        values = self.values | {name: column}
        return Table(self.symbol, self.file, self.daily, self.times, values, self.rows)

    def labels(self, at: Booleans) -> list[str]:
        """Return the dates or times of the selected rows, as text."""
        unit = "datetime64[D]" if self.daily else "datetime64[m]"
        return [str(time).replace("T", " ") for time in self.times[at].astype(unit)]


@dataclass(frozen=True, eq=False)
class _Stamps:
    """Times as a file gives them: `wall` as written, `zoned` in exchange time if a zone is there.

    NaT where a stamp cannot be read.
    """

    wall: Times
    zoned: Times | None


def parse(raw: RawTable, symbol: str, market: Market, report: FileReport) -> Table | None:
    """Return the typed rows of a file; None, with an ERROR finding, if there is not one.

    Rows whose date or prices cannot be read are dropped with a finding, a volume that cannot be
    read is NaN with one. Stamps with a zone become exchange time; stamps without one that make
    sense only as UTC are converted too, both with a finding.
    """
    stamps = _read_stamps(raw, market, report)
    if stamps is None:
        return None
    keep = ~np.isnat(stamps.wall)
    values = {"volume": np.full(len(raw.rows), np.nan)}
    for name in FIELDS:
        if name in raw.columns:
            numbers, bad = _read_numbers(raw.columns[name])
            values[name] = numbers
            keep = _report_bad_numbers(name, raw, bad & keep, keep, report)
            if name == "volume":
                _report_empty_volume(np.isnan(numbers) & ~bad & keep, raw.rows, report)
    keep = _report_missing_prices(values, raw.rows, keep, report)
    if not keep.any():
        report.refuse("no row is usable", "See the file's other findings")
        return None
    times, daily = _exchange_time(stamps, keep, market, report)
    return Table(symbol, report.file, daily, times, values, raw.rows).take(keep)


def _read_stamps(raw: RawTable, market: Market, report: FileReport) -> _Stamps | None:
    written = raw.columns["time"]
    if not isinstance(written.dtype, pd.StringDtype):
        return _typed_stamps(written, raw, market, report)
    readable = written.str.fullmatch(STAMP).fillna(False).astype(bool)
    zoned = written.str.fullmatch(rf".*:\d{{2}}(?:\.0+)?{ZONE}").fillna(False).astype(bool)
    wall = pd.to_datetime(
        written.where(readable).str.replace(rf"(:\d{{2}}(?:\.0+)?){ZONE}$", r"\1", regex=True),
        format="ISO8601",
        errors="coerce",
    )
    if (zoned & readable).any() and (~zoned & readable).any():
        row = int(raw.rows[np.flatnonzero(readable & (zoned != zoned[readable].iloc[0]))[0]])
        report.refuse(
            f"some stamps carry a time zone and some do not, the first change is on line {row}",
            "Write all of them in exchange time without a zone, or all with one",
            row,
        )
        return None
    if not _some_readable(wall.isna().to_numpy(), written, raw.rows, report):
        return None
    if not zoned.any():
        return _Stamps(_seconds(wall), None)
    moments = pd.to_datetime(
        written.where(readable), format="ISO8601", errors="coerce", utc=True
    ).dt.tz_convert(market.zone)
    return _Stamps(_seconds(wall), _seconds(moments.dt.tz_localize(None)))


def _typed_stamps(
    written: "pd.Series[str]", raw: RawTable, market: Market, report: FileReport
) -> _Stamps | None:
    """Read the stamps of a Parquet file that are no text: dates, or times with or without zone."""
    moments = pd.to_datetime(written, errors="coerce")
    if not _some_readable(moments.isna().to_numpy(), written, raw.rows, report):
        return None
    if moments.dt.tz is None:
        return _Stamps(_seconds(moments), None)
    local = moments.dt.tz_convert(market.zone).dt.tz_localize(None)
    return _Stamps(_seconds(moments.dt.tz_localize(None)), _seconds(local))


def _some_readable(
    bad: Booleans, written: "pd.Series[str]", rows: NDArray[np.int64], report: FileReport
) -> bool:
    remedy = "Write dates as 2024-01-31 and times as 2024-01-31 09:15:00"
    if bad.all():
        problem = f"no date can be read, the first is {written.iloc[0]!r}"
        report.refuse(problem, remedy, int(rows[0]))
        return False
    if bad.any():
        examples = [repr(value) for value in written[bad]]
        report.add(
            Severity.WARNING,
            f"the date cannot be read on {places(rows[bad], examples)}",
            f"Such rows are left out. {remedy}",
            rows[bad],
            int(bad.sum()),
        )
    return True


def _seconds(moments: "pd.Series[pd.Timestamp]") -> Times:
    return moments.to_numpy().astype("datetime64[s]")


def _exchange_time(
    stamps: _Stamps, keep: Booleans, market: Market, report: FileReport
) -> tuple[Times, bool]:
    """Return times in exchange time, and whether the bars are daily."""
    wall = stamps.wall
    if _at_midnight(wall[keep]):
        if stamps.zoned is not None:
            report.add(
                Severity.INFO,
                "the dates carry a time zone",
                "They are read as the dates that are written; leave the zone away",
            )
        return wall, True
    if stamps.zoned is not None:
        report.add(
            Severity.INFO,
            "the stamps carry a time zone",
            f"They are converted to exchange time ({market.zone.key})",
        )
        return stamps.zoned, _at_midnight(stamps.zoned[keep])
    return _utc_if_only_that_fits(wall, keep, market, report), False


def _utc_if_only_that_fits(
    wall: Times, keep: Booleans, market: Market, report: FileReport
) -> Times:
    as_written = _share_inside(wall[keep], market)
    converted = wall.copy()
    local = pd.DatetimeIndex(wall[keep]).tz_localize("UTC").tz_convert(market.zone)
    converted[keep] = local.tz_localize(None).to_numpy().astype("datetime64[s]")
    as_utc = _share_inside(converted[keep], market)
    if as_written >= BELIEVED or as_utc < BELIEVED:
        return wall
    report.add(
        Severity.INFO,
        f"the stamps name no zone and only {as_written:.0%} of the bars lie in trading hours; "
        f"read as UTC {as_utc:.0%} do",
        f"They are converted from UTC to exchange time ({market.zone.key}); write that, or a zone",
    )
    return converted


def _share_inside(times: Times, market: Market) -> float:
    return float(inside_hours(times, market, allow_special=False).mean())


def _at_midnight(times: Times) -> bool:
    return bool(np.all(times == times.astype("datetime64[D]")))


def _read_numbers(written: "pd.Series[str]") -> tuple[Floats, Booleans]:
    """Return the numbers, NaN where there is none, and where there is text that is no number."""
    numbers = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.where(np.isinf(numbers), np.nan, numbers)
    undefined: Booleans = np.isnan(numbers)
    if not undefined.any():
        return numbers, undefined
    missing: Booleans = (written.isna() | written.astype("str").str.lower().isin(MISSING)).to_numpy(
        dtype=np.bool_
    )
    return numbers, undefined & ~missing


def _report_bad_numbers(
    name: str, raw: RawTable, bad: Booleans, keep: Booleans, report: FileReport
) -> Booleans:
    """Report text in a number column; return the rows that stay."""
    if not bad.any():
        return keep
    rows, examples = raw.rows[bad], [repr(value) for value in raw.columns[name][bad]]
    price = name in PRICE_FIELDS
    report.add(
        Severity.WARNING,
        f"{name} is not a number on {places(rows, examples)}",
        ("Such rows are left out" if price else "The volume of such rows is left out")
        + "; write numbers like 1234.5, without separators or currency",
        rows,
        int(bad.sum()) if price else 0,
    )
    return keep & ~bad if price else keep


def _report_missing_prices(
    values: dict[str, Floats], rows: NDArray[np.int64], keep: Booleans, report: FileReport
) -> Booleans:
    """Report rows without a price; return the rows that stay."""
    absent = {name: np.isnan(values[name]) & keep for name in PRICE_FIELDS}
    missing: Booleans = np.logical_or.reduce(list(absent.values()))
    if not missing.any():
        return keep
    names = [name for name, where in absent.items() if where.any()]
    report.add(
        Severity.WARNING,
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} missing on {places(rows[missing])}",
        "Such rows are left out, nothing is filled in; get them from the source",
        rows[missing],
        int(missing.sum()),
    )
    return keep & ~missing


def _report_empty_volume(empty: Booleans, rows: NDArray[np.int64], report: FileReport) -> None:
    if empty.any():
        report.add(
            Severity.INFO,
            f"volume is empty on {int(empty.sum())} of {len(rows)} rows",
            "It stays empty: rules on volume are undefined there and no price impact is reckoned",
            rows[empty],
        )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
