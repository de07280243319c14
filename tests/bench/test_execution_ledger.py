"""The ledger's measurements measure whole ledgers; how fast they are is no matter of a test."""

from pathlib import Path

import pytest

from kasauti.bench.execution_ledger import bare_fsync, measure_append, measure_rebuild
from kasauti.execution.place import Place
from tests.postgres import server


@pytest.mark.parametrize("per_second", [5.0, None], ids=["paced", "saturated"])
def test_no_append_is_lost(tmp_path: Path, per_second: float | None) -> None:
    found = measure_append(Place(tmp_path / "ledger.sqlite"), 2, per_second, 0.5)
    assert found.is_whole and found.appended == found.found > 0
    assert 0 < found.median <= found.p99 <= found.worst


def test_no_append_is_lost_on_postgresql(tmp_path: Path) -> None:
    with server() as started:
        place = Place(tmp_path / "ledger.sqlite", started.database())
        found = measure_append(place, 2, None, 0.5)
    assert found.is_whole and found.appended == found.found > 0


def test_a_rebuilt_book_holds_the_trades(tmp_path: Path) -> None:
    found = measure_rebuild(1_000, tmp_path)
    assert (found.events, found.trades) == (1_000, 124)
    assert found.book > 0 and found.verification > 0


def test_the_bare_disk(tmp_path: Path) -> None:
    found = bare_fsync(tmp_path, writes=5)
    assert found.writes == 5 and 0 < found.median <= found.p99
