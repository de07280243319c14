"""Results as tables for the lake and back; what a table looks like to a person stands elsewhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kasauti.evolution.lineage import Kin
from kasauti.evolution.outcome import SearchResult
from kasauti.evolution.trials import Death
from kasauti.execution.model import Intent, Outcome
from kasauti.execution.signals import Signal
from kasauti.market.bars import Bars
from kasauti.market.findings import Finding
from kasauti.regimes.model import REGIMES
from kasauti.validation.approvals import Approval
from kasauti.validation.gates.model import Gate
from kasauti.validation.stages import Entrant
from kasauti.validation.verdict import Verdict

FINDING_COLUMNS = ["file", "row", "problem", "remedy", "severity", "rows_dropped"]
SIGNAL_COLUMNS = [
    "day",
    "symbol",
    "purpose",
    "side",
    "quantity",
    "close",
    "limit",
    "reason",
    "genome",
]
OUTCOME_COLUMNS = [
    *("key", "symbol", "purpose", "side", "quantity"),
    *("limit", "valid_from", "valid_until", "outcome", "tag"),
]
ENTRANT_COLUMNS = [field.name for field in fields(Entrant)]
APPROVAL_COLUMNS = ["genome", "genes", "scope", "label", "tier", "granted", "expires", "approval"]


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row a finding of the loader."""
    rows = [{**asdict(one), "severity": one.severity.value} for one in findings]
    return pd.DataFrame(rows, columns=FINDING_COLUMNS).astype({"row": "Int64"})


def front_frame(found: SearchResult) -> pd.DataFrame:
    """Return one row a strategy of the front, best first; genes as JSON."""
    return pd.DataFrame(
        [
            {"genome": one.hash, **one.fitness, "genes": json.dumps(one.genome.to_genes())}
            for one in found.front
        ]
    )


def search_frame(found: SearchResult, seed: int) -> pd.DataFrame:
    """Return the search itself as one row."""
    facts = {"search": found.search, "evaluations": found.evaluations, "seconds": found.seconds}
    return pd.DataFrame([{**facts, "seed": seed}])


def history_frame(found: SearchResult) -> pd.DataFrame:
    """Return one row a generation; without its seconds, which differ from run to run."""
    return pd.DataFrame(
        [
            {
                "generation": step.generation,
                "evaluations": step.evaluations,
                "front": step.front,
                "median": np.nan if step.median is None else step.median,
                **step.best,
            }
            for step in found.history
        ]
    )


def verdicts_frame(verdicts: Sequence[tuple[Verdict, bool]]) -> pd.DataFrame:
    """Return one row a gate of each verdict; the flag says whether it is the reference."""
    return pd.DataFrame(
        [
            {
                "genome": verdict.genome,
                "reference": is_reference,
                "approved": verdict.approved,
                "gate": gate.name,
                "passed": gate.passed,
                "reason": gate.reason,
                "figures": json.dumps(gate.to_json()["figures"]),
                "family": verdict.family,
                "notes": json.dumps(list(verdict.notes)),
                "data_version": verdict.data_version,
            }
            for verdict, is_reference in verdicts
            for gate in verdict.gates
        ]
    )


def verdicts_from(frame: pd.DataFrame) -> list[tuple[Verdict, bool]]:
    """Return the verdicts of `verdicts_frame`, in their order, each with the reference's flag."""
    found = []
    for _, rows in frame.groupby("genome", sort=False):
        first = rows.iloc[0]
        gates = tuple(
            Gate(row["gate"], bool(row["passed"]), row["reason"], json.loads(row["figures"]))
            for row in rows.to_dict("records")
        )
        verdict = Verdict(
            bool(first["approved"]),
            str(first["genome"]),
            str(first["family"]),
            gates,
            tuple(json.loads(first["notes"])),
            str(first["data_version"]),
        )
        found.append((verdict, bool(first["reference"])))
    return found


def entrants_frame(reached: Sequence[Entrant]) -> pd.DataFrame:
    """Return one row a strategy that reached a stage of the trial."""
    frame = pd.DataFrame([asdict(one) for one in reached], columns=ENTRANT_COLUMNS)
    return frame.astype({"reference": bool, "passed": bool})


def family_frame(families: Mapping[str, Sequence[Kin]]) -> pd.DataFrame:
    """Return one row a strategy and ancestor, the strategy itself first."""
    return pd.DataFrame(
        [
            {"strategy": name, **asdict(one), "parents": ", ".join(one.parents)}
            for name, kin in families.items()
            for one in kin
        ],
        columns=["strategy", *(one.name for one in fields(Kin))],
    ).astype({"on_line": bool})


def graveyard_frame(deaths: Iterable[Death]) -> pd.DataFrame:
    """Return one row a death: the cause in the words before its figure, and in full."""
    rows = [
        {
            "genome": death.genome,
            "stage": death.stage,
            "cause": death.cause.partition(":")[0],
            "in_full": death.cause,
            "search": death.search or "",
        }
        for death in deaths
    ]
    return pd.DataFrame(rows, columns=["genome", "stage", "cause", "in_full", "search"])


def causes_frame(graveyard: pd.DataFrame, names: int) -> pd.DataFrame:
    """Return one row a cause, the commonest first, with the first `names` that died of it."""
    rows = [
        {
            "cause": str(cause).replace("_", " "),
            "strategies": len(dead),
            "for example": ", ".join(name[:12] for name in dead["genome"].head(names)),
            "in full": dead["in_full"].iloc[0],
        }
        for cause, dead in graveyard.groupby("cause", sort=False)
    ]
    rows.sort(key=lambda row: -int(str(row["strategies"])))
    return pd.DataFrame(rows, columns=["cause", "strategies", "for example", "in full"])


def approvals_frame(granted: Sequence[tuple[Approval, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return one row an approval or permit, with the genes that it is for."""
    return pd.DataFrame(
        [
            {
                "genome": approval.genome,
                "genes": json.dumps(dict(genes)),
                "scope": approval.scope.value,
                "label": approval.label,
                "tier": approval.tier,
                "granted": approval.granted,
                "expires": approval.expires,
                "approval": json.dumps(approval.to_json()),
            }
            for approval, genes in granted
        ],
        columns=APPROVAL_COLUMNS,
    )


def signals_frame(signals: Sequence[Signal]) -> pd.DataFrame:
    """Return one row a signal."""
    return pd.DataFrame(
        [
            {
                "day": str(one.day),
                "symbol": one.symbol,
                "purpose": one.purpose.value,
                "side": one.side.value,
                "quantity": one.quantity,
                "close": float(one.close),
                "limit": float(one.limit_price),
                "reason": one.reason,
                "genome": one.genome_hash,
            }
            for one in signals
        ],
        columns=SIGNAL_COLUMNS,
    )


def outcomes_frame(intents: Sequence[Intent], outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """Return one row an intent with its outcome so far."""
    return pd.DataFrame(
        [
            {
                "key": one.key,
                "symbol": one.symbol,
                "purpose": one.purpose.value,
                "side": one.side.value,
                "quantity": one.quantity,
                "limit": float(one.limit_price),
                "valid_from": str(one.valid_from),
                "valid_until": str(one.valid_until),
                "outcome": outcomes[one.key].value,
                "tag": one.tag,
            }
            for one in intents
        ],
        columns=OUTCOME_COLUMNS,
    )


def labels_frame(bars: Bars, codes: NDArray[np.int8]) -> pd.DataFrame:
    """Return one row a bar: its time and the regime that was known then, null in the warm-up."""
    names = np.array([*(regime.value for regime in REGIMES), None], dtype=object)
    return pd.DataFrame({"time": bars.times.astype("datetime64[s]"), "regime": names[codes]})
