"""The order of the trial and who got how far in it; nothing is judged here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STAGES: tuple[str, ...] = (
    "causality",
    "walk_forward",
    "regimes",
    "stress",
    "statistics",
    "testers",
    "second_opinion",
    "sealed",
)
"""Names of the gates in the order in which a strategy has to pass them.

The sealed bars come last: they are opened only after all the others passed.
"""


Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Entrant:
    """One strategy at one stage, which it reached because it passed all stages before.

    `passed` is False and `reason` empty where the verdict holds no answer: no answer is no pass.
    """

    genome: str
    reference: bool
    passed: bool
    reason: str
    figures: str


def entrants(rows: Sequence[Row], stage: str) -> list[Entrant]:
    """Return who reached `stage`, in the order of their verdicts.

    Parameters
    ----------
    rows : sequence of mapping
        One a gate of each verdict: genome, reference, gate, passed, reason, figures.
    stage : str
        One of `STAGES`.
    """
    before = STAGES[: STAGES.index(stage)]
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(str(row["genome"]), {})[str(row["gate"])] = row
    reached = []
    for genome, gates in found.items():
        if not all(name in gates and bool(gates[name]["passed"]) for name in before):
            continue
        is_reference = any(bool(row["reference"]) for row in gates.values())
        gate = gates.get(stage, {})
        reached.append(
            Entrant(
                genome,
                is_reference,
                bool(gate.get("passed", False)),
                str(gate.get("reason", "")),
                str(gate.get("figures", "{}")),
            )
        )
    return reached


def unknown_gates(rows: Sequence[Row]) -> list[str]:
    """Return the gates of the verdicts that are no stage, so that nothing could stop at them."""
    return sorted({str(row["gate"]) for row in rows} - set(STAGES))
