"""What a tester says and what it rests on: bounds, checks, evidence, opinion; nothing is measured.

A check compares one figure with a bound and gives it points from 0 to 1. A tester's score is the
mean of its checks' points, in percent. One check that blocks makes the tester fail, whatever else
it found.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from kasauti.validation.gates.model import plain

DOUBTFUL_SCORE = 50.0  # on average no more than half of the way from failing to fine
HIGHEST_FAILING_SCORE = 39.0  # a tester that failed never ranks beside one that did not
FEWEST_REASONS = 3  # of a tester that has nothing to complain of: what convinced it most


class Ruling(StrEnum):
    """What a tester, or one of its checks, comes to; only ``fail`` blocks."""

    PASS = "pass"
    DOUBT = "doubt"
    FAIL = "fail"


class Bound(NamedTuple):
    """Where a figure is bad and where it is fine; the order of the two gives the direction.

    At `bad` or beyond there are no points, and the check fails if it `blocks`; at `fine` or beyond
    there are all of them; between the two the check doubts.
    """

    bad: float
    fine: float
    blocks: bool = True


@dataclass(frozen=True)
class Check:
    """One question to a genome, with its answer in plain words."""

    name: str
    points: float
    ruling: Ruling
    words: str


def check(name: str, value: float | None, bound: Bound, words: str) -> Check:
    """Return how `value` stands against `bound`; None, what could not be measured, is a doubt."""
    if value is None:
        return Check(name, 0.5, Ruling.DOUBT, words)
    points = min(max((value - bound.bad) / (bound.fine - bound.bad), 0.0), 1.0)
    if points >= 1.0:
        return Check(name, points, Ruling.PASS, words)
    fails = points <= 0.0 and bound.blocks
    return Check(name, points, Ruling.FAIL if fails else Ruling.DOUBT, words)


@dataclass(frozen=True)
class GeneUse:
    """One active gene through a tester's eyes.

    Attributes
    ----------
    gene : str
        Its name in a genome file.
    value : str
        As a genome file has it, all constants and windows of a rule included.
    acted : int
        How often it decided anything, see `kasauti.testers.uses`; 0 for a gene that never did.
    figure : float
        The tester's own measure of what happened where the gene acted.
    """

    gene: str
    value: str
    acted: int
    figure: float


@dataclass(frozen=True)
class Evidence:
    """What a tester measured itself; each tester has its own fields beside these.

    Attributes
    ----------
    genes : tuple of GeneUse
        Every active gene of the genome.
    """

    genes: tuple[GeneUse, ...]

    @property
    def figures(self) -> dict[str, Any]:
        """The tester's own figures without the genes, as JSON has them."""
        names = [field.name for field in fields(self) if field.name != "genes"]
        return {name: plain(getattr(self, name)) for name in names}

    @cached_property
    def digest(self) -> str:
        """sha256 of everything in it: another digest, another finding."""
        text = json.dumps(plain(asdict(self)), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Opinion:
    """One tester's finding.

    Attributes
    ----------
    tester : str
    score : float
        0 to 100.
    ruling : Ruling
    reasons : tuple of str
        In plain words, what speaks against the genome first.
    checks : tuple of Check
    evidence : Evidence
    """

    tester: str
    score: float
    ruling: Ruling
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    evidence: Evidence

    def to_json(self) -> dict[str, Any]:
        """Return the opinion as plain values."""
        return {
            "score": round(self.score, 1),
            "verdict": self.ruling.value,
            "reasons": list(self.reasons),
            "checks": [asdict(one) for one in self.checks],
            "evidence": self.evidence.figures,
            "genes": [asdict(use) for use in self.evidence.genes],
            "digest": self.evidence.digest,
        }


def opinion(tester: str, checks: Sequence[Check], evidence: Evidence) -> Opinion:
    """Return what the checks come to together."""
    score = 100.0 * sum(one.points for one in checks) / len(checks)
    failed = [one for one in checks if one.ruling is Ruling.FAIL]
    doubted = sorted(
        (one for one in checks if one.ruling is Ruling.DOUBT), key=lambda one: one.points
    )
    told = [*failed, *doubted]
    if len(told) < FEWEST_REASONS:
        told += [one for one in checks if one.ruling is Ruling.PASS][: FEWEST_REASONS - len(told)]
    if failed:
        ruling, score = Ruling.FAIL, min(score, HIGHEST_FAILING_SCORE)
    else:
        ruling = Ruling.DOUBT if score < DOUBTFUL_SCORE else Ruling.PASS
    idle = [use.gene for use in evidence.genes if not use.acted]
    reasons = [one.words for one in told]
    if idle:
        reasons.append(f"these genes never acted on these bars: {', '.join(idle)}")
    return Opinion(tester, score, ruling, tuple(reasons), tuple(checks), evidence)


def refusal(tester: str, why: str, evidence: Evidence) -> Opinion:
    """Return the opinion on a genome of which nothing can be measured."""
    only = Check("measurable", 0.0, Ruling.FAIL, why)
    return Opinion(tester, 0.0, Ruling.FAIL, (why,), (only,), evidence)
