"""Ticks from files that grow while they are read."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.execution.spool import Moment, Spool
from tests.execution.world import at

NOW = at(10)
GOOD = '{"at":"2026-07-15T09:59:00+05:30","symbol":"%s","last":"%s"}\n'


def spool(folder: Path, seen: dict[str, str] | None = None) -> Spool:
    return Spool(folder, (seen or {}).get)


def prices(moments: list[Moment]) -> list[dict[str, Decimal]]:
    return [{tick.symbol: tick.last for tick in moment.ticks} for moment in moments]


def test_no_folder_is_no_ticks(tmp_path: Path) -> None:
    assert spool(tmp_path / "feed").read(NOW) == []


def test_each_line_is_read_once_and_an_unfinished_one_waits(tmp_path: Path) -> None:
    path, found = tmp_path / "a.jsonl", spool(tmp_path)
    whole = GOOD % ("TEST", "100.05")
    path.write_text(whole + whole[:20])
    assert prices(found.read(NOW)) == [{"TEST": Decimal("100.05")}]
    assert found.read(NOW) == []
    with path.open("a") as file:
        file.write(whole[20:])
    assert prices(found.read(NOW)) == [{"TEST": Decimal("100.05")}]
    assert found.refused == 0


def test_a_second_price_of_a_symbol_begins_the_next_moment(tmp_path: Path) -> None:
    lines = [("A", "1"), ("B", "2"), ("A", "3"), ("A", "4"), ("B", "5")]
    (tmp_path / "a.jsonl").write_text("".join(GOOD % line for line in lines))
    found = spool(tmp_path).read(NOW)
    assert prices(found) == [
        {"A": Decimal(1), "B": Decimal(2)},
        {"A": Decimal(3)},
        {"A": Decimal(4), "B": Decimal(5)},
    ]
    assert len({moment.name for moment in found}) == 3


def test_after_a_restart_it_goes_on_behind_what_was_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD % ("A", "1"))
    (first,) = spool(tmp_path).read(NOW)
    with path.open("a") as file:
        file.write(GOOD % ("A", "2"))
    assert prices(spool(tmp_path, {"a.jsonl@": first.name}).read(NOW)) == [{"A": Decimal(2)}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("not json", "JSON", id="no JSON"),
        pytest.param("__import__('os').abort()", "JSON", id="code"),
        pytest.param(GOOD % ("A", "-1"), "greater than 0", id="negative"),
        pytest.param(GOOD % ("A", "NaN"), "finite", id="NaN"),
        pytest.param(GOOD % ("A", "0"), "greater than 0", id="zero"),
        pytest.param(GOOD % ("A B\\u0000", "1"), "match pattern", id="no symbol"),
        pytest.param(
            '{"at":"2026-07-15T09:59:00","symbol":"A","last":1}', "timezone", id="no zone"
        ),
        pytest.param(
            '{"at":"2026-07-15T10:01:00+05:30","symbol":"A","last":1}', "not come yet", id="future"
        ),
        pytest.param('{"symbol":"A","last":1}', "required", id="no time"),
        pytest.param('{"at":"2026-07-15T09:59:00+05:30","symbol":"A","last":1,"x":1}', "not perm",
                     id="unknown field"),
        pytest.param("\udcff", "JSON", id="not even text"),
        pytest.param("x" * 1_100_000, "JSON", id="endless"),
    ],
)  # fmt: skip
def test_what_is_no_tick_is_refused_and_said(tmp_path: Path, line: str, reason: str) -> None:
    content = line.rstrip("\n") + "\n" + GOOD % ("B", "5")
    (tmp_path / "a.jsonl").write_bytes(content.encode(errors="surrogateescape"))
    found = spool(tmp_path)
    read = [moment for _ in range(3) for moment in found.read(NOW)]
    assert prices(read) == [{"B": Decimal(5)}], "the next line counts"
    assert found.refused >= 1 and reason in found.refusal and "a.jsonl" in found.refusal


def test_files_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(GOOD % (name.upper(), "1"))
    (tmp_path / "notes.txt").write_text("no feed")
    found = spool(tmp_path).read(NOW + timedelta(hours=1))
    assert [tick.symbol for moment in found for tick in moment.ticks] == ["A", "B"]
