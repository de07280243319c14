"""Where the time of a search goes, over a few whole generations in a scratch folder."""

import tempfile
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from kasauti.backtest.engine import Backtester
from kasauti.bench.report import SearchFigures
from kasauti.evolution.outcome import SearchSettings
from kasauti.evolution.register import TrialRegister
from kasauti.evolution.search import evolve
from kasauti.market.bars import Bars

WHEN = datetime(2020, 1, 1, tzinfo=ZoneInfo("UTC"))
"""The time under which the scratch register files the trials; nobody reads it."""


def measure_search(
    bars: Bars, seed: int, generation: int, generations: int, executor: Executor
) -> SearchFigures:
    """Run a search of `generations` times `generation` evaluations and return its seconds."""
    settings = SearchSettings(
        seed=seed, evaluations=generation * generations, population=generation
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        register = TrialRegister(root / "register.sqlite")
        found = evolve(
            Backtester(bars), settings, register, root / "searches", at=WHEN, executor=executor
        )
    done = max(len(found.history), 1)
    parts = found.seconds_by_part
    return SearchFigures(
        generation,
        done,
        evaluation_s=parts["evaluation"],
        breeding_s=parts["breeding"],
        selection_s=parts["selection"],
        register_s=parts["register"],
        other_s=parts["other"],
        bookkeeping_a_generation_s=(sum(parts.values()) - parts["evaluation"]) / done,
    )
