"""``kasauti stress`` as a trader calls it, on the sample."""

from pathlib import Path

import pytest

from kasauti.cli import cli
from kasauti.stress_command import stress
from tests.cli.conftest import Run, written

HOLD = """
entry = "close > sma(close, 200)"
exit = "close < sma(close, 200)"
side = "long"
stop = { fraction = 0.5 }
regimes = ["bull", "bear", "sideways", "volatile"]
"""


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.commands, "stress", stress)


def test_a_small_position_survives(run: Run, tmp_path: Path) -> None:
    told = run("stress", "--genome", written(tmp_path / "g.toml", HOLD + "risk = 0.01"), "--json")
    assert told.code == 0
    assert told.json["passed"]
    figures = told.json["figures"]
    assert len(figures["synthetic"]) == 11
    assert "2018 fourth quarter" in figures["untested"]  # sealed
    assert figures["caps_tier"]


def test_the_whole_account_does_not(run: Run, tmp_path: Path) -> None:
    told = run("stress", "--genome", written(tmp_path / "g.toml", HOLD + "risk = 0.5"))
    assert told.code == 1
    words = " ".join(told.out.split())
    assert "Loses more than 20 % in " in words
    assert "market-wide halt at 20%" in words
