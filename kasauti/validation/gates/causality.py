"""Gate 1: nothing that the strategy decides may depend on later bars."""

import numpy as np

from kasauti.backtest import Backtester
from kasauti.features.causality import choose_cuts, find_leaks
from kasauti.market.bars import Bars, Floats
from kasauti.validation import stress
from kasauti.validation.gates.model import Case, Gate

CUTS, MOVES = 4, 1  # random cuts and largest moves


def examine(case: Case) -> Gate:
    """Cut the data and change its future: nothing decided before may change."""
    rng = np.random.default_rng(case.seed)
    cuts = choose_cuts(case.bars, rng, count=CUTS, moves=MOVES)
    leaks = find_leaks(lambda bars: _decisions(case, bars), case.bars, cuts, case.seed)
    figures = {"cuts": len(cuts), "leaks": len(leaks)}
    if leaks:
        first = leaks[0]
        when = case.bars.times[first.first_bad_position]
        reason = f"looks ahead: what it did on {when} changed under {first.what} of later bars"
        return Gate("causality", False, reason, figures)
    reason = (
        f"cutting the data at {len(cuts)} places and changing everything after them changed no "
        "signal and no position before"
    )
    return Gate("causality", True, reason, figures)


def _decisions(case: Case, bars: Bars) -> Floats:
    """Return entries, exits and shares held of every symbol, shape (3 S, T)."""
    own = case.backtester
    backtester = Backtester(bars, account=own.account, dialect=own.dialect, market=own.market)
    enter, leave = backtester.rules(case.genome)
    result = backtester.run(case.genome)
    held = [
        stress.held_shares(bars, result, row, delisting_too=True)
        for row in range(len(bars.symbols))
    ]
    return np.concatenate([enter, leave, held])
