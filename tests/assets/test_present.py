"""How results look in Dagster."""

from typing import Any

import pytest

from assets.present import TABLE_ROWS, table


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(
            [{"a": 1, "b": 0.5, "c": True}], [{"a": 1, "b": 0.5, "c": True}], id="numbers"
        ),
        pytest.param([{"a": None, "b": "x"}], [{"a": "None", "b": "x"}], id="text"),
        pytest.param([{"a": 1}, {"b": 2}], [{"a": 1, "b": ""}, {"a": "", "b": 2}], id="ragged"),
        pytest.param([{1: 2}], [{"1": 2}], id="a name that is no text"),
    ],
)
def test_rows_are_shown(rows: list[dict[Any, Any]], shown: list[dict[str, Any]]) -> None:
    assert [dict(record.data) for record in table(rows).records] == shown


def test_only_the_first_rows_are_shown() -> None:
    records = table({"a": number} for number in range(10_000)).records
    assert [record.data["a"] for record in records] == list(range(TABLE_ROWS))
