"""The stopwatch: rivals take turns, the least counts, and patience ends it."""

import pytest

from kasauti.bench import stopwatch
from kasauti.bench.stopwatch import fastest


def test_rivals_take_turns_and_their_least_seconds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, turns = [0.0], []
    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])
    seconds = {"a": iter([3.0, 1.0, 2.0]), "b": iter([5.0, 6.0, 4.0])}

    def work(name: str) -> None:
        turns.append(name)
        now[0] += next(seconds[name])

    rivals = {"a": lambda: work("a"), "b": lambda: work("b")}
    assert fastest(rivals, rounds=3) == {"a": 1.0, "b": 4.0}
    assert turns == ["a", "b"] * 3


def test_no_round_begins_once_patience_is_over() -> None:
    done = []
    fastest({"a": lambda: done.append(1)}, rounds=5, patience=0.0)
    assert len(done) == 1
