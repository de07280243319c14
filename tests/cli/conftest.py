"""A state folder of its own for each test, and the command line run as `main` runs it."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kasauti.cli import main
from kasauti.home import Home
from tests.execution.world import OPEN, World, at, entry, world

GENES = """
entry = "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70"
exit = "close < sma(close, 50)"
side = "long"
stop = { atr = 2.5 }
max_bars = 40
regimes = ["bull", "bear", "sideways", "volatile"]
risk = 0.01
"""


@dataclass(frozen=True)
class Ran:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output; NaN and infinities are refused."""
        return json.loads(self.out, parse_constant=_refuse)

    @property
    def complaint(self) -> str:
        """The line that says what to mend."""
        lines = [line for line in self.err.splitlines() if line.startswith("kasauti: ")]
        assert len(lines) == 1, self.err
        assert self.out == ""
        return lines[0]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in JSON")


Run = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("KASAUTI_HOME", str(tmp_path / "home"))
    return Home.from_environment()


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `kasauti …` in this process, in the test's own home."""

    def command(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["kasauti", *map(str, arguments)])
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)  # `main` sets its own
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return Ran(code, *capsys.readouterr())

    return command


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    return written(tmp_path / "genome.toml", GENES)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def desk(home: Home) -> Iterator[World]:
    """A desk at work on the replay ledger; one entry has been filled."""
    with world(home.replay) as w:
        w.tick(OPEN, "100")
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        w.tick(at(9, 16), "100.50")
        assert "TEST" in w.desk.book.positions
        yield w
