"""What a gate finds and what it looks at; no gate is here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kasauti.backtest import Backtester, Result, Score
from kasauti.backtest.metrics import returns_of
from kasauti.genome import Genome
from kasauti.market.bars import Bars, Floats
from kasauti.validation import plateau, statistics
from kasauti.validation.gates.affordability import affordability

FEWEST_TRADES = 30
"""Fewer closed trades say nothing of a regime or of a walk-forward."""


@dataclass(frozen=True)
class Gate:
    """One gate's finding: figures are plain numbers, text, lists and mappings without NaN."""

    name: str
    passed: bool
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the gate as plain values; what is not finite becomes None."""
        return {
            "name": self.name,
            "passed": self.passed,
            "reason": self.reason,
            "figures": plain(self.figures),
        }


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: no numpy types, nothing that is not finite."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True, eq=False)
class Case:
    """One genome on its searched bars, with what several gates need of it.

    Attributes
    ----------
    trials : int
        Registered trials on these symbols.
    openings : int
        Openings of the sealed bars by other families.
    peers : ndarray of shape (K, T) or None
        Returns of a random sample of the registered genomes (`statistics.peers_of`); without them
        every trial counts as different from every other.
    """

    genome: Genome
    backtester: Backtester
    trials: int
    openings: int
    seed: int
    peers: Floats | None = None

    @property
    def bars(self) -> Bars:
        """The searched bars."""
        return self.backtester.bars

    @cached_property
    def result(self) -> Result:
        """The backtest over all searched bars."""
        return self.backtester.run(self.genome)

    @cached_property
    def score(self) -> Score:
        """The same by regime."""
        return self.backtester.score(self.genome)

    @cached_property
    def returns(self) -> Floats:
        """Returns of the summed equity."""
        return returns_of(self.result.panel_equity)

    @cached_property
    def t(self) -> float:
        """Mean return over its standard error."""
        return statistics.t_statistic(self.returns)

    @cached_property
    def plateau_t(self) -> float:
        """The t that decides: what the genome and its neighbours earn beyond the index."""
        return plateau.plateau_t(self.backtester, self.genome)

    @cached_property
    def affordable(self) -> list[dict[str, Any]]:
        """What each capital profile could have traded."""
        return affordability(self.backtester, self.genome)
