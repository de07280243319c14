"""Results as tables for the lake and back; what a table looks like to a person stands elsewhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kasauti.evolution.outcome import SearchResult
from kasauti.execution.model import Intent, Outcome
from kasauti.execution.signals import Signal
from kasauti.market.bars import Bars
from kasauti.market.findings import Finding
from kasauti.regimes.model import REGIMES
from kasauti.validation.approvals import Approval
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
                "median": step.median,
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
            }
            for verdict, is_reference in verdicts
            for gate in verdict.gates
        ]
    )


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
