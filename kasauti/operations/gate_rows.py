"""What the gates' figures say of regimes, stress and testers, as rows; no gate is judged here.

The figures are read as they were recorded, perhaps by older code: what is missing or of another
shape is left out, never guessed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Mapping[str, Any]]
"""The figures of each gate by its name."""

_RULINGS = {"pass": "passed", "fail": "refused", "doubt": "has doubts"}


@dataclass(frozen=True)
class RegimeRow:
    """One regime as its gate tells it; what the gate did not say is None.

    Attributes
    ----------
    mean, low, high : float or None
        Mean return a bar and its 95 % interval.
    state : str
        ``earns``, ``loses``, ``unknown`` or ``not traded``.
    """

    regime: str
    trades: int
    mean: float | None
    low: float | None
    high: float | None
    state: str


@dataclass(frozen=True)
class StressRow:
    """What one scenario cost, a fraction at or below 0 where it lost."""

    scenario: str
    symbol: str
    loss: float


@dataclass(frozen=True)
class TesterRow:
    """One tester's opinion.

    Attributes
    ----------
    score : float or None
        0 to 100.
    verdict : str
        In words.
    passed : bool or None
        None where it has doubts only.
    """

    tester: str
    score: float | None
    verdict: str
    passed: bool | None
    reasons: tuple[str, ...]


def regime_rows(figures: Figures) -> tuple[RegimeRow, ...]:
    """Return the regimes in the order of their gate."""
    rows = []
    for name, row in _mappings(figures.get("regimes", {}).get("regimes")):
        low, high = _interval(row.get("interval"))
        trades = _number(row.get("trades"))
        rows.append(
            RegimeRow(
                name,
                0 if trades is None else int(trades),
                _number(row.get("mean_return")),
                low,
                high,
                str(row.get("state", "unknown")),
            )
        )
    return tuple(rows)


def stress_rows(figures: Figures) -> tuple[StressRow, ...]:
    """Return every scenario that has a loss: those of the stress gate, then the sealed ones."""
    stress, sealed = figures.get("stress", {}), figures.get("sealed", {})
    rows = [*_losses(stress.get("losses"), ""), *_losses(stress.get("synthetic"), "")]
    gap = stress.get("gap")
    if isinstance(gap, Mapping):
        rows += _losses([{"scenario": "overnight gap", **gap}], "")
    rows += _losses(sealed.get("losses"), ", sealed")
    return tuple({(row.scenario, row.symbol): row for row in rows}.values())


def untested(figures: Figures) -> tuple[str, ...]:
    """Return the scenarios that the bars do not cover."""
    found = figures.get("stress", {}).get("untested")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def tester_rows(figures: Figures) -> tuple[TesterRow, ...]:
    """Return the testers' opinions, none where no tester was asked."""
    rows = []
    for name, row in _mappings(figures.get("testers")):
        reasons, verdict = row.get("reasons", ()), row.get("verdict")
        rows.append(
            TesterRow(
                name,
                _number(row.get("score")),
                "no verdict" if verdict is None else _RULINGS.get(str(verdict), str(verdict)),
                {"pass": True, "fail": False}.get(str(verdict)),
                tuple(map(str, reasons)) if isinstance(reasons, list | tuple) else (str(reasons),),
            )
        )
    return tuple(rows)


def _losses(found: Any, suffix: str) -> Iterable[StressRow]:
    for row in found if isinstance(found, list | tuple) else ():
        loss = _number(row.get("loss")) if isinstance(row, Mapping) else None
        if loss is not None:
            name = f"{row.get('scenario', 'unnamed')}{suffix}"
            yield StressRow(name, str(row.get("symbol") or ""), loss)


def _mappings(found: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(found, Mapping):
        yield from ((str(name), row) for name, row in found.items() if isinstance(row, Mapping))


def _interval(found: Any) -> tuple[float | None, float | None]:
    if isinstance(found, list | tuple) and len(found) == 2:
        return _number(found[0]), _number(found[1])
    return None, None


def _number(found: Any) -> float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and math.isfinite(found) else None
