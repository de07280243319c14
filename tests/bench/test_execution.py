"""A tiny run of execution's measurements: whole ledgers, real processes, and their table."""

import json
from typing import Any

import pytest

from kasauti.bench.report import ExecutionBench
from kasauti.bench.tables import tables_of


@pytest.fixture(scope="module")
def report(tiny_execution: ExecutionBench) -> dict[str, Any]:
    return dict(json.loads(json.dumps(tiny_execution.to_json(), allow_nan=False)))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("load", ["append", "saturated"])
def test_no_append_is_lost(report: dict[str, Any], database: str, load: str) -> None:
    found = report["execution"][database][load]
    assert found["is_whole"] and found["appended"] == found["found"] > 0


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_decisions_of_a_real_desk_are_timed(report: dict[str, Any], database: str) -> None:
    found = report["execution"][database]["decision"]
    assert found["count"] >= 2 and 0 < found["median"] <= found["p99"] <= found["worst"]


def test_each_order_had_an_outcome_and_each_killed_desk_a_successor(report: dict[str, Any]) -> None:
    execution = report["execution"]
    assert (execution["outcome"]["count"], execution["takeover"]["count"]) == (3, 1)
    assert (execution["rebuild"]["events"], execution["rebuild"]["trades"]) == (1_000, 124)


def test_the_table_has_a_row_for_each_figure(report: dict[str, Any]) -> None:
    (table,) = tables_of(report)
    assert len(table.rows) == 9
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all("0 lost, chain whole" in row[0] for row in table.rows if "saturated" in row[0])
