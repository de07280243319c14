"""A seeded sample of what `benchmarks/alert_crashes.py` does at length."""

from pathlib import Path

import pytest

from tests.alerts.crash.harness import BY_TIME, CHANNELS, STEPS, run


@pytest.mark.parametrize("seed", [4])
def test_no_alert_is_lost_and_every_repeat_is_one_that_a_kill_explains(
    tmp_path: Path, seed: int
) -> None:
    found = run(tmp_path, alerts=40, kills=12, seed=seed)
    for channel in CHANNELS:
        assert found.lost(channel) == [] and found.foreign(channel) == []
        assert found.unexplained(channel) == []
    assert found.holds
    assert found.kills.total() == 12
    assert found.kills.keys() == {*STEPS, BY_TIME}
    assert found.repeats("slack") or found.repeats("email"), "killed before the answer was recorded"


def test_the_harness_would_notice() -> None:
    """A copy too few and one too many, as the report sees them."""
    from collections import Counter

    from tests.alerts.crash.harness import Copy, Report

    def report(*copies: Copy) -> Report:
        return Report(
            ("a", "b"),
            frozenset({"own"}),
            {"slack": list(copies), "email": [Copy("a", False), Copy("b", False)]},
            Counter({"alerts.accepted": 1}),
            Counter(),
            0,
            0.0,
        )

    a, b = Copy("a", False), Copy("b", False)
    assert report(a, b).holds
    assert report(a, b, Copy("a", True)).holds
    assert report(a, b, Copy("own", False), Copy("own", False)).holds
    assert not report(a).holds
    assert not report(a, b, a).holds
    assert not report(a, b, Copy("c", False)).holds
