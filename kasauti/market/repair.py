"""The rules that real bars break, one function a rule; reading and joining files live elsewhere.

A rule takes away what is wrong and says so; it never fills anything in. Large real moves, weekend
sessions and flat bars of a market-wide halt are genuine and stay.
"""

import numpy as np

from kasauti.market.bars import PRICE_FIELDS, Booleans, Floats
from kasauti.market.findings import FileReport, Severity, places
from kasauti.market.hours import inside_hours
from kasauti.market.markets import Market
from kasauti.market.parsing import Table

INDEX_STEMS = ("NIFTY", "BANKNIFTY", "SENSEX")
PRICE_ORDER = (
    ("high is below low", "high", "low"),
    ("open is above high", "high", "open"),
    ("open is below low", "open", "low"),
    ("close is above high", "high", "close"),
    ("close is below low", "close", "low"),
)
"""What is wrong if the first of two prices is less than the second."""
FUND_ENDINGS = ("BEES", "ETF")
"""NIFTYBEES and NIFTYETF are traded funds, not indices."""
ROWS_A_YEAR = 60
"""Fewer rows than this (a quarter) say nothing about how a year's opens were made."""
REPEATED_SHARE = 3
"""One open in so many that repeats the previous close condemns its year. Measured: 4 to 20 % of
the daily rows of NSE shares do so by their tick size, 43 to 98 % of the S&P's before 2007."""


def is_volatility_index(symbol: str) -> bool:
    """Whether the symbol is an index of expected volatility: its name ends in VIX."""
    return symbol.upper().endswith("VIX")


def is_index(symbol: str, named: str | None = None) -> bool:
    """Whether the symbol is a computed index and not a traded price.

    Parameters
    ----------
    named : str or None
        The symbol that the user named as market index.
    """
    name = symbol.upper()
    if symbol == named or is_volatility_index(symbol):
        return True
    return name.startswith(INDEX_STEMS) and not name.endswith(FUND_ENDINGS)


def repair(table: Table, market: Market, report: FileReport, *, index: bool) -> Table | None:
    """Apply every rule; None, with an ERROR finding, if no row is left.

    Parameters
    ----------
    index : bool
        Whether the symbol is a computed index, see `is_index`.

    Returns
    -------
    Table
        Strictly increasing times, positive and consistent prices; open is NaN where it only
        repeats the previous close.
    """
    table = _without_false_prices(_in_order(table, report), report)
    table = _with_sound_volume(table, report)
    if not table.daily:
        table = _inside_session(table, market, report)
    if len(table.rows) == 0:
        report.refuse("no row is usable", "See the file's other findings")
        return None
    return _without_repeated_opens(table, report, index=index) if table.daily else table


def repeats_previous_close(open_: Floats, close: Floats) -> Booleans:
    """Return where an open equals the close of the row before, shape (n,), False in row 0."""
    repeats = np.zeros(len(open_), dtype=bool)
    repeats[1:] = open_[1:] == close[:-1]
    return repeats


def _in_order(table: Table, report: FileReport) -> Table:
    backwards = np.zeros(len(table.rows), dtype=bool)
    backwards[1:] = table.times[1:] < table.times[:-1]
    if backwards.any():
        report.add(
            Severity.INFO,
            f"the dates are not in order: time goes back on {places(table.rows[backwards])}",
            "The rows are sorted; no value is changed",
            table.rows[backwards],
        )
        table = table.take(np.argsort(table.times, kind="stable"))
    return _once(table, report)


def _once(table: Table, report: FileReport) -> Table:
    """Keep one of several equal rows of a date, and none of several different ones."""
    same_as_next = table.times[1:] == table.times[:-1]
    if not same_as_next.any():
        return table
    alike = np.logical_and.reduce(
        [
            (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
            for column in table.values.values()
        ]
    )
    group = np.concatenate([[0], np.cumsum(~same_as_next)])
    contradicted = np.isin(group, group[1:][same_as_next & ~alike])
    repeated = np.concatenate([[False], same_as_next]) & ~contradicted
    if repeated.any():
        report.add(
            Severity.WARNING,
            "the same row is there twice, the second time on "
            + places(table.rows[repeated], table.labels(repeated)),
            "One of them is kept",
            table.rows[repeated],
            int(repeated.sum()),
        )
    if contradicted.any():
        report.add(
            Severity.WARNING,
            "a date is there more than once, with different values, on "
            + places(table.rows[contradicted], table.labels(contradicted)),
            "None of these rows is used, as nothing says which is right; keep the true one",
            table.rows[contradicted],
            int(contradicted.sum()),
        )
    return table.take(~(repeated | contradicted))


def _without_false_prices(table: Table, report: FileReport) -> Table:
    """Drop rows whose prices cannot have been traded, each under the first rule that it breaks."""
    values = table.values
    not_positive = {name: values[name] <= 0.0 for name in PRICE_FIELDS}
    names = [name for name, where in not_positive.items() if where.any()]
    broken = np.logical_or.reduce(list(not_positive.values()))
    table = _without(table, broken, f"{', '.join(names)} zero or negative", report)
    for problem, greater, lesser in PRICE_ORDER:
        table = _without(table, table.values[greater] < table.values[lesser], problem, report)
    return table


def _without(table: Table, broken: Booleans, problem: str, report: FileReport) -> Table:
    if not broken.any():
        return table
    report.add(
        Severity.WARNING,
        f"{problem} on {places(table.rows[broken], table.labels(broken))}",
        "Such rows are left out, nothing is filled in; mend them from the source",
        table.rows[broken],
        int(broken.sum()),
    )
    return table.take(~broken)


def _with_sound_volume(table: Table, report: FileReport) -> Table:
    volume = table.values["volume"]
    negative = volume < 0.0
    if negative.any():
        report.add(
            Severity.WARNING,
            f"volume is negative on {places(table.rows[negative], table.labels(negative))}",
            "The volume of such rows is left out, their prices stay",
            table.rows[negative],
        )
    return table.replace("volume", np.where(negative, np.nan, volume))


def _inside_session(table: Table, market: Market, report: FileReport) -> Table:
    outside = ~inside_hours(table.times, market)
    just_before = table.times - np.timedelta64(1, "s")
    at_close = outside & inside_hours(just_before, market, allow_special=False)
    for where, problem in (
        (at_close, "the bar starts when the session ends"),
        (outside & ~at_close, "the bar lies outside the trading hours of its day"),
    ):
        if where.any():
            report.add(
                Severity.WARNING,
                f"{problem}, on {places(table.rows[where], table.labels(where))}",
                "Such bars are left out; if they are genuine, write bar starts in exchange time",
                table.rows[where],
                int(where.sum()),
            )
    return table.take(~outside)


def _without_repeated_opens(table: Table, report: FileReport, *, index: bool) -> Table:
    """Make NaN of opens that are the previous close written again, so that nothing fills there."""
    opens = table.values["open"]
    repeats = repeats_previous_close(opens, table.values["close"])
    years = table.times.astype("datetime64[Y]").astype(int) + 1970
    made_up = np.zeros(len(opens), dtype=bool)
    counts: dict[int, str] = {}
    for year in np.unique(years[repeats]):
        in_year = years == year
        total, repeated = int(in_year.sum()), int(repeats[in_year].sum())
        if total >= ROWS_A_YEAR and repeated * REPEATED_SHARE >= total:
            made_up |= in_year
            counts[int(year)] = f"{repeated} of {total}"
    if made_up.any():
        report.add(
            Severity.WARNING,
            "the open is the previous close written again, not a traded price, in "
            + ", ".join(f"{year} ({count} rows)" for year, count in counts.items()),
            f"All {int(made_up.sum())} opens of these years are left out, so nothing fills on them",
            table.rows[made_up],
        )
    single = repeats & ~made_up & index
    if single.any():
        by_year = zip(*np.unique(years[single], return_counts=True), strict=True)
        report.add(
            Severity.WARNING,
            f"the open of the index repeats the previous close on {int(single.sum())} rows: "
            + ", ".join(f"{year} ({count})" for year, count in by_year),
            "These opens are left out: an index never opens exactly where it closed",
            table.rows[single],
        )
    return table.replace("open", np.where(made_up | single, np.nan, opens))
