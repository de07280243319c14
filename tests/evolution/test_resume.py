"""A search that is killed at its worst moments ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from kasauti.evolution.register import TrialRegister
from tests.evolution.test_search import records, search, told

ROOT = Path(__file__).resolve().parents[2]

# Kills itself, without any clean-up, when the named function is entered for the n-th time.
VICTIM = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from tests.evolution.test_search import search

module, owner, function, fatal = sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
victim = getattr(import_module(module), owner)
living, calls = getattr(victim, function), []

def dying(*args, **kwargs):
    calls.append(function)
    if len(calls) == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return living(*args, **kwargs)

setattr(victim, function, dying)
search(Path(sys.argv[1]))
"""
# The moment, and how many trials the register may then hold; a generation is 40 of 150. What was
# evaluated last is written down while the next generation is bred, so it may be there or not.
KILLS = [
    (("kasauti.backtest", "Backtester", "scores", "2"), {0, 40}),  # in the middle of generation 1
    (("kasauti.evolution.state", "Noted", "save", "2"), {80, 120}),  # recorded, not saved
    (("pathlib", "Path", "replace", "1"), {80, 120}),  # saved by half: hashes new, state old
    (("kasauti.evolution.state", "Noted", "save", "2"), {120, 150}),  # recorded, not saved
]


def start_and_die(folder: Path, *moment: str) -> None:
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, str(folder), *moment],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(len(moment[2]))},
        timeout=120,
        check=False,
    )
    assert victim.returncode == -signal.SIGKILL


def test_a_killed_search_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    for moment, recorded in KILLS:
        start_and_die(tmp_path / "killed", *moment)
        assert len(records(tmp_path / "killed")[0]) in recorded
    resumed = search(tmp_path / "killed")
    undisturbed = search(tmp_path / "whole")
    assert told(resumed) == told(undisturbed)
    assert records(tmp_path / "killed") == records(tmp_path / "whole")
    registers = [TrialRegister(tmp_path / name / "register.sqlite") for name in ("killed", "whole")]
    assert registers[0].heads() == registers[1].heads()
    assert len(resumed.history) == len(undisturbed.history)
    for name, seconds in resumed.seconds_by_part.items():
        assert seconds > 0.0, name
