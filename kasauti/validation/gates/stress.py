"""Gate 4: no crash, real or made, may cost more than a fifth."""

from dataclasses import asdict

from kasauti.errors import VerdictRefused
from kasauti.validation import stress
from kasauti.validation.gates.model import Case, Gate


def examine(case: Case) -> Gate:
    """Replay the crashes that the searched bars cover, and send the genome through made ones.

    The figures' `caps_tier` says that untested history allows the lowest capital tier only.
    """
    try:
        found = stress.laboratory_of(case.backtester, case.seed).examine(case.genome, case.result)
    except VerdictRefused as refusal:
        return Gate("stress", False, f"not tested: {refusal}", {"caps_tier": True})
    figures = {
        "losses": [asdict(loss) for loss in found.losses],
        "synthetic": [asdict(loss) for loss in found.synthetic],
        "untested": list(found.untested),
        "cold": list(found.cold),
        "differing": list(found.differing),
        "caps_tier": found.caps_tier,
        "notes": list(found.notes),
    }
    side = case.genome.side
    if found.fatal:
        told = "; ".join(stress.describe(loss, side) for loss in found.fatal)
        reason = f"loses more than 20 % in {told}"
    elif not found.losses:
        reason = "these bars cover no known crash, so nobody knows what one would do to it"
    else:
        worst = min((*found.losses, *found.synthetic), key=lambda loss: loss.loss)
        reason = (
            f"{len(found.losses)} crashes replayed, {len(found.synthetic)} made; the worst was "
        )
        reason += stress.describe(worst, side) if worst.loss < 0 else "none: it lost in no scenario"
    if found.untested:
        reason += f". Not covered, so untested: {', '.join(found.untested)}"
    if found.cold:
        reason += f". Began before its indicators were warm: {', '.join(found.cold)}"
    if found.differing:
        reason += f". These bars differ from the record: {', '.join(found.differing)}"
    for note in found.notes:
        reason += f". {note[:1].upper()}{note[1:]}"
    if found.caps_tier:
        reason += ". Untested history allows the lowest capital tier only"
    return Gate("stress", bool(found.losses) and not found.fatal, reason, figures)
