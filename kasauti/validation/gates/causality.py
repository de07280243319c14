"""Gate 1: nothing that the strategy decides may depend on later bars."""

import numpy as np

from kasauti.features.causality import choose_cuts, find_leaks
from kasauti.validation.gates.model import Case, Gate
from kasauti.validation.prover import decisions, lag_of

CUTS, MOVES = 4, 1  # random cuts and largest moves


def examine(case: Case) -> Gate:
    """Cut the data and change its future: nothing decided before may change."""
    rng = np.random.default_rng(case.seed)
    cuts = choose_cuts(case.bars, rng, count=CUTS, moves=MOVES)
    own = case.backtester
    leaks = find_leaks(lambda bars: decisions(own, case.genome, bars), case.bars, cuts, case.seed)
    lag = lag_of(own.passes(case.genome), case.bars, case.genome.side)
    figures = {"cuts": len(cuts), "leaks": len(leaks), "lag": lag.to_json()}
    if leaks:
        first = leaks[0]
        when = case.bars.times[first.first_bad_position]
        reason = f"looks ahead: what it did on {when} changed under {first.what} of later bars"
        return Gate("causality", False, reason, figures)
    reason = (
        f"cutting the data at {len(cuts)} places and changing everything after them changed no "
        "signal and no position before"
    )
    if lag.suspicious:
        reason += (
            f"; acting one bar later would leave a Sharpe ratio of {lag.delayed:.2f} of "
            f"{lag.sharpe:.2f} (without costs): make sure that its prices were known in time"
        )
    return Gate("causality", True, reason, figures)
