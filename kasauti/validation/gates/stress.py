"""Gate 4: no crash, real or made, may cost more than a fifth."""

from kasauti.validation import stress
from kasauti.validation.gates.model import Case, Gate


def examine(case: Case) -> Gate:
    """Replay the crashes that the searched bars cover, and a gap overnight."""
    found = stress.stress(case.bars, case.result)
    figures = {
        "losses": [
            {"scenario": x.scenario, "symbol": x.symbol, "loss": x.loss} for x in found.losses
        ],
        "gap": {"symbol": found.gap.symbol, "loss": found.gap.loss},
        "untested": list(found.untested),
    }
    side = case.genome.side
    if found.fatal:
        told = "; ".join(stress.describe(loss, side) for loss in found.fatal)
        reason = f"loses more than 20 % in {told}"
    else:
        worst = min((*found.losses, found.gap), key=lambda loss: loss.loss)
        reason = f"{len(found.losses)} crashes replayed; the worst scenario was "
        reason += stress.describe(worst, side) if worst.loss < 0 else "none: it lost in no scenario"
    if found.untested:
        reason += f". Not covered, so untested: {', '.join(found.untested)}"
    return Gate("stress", not found.fatal, reason, figures)
