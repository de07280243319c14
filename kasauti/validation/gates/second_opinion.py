"""Gate 8: vectorbt trades the same rules and must make the same trades."""

from kasauti.backtest.second_opinion import compare
from kasauti.validation.gates.model import Case, Gate


def examine(case: Case) -> Gate:
    """Let vectorbt trade the same rules and compare every trade."""
    own = case.backtester
    found = compare([case.genome], case.bars, account=own.account, labels=own.labels)
    figures = {
        "trades": found.trades,
        "differing": found.differing,
        "max_relative_difference": found.max_relative_difference,
        "left_out": dict(found.left_out),
        "excluded": dict(found.excluded),
    }
    if found.genomes == 0 or found.trades == 0:
        why = ", ".join(found.excluded) or "no trade"
        return Gate("second_opinion", False, f"vectorbt has nothing to compare: {why}", figures)
    if found.differing:
        reason = f"vectorbt disagrees on {found.differing} of {found.trades} trades"
        return Gate("second_opinion", False, reason, figures)
    reason = f"vectorbt makes the same {found.trades} trades"
    if found.left_out:
        reason += f", leaving out what it cannot express: {', '.join(found.left_out)}"
    return Gate("second_opinion", True, reason, figures)
