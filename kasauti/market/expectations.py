"""What bars must look like before anything is computed from them, said with Great Expectations.

The loader repairs, this only looks: it runs on what was stored, whoever wrote it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from kasauti.market.bars import FIELDS, PRICE_FIELDS
from kasauti.market.findings import Severity

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation

KEY_COLUMNS = ("symbol", "time")
STEP = "seconds_since_previous"
MOVE = "move_since_previous"
CLOSES = "closes_of_symbol"
LARGEST_MOVE = 0.8
"""A close that moves further than this in one bar is looked at: a split that was not adjusted
is far more likely than a real move (the largest real one in our data is -52 %)."""
CLOSE_SHARE = 0.99
"""Share of bars that must have a close."""
SAMPLE_ROWS = 5


@dataclass(frozen=True)
class ExpectationResult:
    """What one expectation found.

    Attributes
    ----------
    name, description : str
        Its name for a Dagster check, and what it expects.
    passed : bool
        False too where it could not be evaluated.
    severity : Severity
        ERROR blocks what is downstream, WARNING does not.
    figures : mapping of str to int, float or str
        ``rows`` looked at, ``unexpected`` rows, and ``reason`` where it was not evaluated.
    sample : tuple of mapping
        A few of the unexpected rows: symbol, time and the values looked at, as text.
    """

    name: str
    description: str
    passed: bool
    severity: Severity
    figures: Mapping[str, int | float | str]
    sample: tuple[Mapping[str, str], ...] = ()


EXPECTATIONS: Mapping[str, tuple[Severity, str]] = MappingProxyType(
    {
        "columns_present": (Severity.ERROR, "symbol, time, four prices and volume are there"),
        "columns_typed": (Severity.ERROR, "times are times, prices and volume are numbers"),
        "keys_not_null": (Severity.ERROR, "every bar has a symbol and a time"),
        "bars_unique": (Severity.ERROR, "no symbol has two bars at one time"),
        "times_increase": (Severity.ERROR, "each symbol's bars are in order of time"),
        "symbols_have_bars": (Severity.ERROR, "every symbol has at least one close"),
        "close_present": (Severity.ERROR, f"at least {CLOSE_SHARE:.0%} of the bars have a close"),
        "prices_positive": (Severity.ERROR, "every price that is there is above zero"),
        "high_is_highest": (Severity.ERROR, "no open, low or close is above its high"),
        "low_is_lowest": (Severity.ERROR, "no open or close is below its low"),
        "volume_not_negative": (Severity.ERROR, "no volume is below zero"),
        "moves_plausible": (
            Severity.WARNING,
            f"no close moves more than {LARGEST_MOVE:.0%} in one bar",
        ),
    }
)
"""Name, severity and meaning of every expectation, in the order of the results."""


def check_bars(frame: "pd.DataFrame", symbols: Sequence[str] = ()) -> list[ExpectationResult]:
    """Return one result for each of `EXPECTATIONS`, in that order.

    Parameters
    ----------
    frame : DataFrame
        One row a bar, as from `kasauti.market.panel.long_frame`. It is not changed.
    symbols : sequence of str
        Symbols that must have bars; a symbol that is in the frame must have them anyway.

    Returns
    -------
    list of ExpectationResult
        Where a column is missing or mistyped, whatever needs the columns is not evaluated and
        therefore not passed.
    """
    first = _schema_expectations()
    results = _validate(frame, first)
    if all(result.passed for result in results):
        return results + _validate(_with_steps(frame), _value_expectations(symbols))
    reason = {"reason": "not evaluated: a column is missing or has the wrong type"}
    unread = [
        ExpectationResult(name, text, False, severity, reason)
        for name, (severity, text) in EXPECTATIONS.items()
        if name not in first
    ]
    return results + unread


def _schema_expectations() -> dict[str, list["Expectation"]]:
    import great_expectations.expectations as gxe

    times = [f"datetime64[{unit}]" for unit in ("s", "ms", "us", "ns")]
    return {
        "columns_present": [
            gxe.ExpectTableColumnsToMatchSet(column_set=[*KEY_COLUMNS, *FIELDS], exact_match=False)
        ],
        "columns_typed": [
            gxe.ExpectColumnValuesToBeInTypeList(column="time", type_list=times),
            *(gxe.ExpectColumnValuesToBeOfType(column=name, type_="float64") for name in FIELDS),
        ],
    }


def _value_expectations(symbols: Sequence[str]) -> dict[str, list["Expectation"]]:
    import great_expectations.expectations as gxe

    def at_least(greater: str, lesser: str) -> "Expectation":
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=greater,
            column_B=lesser,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        )

    return {
        "keys_not_null": [gxe.ExpectColumnValuesToNotBeNull(column=name) for name in KEY_COLUMNS],
        "bars_unique": [gxe.ExpectCompoundColumnsToBeUnique(column_list=list(KEY_COLUMNS))],
        "times_increase": [
            gxe.ExpectColumnValuesToBeBetween(column=STEP, min_value=0, strict_min=True)
        ],
        "symbols_have_bars": [
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
            gxe.ExpectColumnValuesToBeBetween(column=CLOSES, min_value=1),
            gxe.ExpectColumnDistinctValuesToContainSet(column="symbol", value_set=list(symbols)),
        ],
        "close_present": [gxe.ExpectColumnValuesToNotBeNull(column="close", mostly=CLOSE_SHARE)],
        "prices_positive": [
            gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0, strict_min=True)
            for name in PRICE_FIELDS
        ],
        "high_is_highest": [at_least("high", name) for name in ("open", "low", "close")],
        "low_is_lowest": [at_least(name, "low") for name in ("open", "close")],
        "volume_not_negative": [gxe.ExpectColumnValuesToBeBetween(column="volume", min_value=0)],
        "moves_plausible": [
            gxe.ExpectColumnValuesToBeBetween(
                column=MOVE, min_value=-LARGEST_MOVE, max_value=LARGEST_MOVE
            )
        ],
    }


def _with_steps(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Add what an expectation on one row cannot see: the symbol's bar before, and its closes."""
    by_symbol = frame["symbol"].to_numpy()
    import pandas as pd

    seconds = pd.Series(frame["time"].to_numpy().astype("datetime64[s]").astype(np.float64))
    known = frame["time"].notna().to_numpy()
    close = frame["close"].reset_index(drop=True)
    before = close.groupby(by_symbol, sort=False, dropna=False).shift()
    wider = frame.reset_index(drop=True)
    wider[STEP] = seconds.where(known).groupby(by_symbol, sort=False, dropna=False).diff()
    wider[MOVE] = (close / before - 1.0).where(before > 0)
    wider[CLOSES] = close.groupby(by_symbol, sort=False, dropna=False).transform("count")
    return wider


def _validate(
    frame: "pd.DataFrame", wanted: Mapping[str, Sequence["Expectation"]]
) -> list[ExpectationResult]:
    """Run the expectations in memory: no project folder, no progress bars, no usage statistics."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("kasauti").add_dataframe_asset("bars")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="bars")
    for name, expectations in wanted.items():
        for expectation in expectations:
            expectation.meta = {"name": name}
            suite.add_expectation(expectation)
    keys = [name for name in KEY_COLUMNS if name in frame.columns]
    outcome = batch.validate(
        suite,
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": SAMPLE_ROWS,
            "unexpected_index_column_names": keys,
        },
    )
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    for result in outcome.results:
        found[result.expectation_config.meta["name"]].append(result)
    return [_summarise(name, len(frame), results) for name, results in found.items()]


def _summarise(name: str, rows: int, results: Sequence[Any]) -> ExpectationResult:
    severity, description = EXPECTATIONS[name]
    failed = [result for result in results if not result.success]
    figures: dict[str, int | float | str] = {
        "rows": rows,
        "unexpected": sum(int(result.result.get("unexpected_count", 0)) for result in results),
    }
    observed = [result.result["observed_value"] for result in failed if _observed(result)]
    if observed:
        figures["observed"] = ", ".join(map(str, observed))
    sample = [
        {column: str(value) for column, value in row.items()}
        for result in failed
        for row in result.result.get("partial_unexpected_index_list") or ()
    ]
    passed = bool(results) and not failed
    return ExpectationResult(
        name, description, passed, severity, figures, tuple(sample[:SAMPLE_ROWS])
    )


def _observed(result: Any) -> bool:
    return result.result.get("observed_value") is not None
