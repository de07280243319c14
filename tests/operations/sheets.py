"""A tear sheet's ingredients: a backtest on synthetic bars and a verdict as the gates record it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kasauti.backtest import Backtester
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.calendar import INDIA
from kasauti.operations.tearsheet import TearSheet, tear_sheet
from kasauti.validation.gates.model import Gate
from kasauti.validation.verdict import Verdict
from tests.validation.synthetic import make_bars

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=INDIA)
GENES: dict[str, Any] = {
    "entry": "roc(close, 5) < -1",
    "exit": "close > sma(close, 5)",
    "side": "long",
    "stop": {"fraction": 0.05},
    "max_bars": 10,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.02,
}
NEVER = {"entry": "close < 0 * close"}
REGIMES = {
    "bull": {
        "trades": 117,
        "mean_return": 0.0007,
        "interval": [0.0001, 0.0012],
        "state": "earns",
    },
    "bear": {"trades": 4, "mean_return": -0.0002, "interval": None, "state": "unknown"},
    "sideways": {"trades": 60, "mean_return": -0.0003, "interval": [-0.0006, 0], "state": "loses"},
    "volatile": {"trades": 0, "mean_return": 0.0, "interval": None, "state": "not traded"},
}
TESTERS = {
    "performance": {"score": 61.5, "verdict": "pass", "reasons": ["It earns after charges."]},
    "sceptic": {"score": 20, "verdict": "fail", "reasons": ["Half of it came from 5 trades."]},
}
FIGURES: dict[str, Mapping[str, Any]] = {
    "causality": {"cuts": 9, "leaks": 0},
    "regimes": {"regimes": REGIMES, "approved": ["bull"]},
    "stress": {
        "losses": [{"scenario": "2008 crisis", "symbol": "AAA", "loss": -0.251, "how": ""}],
        "synthetic": [{"scenario": "overnight gap", "symbol": "BBB", "loss": -0.11, "how": ""}],
        "gap": {"symbol": "BBB", "loss": -0.11},
        "untested": ["2022 rate shock"],
    },
    "testers": TESTERS,
}
REASONS = {
    "stress": "loses more than 20 % in 2008 crisis in AAA: -25.1%. Not covered: 2022 rate shock",
    "sealed": "not opened: stress failed",
}
ORDER = (
    *("causality", "walk_forward", "regimes", "stress", "statistics", "testers"),
    *("second_opinion", "sealed"),
)


def verdict(genome: Genome, *failed: str, notes: tuple[str, ...] = ("A note.",)) -> Verdict:
    """Return a verdict in which the gates `failed` failed."""
    gates = tuple(
        Gate(
            name,
            name not in failed,
            REASONS.get(name, f"{name} said so") if name in failed else f"{name} said so",
            FIGURES.get(name, {}),
        )
        for name in ORDER
    )
    return Verdict(not failed, genome.hash, "f" * 64, gates, notes, "0" * 64)


def example(
    *failed: str,
    bars: Bars | None = None,
    is_reference: bool = False,
    **genes: Any,
) -> TearSheet:
    """Return a tear sheet on three years of two symbols, or on `bars`."""
    genome = genome_from_genes({**GENES, **genes})
    backtester = Backtester(bars or make_bars(("AAA", "BBB"), sessions=760))
    return tear_sheet(
        verdict(genome, *failed), genome, backtester, now=NOW, is_reference=is_reference
    )
