"""The genome as frozen data: expression tree and genes; parsing and breeding live beside it."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from kasauti.regimes.model import Regime


@dataclass(frozen=True, slots=True)
class Series:
    """A named series: ``close``, ``volume``, ``index`` ..."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Call:
    """A registered function with its arguments."""

    function: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Unary:
    """``-`` or ``not`` before one operand."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """``+ - * /``, a comparison, ``and`` or ``or`` between two operands."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Series | Number | Call | Unary | Binary


class Side(StrEnum):
    """Direction of the position."""

    LONG = "long"
    SHORT = "short"


class DistanceKind(StrEnum):
    """What a distance from the entry price is measured in."""

    ATR = "atr"
    FRACTION = "fraction"


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance from the fill price: ``k * ATR(14)`` or a fraction in (0, 1) of the price."""

    kind: DistanceKind
    value: float


@dataclass(frozen=True)  # no slots: the hash is asked for ten times a genome and kept
class Genome:
    """One strategy: data, never code. Checked by `kasauti.genome.check_genome`.

    Attributes
    ----------
    entry, exit : Expression
        Boolean expressions decided on a closed bar.
    side : Side
    stop : Distance
        Protective, always present.
    target, trail : Distance or None
    max_bars : int or None
        Time stop: exit at the open of entry bar + max_bars.
    regimes : frozenset of Regime
        Entries only there; all four means no restriction.
    risk : float
        Fraction of equity in (0, 1] at risk between entry and stop.
    """

    entry: Expression
    exit: Expression
    side: Side
    stop: Distance
    target: Distance | None
    trail: Distance | None
    max_bars: int | None
    regimes: frozenset[Regime]
    risk: float

    def to_genes(self) -> dict[str, Any]:
        """Return the genes by their names in a genome file, expressions as canonical text."""
        from kasauti.genome.text import to_text

        genes: dict[str, Any] = {
            "entry": to_text(self.entry),
            "exit": to_text(self.exit),
            "side": self.side.value,
            "stop": {self.stop.kind.value: float(self.stop.value)},
        }
        for name, distance in (("target", self.target), ("trail", self.trail)):
            if distance is not None:
                genes[name] = {distance.kind.value: float(distance.value)}
        if self.max_bars is not None:
            genes["max_bars"] = self.max_bars
        genes["regimes"] = [regime.value for regime in Regime if regime in self.regimes]
        genes["risk"] = float(self.risk)
        return genes

    @cached_property
    def hash(self) -> str:
        """sha256 of the normalised genes: the strategy's name for life."""
        text = json.dumps(self.to_genes(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
