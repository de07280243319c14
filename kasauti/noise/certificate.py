"""How often the pipeline approves what has no edge, and how often what has one; nothing is run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kasauti.noise.pipeline import APPROVED, YEARS, Outcome

CONFIDENCE = 0.95

ALLOWED = 0.0025
"""False approvals for which the best possible power is given; what is in use is stricter."""


def clopper_pearson(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson 1934).

    With no hit, or with nothing but hits, the other side takes the whole error, as the bound that
    one would quote then is one-sided: 0 of 300 is at most 1 %.

    Raises
    ------
    ValueError
        Unless 0 <= hits <= trials and trials > 0.
    """
    from scipy.stats import beta

    if not 0 <= hits <= trials or not trials:
        raise ValueError(f"{hits} of {trials} is no share")
    sides = 1.0 if hits in (0, trials) else 2.0
    error = (1.0 - confidence) / sides
    low = 0.0 if hits == 0 else float(beta.ppf(error, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1.0 - error, hits + 1, trials - hits))
    return low, high


@dataclass(frozen=True)
class Certificate:
    """What was measured on worlds whose truth is known.

    Attributes
    ----------
    plain : tuple of Outcome
        Worlds without an edge.
    planted : tuple of (float, tuple of Outcome)
        By the net Sharpe ratio that was planted.
    evaluations : int
        Of each search; larger searches are not certified.
    seconds : float
        Of this run and of the worlds that earlier starts of it kept.
    """

    plain: tuple[Outcome, ...]
    planted: tuple[tuple[float, tuple[Outcome, ...]], ...]
    evaluations: int
    seed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as ``kasauti noise --json`` prints it."""
        count, approved = len(self.plain), _approved(self.plain)
        every = [*self.plain, *(one for _, some in self.planted for one in some)]
        return {
            "worlds": count,
            "approved_worlds": approved,
            "rate": approved / count if count else None,
            "interval": list(clopper_pearson(approved, count)) if count else None,
            "planted": [_planted_row(sharpe, some) for sharpe, some in self.planted],
            "seconds": self.seconds,
            "evaluations": self.evaluations,
            "evaluations_done": sum(one.evaluations for one in every),
            "years": YEARS,
            "seed": self.seed,
            "generators": dict(Counter(one.generator for one in self.plain)),
            "markets": dict(Counter(one.base for one in self.plain)),
            "approved_by_generator": {
                name: _approved([one for one in self.plain if one.generator == name])
                for name in sorted({one.generator for one in self.plain})
            },
            "stopped_by": stopped_by(self.plain),
            "seconds_by_part": seconds_by_part(every),
        }


def stopped_by(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count worlds by the gate that stopped their best candidate; ``approved`` ones too."""
    ends = Counter(_end(one) for one in outcomes)
    return dict(ends.most_common())


def seconds_by_part(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the mean seconds of a world by part of the pipeline, in its own process."""
    parts = sorted({part for one in outcomes for part in one.seconds})
    return {
        part: sum(one.seconds.get(part, 0.0) for one in outcomes) / len(outcomes) for part in parts
    }


def _end(outcome: Outcome) -> str:
    if outcome.approved:
        return APPROVED
    return outcome.stopped_by[0] if outcome.stopped_by else "no candidate"


def _approved(outcomes: Sequence[Outcome]) -> int:
    return sum(one.approved for one in outcomes)


def _planted_row(sharpe: float, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    approved, count = _approved(outcomes), len(outcomes)
    return {
        "sharpe": sharpe,
        "worlds": count,
        "approved_worlds": approved,
        "power": approved / count,
        "interval": list(clopper_pearson(approved, count)),
        "own_sharpe": _mean([one.own_sharpe for one in outcomes]),
        "captured_sharpe": _mean([one.captured_sharpe for one in outcomes]),
        "best_possible_power": best_possible_power(sharpe),
        "stopped_by": stopped_by(outcomes),
    }


def best_possible_power(sharpe: float) -> float:
    """Return what no test could exceed: 12 searched and 3 sealed years, 1,000 independent trials.

    At a false-approval rate of 0.25 %, by the likelihood ratio of the two t.
    """
    from kasauti.validation.statistics.joined import Trial, best_power

    return best_power(Trial(), ALLOWED, sharpe)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
