from datetime import UTC, datetime, timedelta

import pytest

from kasauti.alerts.memory import MOST_INCIDENTS, AlertMemory

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("later", "is_new"),
    [
        (timedelta(0), False),
        (HOUR - timedelta(seconds=1), False),
        (HOUR, True),
        (-timedelta(minutes=5), False),
        (-HOUR, True),
    ],
    ids=["same moment", "just inside", "window over", "clock set back a little", "set back much"],
)
def test_the_same_incident_is_quiet_for_one_window(later: timedelta, is_new: bool) -> None:
    memory = AlertMemory(window=HOUR).remember("a", NOON)
    assert memory.is_new("a", NOON + later) is is_new


def test_another_incident_is_new() -> None:
    assert AlertMemory().remember("a", NOON).is_new("b", NOON)


def test_remembering_changes_nothing_in_place() -> None:
    before = AlertMemory()
    before.remember("a", NOON)
    assert before.is_new("a", NOON)


def test_a_cursor_brings_the_memory_back() -> None:
    memory = AlertMemory(window=HOUR).remember("a", NOON)
    again = AlertMemory.from_text(memory.to_text(), window=HOUR)
    assert again == memory
    assert not again.is_new("a", NOON)


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[1]", '{"a": 5}', '{"a": "yesterday"}', '{"a": "2026-03-02T12:00:00"}'],
)
def test_an_unreadable_cursor_is_an_empty_memory(text: str | None) -> None:
    assert AlertMemory.from_text(text).is_new("a", NOON)


def test_the_memory_stays_small_and_keeps_the_newest() -> None:
    memory = AlertMemory()
    for minute in range(MOST_INCIDENTS + 50):
        memory = memory.remember(f"i{minute}", NOON + timedelta(seconds=minute))
    now = NOON + timedelta(seconds=MOST_INCIDENTS + 50)
    assert len(memory.posted) == MOST_INCIDENTS
    assert not memory.is_new(f"i{MOST_INCIDENTS + 49}", now)
    assert memory.is_new("i0", now)


def test_expired_incidents_are_forgotten() -> None:
    memory = AlertMemory(window=HOUR).remember("a", NOON).remember("b", NOON + 2 * HOUR)
    assert set(memory.posted) == {"b"}
